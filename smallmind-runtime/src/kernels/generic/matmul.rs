//! One panel of weights times one tile of tokens.
//!
//! ```text
//! for each chunk of 32 weights along the rows:
//!     unpack the codes of sixteen rows            (once for the tile)
//!     for each token of the tile:
//!         sums  = start + Σ_j dot(codes_j, token's bytes_j)       exact, i32
//!         out  += (f32(sums) * scale of row) * scale of token
//!         out  += minimum of row * (scale of token * Σ token's bytes)
//! ```
//!
//! Every output is one sum in the order of the chunks, so neither the tile's
//! width nor the thread changes a bit of it. The code that means zero is
//! taken off by starting the integer sum at `-zero * Σ token's bytes`.

use super::unroll;
use crate::kernels::layout::{CHUNK, Codes, Scales, array, unit_bytes};
use crate::kernels::simd::{LANES, Simd};

/// 32 activations of each of `T` tokens as signed bytes with a scale, and the
/// sums the kernels need of them.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct QuantizedChunk<const T: usize> {
    /// Four signed bytes in each word.
    pub(crate) codes: [[i32; CHUNK / 4]; T],
    pub(crate) scale: [f32; T],
    /// -128 times the sum of the codes, of each half and of the whole.
    pub(crate) half_bias: [[i32; T]; 2],
    pub(crate) bias: [i32; T],
    /// The scale times the sum of the codes.
    pub(crate) half_sum: [[f32; T]; 2],
    pub(crate) sum: [f32; T],
}

// SAFETY: arrays of 32-bit numbers only, in C order, with no padding and no
// invalid bit patterns.
unsafe impl<const T: usize> bytemuck::Zeroable for QuantizedChunk<T> {}
// SAFETY: as above.
unsafe impl<const T: usize> bytemuck::Pod for QuantizedChunk<T> {}

/// Words of a [`QuantizedChunk`] for each token.
pub(crate) const WORDS_PER_CHUNK: usize = CHUNK / 4 + 7;

/// Bytes of weights that a single token asks for ahead, beyond the page that
/// the hardware foresees.
const AHEAD: usize = 8192;
/// Bytes of a line of the caches.
const LINE: usize = 64;

/// Quantized weights times quantized activations.
///
/// `weights` is one panel, `activations` one [`QuantizedChunk<T>`] a chunk.
#[inline(always)]
pub(crate) fn quantized<S: Simd, C: Codes, L: Scales, const T: usize>(
    s: S,
    weights: &[u8],
    activations: &[QuantizedChunk<T>],
    out: &mut [[f32; LANES]; T],
) {
    let mut sums = [s.splat(0.0); T];
    let units = weights.chunks_exact(unit_bytes::<C, L>());
    for (unit, activations) in units.zip(activations.chunks_exact(L::CHUNKS)) {
        if T <= 4 {
            for line in unit.iter().step_by(LINE) {
                s.prefetch(std::ptr::from_ref(line).wrapping_add(AHEAD));
            }
        }
        let (head, chunks) = unit.split_at(L::HEAD);
        let head = L::head(s, head);
        let chunks = chunks.chunks_exact(L::BYTES + C::BYTES);
        for (chunk, a) in chunks.zip(activations) {
            let (scales, codes) = chunk.split_at(L::BYTES);
            let scales = L::read(s, head, scales);
            let w = C::unpack(s, codes);
            unroll!(t < T => sums[t] = step::<S, C, L, T>(s, sums[t], &w, scales, a, t));
        }
    }
    unroll!(t < T => s.store(sums[t], &mut out[t]));
}

/// One chunk of one token.
#[inline(always)]
fn step<S: Simd, C: Codes, L: Scales, const T: usize>(
    s: S,
    sum: S::F32,
    w: &[S::Bytes; 8],
    scales: [[S::F32; 2]; 2],
    a: &QuantizedChunk<T>,
    t: usize,
) -> S::F32 {
    let scaled = if L::GROUPS == 1 {
        s.mul(dots::<S, C, L, 0, 8>(s, w, &a.codes[t], a.bias[t]), scales[0][0])
    } else {
        let first =
            s.mul(dots::<S, C, L, 0, 4>(s, w, &a.codes[t], a.half_bias[0][t]), scales[0][0]);
        s.fma(dots::<S, C, L, 4, 8>(s, w, &a.codes[t], a.half_bias[1][t]), scales[1][0], first)
    };
    let sum = s.fma(scaled, s.splat(a.scale[t]), sum);
    if !L::HAS_MIN {
        sum
    } else if L::GROUPS == 1 {
        s.fma(scales[0][1], s.splat(a.sum[t]), sum)
    } else {
        let sum = s.fma(scales[0][1], s.splat(a.half_sum[0][t]), sum);
        s.fma(scales[1][1], s.splat(a.half_sum[1][t]), sum)
    }
}

/// The dot products of the vectors from `FROM` to `TO`.
#[inline(always)]
fn dots<S: Simd, C: Codes, L: Scales, const FROM: usize, const TO: usize>(
    s: S,
    w: &[S::Bytes; 8],
    codes: &[i32; 8],
    bias: i32,
) -> S::F32 {
    let mut dots = start::<S, C, L>(s, bias);
    unroll!(j < 8 => if j >= FROM && j < TO {
        dots = if C::BITS == 8 {
            s.dot_wide(dots, w[j], codes[j])
        } else {
            s.dot(dots, w[j], codes[j])
        };
    });
    s.to_f32(dots)
}

/// `-zero * Σ activations`, from `bias = -128 * Σ activations`.
#[inline(always)]
fn start<S: Simd, C: Codes, L: Scales>(s: S, bias: i32) -> S::I32 {
    match (L::HAS_MIN, C::BITS) {
        (true, _) => s.splat_i32(0),
        (false, 8) => s.start_wide(bias),
        (false, bits) => s.shift_right(s.splat_i32(bias), 8 - bits),
    }
}

/// How one weight of each of sixteen rows is held as a float.
pub(crate) trait Float {
    const BYTES: usize;
    fn read<S: Simd>(s: S, bytes: &[u8]) -> S::F32;
}

/// IEEE single precision.
pub(crate) struct Single;
impl Float for Single {
    const BYTES: usize = 64;
    #[inline(always)]
    fn read<S: Simd>(s: S, bytes: &[u8]) -> S::F32 {
        s.load(&bytemuck::pod_read_unaligned(array::<64>(bytes, 0)))
    }
}

/// IEEE half precision.
pub(crate) struct Half;
impl Float for Half {
    const BYTES: usize = 32;
    #[inline(always)]
    fn read<S: Simd>(s: S, bytes: &[u8]) -> S::F32 {
        s.widen_f16(&bytemuck::pod_read_unaligned(array::<32>(bytes, 0)))
    }
}

/// bfloat16.
pub(crate) struct Brain;
impl Float for Brain {
    const BYTES: usize = 32;
    #[inline(always)]
    fn read<S: Simd>(s: S, bytes: &[u8]) -> S::F32 {
        s.widen_bf16(&bytemuck::pod_read_unaligned(array::<32>(bytes, 0)))
    }
}

/// Float weights times float activations: `activations[k][t]`.
#[inline(always)]
pub(crate) fn float<S: Simd, F: Float, const T: usize>(
    s: S,
    weights: &[u8],
    activations: &[[f32; T]],
    out: &mut [[f32; LANES]; T],
) {
    let mut sums = [s.splat(0.0); T];
    for (w, a) in weights.chunks_exact(F::BYTES).zip(activations) {
        let w = F::read(s, w);
        unroll!(t < T => sums[t] = s.fma(w, s.splat(a[t]), sums[t]));
    }
    unroll!(t < T => s.store(sums[t], &mut out[t]));
}
