//! The errors of this crate.

use crate::{Cancelled, TokenId, ValueType};

/// What can go wrong between the layers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A required metadata key is not there.
    #[error("metadata key '{key}' is missing; expected a value of type {expected}")]
    MetadataMissing {
        /// The key asked for.
        key: String,
        /// The type asked for.
        expected: &'static str,
    },
    /// A metadata key holds a value of another type.
    #[error("metadata key '{key}' has type {found}; expected {expected}")]
    MetadataType {
        /// The key asked for.
        key: String,
        /// The type asked for.
        expected: &'static str,
        /// The type stored.
        found: ValueType,
    },
    /// A metadata value has the right type and a value that cannot be used.
    #[error("metadata key '{key}' is {found}; expected {expected}")]
    MetadataValue {
        /// The key asked for.
        key: String,
        /// What would be accepted.
        expected: String,
        /// What is stored.
        found: String,
    },
    /// A token id is not in the vocabulary.
    #[error("token id {id} is outside the vocabulary of {vocab_size} tokens")]
    TokenOutOfRange {
        /// The id given.
        id: TokenId,
        /// The number of tokens in the vocabulary.
        vocab_size: usize,
    },
    /// The tokenizer cannot turn text into ids (a model without a vocabulary).
    #[error("this model has no vocabulary ({reason}); pass token ids instead of text")]
    NoVocabulary {
        /// Why there is none.
        reason: String,
    },
    /// A part of a search pipeline failed: an embedder, a store, a reranker.
    #[error("the {part} failed: {reason}")]
    Part {
        /// Which part.
        part: String,
        /// What it reported.
        reason: String,
    },
    /// The work was cancelled or ran out of time.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}
