//! Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019), the `gpt2`
//! model of GGUF files.

use crate::Error;
use crate::bytes::CharacterBytes;
use crate::merge::{Merge, Symbols};
use crate::pretokenizer::PreTokenizer;
use crate::special::{Fragment, SpecialFinder};
use crate::text::replace_invalid;
use crate::vocabulary::{Vocabulary, wrong};
use rustc_hash::FxHashMap;
use smallmind_abstractions::{
    DecodeOptions, EncodeOptions, Error as AbstractError, Metadata, StringTable, TokenId,
    TokenKind, Tokenizer, TokenizerDiagnostics,
};

const MERGES: &str = "tokenizer.ggml.merges";

/// A byte-level BPE tokenizer. Bytes that are not UTF-8 are taken as U+FFFD.
#[derive(Debug)]
pub(crate) struct ByteBpe {
    vocabulary: Vocabulary,
    special: SpecialFinder,
    pre: PreTokenizer,
    merges: FxHashMap<(TokenId, TokenId), (u32, TokenId)>,
    /// The token of each single byte.
    byte_ids: [Option<TokenId>; 256],
    /// The bytes of every token.
    bytes: StringTable,
    /// Tokens by their bytes, where whole pieces are looked up.
    by_bytes: FxHashMap<Box<[u8]>, TokenId>,
    diagnostics: TokenizerDiagnostics,
}

impl ByteBpe {
    pub(crate) fn new(
        metadata: &Metadata,
        vocabulary: Vocabulary,
        pre_name: &str,
    ) -> Result<Self, Error> {
        let pre = PreTokenizer::named(pre_name)?;
        let bytes = token_bytes(&vocabulary);
        let mut byte_ids = [None; 256];
        let mut by_bytes = FxHashMap::default();
        for ((id, _, kind), bytes) in vocabulary.iter().zip(bytes.iter()) {
            if let ([byte], TokenKind::Normal | TokenKind::Byte) = (bytes, kind) {
                byte_ids[usize::from(*byte)].get_or_insert(id);
            }
            if pre.whole_pieces {
                by_bytes.insert(bytes.into(), id);
            }
        }
        let table: &StringTable = metadata.get(MERGES)?;
        let merges = read_merges(&vocabulary, table)?;
        let diagnostics = TokenizerDiagnostics {
            tokenizer_type: "byte-level BPE".to_owned(),
            pre_tokenizer: Some(pre_name.to_owned()),
            vocab_size: vocabulary.len(),
            merge_count: table.len(),
            special: vocabulary.special.clone(),
            issues: Vec::new(),
        };
        let special = SpecialFinder::new(&vocabulary);
        Ok(Self { vocabulary, special, pre, merges, byte_ids, bytes, by_bytes, diagnostics })
    }

    fn encode_text(&self, text: &str, symbols: &mut Symbols, out: &mut Vec<TokenId>) {
        let mut ids = Vec::new();
        for piece in self.pre.cut(text) {
            let piece = &text.as_bytes()[piece];
            if let Some(id) = self.by_bytes.get(piece) {
                out.push(*id);
                continue;
            }
            ids.clear();
            ids.extend(piece.iter().filter_map(|b| self.byte_ids[usize::from(*b)]));
            symbols.merge(&mut ids, |left, right| {
                let (priority, merged) = *self.merges.get(&(left, right))?;
                Some(Merge { priority, merged })
            });
            out.extend_from_slice(&ids);
        }
    }
}

/// What every token stands for.
fn token_bytes(vocabulary: &Vocabulary) -> StringTable {
    let characters = CharacterBytes::new();
    let mut table = StringTable::with_capacity(vocabulary.len(), vocabulary.len() * 6);
    let mut bytes = Vec::new();
    for (_, text, kind) in vocabulary.iter() {
        bytes.clear();
        match std::str::from_utf8(text) {
            Ok(text) if matches!(kind, TokenKind::Normal | TokenKind::Byte) => {
                characters.decode(text, &mut bytes);
            }
            _ => bytes.extend_from_slice(text),
        }
        table.push(&bytes);
    }
    table
}

/// Merges by the tokens they join, in the order of their rank. A merge that
/// names or makes no token can never apply.
fn read_merges(
    vocabulary: &Vocabulary,
    table: &StringTable,
) -> Result<FxHashMap<(TokenId, TokenId), (u32, TokenId)>, Error> {
    let mut merges = FxHashMap::default();
    merges.reserve(table.len());
    let mut joined = Vec::new();
    for (rank, merge) in table.iter().enumerate() {
        // The space that parts the two is not the first byte: a merge may
        // begin with one.
        let space = merge.iter().skip(1).position(|b| *b == b' ').map(|at| at + 1);
        let Some(space) = space else {
            let found = format!("'{}' as merge {rank}", merge.escape_ascii());
            return Err(wrong(MERGES, "two tokens parted by a space", found));
        };
        let (left, right) = (&merge[..space], &merge[space + 1..]);
        joined.clear();
        joined.extend_from_slice(left);
        joined.extend_from_slice(right);
        let ids = (vocabulary.id(left), vocabulary.id(right), vocabulary.id(&joined));
        if let (Some(left), Some(right), Some(merged)) = ids {
            merges.entry((left, right)).or_insert((rank as u32, merged));
        }
    }
    Ok(merges)
}

impl Tokenizer for ByteBpe {
    fn encode_into(
        &self,
        text: &[u8],
        options: EncodeOptions,
        out: &mut Vec<TokenId>,
    ) -> Result<(), AbstractError> {
        let special = &self.vocabulary.special;
        out.extend(special.bos.filter(|_| options.add_special && special.add_bos));
        let mut symbols = Symbols::default();
        for fragment in self.special.cut(text, options.parse_special) {
            match fragment {
                Fragment::Token(id) => out.push(id),
                Fragment::Text(range) => {
                    self.encode_text(&replace_invalid(&text[range]), &mut symbols, out);
                }
            }
        }
        out.extend(special.eos.filter(|_| options.add_special && special.add_eos));
        Ok(())
    }

    fn token_bytes_into(
        &self,
        id: TokenId,
        options: DecodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), AbstractError> {
        let vocab_size = self.vocab_size();
        let (Some(kind), Some(bytes)) = (self.token_kind(id), self.bytes.get(id as usize)) else {
            return Err(AbstractError::TokenOutOfRange { id, vocab_size });
        };
        let hidden = matches!(kind, TokenKind::Control | TokenKind::Unknown | TokenKind::Unused);
        if !hidden || options.show_special {
            out.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn strips_leading_space(&self) -> bool {
        false
    }

    fn vocab_size(&self) -> usize {
        self.vocabulary.len()
    }

    fn token_text(&self, id: TokenId) -> Option<&[u8]> {
        self.vocabulary.text(id)
    }

    fn token_id(&self, text: &[u8]) -> Option<TokenId> {
        self.vocabulary.id(text)
    }

    fn token_kind(&self, id: TokenId) -> Option<TokenKind> {
        self.vocabulary.kind(id)
    }

    fn diagnostics(&self) -> &TokenizerDiagnostics {
        &self.diagnostics
    }
}
