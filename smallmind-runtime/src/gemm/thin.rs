//! Products of which one side has few rows: sums run along `k`, so that the
//! large side is read as it lies.

use super::MatrixView;
use super::pack::turn;
use crate::kernels::Kernels;
use crate::kernels::generic::gemm::Lines;
use crate::kernels::parts::Parts;
use crate::kernels::threads::Pool;
use crate::pool::Buffer;
use smallmind_abstractions::CancellationToken;
use std::ops::Range;

/// Rows, or columns, that are few.
const FEW: usize = 48;
/// Values of `k` in a block: those of a tile stay in the first cache.
const DEPTH: usize = 1024;
/// Tasks for each thread.
const TASKS: usize = 16;

/// Whether a product is one of these.
pub(super) fn is_thin(a: MatrixView<'_>, b: MatrixView<'_>) -> bool {
    (b.cols() <= FEW && a.has_whole_rows()) || (a.rows() <= FEW && b.transposed().has_whole_rows())
}

/// `c = a · b`; stops early when cancelled.
pub(super) fn multiply(
    kernels: &'static Kernels,
    pool: &Pool,
    buffer: &mut Buffer<f32>,
    [a, b]: [MatrixView<'_>; 2],
    c: &mut [f32],
    cancel: &CancellationToken,
) {
    let (rows, depth, cols) = (a.rows(), a.cols(), b.cols());
    let (lines_a, lines_b) = (along(a), along(b.transposed()));
    let few = if lines_a.is_none() { a.transposed() } else { b };
    if lines_a.is_none() || lines_b.is_none() {
        buffer.resize(few.cols() * depth, 0.0);
        turn(kernels, few, 0..depth, 0..few.cols(), depth, buffer);
    }
    let turned = Lines { data: buffer, stride: depth };
    let lines = [lines_a.unwrap_or(turned), lines_b.unwrap_or(turned)];
    let [height, width] = kernels.dots_shape();
    let share = |len: usize, tile: usize| len.div_ceil(tile * pool.threads() * TASKS) * tile;
    let [high, wide] =
        if rows > cols { [share(rows, height), cols] } else { [rows, share(cols, width)] };
    let across = cols.div_ceil(wide);
    // What is read once is best read in one go.
    let step = if rows.min(cols) == 1 { depth } else { DEPTH };
    let c = Parts::new(c);
    pool.run(rows.div_ceil(high) * across, cancel, |task, _| {
        let (row, col) = (task / across * high, task % across * wide);
        let place = [row..rows.min(row + high), col..cols.min(col + wide)];
        for k in (0..depth).step_by(step) {
            if cancel.is_cancelled() {
                return;
            }
            block(kernels, lines, k..depth.min(k + step), &place, cols, &c);
        }
    });
}

/// The rows of a matrix, where each lies in one piece.
fn along(view: MatrixView<'_>) -> Option<Lines<'_>> {
    view.has_whole_rows().then_some(Lines { data: view.data, stride: view.strides[0] })
}

/// Sets, or adds to, some rows and columns of a product what a range of `k`
/// gives.
fn block(
    kernels: &Kernels,
    [a, b]: [Lines<'_>; 2],
    k: Range<usize>,
    [rows, cols]: &[Range<usize>; 2],
    stride: usize,
    c: &Parts<'_, f32>,
) {
    let [height, width] = kernels.dots_shape();
    for row in rows.clone().step_by(height) {
        let rows = row..rows.end.min(row + height);
        for col in cols.clone().step_by(width) {
            let cols = col..cols.end.min(col + width);
            let whole = [rows.len(), cols.len()] == [height, width];
            // SAFETY: each row and column is in one task.
            let mut c = unsafe { c.columns(rows.clone(), stride, cols.clone()) };
            if whole {
                kernels.dots([a.from(row), b.from(col)], k.clone(), k.start > 0, c);
                continue;
            }
            for (i, row) in rows.clone().enumerate() {
                for (c, col) in c.row(i).iter_mut().zip(cols.clone()) {
                    let sum = kernels.dot(a.get(row, &k), b.get(col, &k));
                    *c = if k.start > 0 { *c + sum } else { sum };
                }
            }
        }
    }
}
