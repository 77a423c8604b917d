//! A tokenizer as `llguidance` wants to see it.

use llguidance::toktrie::{TokRxInfo, TokTrie, TokenizerEnv};
use smallmind_abstractions::{DecodeOptions, EncodeOptions, TokenId, TokenKind, Tokenizer};
use std::sync::Arc;

/// The bytes of all tokens as a tree.
pub(super) struct Vocabulary {
    tokenizer: Arc<dyn Tokenizer>,
    trie: TokTrie,
}

impl Vocabulary {
    /// `None` where no token ends a generation: a grammar could never end.
    pub(super) fn new(tokenizer: &Arc<dyn Tokenizer>) -> Option<Self> {
        let ends = &tokenizer.special().end_of_generation;
        let size = tokenizer.vocab_size();
        let info = TokRxInfo::new(u32::try_from(size).ok()?, *ends.first()?);
        let words: Vec<_> = (0..info.vocab_size).map(|id| bytes(&**tokenizer, id)).collect();
        let trie = TokTrie::from(&info, &words).with_eos_tokens(ends);
        Some(Self { tokenizer: Arc::clone(tokenizer), trie })
    }
}

/// What a token adds to a text; the mark of special tokens and the name for
/// those that add nothing, so that no grammar takes them for text.
fn bytes(tokenizer: &dyn Tokenizer, id: TokenId) -> Vec<u8> {
    let mut bytes = Vec::new();
    let special = matches!(
        tokenizer.token_kind(id),
        None | Some(TokenKind::Control | TokenKind::Unknown | TokenKind::Unused)
    );
    if special || tokenizer.is_end_of_generation(id) {
        bytes.push(TokTrie::SPECIAL_TOKEN_MARKER);
        bytes.extend(tokenizer.token_text(id).unwrap_or_default());
        return bytes;
    }
    let options = DecodeOptions { continuation: true, ..Default::default() };
    // An id below the vocabulary's size is never out of range.
    let _ = tokenizer.token_bytes_into(id, options, &mut bytes);
    bytes
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<TokenId> {
        let options = EncodeOptions { add_special: false, parse_special: false };
        let mut ids = Vec::new();
        match self.tokenizer.encode_into(text, options, &mut ids) {
            Ok(()) => ids,
            Err(_) => self.trie.greedy_tokenize(text),
        }
    }

    /// Nothing is forced: each token is the model's choice.
    fn tokenize_is_canonical(&self) -> bool {
        false
    }
}
