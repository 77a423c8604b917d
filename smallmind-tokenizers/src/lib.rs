//! Tokenizers built from the metadata of GGUF files by one factory.
//!
//! ```no_run
//! use smallmind_abstractions::{EncodeOptions, Metadata, Tokenizer};
//! use smallmind_tokenizers::GgufTokenizerFactory;
//!
//! # fn example(metadata: &Metadata) -> Result<(), Box<dyn std::error::Error>> {
//! let tokenizer = GgufTokenizerFactory::new().build(metadata)?;
//! let ids = tokenizer.encode("Hello, world", EncodeOptions::default())?;
//! # Ok(())
//! # }
//! ```
//!
//! A text goes through these steps:
//!
//! ```text
//! bytes → special (cuts at tokens that are never split)
//!       → model   (BPE: pretokenizer, then merge; the others as they do)
//!       → ids
//! ```

mod bytes;
mod error;
mod factory;
mod findings;
#[cfg(feature = "hf")]
pub mod hf;
mod merge;
mod model;
mod parallel;
mod pretokenizer;
pub mod reason;
mod roles;
mod spaces;
mod special;
mod stretches;
mod tables;
mod tokenizer;
mod unicode;
mod vocabulary;

pub use error::Error;
pub use factory::GgufTokenizerFactory;
