//! Search in your own documents.
//!
//! A [`Store`] is one durable file. What is put into it in one
//! [update](Store::update) is there as a whole or not at all, and readers work
//! meanwhile. A [`Bm25`] finds passages by their words.
//!
//! ```
//! use smallmind_abstractions::{CancellationToken, Retriever, SearchRequest};
//! use smallmind_rag::{Bm25, Document, Language, Store};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("kb");
//! let never = CancellationToken::new();
//! let store = Store::open(&path, Language::English, &never)?;
//! store.update(&never, |update| {
//!     update.put(&Document::from_text("wings.txt", "Wings", "Swept wings delay shock waves."))?;
//!     update.put(&Document::from_text("tea.txt", "Tea", "Steep the leaves for three minutes."))
//! })?;
//! let request = SearchRequest::new("wing shocks");
//! let hits = Bm25::new(store.clone()).retrieve(&request, &never)?;
//! let passage = &store.passages(&[hits[0].chunk], &request.access, &never)?[0];
//! assert_eq!((passage.source.as_str(), passage.lines.start), ("wings.txt", 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod analysis;
mod answer;
mod bm25;
mod dense;
mod document;
mod embed;
mod error;
pub mod eval;
mod fusion;
mod hits;
mod hybrid;
pub mod ingest;
#[cfg(feature = "engine")]
mod likelihood;
mod rerank;
mod store;

pub use analysis::{Analyzer, Language};
#[cfg(feature = "engine")]
pub use answer::LanguageModel;
pub use answer::{
    Answer, AnswerEvent, Answerer, Exchange, Generator, Messages, standalone_question,
};
pub use bm25::Bm25;
pub use dense::Dense;
pub use document::{Chunk, Document, Fingerprint, Passage, Unit};
pub use embed::{embed_missing, text_to_embed};
pub use error::{Error, Stage};
pub use fusion::Fusion;
pub use hybrid::Hybrid;
#[cfg(feature = "engine")]
pub use likelihood::LikelihoodReranker;
pub use rerank::Reranked;
pub use store::{Status, Store, Update};
