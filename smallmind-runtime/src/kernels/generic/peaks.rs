//! What the machine can do at most: the loops that nothing outruns.
//!
//! Each keeps as many independent chains in registers as hide the latency of
//! its instruction, and returns a value that depends on all of them, so that
//! nothing is optimized away.

use super::unroll;
use crate::kernels::layout::array;
use crate::kernels::simd::{LANES, Simd};

/// Independent chains.
const CHAINS: usize = 12;

/// Multiplications and additions of one round of [`fma`].
pub(crate) const FLOPS: u64 = (2 * CHAINS * LANES) as u64;
/// Multiplications and additions of one round of [`dot`].
pub(crate) const INT8_OPS: u64 = (2 * CHAINS * LANES * 4) as u64;

#[inline(always)]
pub(crate) fn fma<S: Simd>(s: S, rounds: u64) -> f32 {
    let (x, y) = (s.splat(std::hint::black_box(0.999)), s.splat(std::hint::black_box(1e-3)));
    let mut sums = [s.splat(0.0); CHAINS];
    for _ in 0..rounds {
        unroll!(c < CHAINS => sums[c] = s.fma(sums[c], x, y));
    }
    let mut total = sums[0];
    unroll!(c < CHAINS => total = s.add(total, sums[c]));
    let mut lanes = [0.0; LANES];
    s.store(total, &mut lanes);
    lanes[0]
}

#[inline(always)]
pub(crate) fn dot<S: Simd>(s: S, rounds: u64) -> f32 {
    let weights = s.splat_byte(std::hint::black_box(3));
    let activations = std::hint::black_box(0x01ff_02fe);
    let mut sums = [s.splat_i32(0); CHAINS];
    for _ in 0..rounds {
        unroll!(c < CHAINS => sums[c] = s.dot(sums[c], weights, activations));
    }
    let mut total = s.splat(0.0);
    unroll!(c < CHAINS => total = s.add(total, s.to_f32(sums[c])));
    let mut lanes = [0.0; LANES];
    s.store(total, &mut lanes);
    lanes[0]
}

/// Reads every byte.
#[inline(always)]
pub(crate) fn read<S: Simd>(s: S, bytes: &[u8]) -> f32 {
    let mut sums = [s.splat_byte(0); 4];
    for part in bytes.chunks_exact(256) {
        unroll!(c < 4 => sums[c] = s.or(sums[c], s.load_bytes(array(part, c * 64))));
    }
    let mut total = s.splat_i32(0);
    unroll!(c < 4 => total = s.dot(total, s.and(sums[c], s.splat_byte(127)), 1));
    let mut lanes = [0.0; LANES];
    s.store(s.to_f32(total), &mut lanes);
    lanes[0]
}
