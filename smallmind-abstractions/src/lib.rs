//! What the layers of SmallMind say to each other.
//!
//! This crate holds traits, requests, results, errors, diagnostics and
//! cancellation. It does no I/O, knows no file format and no HTTP, and depends
//! on almost nothing, so that an implementer of one trait does not pull in the
//! rest of the workspace.
//!
//! ```
//! use smallmind_abstractions::{CancellationToken, GenerationOptions, GenerationRequest};
//!
//! let cancel = CancellationToken::new();
//! let request = GenerationRequest::new("The capital of France is")
//!     .with_options(GenerationOptions { max_tokens: Some(8), ..Default::default() });
//! assert!(cancel.check().is_ok());
//! # let _ = request;
//! ```

mod cancellation;
mod diagnostics;
mod error;
mod generation;
mod memory;
mod metadata;
mod retrieval;
mod sampling;
mod tokenizer;

pub use cancellation::{CancelCause, CancellationToken, Cancelled};
pub use diagnostics::{Diagnostic, ReasonCode, Severity};
pub use error::Error;
pub use generation::{
    Constraint, FinishReason, GenerationEvent, GenerationOptions, GenerationRequest,
    GenerationResult, Prompt, Timings, Usage,
};
pub use memory::PoolStats;
pub use metadata::{FromMetadata, Metadata, MetadataArray, MetadataValue, StringTable, ValueType};
pub use retrieval::{
    Access, ChunkId, Condition, Embedder, Embedding, EmbeddingRole, Hit, Reranker, Retriever,
    SearchRequest, VectorStore,
};
pub use sampling::{Dry, Mirostat, Penalties, SamplingOptions, TokenLogprobs, Xtc};
pub use tokenizer::{
    DecodeOptions, EncodeOptions, IncrementalDecoder, SpecialTokens, TokenId, TokenKind, Tokenizer,
    TokenizerDiagnostics,
};
