//! The errors of this crate.

/// Why no tokenizer can be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A metadata key is missing or wrong.
    #[error(transparent)]
    Metadata(#[from] smallmind_abstractions::Error),
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
    #[error("pre-tokenizer '{found}' is not known; known: {supported}")]
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
}
