//! The errors of this crate.

use smallmind_abstractions::GenerationResult;
use std::time::Duration;

/// What can go wrong between a file and an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model cannot be loaded or run.
    #[error(transparent)]
    Runtime(#[from] smallmind_runtime::Error),
    /// No tokenizer can be built from the file.
    #[error(transparent)]
    Tokenizer(#[from] smallmind_tokenizers::Error),
    /// Text or ids that the tokenizer cannot take.
    #[error(transparent)]
    Encoding(#[from] smallmind_abstractions::Error),
    /// The tokenizer's vocabulary has another size than the model's.
    #[error(
        "the tokenizer has {tokens} tokens and the model {embeddings}: the file is inconsistent"
    )]
    VocabularyMismatch {
        /// Tokens of the tokenizer.
        tokens: usize,
        /// Rows of the model's embeddings.
        embeddings: usize,
    },
    /// A prompt of no tokens.
    #[error("the prompt is empty; give at least one token to continue")]
    EmptyPrompt,
    /// A prompt that leaves no room for an answer.
    #[error(
        "the prompt has {tokens} tokens and the context holds {capacity}; shorten it or ask for a longer context"
    )]
    PromptTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Tokens that the session's context holds.
        capacity: usize,
    },
    /// The session is in the middle of another generation.
    #[error("the session is in use by another generation; wait for it, or open a second session")]
    SessionInUse,
    /// The caller cancelled.
    #[error("cancelled after {} tokens", partial.tokens.len())]
    Cancelled {
        /// What was generated until then.
        partial: Box<GenerationResult>,
    },
    /// The caller's deadline passed.
    #[error("timed out after {after:?} and {} tokens", partial.tokens.len())]
    TimedOut {
        /// How long the generation ran.
        after: Duration,
        /// What was generated until then.
        partial: Box<GenerationResult>,
    },
}
