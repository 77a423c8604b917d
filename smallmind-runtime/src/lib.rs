//! GGUF containers, tensors, kernels, architectures, KV cache and sampling.

#[cfg(feature = "bench-internals")]
#[doc(hidden)]
pub mod bench_internals;
pub mod container;
mod error;
mod gemm;
mod kernels;
mod model;
pub mod peaks;
mod pool;
pub mod quantization;
mod sampling;
mod scan;

pub use error::Error;
pub use gemm::{Gemm, MatrixView};
pub use kernels::{CacheType, Level, Precision};
pub use model::{
    Batch, BatchEntry, Context, Encoder, EncoderConfig, Footprint, LoadOptions, Logits, Model,
    ModelConfig, Pooling, SharedPage, Workspace,
};
pub use pool::{Buffer, TensorPool};
pub use sampling::{Sampler, logprobs};
pub use scan::dots_of_bytes;
