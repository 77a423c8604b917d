//! Model loading and inference sessions: what Rust programs embed.
//!
//! ```no_run
//! use smallmind_abstractions::{CancellationToken, GenerationOptions, GenerationRequest};
//! use smallmind_engine::{Engine, EngineOptions, SessionOptions};
//!
//! let never = CancellationToken::new();
//! let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
//! let session = engine.session(SessionOptions::default())?;
//! let request = GenerationRequest::new("The capital of France is")
//!     .with_options(GenerationOptions { max_tokens: Some(16), ..Default::default() });
//! println!("{}", session.generate(&request, &never)?.text);
//! # Ok::<(), smallmind_engine::Error>(())
//! ```

#[cfg(feature = "async")]
mod asynchronous;
pub mod budget;
#[cfg(feature = "chat")]
pub mod chat;
mod choice;
mod completion;
#[cfg(feature = "constrained")]
mod constrained;
mod detached;
mod embedding;
mod engine;
mod error;
mod events;
mod generation;
mod guard;
#[cfg(feature = "hub")]
pub mod hub;
#[cfg(feature = "import")]
pub mod import;
mod likelihood;
mod memory;
pub mod scheduler;
mod session;
mod speculation;
mod stop;
mod stream;
mod sync;
mod thread;

#[cfg(feature = "async")]
pub use asynchronous::EventStream;
pub use budget::{Limits, SessionBudget};
pub use embedding::{EmbeddingModel, EmbeddingOptions};
pub use engine::{Engine, EngineOptions};
pub use error::Error;
pub use memory::{MemoryPlan, plan};
pub use session::{InferenceSession, SessionOptions};
pub use smallmind_runtime::{CacheType, Pooling, Precision};
pub use smallmind_tokenizers::GgufTokenizerFactory;
pub use speculation::Speculation;
pub use stream::GenerationStream;
