//! Model files: bytes to named tensors and metadata, and back.
//!
//! A file is input from a stranger. Every count, length and offset is checked
//! against the bytes that are really there before it is used, and what is
//! allocated is bounded by them.

mod cursor;
mod file;
mod gguf;
mod release;
mod replace;
mod smq;
mod split;
mod tensor;
mod values;
mod writer;

pub use file::ModelFile;
pub use replace::replace;
pub use smq::convert;
pub use tensor::{Shape, Storage, TensorInfo, TensorType, TensorView};
pub use writer::GgufWriter;
