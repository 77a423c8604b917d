//! Attention by blocks of positions with an online softmax (Milakov and
//! Gimelshein 2018; Dao et al. 2022).
//!
//! Positions are cut into blocks of [`BLOCK`] at fixed places of the sequence.
//! For each block and query row: the scores, their maximum, the sum of their
//! exponentials and the values weighted by them. Blocks are then folded from
//! left to right. Whoever computes a block, and with whichever other rows, the
//! result is the same to the bit.
//!
//! Keys of a block are stored by dimension, `k[dim][position]`, values by
//! position, `v[position][dim]`, so both products run over whole vectors.

use super::unroll;
use crate::kernels::simd::{LANES, Simd, exp, soft_cap};
use bytemuck::{Pod, Zeroable};

/// Positions in a block.
pub(crate) const BLOCK: usize = 64;
const VECTORS: usize = BLOCK / LANES;

/// A block of keys and values of one head, and the size of a head.
#[derive(Clone, Copy)]
pub(crate) struct Block<'a> {
    pub(crate) keys: &'a [f32],
    pub(crate) values: &'a [f32],
    /// A multiple of sixteen.
    pub(crate) dim: usize,
    /// What scores are soft-capped at; nothing where zero.
    pub(crate) cap: f32,
}

/// The online softmax of one row: the largest score and the sum of
/// exponentials relative to it.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Softmax {
    pub(crate) max: f32,
    pub(crate) sum: f32,
}

impl Softmax {
    pub(crate) const EMPTY: Self = Self { max: f32::NEG_INFINITY, sum: 0.0 };
}

/// The positions `from..to` of a block that a row sees.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Visible {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

/// One block for any number of rows: `queries` holds `dim` scaled values a
/// row, `out` gets the weighted values.
#[inline(always)]
pub(crate) fn block<S: Simd>(
    s: S,
    block: Block<'_>,
    queries: &[f32],
    visible: &[Visible],
    softmax: &mut [Softmax],
    out: &mut [f32],
) {
    let dim = block.dim;
    let mut row = 0;
    while row < visible.len() {
        let rows = S::QUERY_ROWS.min(visible.len() - row);
        let at = row * dim..(row + rows) * dim;
        let (q, v) = (&queries[at.clone()], &visible[row..row + rows]);
        let (m, o) = (&mut softmax[row..row + rows], &mut out[at]);
        match rows {
            1 => some_rows::<S, 1>(s, block, q, v, m, o),
            2 => some_rows::<S, 2>(s, block, q, v, m, o),
            3 => some_rows::<S, 3>(s, block, q, v, m, o),
            4 => some_rows::<S, 4>(s, block, q, v, m, o),
            5 => some_rows::<S, 5>(s, block, q, v, m, o),
            _ => some_rows::<S, 6>(s, block, q, v, m, o),
        }
        row += rows;
    }
}

#[inline(always)]
fn some_rows<S: Simd, const R: usize>(
    s: S,
    block: Block<'_>,
    queries: &[f32],
    visible: &[Visible],
    softmax: &mut [Softmax],
    out: &mut [f32],
) {
    // Which instantiations exist follows from QUERY_ROWS; the others vanish.
    if R > S::QUERY_ROWS {
        return;
    }
    let dim = block.dim;
    let mut weights = scores::<S, R>(s, block, queries);
    if block.cap > 0.0 {
        for row in weights.as_flattened_mut().as_chunks_mut::<LANES>().0 {
            s.store(soft_cap(s, s.load(row), block.cap), row);
        }
    }
    for r in 0..R {
        softmax[r] = exponentials(s, visible[r], &mut weights[r]);
    }
    let from = visible.iter().map(|v| v.from).min().unwrap_or(0) as usize;
    let to = visible.iter().map(|v| v.to).max().unwrap_or(0) as usize;
    let mut at = 0;
    while at < dim {
        if dim - at >= 4 * LANES {
            weighted::<S, R, 4>(s, block, &weights, from..to, at, out);
            at += 4 * LANES;
        } else {
            weighted::<S, R, 1>(s, block, &weights, from..to, at, out);
            at += LANES;
        }
    }
}

#[inline(always)]
fn scores<S: Simd, const R: usize>(s: S, block: Block<'_>, q: &[f32]) -> [[f32; BLOCK]; R] {
    let dim = block.dim;
    let rows: [&[f32]; R] = std::array::from_fn(|r| &q[r * dim..(r + 1) * dim]);
    let mut sums = [[s.splat(0.0); VECTORS]; R];
    for (d, keys) in block.keys.as_chunks::<BLOCK>().0.iter().enumerate().take(dim) {
        let keys = keys.as_chunks::<LANES>().0;
        let k = [s.load(&keys[0]), s.load(&keys[1]), s.load(&keys[2]), s.load(&keys[3])];
        unroll!(r < R => {
            let q = s.splat(rows[r][d]);
            unroll!(v < VECTORS => sums[r][v] = s.fma(q, k[v], sums[r][v]));
        });
    }
    let mut out = [[0.0; BLOCK]; R];
    unroll!(r < R => {
        let row = out[r].as_chunks_mut::<LANES>().0;
        unroll!(v < VECTORS => s.store(sums[r][v], &mut row[v]));
    });
    out
}

/// Scores to exponentials relative to the largest; hidden positions to zero.
#[inline(always)]
fn exponentials<S: Simd>(s: S, visible: Visible, row: &mut [f32; BLOCK]) -> Softmax {
    row[..visible.from as usize].fill(f32::NEG_INFINITY);
    row[visible.to as usize..].fill(f32::NEG_INFINITY);
    let row = row.as_chunks_mut::<LANES>().0;
    let largest = [s.load(&row[0]), s.load(&row[1]), s.load(&row[2]), s.load(&row[3])];
    let largest = s.max(s.max(largest[0], largest[1]), s.max(largest[2], largest[3]));
    let max = s.max_across(largest);
    if max == f32::NEG_INFINITY {
        row.iter_mut().for_each(|v| *v = [0.0; LANES]);
        return Softmax::EMPTY;
    }
    let mut sums = s.splat(0.0);
    for v in row {
        let e = exp(s, s.sub(s.load(v), s.splat(max)));
        s.store(e, v);
        sums = s.add(sums, e);
    }
    Softmax { max, sum: s.sum_across(sums) }
}

/// `out[row][at..at + 16 D] = Σ weights[row][p] * values[p][at..at + 16 D]`.
#[inline(always)]
fn weighted<S: Simd, const R: usize, const D: usize>(
    s: S,
    block: Block<'_>,
    weights: &[[f32; BLOCK]; R],
    positions: std::ops::Range<usize>,
    at: usize,
    out: &mut [f32],
) {
    let mut sums = [[s.splat(0.0); D]; R];
    for p in positions {
        let values = &block.values[p * block.dim + at..][..D * LANES];
        let values = values.as_chunks::<LANES>().0;
        let mut v = [s.splat(0.0); D];
        unroll!(d < D => v[d] = s.load(&values[d]));
        unroll!(r < R => {
            let w = s.splat(weights[r][p & (BLOCK - 1)]);
            unroll!(d < D => sums[r][d] = s.fma(w, v[d], sums[r][d]));
        });
    }
    unroll!(r < R => {
        let row = &mut out[r * block.dim + at..][..D * LANES];
        let row = row.as_chunks_mut::<LANES>().0;
        unroll!(d < D => s.store(sums[r][d], &mut row[d]));
    });
}

/// Folds the next block of one row into what came before it.
#[inline(always)]
pub(crate) fn fold<S: Simd>(
    s: S,
    total: &mut Softmax,
    out: &mut [f32],
    block: Softmax,
    block_out: &[f32],
) {
    if block.max == f32::NEG_INFINITY {
        return;
    }
    let max = total.max.max(block.max);
    let (old, new) = (exp_one(s, total.max - max), exp_one(s, block.max - max));
    total.max = max;
    total.sum = block.sum.mul_add(new, total.sum * old);
    let rows = out.as_chunks_mut::<LANES>().0.iter_mut().zip(block_out.as_chunks::<LANES>().0);
    for (o, b) in rows {
        let scaled = s.mul(s.load(o), s.splat(old));
        s.store(s.fma(s.load(b), s.splat(new), scaled), o);
    }
}

#[inline(always)]
fn exp_one<S: Simd>(s: S, x: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    s.store(exp(s, s.splat(x)), &mut lanes);
    lanes[0]
}

/// Divides a row by its sum of exponentials.
#[inline(always)]
pub(crate) fn finish<S: Simd>(s: S, total: Softmax, out: &mut [f32]) {
    let scale = s.splat(1.0 / total.sum);
    for o in out.as_chunks_mut::<LANES>().0 {
        s.store(s.mul(s.load(o), scale), o);
    }
}
