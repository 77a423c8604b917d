//! What is said about memory.

/// What a pool of buffers has done so far, for all who share it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Buffers that were at hand when they were asked for.
    pub hits: u64,
    /// Buffers that had to be allocated.
    pub misses: u64,
    /// Bytes of the buffers in use.
    pub live_bytes: usize,
    /// The most that `live_bytes` has been.
    pub high_water_bytes: usize,
    /// Bytes of the buffers that wait for their next use.
    pub retained_bytes: usize,
}
