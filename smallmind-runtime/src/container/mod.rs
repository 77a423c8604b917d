//! Model files: bytes to named tensors and metadata, and back.
//!
//! A file is input from a stranger. Every count, length and offset is checked
//! against the bytes that are really there before it is used, and what is
//! allocated is bounded by them.

mod cursor;
mod gguf;
mod release;
mod split;
mod tensor;
mod writer;

pub use gguf::GgufFile;
pub use tensor::{Shape, TensorInfo, TensorType, TensorView};
pub use writer::GgufWriter;
