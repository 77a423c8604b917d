//! Tiles of a product of matrices in single precision: an outer product of a
//! column of `R` values and a row of `C` vectors at a time, all sums in
//! registers (Goto and van de Geijn 2008).

use super::unroll;
use crate::kernels::simd::{LANES, Simd};

/// `out[r][c] = Σ_k a[k][r] * b[k][c]`, each one sum in the order of `k`.
///
/// `a` holds `R` values for each `k`, `b` holds `C` vectors, `out` has `R`
/// rows of `C` vectors.
#[inline(always)]
pub(crate) fn tile<S: Simd, const R: usize, const C: usize>(
    s: S,
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
) {
    let mut sums = [[s.splat(0.0); C]; R];
    let (a, b) = (a.as_chunks::<R>().0, b.as_chunks::<LANES>().0);
    for (a, b) in a.iter().zip(b.as_chunks::<C>().0) {
        let mut row = [s.splat(0.0); C];
        unroll!(c < C => row[c] = s.load(&b[c]));
        unroll!(r < R => {
            let x = s.splat(a[r]);
            unroll!(c < C => sums[r][c] = s.fma(x, row[c], sums[r][c]));
        });
    }
    let out = out.as_chunks_mut::<LANES>().0.as_chunks_mut::<C>().0;
    unroll!(r < R => {
        unroll!(c < C => s.store(sums[r][c], &mut out[r][c]));
    });
}

/// Rows that [`add_rows`] adds in one pass.
pub(crate) const ADDED: usize = 8;

/// `out += Σ_r x[r] * rows[r]`, in the order of the rows; `rows` are `ADDED`
/// rows, `stride` values apart, as long as `out`.
#[inline(always)]
pub(crate) fn add_rows<S: Simd>(
    s: S,
    x: &[f32; ADDED],
    rows: &[f32],
    stride: usize,
    out: &mut [f32],
) {
    let each: [&[f32]; ADDED] = std::array::from_fn(|r| &rows[r * stride..][..out.len()]);
    let whole = out.len() / LANES;
    let vectors = each.map(|row| &row.as_chunks::<LANES>().0[..whole]);
    let (out, rest) = out.as_chunks_mut::<LANES>();
    let x_vectors = x.map(|x| s.splat(x));
    for (i, out) in out.iter_mut().enumerate().take(whole) {
        let mut sum = s.load(out);
        unroll!(r < ADDED => sum = s.fma(x_vectors[r], s.load(&vectors[r][i]), sum));
        s.store(sum, out);
    }
    for (i, out) in rest.iter_mut().enumerate() {
        for r in 0..ADDED {
            *out = x[r].mul_add(each[r][whole * LANES + i], *out);
        }
    }
}

/// The dot product of two rows of one length.
#[inline(always)]
pub(crate) fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    const WIDE: usize = 4;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let ((a, a_last), (b, b_last)) = (a.as_chunks::<WIDE>(), b.as_chunks::<WIDE>());
    let mut sums = [s.splat(0.0); WIDE];
    for (a, b) in a.iter().zip(b) {
        unroll!(w < WIDE => sums[w] = s.fma(s.load(&a[w]), s.load(&b[w]), sums[w]));
    }
    for (a, b) in a_last.iter().zip(b_last) {
        sums[0] = s.fma(s.load(a), s.load(b), sums[0]);
    }
    let sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
    let rest = a_rest.iter().zip(b_rest);
    rest.fold(s.sum_across(sum), |sum, (a, b)| a.mul_add(*b, sum))
}
