//! Buffers that are used again.

mod buffer;
mod free;
mod sync;

pub use buffer::Buffer;

use buffer::Memory;
use free::FreeLists;
use smallmind_abstractions::PoolStats;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Bytes that the shared pool keeps for later: the buffers of some sessions.
const SHARED_LIMIT: usize = 64 << 20;

/// Keeps memory of [`Buffer`]s that are gone for those to come, by size, up to
/// a limit. Clones share it.
///
/// ```
/// use smallmind_runtime::{Buffer, TensorPool};
///
/// let pool = TensorPool::new(1 << 20);
/// for _ in 0..3 {
///     Buffer::<f32>::new(&pool).resize(1000, 0.0);
/// }
/// let stats = pool.stats();
/// assert_eq!((stats.misses, stats.hits), (1, 2));
/// pool.trim();
/// assert_eq!(pool.stats().retained_bytes, 0);
/// ```
#[derive(Clone)]
pub struct TensorPool(Arc<FreeLists<Memory>>);

impl TensorPool {
    /// A pool that keeps at most `limit` bytes of free buffers.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(FreeLists::new(limit)))
    }

    /// The pool that all contexts of this process share. It keeps at most
    /// 64 MB.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<TensorPool> = OnceLock::new();
        SHARED.get_or_init(|| Self::new(SHARED_LIMIT))
    }

    /// Gives all free buffers back to the system.
    pub fn trim(&self) {
        let freed = self.0.drain();
        tracing::debug!(buffers = freed.len(), "trimmed the pool");
    }

    /// What it has done so far.
    pub fn stats(&self) -> PoolStats {
        let counts = self.0.counts();
        PoolStats {
            hits: counts.hits,
            misses: counts.misses,
            live_bytes: counts.live,
            high_water_bytes: counts.high_water,
            retained_bytes: counts.retained,
        }
    }

    fn lists(&self) -> &FreeLists<Memory> {
        &self.0
    }
}

impl fmt::Debug for TensorPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TensorPool").field(&self.stats()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::free::{Class, SMALLEST};
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn classes_hold_what_is_asked_for_and_little_more() {
        let mut last = 0;
        for bytes in (1..20).flat_map(|i| [1 << i, (1 << i) + 1, 3 << i, (5 << i) - 1]) {
            let class = Class::of(bytes).expect("a class");
            assert!(class.bytes >= bytes && class.bytes <= (bytes + bytes / 4 + 4).max(SMALLEST));
            assert_eq!(Class::of(class.bytes), Some(class));
            last = last.max(class.bytes);
        }
        assert!(Class::of(isize::MAX as usize / 2).is_some() && last > 1 << 20);
        assert_eq!(Class::of(usize::MAX), None);
    }

    #[test]
    fn buffers_are_aligned_and_keep_their_values_as_they_grow() {
        let pool = TensorPool::new(8 << 20);
        let mut buffer = Buffer::<u32>::new(&pool);
        assert!(buffer.is_empty());
        for len in [1, 100, 5000, 1_000_000] {
            let filled = buffer.len();
            buffer.resize(len, len as u32);
            assert_eq!(buffer.as_ptr().align_offset(64), 0);
            assert!(buffer[filled..].iter().all(|v| *v == len as u32));
        }
        assert_eq!((buffer[0], buffer[99], buffer[4999]), (1, 100, 5000));
        buffer.truncate(2);
        buffer.extend_from_slice(&[7, 8]);
        assert_eq!(*buffer, [1, 100, 7, 8]);
    }

    #[test]
    fn memory_comes_back_from_errors_and_panics_and_is_bounded() {
        let pool = TensorPool::new(4 * SMALLEST);
        let fails = || -> Result<(), ()> {
            Buffer::<u8>::new(&pool).resize(SMALLEST, 1);
            Err(())
        };
        assert!(fails().is_err());
        let panics = catch_unwind(AssertUnwindSafe(|| {
            let mut buffer = Buffer::<u8>::new(&pool);
            buffer.resize(SMALLEST, 1);
            buffer[SMALLEST] = 0;
        }));
        assert!(panics.is_err());
        let stats = pool.stats();
        assert_eq!((stats.live_bytes, stats.misses, stats.hits), (0, 1, 1));
        let many: Vec<_> = (0..10)
            .map(|_| {
                let mut buffer = Buffer::<u8>::new(&pool);
                buffer.resize(SMALLEST, 1);
                buffer
            })
            .collect();
        assert_eq!(pool.stats().live_bytes, 10 * SMALLEST);
        drop(many);
        let stats = pool.stats();
        assert_eq!((stats.live_bytes, stats.retained_bytes), (0, 4 * SMALLEST));
        assert_eq!(stats.high_water_bytes, 10 * SMALLEST);
        pool.trim();
        assert_eq!(pool.stats().retained_bytes, 0);
    }
}
