//! Slices that several threads write at once, each its own part.

use std::marker::PhantomData;
use std::ops::Range;

/// A slice whose parts different threads write.
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: it stands for the `&mut [T]` it was made from; `part` makes its users
// answer for what they share.
unsafe impl<T: Send> Sync for Parts<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// One part.
    ///
    /// # Safety
    /// No two parts that are alive at once overlap.
    #[allow(clippy::mut_from_ref, reason = "that is what the safety clause is about")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: in bounds by the check above, unaliased by the caller's word.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }

    /// The values `cols` of each of the `rows` rows of `stride` values.
    ///
    /// # Safety
    /// No two parts that are alive at once overlap.
    pub(crate) unsafe fn columns(
        &self,
        rows: Range<usize>,
        stride: usize,
        cols: Range<usize>,
    ) -> Columns<'_, T> {
        assert!(rows.start <= rows.end && rows.end * stride <= self.len);
        assert!(cols.start <= cols.end && cols.end <= stride);
        // SAFETY: in bounds by the checks above.
        let start = unsafe { self.start.add(rows.start * stride + cols.start) };
        Columns { start, stride, rows: rows.len(), cols: cols.len(), slice: PhantomData }
    }
}

/// Some neighbouring columns of some neighbouring rows.
pub(crate) struct Columns<'a, T> {
    start: *mut T,
    stride: usize,
    rows: usize,
    cols: usize,
    slice: PhantomData<&'a mut [T]>,
}

impl<T> Columns<'_, T> {
    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// The columns of one row.
    #[inline(always)]
    pub(crate) fn row(&mut self, row: usize) -> &mut [T] {
        assert!(row < self.rows);
        // SAFETY: in bounds by the checks in `Parts::columns`, unaliased by the
        // word of its caller.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.cols) }
    }
}
