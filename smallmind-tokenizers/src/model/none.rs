//! No vocabulary: the `none` model of GGUF files, which takes ids alone.

use smallmind_abstractions::{
    DecodeOptions, EncodeOptions, Error, TokenId, TokenKind, Tokenizer, TokenizerDiagnostics,
};

/// A tokenizer for a model without a vocabulary.
#[derive(Debug)]
pub(crate) struct NoVocabulary {
    diagnostics: TokenizerDiagnostics,
}

impl NoVocabulary {
    pub(crate) fn new(diagnostics: TokenizerDiagnostics) -> Self {
        Self { diagnostics }
    }
}

impl Tokenizer for NoVocabulary {
    fn encode_into(&self, _: &[u8], _: EncodeOptions, _: &mut Vec<TokenId>) -> Result<(), Error> {
        Err(Error::NoVocabulary { reason: "tokenizer.ggml.model is 'none'".to_owned() })
    }

    fn token_bytes_into(
        &self,
        id: TokenId,
        _: DecodeOptions,
        _: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let vocab_size = self.vocab_size();
        if (id as usize) < vocab_size {
            Ok(())
        } else {
            Err(Error::TokenOutOfRange { id, vocab_size })
        }
    }

    fn strips_leading_space(&self) -> bool {
        false
    }

    fn vocab_size(&self) -> usize {
        self.diagnostics.vocab_size
    }

    fn token_text(&self, _: TokenId) -> Option<&[u8]> {
        None
    }

    fn token_id(&self, _: &[u8]) -> Option<TokenId> {
        None
    }

    fn token_kind(&self, _: TokenId) -> Option<TokenKind> {
        None
    }

    fn diagnostics(&self) -> &TokenizerDiagnostics {
        &self.diagnostics
    }
}
