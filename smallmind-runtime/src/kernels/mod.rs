//! The arithmetic, for each instruction set.
//!
//! [`generic`] holds every algorithm once, over the sixteen-lane vectors of
//! [`simd`]; [`scalar`] and [`x86_64`] hold the lanes. [`layout`] says how
//! packed weights lie in memory, [`pack`] brings them there, [`matmul`] spreads
//! products over threads, and [`threads`] has the threads. [`Kernels`] is the
//! table of functions, chosen once by [`Kernels::best`].
//!
//! Kernels never allocate. All of them give the same bits on every
//! instruction set.

#[cfg(target_arch = "aarch64")]
mod aarch64;
pub(crate) mod attention;
pub(crate) mod cache;
mod format;
pub(crate) mod generic;
pub(crate) mod layout;
mod level;
pub(crate) mod matmul;
pub(crate) mod memory;
mod norm;
pub(crate) mod pack;
pub(crate) mod parts;
mod precision;
mod scalar;
pub(crate) mod simd;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod threads;
mod tiles;
mod tiling;
#[cfg(target_arch = "x86_64")]
mod x86_64;

pub use cache::CacheType;
pub(crate) use format::Format;
pub(crate) use generic::attention::{BLOCK, Block, Softmax, Visible};
pub(crate) use generic::rows::{Gate, RopePairs};
pub use level::Level;
pub(crate) use norm::{Norm, NormKind};
pub use precision::Precision;
pub(crate) use table::Kernels;
