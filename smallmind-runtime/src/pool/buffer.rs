//! Numbers in memory of a pool.

use super::TensorPool;
use super::free::Class;
use crate::kernels::memory::{LARGE, Line, anonymous};
use bytemuck::{Pod, Zeroable};
use memmap2::MmapMut;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Memory that begins at a line of the caches.
pub(crate) enum Memory {
    Lines(Box<[Line]>),
    /// Of its own, in huge pages where the system grants them.
    Map(MmapMut),
}

impl Memory {
    /// Zeroed bytes, at least as many as asked for.
    fn new(bytes: usize) -> Self {
        // Where the system has no map to give, the allocator says what it
        // always says when memory is out.
        match (bytes >= LARGE).then(|| anonymous(bytes)) {
            Some(Ok(map)) => Self::Map(map),
            _ => Self::Lines(vec![Line::zeroed(); bytes.div_ceil(size_of::<Line>())].into()),
        }
    }
}

impl Deref for Memory {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Lines(lines) => bytemuck::cast_slice(lines),
            Self::Map(map) => map,
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Lines(lines) => bytemuck::cast_slice_mut(lines),
            Self::Map(map) => map,
        }
    }
}

/// A growing row of numbers in memory of a [`TensorPool`], 64-byte-aligned,
/// which gets its memory back whatever way the buffer's scope ends.
///
/// ```
/// use smallmind_runtime::{Buffer, TensorPool};
///
/// let pool = TensorPool::new(1 << 20);
/// let mut row = Buffer::<f32>::new(&pool);
/// row.resize(3, 0.5);
/// row[1] = 2.0;
/// assert_eq!(*row, [0.5, 2.0, 0.5]);
/// drop(row);
/// assert_eq!(pool.stats().live_bytes, 0);
/// ```
pub struct Buffer<T: Pod> {
    pool: TensorPool,
    memory: Option<(Class, Memory)>,
    len: usize,
    values: PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    /// An empty buffer, which takes memory once it holds something.
    pub fn new(pool: &TensorPool) -> Self {
        Self { pool: pool.clone(), memory: None, len: 0, values: PhantomData }
    }

    /// Forgets all values, and keeps their memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Forgets all values after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Makes the buffer hold `len` values; new ones are `value`.
    ///
    /// # Panics
    /// Where `len` values are more than an address space holds.
    pub fn resize(&mut self, len: usize, value: T) {
        let filled = self.len.min(len);
        self.reserve(len);
        self.len = len;
        self[filled..].fill(value);
    }

    /// Appends values.
    ///
    /// # Panics
    /// As [`resize`](Self::resize).
    pub fn extend_from_slice(&mut self, values: &[T]) {
        let filled = self.len;
        self.reserve(filled + values.len());
        self.len += values.len();
        self[filled..].copy_from_slice(values);
    }

    /// Makes room for `len` values in all.
    ///
    /// # Panics
    /// As [`resize`](Self::resize).
    pub fn reserve(&mut self, len: usize) {
        let held = self.memory.as_ref().map_or(0, |(class, _)| class.bytes);
        let bytes = len.checked_mul(size_of::<T>()).expect("a row that an address space holds");
        if bytes <= held {
            return;
        }
        let class = Class::of(bytes).expect("a row that an address space holds");
        let taken = self.pool.lists().take(class);
        let mut memory = taken.unwrap_or_else(|| {
            tracing::debug!(bytes = class.bytes, "the pool has no such buffer");
            Memory::new(class.bytes)
        });
        let old = self.len * size_of::<T>();
        if let Some((_, from)) = &self.memory {
            memory[..old].copy_from_slice(&from[..old]);
        }
        self.give_back();
        self.memory = Some((class, memory));
    }

    fn give_back(&mut self) {
        if let Some((class, memory)) = self.memory.take() {
            // Where the pool is full, this is the end of it.
            drop(self.pool.lists().give(class, Some(memory)));
        }
    }
}

impl<T: Pod> Drop for Buffer<T> {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// An empty one of the pool that all share.
impl<T: Pod> Default for Buffer<T> {
    fn default() -> Self {
        Self::new(TensorPool::shared())
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.memory {
            Some((_, memory)) => bytemuck::cast_slice(&memory[..self.len * size_of::<T>()]),
            None => &[],
        }
    }
}

impl<T: Pod> DerefMut for Buffer<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.memory {
            Some((_, memory)) => bytemuck::cast_slice_mut(&mut memory[..self.len * size_of::<T>()]),
            None => &mut [],
        }
    }
}

impl<T: Pod + fmt::Debug> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
