//! Tiles of a product of matrices in single precision: an outer product of a
//! column of `R` values and a row of `C` vectors at a time, all sums in
//! registers (Goto and van de Geijn 2008).

use super::unroll;
use crate::kernels::parts::Columns;
use crate::kernels::simd::{LANES, Simd};
use std::ops::Range;

/// `out[r][c] = Σ_k a[k][r] * b[k][c]`, each one sum in the order of `k`, or
/// adds that to `out`.
///
/// `a` holds `R` values for each `k`, `b` holds `C` vectors; `out` may be
/// smaller than `R` rows of `C` vectors. `next` is what will be read after
/// this.
#[inline(always)]
pub(crate) fn tile<S: Simd, const R: usize, const C: usize>(
    s: S,
    a: &[f32],
    b: &[f32],
    next: &[f32],
    add: bool,
    mut out: Columns<'_, f32>,
) {
    let mut sums = [[s.splat(0.0); C]; R];
    next.iter().step_by(LANES).for_each(|line| s.prefetch(std::ptr::from_ref(line)));
    let (a, b) = (a.as_chunks::<R>().0, b.as_chunks::<LANES>().0);
    for (a, b) in a.iter().zip(b.as_chunks::<C>().0) {
        let mut row = [s.splat(0.0); C];
        unroll!(c < C => row[c] = s.load(&b[c]));
        unroll!(r < R => {
            let x = s.splat(a[r]);
            unroll!(c < C => sums[r][c] = s.fma(x, row[c], sums[r][c]));
        });
    }
    if [out.rows(), out.cols()] == [R, C * LANES] {
        unroll!(r < R => {
            let out = out.row(r).as_chunks_mut::<LANES>().0;
            unroll!(c < C => {
                let sum = if add { s.add(s.load(&out[c]), sums[r][c]) } else { sums[r][c] };
                s.store(sum, &mut out[c]);
            });
        });
        return;
    }
    let mut full = [[[0.0; LANES]; C]; R];
    unroll!(r < R => {
        unroll!(c < C => s.store(sums[r][c], &mut full[r][c]));
    });
    for (r, sums) in full.iter().enumerate().take(out.rows()) {
        for (out, sum) in out.row(r).iter_mut().zip(sums.as_flattened()) {
            *out = if add { *out + sum } else { *sum };
        }
    }
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

/// Rows that [`turn`] turns at a time.
pub(crate) const TURNED: usize = 4;

/// Writes rows as columns: value `i` of row `r` to `to[i * width + r]`.
#[inline(always)]
pub(crate) fn turn<S: Simd>(s: S, rows: [&[f32]; TURNED], width: usize, to: &mut [f32]) {
    let (whole, len) = (rows[0].len() / LANES, rows[0].len());
    let vectors = rows.map(|row| &row.as_chunks::<LANES>().0[..whole]);
    for i in 0..whole {
        let mut squares = [[0.0; LANES]; TURNED];
        let turned = s.turn(vectors.map(|row| s.load(&row[i])));
        unroll!(j < TURNED => s.store(turned[j], &mut squares[j]));
        unroll!(lane < LANES => {
            let values = &squares[lane % TURNED][lane / TURNED * TURNED..][..TURNED];
            to[(i * LANES + lane) * width..][..TURNED].copy_from_slice(values);
        });
    }
    for i in whole * LANES..len {
        to[i * width..][..TURNED].copy_from_slice(&rows.map(|row| row[i]));
    }
}

/// Rows of a matrix, or columns, that lie in one piece: `stride` values from
/// one to the next.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
}

impl<'a> Lines<'a> {
    /// The lines from one on.
    pub(crate) fn from(self, line: usize) -> Self {
        Self { data: &self.data[line * self.stride..], ..self }
    }

    /// A part of a line.
    #[inline(always)]
    pub(crate) fn get(self, line: usize, k: &Range<usize>) -> &'a [f32] {
        &self.data[line * self.stride..][k.clone()]
    }
}

/// The dot products, over `k`, of the first `R` lines of `a` with the first `C`
/// of `b`, set or added to `out`.
#[inline(always)]
pub(crate) fn dots<S: Simd, const R: usize, const C: usize>(
    s: S,
    [a, b]: [Lines<'_>; 2],
    k: Range<usize>,
    add: bool,
    mut out: Columns<'_, f32>,
) {
    let a: [&[f32]; R] = std::array::from_fn(|r| a.get(r, &k));
    let b: [&[f32]; C] = std::array::from_fn(|c| b.get(c, &k));
    let whole = k.len() / LANES;
    let (a_vectors, b_vectors) = (
        a.map(|line| &line.as_chunks::<LANES>().0[..whole]),
        b.map(|line| &line.as_chunks::<LANES>().0[..whole]),
    );
    let mut sums = [[s.splat(0.0); C]; R];
    for i in 0..whole {
        let mut column = [s.splat(0.0); R];
        unroll!(r < R => column[r] = s.load(&a_vectors[r][i]));
        unroll!(c < C => {
            let x = s.load(&b_vectors[c][i]);
            unroll!(r < R => sums[r][c] = s.fma(column[r], x, sums[r][c]));
        });
    }
    unroll!(r < R => {
        let out = out.row(r);
        unroll!(c < C => {
            let rest = a[r][whole * LANES..].iter().zip(&b[c][whole * LANES..]);
            let sum = rest.fold(s.sum_across(sums[r][c]), |sum, (a, b)| a.mul_add(*b, sum));
            out[c] = if add { out[c] + sum } else { sum };
        });
    });
}

/// The dot product of two rows of one length.
#[inline(always)]
pub(crate) fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    const WIDE: usize = 8;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let ((a, a_last), (b, b_last)) = (a.as_chunks::<WIDE>(), b.as_chunks::<WIDE>());
    let mut sums = [s.splat(0.0); WIDE];
    for (a, b) in a.iter().zip(b) {
        unroll!(w < WIDE => sums[w] = s.fma(s.load(&a[w]), s.load(&b[w]), sums[w]));
    }
    for (a, b) in a_last.iter().zip(b_last) {
        sums[0] = s.fma(s.load(a), s.load(b), sums[0]);
    }
    let pairs: [S::F32; 4] = std::array::from_fn(|w| s.add(sums[w], sums[w + 4]));
    let sum = s.add(s.add(pairs[0], pairs[1]), s.add(pairs[2], pairs[3]));
    let rest = a_rest.iter().zip(b_rest);
    rest.fold(s.sum_across(sum), |sum, (a, b)| a.mul_add(*b, sum))
}
