//! What tests share: tiny random models, damaged files, what is
//! allocated, and where the real models are. Only tests depend on it.
//!
//! Files are written by [`Gguf`], which knows nothing of the reader under test
//! and can write what no sound writer would.

mod allocations;
mod damage;
mod encoders;
mod gguf;
mod hex;
mod quantizations;
mod random;
mod rss;
mod spec;
mod store;
mod tiny;
mod vocabulary;

pub use allocations::{Recorder, Requests};
pub use damage::{Damage, damages};
pub use encoders::{tiny_encoder, tiny_encoder_names};
pub use gguf::{Gguf, Tensor, Value};
pub use hex::floats_of_hex;
pub use quantizations::QUANTIZED;
pub use random::Random;
pub use rss::peak_rss;
pub use store::model_path;
pub use tiny::{tiny_model, tiny_model_names};
