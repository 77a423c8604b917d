//! What can go wrong.

use smallmind_abstractions::{Cancelled, Error as AbstractError};
use std::fmt;
use std::path::PathBuf;

/// A step of the pipeline, as errors name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Reading files and taking the text out of them.
    Reading,
    /// Making vectors of texts.
    Embedding,
    /// Writing to the store.
    Indexing,
    /// Searching, and reading what was found.
    Retrieval,
    /// Composing what a model is asked.
    Prompting,
    /// Writing an answer.
    Generation,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reading => "reading",
            Self::Embedding => "embedding",
            Self::Indexing => "indexing",
            Self::Retrieval => "retrieval",
            Self::Prompting => "prompting",
            Self::Generation => "generation",
        })
    }
}

/// What can go wrong between a document and what is found in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The work was cancelled or ran out of time.
    #[error("{stage}: {cause}")]
    Cancelled {
        /// Where it stopped.
        stage: Stage,
        /// Why.
        cause: Cancelled,
    },
    /// The store could not do its work.
    #[error("{stage}: the store reports: {source}")]
    Store {
        /// What was being done.
        stage: Stage,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The file is a database of something else.
    #[error("{} is no store of documents", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a later version of this crate.
    #[error("{} has format {found}; this version knows formats up to {known}", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: i64,
        /// The latest format this version knows.
        known: i64,
    },
    /// The store was made for documents in another language.
    #[error("the store was made for {found}, and {asked} was asked for")]
    OtherLanguage {
        /// The language of the store.
        found: String,
        /// The language asked for.
        asked: String,
    },
    /// The store holds vectors of another embedder.
    #[error(
        "the store's vectors are of {found}, and {asked} was given; use {found}, or forget them \
         and embed again"
    )]
    OtherEmbedder {
        /// Whose vectors the store holds, and how long they are.
        found: String,
        /// What was given.
        asked: String,
    },
    /// Vectors are not as many, or not as long, as they should be.
    #[error("vectors of {found} values in all were given; expected {expected}")]
    Vectors {
        /// How many values there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// Vectors cannot be compared.
    #[error("vectors cannot be compared: {0}")]
    Kernels(#[from] smallmind_runtime::Error),
    /// A file could not be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line of a file is not what it should be.
    #[error("{}, line {line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// An embedder, retriever or reranker failed.
    #[error(transparent)]
    Part(AbstractError),
}

impl Error {
    /// Names the stage in which a check of a token failed.
    pub(crate) fn cancelled(stage: Stage) -> impl Fn(Cancelled) -> Self {
        move |cause| Self::Cancelled { stage, cause }
    }

    /// Names the stage in which a part of the pipeline was stopped or failed.
    pub(crate) fn at(stage: Stage) -> impl Fn(AbstractError) -> Self {
        move |error| match error {
            AbstractError::Cancelled(cause) => Self::Cancelled { stage, cause },
            error => Self::Part(error),
        }
    }
}

impl From<AbstractError> for Error {
    fn from(error: AbstractError) -> Self {
        Self::at(Stage::Retrieval)(error)
    }
}

impl From<Error> for AbstractError {
    fn from(error: Error) -> Self {
        match error {
            Error::Cancelled { cause, .. } => Self::Cancelled(cause),
            Error::Part(error) => error,
            error => Self::Part { part: "store".to_owned(), reason: error.to_string() },
        }
    }
}
