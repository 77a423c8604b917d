//! What is done to one token's activations between matrix products.

use super::attention::BLOCK;
use super::matmul::QuantizedChunk;
use crate::kernels::layout::CHUNK;
use crate::kernels::parts::Columns;
use crate::kernels::simd::{LANES, Simd, exp, soft_cap};

#[inline(always)]
fn lanes<S: Simd>(s: S, x: S::F32) -> [f32; LANES] {
    let mut out = [0.0; LANES];
    s.store(x, &mut out);
    out
}

/// Calls `f` for each sixteen values; the last, partial, vector is padded with
/// zeros and only its own part is written back. `f` has one call site: a
/// closure that is not inlined loses the instruction set of its caller.
#[inline(always)]
fn for_lanes<S: Simd>(s: S, x: &mut [f32], mut f: impl FnMut(usize, S::F32) -> S::F32) {
    for at in (0..x.len()).step_by(LANES) {
        let y = f(at, load_padded(s, x, at));
        match x[at..].first_chunk_mut::<LANES>() {
            Some(full) => s.store(y, full),
            None => {
                let rest = &mut x[at..];
                rest.copy_from_slice(&lanes(s, y)[..rest.len()]);
            }
        }
    }
}

/// `x[at..at + 16]`, padded with zeros.
#[inline(always)]
fn load_padded<S: Simd>(s: S, x: &[f32], at: usize) -> S::F32 {
    let rest = &x[at..];
    if let Some(full) = rest.first_chunk::<LANES>() {
        return s.load(full);
    }
    let mut padded = [0.0; LANES];
    padded[..rest.len()].copy_from_slice(rest);
    s.load(&padded)
}

/// `out = x / sqrt(mean(x²) + epsilon) * weight` (Zhang and Sennrich 2019).
#[inline(always)]
pub(crate) fn rms_norm<S: Simd>(s: S, x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let mut squares = s.splat(0.0);
    for at in (0..x.len()).step_by(LANES) {
        let v = load_padded(s, x, at);
        squares = s.fma(v, v, squares);
    }
    let mean = s.sum_across(squares) / x.len() as f32;
    let scale = s.splat(1.0 / (mean + epsilon).sqrt());
    for_lanes(s, out, |at, _| {
        s.mul(s.mul(load_padded(s, x, at), scale), load_padded(s, weight, at))
    });
}

/// `out = (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias` (Ba et
/// al. 2016). No `bias` is none.
#[inline(always)]
pub(crate) fn layer_norm<S: Simd>(
    s: S,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    epsilon: f32,
    out: &mut [f32],
) {
    let mut sums = s.splat(0.0);
    for at in (0..x.len()).step_by(LANES) {
        sums = s.add(load_padded(s, x, at), sums);
    }
    let mean = [s.sum_across(sums) / x.len() as f32; LANES];
    // What pads the last vector is no value, so no mean is taken off it.
    let centred =
        |at| s.sub(load_padded(s, x, at), load_padded(s, &mean[..LANES.min(x.len() - at)], 0));
    let mut squares = s.splat(0.0);
    for at in (0..x.len()).step_by(LANES) {
        let v = centred(at);
        squares = s.fma(v, v, squares);
    }
    let variance = s.sum_across(squares) / x.len() as f32;
    let scale = s.splat(1.0 / (variance + epsilon).sqrt());
    for_lanes(s, out, |at, _| {
        let bias = if bias.is_empty() { s.splat(0.0) } else { load_padded(s, bias, at) };
        s.fma(s.mul(centred(at), scale), load_padded(s, weight, at), bias)
    });
}

/// Which function gates a feed-forward layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// `x * sigmoid(x)` (SwiGLU; Shazeer 2020).
    Silu,
    /// The tanh approximation of GELU (Hendrycks and Gimpel 2016).
    Gelu,
    /// GELU itself, `x * Φ(x)`.
    GeluErf,
}

/// `x = cap * tanh(x / cap)`.
#[inline(always)]
pub(crate) fn cap<S: Simd>(s: S, x: &mut [f32], cap: f32) {
    let (vectors, rest) = x.as_chunks_mut::<LANES>();
    for v in vectors {
        s.store(soft_cap(s, s.load(v), cap), v);
    }
    let mut last = [0.0; LANES];
    last[..rest.len()].copy_from_slice(rest);
    s.store(soft_cap(s, s.load(&last), cap), &mut last);
    rest.copy_from_slice(&last[..rest.len()]);
}

/// `x * sigmoid(y) * up`, which both functions are: tanh(u) is
/// 2 sigmoid(2u) - 1.
#[inline(always)]
fn gated<S: Simd>(s: S, x: S::F32, neg_y: S::F32, up: S::F32) -> S::F32 {
    s.mul(s.div(x, s.add(s.splat(1.0), exp(s, neg_y))), up)
}

/// `x * Φ(x)`, with the distribution function of the normal distribution to
/// 2e-7 (Abramowitz and Stegun 1964, 7.1.26).
#[inline(always)]
fn gelu_erf<S: Simd>(s: S, x: S::F32) -> S::F32 {
    const P: f32 = 0.327_591_1;
    const A: [f32; 5] = [1.061_405_4, -1.453_152_1, 1.421_413_7, -0.284_496_72, 0.254_829_6];
    let z = s.mul(s.abs(x), s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let t = s.div(s.splat(1.0), s.fma(z, s.splat(P), s.splat(1.0)));
    let mut tail = s.splat(A[0]);
    for a in &A[1..] {
        tail = s.fma(tail, t, s.splat(*a));
    }
    let tail = s.mul(s.mul(tail, t), exp(s, s.mul(s.mul(z, z), s.splat(-1.0))));
    // `max(x, 0)` less what the tail takes off, alike on both sides of zero.
    let half = s.mul(s.mul(s.abs(x), tail), s.splat(0.5));
    s.sub(s.max(x, s.splat(0.0)), half)
}

/// `gate = f(gate) * up`. No `up` is ones.
#[inline(always)]
pub(crate) fn gate<S: Simd>(s: S, function: Gate, gate: &mut [f32], up: &[f32]) {
    let up = |at| if up.is_empty() { s.splat(1.0) } else { load_padded(s, up, at) };
    match function {
        Gate::Silu => {
            for_lanes(s, gate, |at, x| gated(s, x, s.mul(x, s.splat(-1.0)), up(at)));
        }
        Gate::GeluErf => for_lanes(s, gate, |at, x| s.mul(gelu_erf(s, x), up(at))),
        Gate::Gelu => for_lanes(s, gate, |at, x| {
            const MINUS_2_SQRT_2_OVER_PI: f32 = -1.595_769_2;
            let cubic = s.fma(s.mul(s.mul(x, x), s.splat(0.044_715)), x, x);
            gated(s, x, s.mul(cubic, s.splat(MINUS_2_SQRT_2_OVER_PI)), up(at))
        }),
    }
}

/// `x += y`.
#[inline(always)]
pub(crate) fn add<S: Simd>(s: S, x: &mut [f32], y: &[f32]) {
    for_lanes(s, x, |at, v| s.add(v, load_padded(s, y, at)));
}

/// Writes a tile of products, sixteen values a row, to its place: `out = tile
/// + bias`, or `out += tile + bias`. No `bias` is none.
#[inline(always)]
pub(crate) fn put<S: Simd>(
    s: S,
    tile: &[f32],
    bias: &[f32],
    accumulate: bool,
    mut out: Columns<'_, f32>,
) {
    let tile = tile.as_chunks::<LANES>().0;
    for (row, values) in tile.iter().enumerate().take(out.rows()) {
        let mut v = s.load(values);
        if !bias.is_empty() {
            v = s.add(v, load_padded(s, bias, 0));
        }
        let out = out.row(row);
        if accumulate {
            v = s.add(load_padded(s, out, 0), v);
        }
        match out.first_chunk_mut::<LANES>() {
            Some(full) => s.store(v, full),
            None => out.copy_from_slice(&lanes(s, v)[..out.len()]),
        }
    }
}

/// Quantizes a token to signed bytes, 32 to a scale, into lane `t` of a tile.
#[inline(always)]
pub(crate) fn quantize<S: Simd, const T: usize>(
    s: S,
    x: &[f32],
    tile: &mut [QuantizedChunk<T>],
    t: usize,
) {
    for (x, chunk) in x.as_chunks::<CHUNK>().0.iter().zip(tile) {
        let halves = [load_padded(s, x, 0), load_padded(s, x, LANES)];
        let largest = s.max_across(s.max(s.abs(halves[0]), s.abs(halves[1])));
        let scale = largest / 127.0;
        let inverse = s.splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
        let rounded = [s.round(s.mul(halves[0], inverse)), s.round(s.mul(halves[1], inverse))];
        let mut codes = [[0i8; LANES]; 2];
        s.narrow_i8(rounded[0], &mut codes[0]);
        s.narrow_i8(rounded[1], &mut codes[1]);
        let sums = [s.sum_across_i32(rounded[0]), s.sum_across_i32(rounded[1])];
        let sum = sums[0] + sums[1];
        chunk.codes[t] = bytemuck::cast(codes);
        chunk.scale[t] = scale;
        chunk.bias[t] = -128 * sum;
        chunk.sum[t] = scale * sum as f32;
        for (half, sum) in sums.into_iter().enumerate() {
            chunk.half_bias[half][t] = -128 * sum;
            chunk.half_sum[half][t] = scale * sum as f32;
        }
    }
}

/// Where the two halves of a rotated pair lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RopePairs {
    /// Dimensions `2i` and `2i + 1` (Su et al. 2021).
    Adjacent,
    /// Dimensions `i` and `i + n/2` (GPT-NeoX).
    Halves,
}

/// Rotates the first `2 * cos.len()` dimensions of one head.
#[inline(always)]
pub(crate) fn rope(pairs: RopePairs, x: &mut [f32], cos: &[f32], sin: &[f32]) {
    match pairs {
        RopePairs::Adjacent => {
            for ((pair, c), s) in x.as_chunks_mut::<2>().0.iter_mut().zip(cos).zip(sin) {
                let [a, b] = *pair;
                *pair = [a * c - b * s, a * s + b * c];
            }
        }
        RopePairs::Halves => {
            let (low, rest) = x.split_at_mut(cos.len());
            for (((a, b), c), s) in low.iter_mut().zip(rest).zip(cos).zip(sin) {
                (*a, *b) = (*a * c - *b * s, *a * s + *b * c);
            }
        }
    }
}

/// IEEE half precision to single.
#[inline(always)]
pub(crate) fn widen_f16<S: Simd>(s: S, from: &[u16], to: &mut [f32]) {
    let (from, to) = (from.as_chunks::<LANES>().0, to.as_chunks_mut::<LANES>().0);
    for (from, to) in from.iter().zip(to) {
        s.store(s.widen_f16(from), to);
    }
}

/// Single to IEEE half precision; lengths are multiples of sixteen.
#[inline(always)]
pub(crate) fn narrow_f16<S: Simd>(s: S, from: &[f32], to: &mut [u16]) {
    let (from, to) = (from.as_chunks::<LANES>().0, to.as_chunks_mut::<LANES>().0);
    for (from, to) in from.iter().zip(to) {
        s.narrow_f16(s.load(from), to);
    }
}

/// Up to 32 values as signed bytes; returns their scale in half precision.
#[inline(always)]
pub(crate) fn narrow_q8<S: Simd>(s: S, x: &[f32], codes: &mut [i8; CHUNK]) -> u16 {
    let mut padded = [0.0; CHUNK];
    padded[..x.len()].copy_from_slice(x);
    let halves = [load_padded(s, &padded, 0), load_padded(s, &padded, LANES)];
    let largest = s.max_across(s.max(s.abs(halves[0]), s.abs(halves[1])));
    let inverse = s.splat(if largest > 0.0 { 127.0 / largest } else { 0.0 });
    let codes = codes.as_chunks_mut::<LANES>().0;
    s.narrow_i8(s.round(s.mul(halves[0], inverse)), &mut codes[0]);
    s.narrow_i8(s.round(s.mul(halves[1], inverse)), &mut codes[1]);
    half::f16::from_f32_const(largest / 127.0).to_bits()
}

/// Bytes by dimension, `codes[dim][position]`, to floats; 32 dimensions share
/// the scales of the positions, `scales[dim / 32][position]`.
#[inline(always)]
pub(crate) fn widen_q8_by_position<S: Simd>(s: S, codes: &[u8], scales: &[u16], to: &mut [f32]) {
    let scales = scales.as_chunks::<LANES>().0;
    let rows = codes.as_chunks::<LANES>().0.iter().zip(to.as_chunks_mut::<LANES>().0);
    for (i, (codes, to)) in rows.enumerate() {
        const VECTORS: usize = BLOCK / LANES;
        let scale = &scales[i / (VECTORS * CHUNK) * VECTORS + i % VECTORS];
        s.store(s.mul(s.widen_i8(codes), s.widen_f16(scale)), to);
    }
}

/// Bytes by position, `codes[position][dim]`, to floats, with scales as above.
#[inline(always)]
pub(crate) fn widen_q8_by_dim<S: Simd>(s: S, codes: &[u8], scales: &[u16], to: &mut [f32]) {
    let dim = codes.len() / BLOCK;
    for (i, scales) in scales.as_chunks::<BLOCK>().0.iter().enumerate() {
        let mut wide = [0.0; BLOCK];
        widen_f16(s, scales, &mut wide);
        let first = i * CHUNK;
        for (position, scale) in wide.iter().enumerate() {
            let at = position * dim + first..position * dim + dim.min(first + CHUNK);
            let (codes, to) = (&codes[at.clone()], &mut to[at]);
            for (c, t) in codes.as_chunks::<LANES>().0.iter().zip(to.as_chunks_mut::<LANES>().0) {
                s.store(s.mul(s.widen_i8(c), s.splat(*scale)), t);
            }
        }
    }
}

/// The dot product of each row of `query.len()` bytes with `query`; sums wrap.
/// They are exact in any order, and so the compiler finds the vectors.
#[inline(always)]
pub(crate) fn dots_of_bytes(bytes: &[i8], query: &[i16], out: &mut [i32]) {
    for (row, out) in bytes.chunks_exact(query.len()).zip(out) {
        let products = row.iter().zip(query).map(|(a, b)| i32::from(*a) * i32::from(*b));
        *out = products.fold(0, i32::wrapping_add);
    }
}
