//! GGUF containers, tensors, kernels, architectures, KV cache and sampling.

pub mod container;
mod error;
mod kernels;
mod sampling;

pub use error::Error;
pub use sampling::Sampler;
