//! BPE with merges: byte-level (Sennrich et al. 2016; Radford et al. 2019), the
//! `gpt2` model of GGUF files, and over text, the `gemma4` model.
//!
//! Bytes that are no UTF-8 are taken as U+FFFD; see
//! [`well_formed`](crate::unicode::well_formed).

use super::symbols::{SymbolReader, Symbols, byte_symbols, spell_bytes, spell_characters};
use crate::Error;
use crate::bytes::ByteCharacters;
use crate::findings::Findings;
use crate::merge::{Merge, Merges, Symbol};
use crate::parallel;
use crate::pretokenizer::{Habits, PreTokenizer};
use crate::reason;
use crate::spaces::{self, Cuts};
use crate::tables::{PieceCache, TextTable};
use crate::tokenizer::{Model, Scratch, Work};
use crate::unicode::{self, Class};
use crate::vocabulary::Vocabulary;
use smallmind_abstractions::{StringTable, TokenId, TokenKind};
use std::ops::Range;

/// A BPE model.
#[derive(Debug)]
pub(crate) struct Bpe {
    pre: PreTokenizer,
    habits: Habits,
    symbols: Symbols,
    alphabet: Alphabet,
    characters: ByteCharacters,
    /// White space parts the text and is not written; `true` where capitals
    /// are written small, too.
    words_only: Option<bool>,
}

/// What symbols are made of.
#[derive(Debug)]
enum Alphabet {
    Bytes {
        symbols: Box<[TokenId; 256]>,
        /// Tokens by their bytes, where whole pieces are looked up.
        whole: Option<(StringTable, TextTable)>,
    },
    Text {
        known: KnownTexts,
        /// The token of each byte.
        bytes: Vec<Option<TokenId>>,
        cuts: Box<Cuts>,
    },
}

/// Ids of symbols by their text.
#[derive(Debug)]
struct KnownTexts {
    texts: StringTable,
    table: TextTable,
    ids: Vec<TokenId>,
}

/// What a [`Bpe`] is built from beside its vocabulary.
pub(crate) struct BpeOptions<'a> {
    pub(crate) merges: &'a StringTable,
    pub(crate) pre: PreTokenizer,
    pub(crate) habits: Habits,
    pub(crate) words_only: Option<bool>,
}

impl Bpe {
    pub(crate) fn new(
        vocabulary: &Vocabulary,
        options: BpeOptions<'_>,
        findings: &mut Findings,
    ) -> Result<Self, Error> {
        let BpeOptions { merges, pre, habits, words_only } = options;
        let (symbols, alphabet) = if habits.text_tokens {
            text_alphabet(vocabulary, merges, findings)?
        } else {
            byte_alphabet(vocabulary, merges, habits.whole_pieces, findings)?
        };
        let characters = ByteCharacters::new();
        Ok(Self { pre, habits, symbols, alphabet, characters, words_only })
    }

    fn encode_pieces(&self, text: &[u8], scratch: &mut Scratch, out: &mut Vec<TokenId>) {
        self.encode_until(text, text.len(), scratch, out);
    }

    /// Encodes the pieces of `text` that begin before `end`, where one ends.
    fn encode_until(&self, text: &[u8], end: usize, scratch: &mut Scratch, out: &mut Vec<TokenId>) {
        let Scratch { cache, work } = scratch;
        self.pre.cut_until(text, end, &mut |piece| {
            let piece = &text[piece];
            match &self.alphabet {
                Alphabet::Text { cuts, .. } if self.habits.escape_spaces => {
                    for part in cuts.pieces(piece) {
                        self.encode_cached(&piece[part], cache, work, out);
                    }
                }
                _ => self.encode_cached(piece, cache, work, out),
            }
        });
    }

    #[inline]
    fn encode_cached(
        &self,
        piece: &[u8],
        cache: &mut PieceCache,
        work: &mut Work,
        out: &mut Vec<TokenId>,
    ) {
        if piece.len() > PieceCache::LONGEST {
            return self.encode_piece(piece, work, out);
        }
        cache.get_or(piece, out, |out| self.encode_piece(piece, work, out));
    }

    fn encode_piece(&self, piece: &[u8], work: &mut Work, out: &mut Vec<TokenId>) {
        if let Some(id) = self.whole_piece(piece) {
            return out.push(id);
        }
        let Work { merger, row, text, unknown, .. } = work;
        row.clear();
        match &self.alphabet {
            Alphabet::Bytes { symbols, .. } => {
                piece.iter().for_each(|byte| row.push(symbols[usize::from(*byte)], 1));
            }
            Alphabet::Text { known, .. } => {
                text.clear();
                if self.habits.escape_spaces {
                    spaces::escape(piece, text);
                } else {
                    text.extend_from_slice(piece);
                }
                unknown.clear();
                known.push_all(text, self.symbols.end(), unknown, row);
            }
        }
        merger.merge(row, &mut Ranked(&self.symbols));
        for id in &row.ids {
            match (id.checked_sub(self.symbols.end()), &self.alphabet) {
                (Some(index), Alphabet::Text { bytes, .. }) => {
                    let (start, end) = unknown[index as usize];
                    let characters = &text[start as usize..end as usize];
                    out.extend(characters.iter().filter_map(|b| bytes[usize::from(*b)]));
                }
                _ => self.symbols.write(*id, out),
            }
        }
    }

    /// The token that a piece is without any merge.
    fn whole_piece(&self, piece: &[u8]) -> Option<TokenId> {
        match &self.alphabet {
            Alphabet::Bytes { whole: Some((texts, table)), .. } => table.get(texts, piece),
            Alphabet::Text { known, .. } if self.is_whole_line(piece) => {
                known.token(piece).filter(|id| self.symbols.is_token(*id))
            }
            _ => None,
        }
    }

    fn is_whole_line(&self, piece: &[u8]) -> bool {
        self.habits.whole_lines && piece.iter().all(|byte| *byte == b'\n')
    }

    /// The words of `text`, one space between them.
    fn words(&self, text: &[u8], lowercase: bool) -> Vec<Vec<u8>> {
        let mut words = vec![Vec::new()];
        for code in unicode::code_points(text) {
            if unicode::class(code) == Class::Space {
                words.push(Vec::new());
            } else if let Some(word) = words.last_mut() {
                unicode::encode(if lowercase { unicode::lower(code) } else { code }, word);
            }
        }
        words
    }
}

/// Merges by rank.
struct Ranked<'a>(&'a Symbols);

impl Merges for Ranked<'_> {
    #[inline]
    fn merge(&mut self, left: Symbol, right: Symbol) -> Option<Merge> {
        self.0.merges.get(left.id, right.id)
    }

    fn end(&self) -> TokenId {
        self.0.end()
    }
}

impl Model for Bpe {
    fn encode(&self, text: &[u8], _: bool, scratch: &mut Scratch, out: &mut Vec<TokenId>) {
        let Some(lowercase) = self.words_only else {
            return self.encode_pieces(&unicode::well_formed(text), scratch, out);
        };
        for word in self.words(text, lowercase) {
            self.encode_pieces(&word, scratch, out);
        }
    }

    fn cuts(&self, text: &[u8], parts: usize) -> Vec<usize> {
        if self.words_only.is_some() || std::str::from_utf8(text).is_err() {
            return Vec::new();
        }
        self.pre.places(text, parallel::wanted(text.len(), parts))
    }

    fn encode_part(
        &self,
        text: &[u8],
        part: Range<usize>,
        opening: bool,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) {
        if part == (0..text.len()) {
            return self.encode(text, opening, scratch, out);
        }
        // What follows the part may decide where its last pieces end.
        self.encode_until(&text[part.start..], part.len(), scratch, out);
    }

    fn decode(&self, _: TokenId, text: &[u8], kind: TokenKind, out: &mut Vec<u8>) {
        if kind == TokenKind::Byte {
            out.extend(spaces::byte_of(text));
        } else if self.habits.escape_spaces {
            spaces::unescape(text, out);
        } else {
            self.characters.decode(text, out);
        }
    }

    fn prefixes_space(&self) -> bool {
        false
    }
}

fn byte_alphabet(
    vocabulary: &Vocabulary,
    merges: &StringTable,
    whole_pieces: bool,
    findings: &mut Findings,
) -> Result<(Symbols, Alphabet), Error> {
    let spell = |symbol: &[u8]| spell_characters(vocabulary, symbol);
    let mut reader = SymbolReader::new(vocabulary, &spell);
    let merges = reader.read(merges, findings, |_| ())?;
    let (symbols, missing) = byte_symbols(&mut reader);
    if missing > 0 {
        let message = format!(
            "{missing} bytes have no token: text with them is lost; convert the model again"
        );
        findings.warning(reason::BYTES_MISSING, message);
    }
    let whole = whole_pieces.then(|| whole_tokens(vocabulary));
    let symbols = Box::new(symbols);
    Ok((reader.finish(merges), Alphabet::Bytes { symbols, whole }))
}

/// Tokens by their bytes. One that is not written in the characters of bytes
/// is no piece.
fn whole_tokens(vocabulary: &Vocabulary) -> (StringTable, TextTable) {
    let characters = ByteCharacters::new();
    let mut texts = StringTable::with_capacity(vocabulary.len(), vocabulary.len() * 7);
    let mut bytes = Vec::new();
    for (_, text, _) in vocabulary.iter() {
        bytes.clear();
        if !characters.decode(text, &mut bytes) {
            bytes.clear();
        }
        texts.push(&bytes);
    }
    let table = TextTable::new(&texts, |_| ());
    (texts, table)
}

fn text_alphabet(
    vocabulary: &Vocabulary,
    merges: &StringTable,
    findings: &mut Findings,
) -> Result<(Symbols, Alphabet), Error> {
    let spell = |symbol: &[u8]| spell_bytes(vocabulary, symbol);
    let mut reader = SymbolReader::new(vocabulary, &spell);
    let mut made = StringTable::new();
    let merges = reader.read(merges, findings, |symbol| made.push(symbol))?;
    let cuts = Box::new(Cuts::new(made.iter()));
    let bytes: Vec<_> = (0..=u8::MAX).map(|b| vocabulary.id(&spaces::byte_name(b))).collect();
    let missing = bytes.iter().filter(|id| id.is_none()).count();
    if missing > 0 {
        let message = format!(
            "{missing} bytes have no token: characters that are no tokens are lost; convert the \
             model again"
        );
        findings.warning(reason::BYTES_MISSING, message);
    }
    let known = KnownTexts::new(vocabulary, &reader);
    Ok((reader.finish(merges), Alphabet::Text { known, bytes, cuts }))
}

impl KnownTexts {
    /// Characters that are tokens or that merges name, and line ends.
    fn new(vocabulary: &Vocabulary, reader: &SymbolReader<'_>) -> Self {
        let is_start = |text: &[u8]| {
            let character = text.first().is_some_and(|b| text.len() <= unicode::length(*b));
            character || text.iter().all(|b| *b == b'\n')
        };
        let tokens = vocabulary.iter().map(|(_, text, _)| text);
        let mut known = Self {
            texts: StringTable::new(),
            table: TextTable::new(&StringTable::new(), |_| ()),
            ids: Vec::new(),
        };
        for text in tokens.filter(|text| is_start(text)) {
            known.texts.push(text);
            known.ids.extend(reader.known(text));
        }
        for (text, id) in reader.others().filter(|(text, _)| is_start(text)) {
            known.texts.push(text);
            known.ids.push(id);
        }
        known.table = TextTable::new(&known.texts, |_| ());
        known
    }

    fn token(&self, text: &[u8]) -> Option<TokenId> {
        self.table.get(&self.texts, text).map(|index| self.ids[index as usize])
    }

    /// Appends the characters of `text` to `row`. Those that are no symbols
    /// get ids from `end` on.
    fn push_all(
        &self,
        text: &[u8],
        end: TokenId,
        unknown: &mut Vec<(u32, u32)>,
        row: &mut crate::merge::Row,
    ) {
        let mut at = 0;
        while at < text.len() {
            let next = text.len().min(at + unicode::length(text[at]));
            let id = self.token(&text[at..next]).unwrap_or_else(|| {
                unknown.push((at as u32, next as u32));
                end + unknown.len() as TokenId - 1
            });
            row.push(id, next - at);
            at = next;
        }
    }
}
