//! Matrices in the order in which tiles read them.

use super::MatrixView;
use crate::kernels::Kernels;
use crate::kernels::generic::gemm::TURNED;
use crate::kernels::simd::LANES;
use std::ops::Range;

/// Brings columns of a matrix together in panels of `width`: a panel holds as
/// many times `width` values as there are `rows`. Columns beyond the last of
/// `columns` are zero.
pub(super) fn pack(
    kernels: &Kernels,
    view: MatrixView<'_>,
    rows: Range<usize>,
    columns: Range<usize>,
    width: usize,
    to: &mut [f32],
) {
    let panel = rows.len() * width;
    if view.has_whole_rows() {
        // Whole rows are read at once, which is what caches foresee.
        for (i, row) in rows.enumerate() {
            for (j, from) in view.row(row)[columns.clone()].chunks(width).enumerate() {
                copy(from, &mut to[j * panel + i * width..][..width]);
            }
        }
        return;
    }
    for (first, to) in columns.clone().step_by(width).zip(to.chunks_exact_mut(panel)) {
        let columns = first..columns.end.min(first + width);
        turn(kernels, view.transposed(), columns, rows.clone(), width, to);
    }
}

/// Writes parts of rows as columns: value `i` of row `r`, counted from the
/// first of each, to `to[i * width + r]`. Columns beyond the last row are zero.
pub(super) fn turn(
    kernels: &Kernels,
    view: MatrixView<'_>,
    rows: Range<usize>,
    part: Range<usize>,
    width: usize,
    to: &mut [f32],
) {
    let row = |r: usize| &view.row(rows.start + r)[part.clone()];
    let turned = rows.len() / TURNED * TURNED;
    for r in (0..turned).step_by(TURNED) {
        kernels.turn(std::array::from_fn(|i| row(r + i)), width, &mut to[r..]);
    }
    for r in turned..width {
        let cells = to[r..].iter_mut().step_by(width);
        if r < rows.len() {
            cells.zip(row(r)).for_each(|(to, from)| *to = *from);
        } else {
            cells.for_each(|to| *to = 0.0);
        }
    }
}

/// Copies a short row, for which a call would cost more than the copy, and
/// fills up with zeros.
fn copy(from: &[f32], to: &mut [f32]) {
    let ((from, last), (to, rest)) = (from.as_chunks::<LANES>(), to.as_chunks_mut::<LANES>());
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
    let rest =
        to.get_mut(from.len()..).unwrap_or_default().as_flattened_mut().iter_mut().chain(rest);
    for (i, to) in rest.enumerate() {
        *to = last.get(i).copied().unwrap_or(0.0);
    }
}
