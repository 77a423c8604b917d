//! The errors of this crate.

use crate::reason;
use smallmind_abstractions::{Diagnostic, Error as AbstractError, ReasonCode};

/// Why no tokenizer can be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A metadata key is missing or wrong.
    #[error(transparent)]
    Metadata(#[from] AbstractError),
    /// `tokenizer.ggml.model` names an algorithm that is not supported.
    #[error("tokenizer model '{found}' is not supported; supported: {supported}")]
    UnsupportedModel {
        /// The name found.
        found: String,
        /// The names that would work.
        supported: String,
    },
    /// `tokenizer.ggml.pre` names a rule that is not known. A wrong guess
    /// would cost quality in silence.
    #[error("pre-tokenizer '{found}' is not known; choose one that is: {supported}")]
    UnknownPreTokenizer {
        /// The name found.
        found: String,
        /// The names that would work.
        supported: String,
    },
    /// The vocabulary contradicts itself.
    #[error("metadata key '{key}' has {found}; expected {expected}")]
    Vocabulary {
        /// The key with the fault.
        key: String,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// BOS or EOS is no token.
    #[error("metadata key '{key}' is {found}; expected a token id below {tokens}")]
    SpecialToken {
        /// The key.
        key: String,
        /// What is there.
        found: String,
        /// The number of tokens.
        tokens: usize,
    },
    /// `tokenizer.ggml.precompiled_charsmap` is damaged.
    #[error("the normalization table has {found}; expected {expected}")]
    Charsmap {
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A `tokenizer.json` has what GGUF has not, or the other way round.
    #[cfg(feature = "hf")]
    #[error("tokenizer.json {what}")]
    TokenizerJson {
        /// What it has or lacks.
        what: String,
    },
    /// Something is wrong or odd, and the factory is strict.
    #[error("{0}")]
    Strict(Diagnostic),
}

impl Error {
    /// The reason code of this error.
    pub fn code(&self) -> ReasonCode {
        match self {
            Self::Metadata(AbstractError::MetadataMissing { key, .. })
                if key == crate::factory::MODEL =>
            {
                reason::METADATA_MISSING
            }
            Self::Vocabulary { key, .. } if key == crate::vocabulary::MERGES => {
                reason::MERGES_INVALID
            }
            Self::Metadata(_) | Self::Vocabulary { .. } => reason::VOCAB_PARTIAL,
            Self::UnsupportedModel { .. } => reason::MODEL_UNSUPPORTED,
            Self::UnknownPreTokenizer { .. } => reason::PRETOKENIZER_UNKNOWN,
            Self::SpecialToken { .. } => reason::SPECIAL_ID_OUT_OF_RANGE,
            Self::Charsmap { .. } => reason::CHARSMAP_INVALID,
            #[cfg(feature = "hf")]
            Self::TokenizerJson { .. } => reason::TOKENIZER_JSON_UNSUPPORTED,
            Self::Strict(issue) => issue.code,
        }
    }
}
