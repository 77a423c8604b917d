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

mod byte_bpe;
mod bytes;
mod error;
mod factory;
mod merge;
mod pretokenizer;
mod sentencepiece;
mod special;
mod text;
mod vocabulary;

pub use error::Error;
pub use factory::GgufTokenizerFactory;
