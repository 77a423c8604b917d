//! Products of matrices in single precision.
//!
//! ```text
//! for each DEPTH of k:                        pack A and B, all threads
//!     for each ROWS × COLS of C:              a task
//!         for each panel of B:                stays in the innermost cache
//!             for each tile of A:             kernels::generic::gemm::tile
//! ```

use crate::Error;
use crate::kernels::Kernels;
use crate::kernels::generic::gemm::ADDED;
use crate::kernels::parts::Parts;
use crate::kernels::simd::LANES;
use crate::kernels::threads::{Pool, default_threads};
use smallmind_abstractions::CancellationToken;

/// Values of `k` in a block: a panel of B of that depth fits the innermost
/// cache, a block of A the next one.
const DEPTH: usize = 256;
/// Tiles of A, and panels of B, that a task takes.
const TILES: usize = 8;
const PANELS: usize = 8;
/// Rows of A, and columns of B, that are packed at a time.
const MOST: usize = 4096;
/// Values of a vector product that are worth handing to a thread.
const TASK: usize = 1 << 15;
/// Columns of rows that are added up: long enough to be read at full speed.
const STRIP: usize = 512;
/// The largest tile: rows times columns.
const MAX_TILE: usize = 12 * 2 * LANES;

/// A matrix in somebody's memory: element `(i, j)` is
/// `data[i * strides[0] + j * strides[1]]`.
#[derive(Debug, Clone, Copy)]
pub struct MatrixView<'a> {
    data: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> MatrixView<'a> {
    /// `rows` rows of `cols` values, one after the other.
    ///
    /// # Errors
    /// [`Error::MatrixShape`] where `data` has another length.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Result<Self, Error> {
        expect("values of a matrix", rows.saturating_mul(cols), data.len())?;
        Ok(Self { data, shape: [rows, cols], strides: [cols, 1] })
    }

    /// The same memory, with rows as columns.
    #[must_use]
    pub fn transposed(self) -> Self {
        let ([rows, cols], [a, b]) = (self.shape, self.strides);
        Self { data: self.data, shape: [cols, rows], strides: [b, a] }
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.shape[0]
    }

    /// The number of columns.
    pub fn cols(&self) -> usize {
        self.shape[1]
    }

    /// Whether each row lies in one piece.
    fn has_whole_rows(&self) -> bool {
        self.strides[1] == 1
    }

    fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.strides[0]..][..self.shape[1]]
    }

    fn at(&self, i: usize, j: usize) -> f32 {
        self.data[i * self.strides[0] + j * self.strides[1]]
    }
}

fn expect(what: &'static str, expected: usize, found: usize) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::MatrixShape { what, expected, found }) }
}

/// Multiplies matrices of floats (GEMM) on threads of its own, with buffers
/// that it keeps.
///
/// Every element of a product is one sum in a fixed order: it does not depend
/// on the number of threads.
///
/// ```
/// use smallmind_abstractions::CancellationToken;
/// use smallmind_runtime::{Gemm, MatrixView};
///
/// let a = MatrixView::new(&[1.0, 2.0, 3.0, 4.0], 2, 2)?;
/// let b = MatrixView::new(&[1.0, 0.0, 1.0, 0.0, 1.0, 1.0], 2, 3)?;
/// let mut c = [0.0; 6];
/// Gemm::new(None)?.multiply(a, b, &mut c, &CancellationToken::new())?;
/// assert_eq!(c, [1.0, 2.0, 3.0, 3.0, 4.0, 7.0]);
/// # Ok::<(), smallmind_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Gemm {
    kernels: &'static Kernels,
    pool: Pool,
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Gemm {
    /// With some threads; the physical cores this process may use where
    /// `None`.
    ///
    /// # Errors
    /// [`Error::KernelsUnavailable`], [`Error::Threads`].
    pub fn new(threads: Option<usize>) -> Result<Self, Error> {
        Self::with(Kernels::best()?, threads.unwrap_or_else(default_threads))
    }

    pub(crate) fn with(kernels: &'static Kernels, threads: usize) -> Result<Self, Error> {
        let pool = Pool::new(threads).map_err(|source| Error::Threads { threads, source })?;
        Ok(Self { kernels, pool, a: Vec::new(), b: Vec::new() })
    }

    /// `c = a · b`, where `c` holds rows of `b.cols()` values.
    ///
    /// # Errors
    /// [`Error::MatrixShape`], [`Error::Cancelled`]; then `c` holds no
    /// product.
    pub fn multiply(
        &mut self,
        a: MatrixView<'_>,
        b: MatrixView<'_>,
        c: &mut [f32],
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        expect("rows of the second matrix", a.cols(), b.rows())?;
        expect("values of the product", a.rows().saturating_mul(b.cols()), c.len())?;
        if c.is_empty() {
            return Ok(());
        }
        match [a.rows(), b.cols()] {
            [1, _] => self.row_times(a, b, c, cancel),
            [_, 1] => self.row_times(b.transposed(), a.transposed(), c, cancel),
            _ => self.blocks(a, b, c, cancel)?,
        }
        Ok(cancel.check()?)
    }

    /// A row times a matrix.
    fn row_times(
        &mut self,
        x: MatrixView<'_>,
        b: MatrixView<'_>,
        c: &mut [f32],
        cancel: &CancellationToken,
    ) {
        let (kernels, depth, columns) = (self.kernels, x.cols(), b.transposed());
        self.a.clear();
        self.a.extend((0..depth).map(|k| x.at(0, k)));
        let x = &self.a[..];
        let least = if columns.has_whole_rows() { 1 } else { STRIP };
        let per_task = (TASK / depth.max(1)).max(least);
        let (tasks, len) = (c.len().div_ceil(per_task), c.len());
        let c = Parts::new(c);
        self.pool.run(tasks, cancel, |task, _| {
            let cols = task * per_task..len.min((task + 1) * per_task);
            // SAFETY: each task has columns of its own.
            let c = unsafe { c.part(cols.clone()) };
            if columns.has_whole_rows() {
                for (c, j) in c.iter_mut().zip(cols) {
                    *c = kernels.dot(x, columns.row(j));
                }
                return;
            }
            c.fill(0.0);
            let (groups, rest) = x.as_chunks::<ADDED>();
            for (i, x) in groups.iter().enumerate() {
                let rows = &b.data[i * ADDED * b.strides[0] + cols.start..];
                kernels.add_rows(x, rows, b.strides[0], c);
            }
            for (i, x) in rest.iter().enumerate() {
                let row = &b.row(groups.len() * ADDED + i)[cols.clone()];
                c.iter_mut().zip(row).for_each(|(c, b)| *c = x.mul_add(*b, *c));
            }
        });
    }

    fn blocks(
        &mut self,
        a: MatrixView<'_>,
        b: MatrixView<'_>,
        c: &mut [f32],
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        if a.cols() == 0 {
            c.fill(0.0);
        }
        for row in (0..a.rows()).step_by(MOST) {
            for col in (0..b.cols()).step_by(MOST) {
                for k in (0..a.cols()).step_by(DEPTH) {
                    let depth = DEPTH.min(a.cols() - k);
                    let block = Block {
                        start: [row, k, col],
                        len: [MOST.min(a.rows() - row), depth, MOST.min(b.cols() - col)],
                    };
                    self.block(block, a, b, c, cancel);
                    cancel.check()?;
                }
            }
        }
        Ok(())
    }

    /// Adds the product of a block of A and one of B to its place, or sets it.
    fn block(
        &mut self,
        block: Block,
        a: MatrixView<'_>,
        b: MatrixView<'_>,
        c: &mut [f32],
        cancel: &CancellationToken,
    ) {
        let ([height, vectors], kernels) = (self.kernels.gemm_shape(), self.kernels);
        let ([rows, depth, cols], width) = (block.len, vectors * LANES);
        let [row, k, col] = block.start;
        let (tiles, panels) = (rows.div_ceil(height), cols.div_ceil(width));
        self.a.resize(tiles * height * depth, 0.0);
        self.b.resize(panels * width * depth, 0.0);
        let (to_a, to_b) = (Parts::new(&mut self.a), Parts::new(&mut self.b));
        self.pool.run(tiles + panels, cancel, |task, _| {
            let (view, to, each, i) = if task < tiles {
                (a.transposed(), &to_a, height, task)
            } else {
                (b, &to_b, width, task - tiles)
            };
            let (start, end) = if task < tiles { (row, row + rows) } else { (col, col + cols) };
            let at = i * each * depth..(i + 1) * each * depth;
            let from = start + i * each;
            // SAFETY: each tile and panel is one task.
            let to = unsafe { to.part(at) };
            pack(view, k, from..end.min(from + each), each, to);
        });
        let (a, b, stride) = (&self.a, &self.b, b.cols());
        let (down, across) = (tiles.div_ceil(TILES), panels.div_ceil(PANELS));
        let c = Parts::new(c);
        self.pool.run(down * across, cancel, |task, _| {
            let (first_tile, first_panel) = (task / across * TILES, task % across * PANELS);
            let mut out = [0.0; MAX_TILE];
            let out = &mut out[..height * width];
            for panel in first_panel..panels.min(first_panel + PANELS) {
                let columns = panel * width..cols.min((panel + 1) * width);
                let b = &b[panel * width * depth..(panel + 1) * width * depth];
                for tile in first_tile..tiles.min(first_tile + TILES) {
                    let lines = tile * height..rows.min((tile + 1) * height);
                    let a = &a[tile * height * depth..(tile + 1) * height * depth];
                    kernels.gemm_tile(a, b, out);
                    for (line, out) in lines.zip(out.chunks_exact(width)) {
                        let at = (row + line) * stride + col;
                        // SAFETY: each tile and panel is in one task.
                        let c = unsafe { c.part(at + columns.start..at + columns.end) };
                        if k == 0 {
                            c.copy_from_slice(&out[..c.len()]);
                        } else {
                            c.iter_mut().zip(out).for_each(|(c, out)| *c += out);
                        }
                    }
                }
            }
        });
    }
}

/// A part of a product: rows of A, a range of `k`, columns of B.
#[derive(Clone, Copy)]
struct Block {
    start: [usize; 3],
    len: [usize; 3],
}

/// Brings columns of a matrix together, `width` of them for each row from
/// `first` on; those that are missing are zero.
fn pack(
    view: MatrixView<'_>,
    first: usize,
    columns: std::ops::Range<usize>,
    width: usize,
    to: &mut [f32],
) {
    let rows = to.chunks_exact_mut(width);
    if view.has_whole_rows() {
        for (i, to) in rows.enumerate() {
            let from = &view.row(first + i)[columns.clone()];
            let (filled, rest) = to.split_at_mut(from.len());
            filled.copy_from_slice(from);
            rest.fill(0.0);
        }
        return;
    }
    // Columns lie in pieces: read each from front to back, some at a time so
    // that what is written stays in the innermost cache.
    let (depth, lines) = (to.len() / width, view.transposed());
    for start in (0..depth).step_by(LANES) {
        let to = &mut to[start * width..depth.min(start + LANES) * width];
        for lane in 0..width {
            let column = columns.start + lane;
            let cells = to[lane..].iter_mut().step_by(width);
            if column < columns.end && lines.has_whole_rows() {
                let from = &lines.row(column)[first + start..];
                cells.zip(from).for_each(|(to, from)| *to = *from);
            } else {
                cells.enumerate().for_each(|(i, to)| {
                    let inside = column < columns.end;
                    *to = if inside { view.at(first + start + i, column) } else { 0.0 };
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    fn values(seed: usize, count: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + seed * 11) % 61) as f32 / 61.0 - 0.5).collect()
    }

    fn product(gemm: &mut Gemm, a: MatrixView<'_>, b: MatrixView<'_>) -> Vec<f32> {
        let mut c = vec![f32::NAN; a.rows() * b.cols()];
        gemm.multiply(a, b, &mut c, &CancellationToken::new()).expect("shapes fit");
        c
    }

    #[test]
    fn products_are_right_whatever_the_shape_the_level_and_the_threads() {
        let sizes = [1, 2, 13, 16, 33, 97, 300];
        let shapes = sizes.iter().flat_map(|m| sizes.map(|k| (*m, k))).chain([(5, 700)]);
        for (m, k) in shapes {
            let n = sizes[(m + k) % sizes.len()];
            let (a, b) = (values(1, m * k), values(2, k * n));
            let exact = |i: usize, j: usize| -> f64 {
                (0..k).map(|x| f64::from(a[i * k + x]) * f64::from(b[x * n + j])).sum()
            };
            for level in Level::ALL.into_iter().filter_map(Kernels::new) {
                let mut one = Gemm::with(level, 1).expect("a thread");
                let view = |data, rows, cols| MatrixView::new(data, rows, cols).expect("fits");
                let c = product(&mut one, view(&a, m, k), view(&b, k, n));
                for (at, c) in c.iter().enumerate() {
                    let error = (f64::from(*c) - exact(at / n, at % n)).abs();
                    assert!(error < 1e-4, "{m} {k} {n} at {at}: {c}");
                }
                let mut three = Gemm::with(level, 3).expect("threads");
                assert_eq!(c, product(&mut three, view(&a, m, k), view(&b, k, n)));
                let turned = |x: &[f32], rows: usize, cols: usize| -> Vec<f32> {
                    (0..rows * cols).map(|i| x[i % rows * cols + i / rows]).collect()
                };
                let (at, bt) = (turned(&a, m, k), turned(&b, k, n));
                let t = |data, rows, cols| view(data, rows, cols).transposed();
                let turned = product(&mut three, t(&at, k, m), t(&bt, n, k));
                for (a, b) in c.iter().zip(&turned) {
                    assert!((a - b).abs() < 1e-4, "{m} {k} {n}: {a} {b}");
                }
            }
        }
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let mut gemm = Gemm::new(Some(1)).expect("a thread");
        let (a, b) = (values(1, 6), values(2, 6));
        assert!(matches!(MatrixView::new(&a, 4, 2), Err(Error::MatrixShape { expected: 8, .. })));
        let a = MatrixView::new(&a, 2, 3).expect("fits");
        let b = MatrixView::new(&b, 2, 3).expect("fits");
        let never = CancellationToken::new();
        let refused = gemm.multiply(a, b, &mut [0.0; 6], &never);
        assert!(matches!(refused, Err(Error::MatrixShape { expected: 3, found: 2, .. })));
        let refused = gemm.multiply(a, b.transposed(), &mut [0.0; 3], &never);
        assert!(matches!(refused, Err(Error::MatrixShape { expected: 4, found: 3, .. })));
    }
}
