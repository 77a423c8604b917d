//! `tokenizer.json`, the format of Hugging Face's `tokenizers`, as the
//! metadata of a GGUF file and back.
//!
//! ```
//! use smallmind_abstractions::{EncodeOptions, Tokenizer};
//! use smallmind_tokenizers::{GgufTokenizerFactory, hf};
//!
//! let json = r#"{
//!     "added_tokens": [], "normalizer": null, "post_processor": null,
//!     "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false,
//!                       "trim_offsets": true, "use_regex": true},
//!     "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
//!                 "use_regex": true},
//!     "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}
//! }"#;
//! let metadata = hf::load(json.as_bytes())?;
//! let tokenizer = GgufTokenizerFactory::new().build(&metadata)?;
//! assert_eq!(tokenizer.encode("abb", EncodeOptions::default())?, [2, 1]);
//! assert!(hf::save(&metadata)?.contains("ByteLevel"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The crate `tokenizers` reads the file and is asked how it cuts text; ids
//! come from this crate's own tokenizers, as from a GGUF file.

mod load;
mod rule;
mod save;

pub use load::load;
pub use save::save;

use crate::Error;

fn unsupported(what: impl Into<String>) -> Error {
    Error::TokenizerJson { what: what.into() }
}
