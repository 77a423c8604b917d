//! Products of matrices in single precision: what is asked for, and products
//! with a vector. `thin` and `blocks` have the others.

mod blocks;
mod pack;
#[cfg(test)]
mod tests;
mod thin;

use crate::Error;
use crate::kernels::Kernels;
use crate::kernels::generic::gemm::ADDED;
use crate::kernels::parts::Parts;
use crate::kernels::simd::LANES;
use crate::kernels::threads::{Pool, default_threads};
use crate::pool::Buffer;
use smallmind_abstractions::CancellationToken;

/// Values of a vector product that are worth handing to a thread.
const TASK: usize = 1 << 15;
/// Columns of rows that are added up: long enough to be read at full speed.
const STRIP: usize = 4096;
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
    x: Buffer<f32>,
    packed: blocks::Packed,
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
        Ok(Self { kernels, pool, x: Buffer::default(), packed: blocks::Packed::default() })
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
        if a.cols() == 0 {
            c.fill(0.0);
        } else if a.rows() == 1 && b.has_whole_rows() {
            self.row_times(a, b, c, cancel);
        } else if b.cols() == 1 && !a.has_whole_rows() {
            self.row_times(b.transposed(), a.transposed(), c, cancel);
        } else if thin::is_thin(a, b) {
            thin::multiply(self.kernels, &self.pool, &mut self.x, [a, b], c, cancel);
        } else {
            blocks::multiply(self.kernels, &self.pool, &mut self.packed, [a, b], c, cancel);
        }
        Ok(cancel.check()?)
    }

    /// A row times a matrix of whole rows.
    fn row_times(
        &mut self,
        x: MatrixView<'_>,
        b: MatrixView<'_>,
        c: &mut [f32],
        cancel: &CancellationToken,
    ) {
        let (kernels, depth) = (self.kernels, x.cols());
        self.x.resize(depth, 0.0);
        self.x.iter_mut().enumerate().for_each(|(k, to)| *to = x.at(0, k));
        let x = &self.x[..];
        let share = c.len().div_ceil(self.pool.threads()).next_multiple_of(LANES);
        let per_task = share.min(STRIP).max(TASK / depth);
        let (tasks, len) = (c.len().div_ceil(per_task), c.len());
        let c = Parts::new(c);
        self.pool.run(tasks, cancel, |task, _| {
            let cols = task * per_task..len.min((task + 1) * per_task);
            // SAFETY: each task has columns of its own.
            let c = unsafe { c.part(cols.clone()) };
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
}
