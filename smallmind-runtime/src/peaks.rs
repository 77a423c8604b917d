//! The machine's peaks, to hold speeds against.

use crate::Error;
use crate::kernels::Kernels;
use crate::kernels::generic::peaks::{FLOPS, INT8_OPS};
use crate::kernels::threads::Pool;
use smallmind_abstractions::CancellationToken;
use std::hint::black_box;
use std::time::Instant;

/// What the machine does at most with some threads, by the best of several
/// short runs of loops that do nothing else.
///
/// ```no_run
/// use smallmind_abstractions::CancellationToken;
///
/// let peaks = smallmind_runtime::peaks::measure(2, &CancellationToken::new())?;
/// println!("{:.0} GB/s", peaks.read_bandwidth / 1e9);
/// # Ok::<(), smallmind_runtime::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Peaks {
    /// Bytes a second read from memory.
    pub read_bandwidth: f64,
    /// Multiplications and additions a second in single precision.
    pub f32_flops: f64,
    /// Multiplications and additions a second in integer dot products of
    /// bytes.
    pub int8_ops: f64,
}

/// Runs of each loop; the best counts.
const RUNS: usize = 5;
/// Rounds of a loop in registers: some ten milliseconds.
const ROUNDS: u64 = 2_000_000;
/// Bytes that each thread reads: more than caches hold.
const READ: usize = 128 << 20;

/// Measures the peaks of the kernels in use with `threads` threads. Takes
/// about a second.
///
/// # Errors
/// [`Error::KernelsUnavailable`], [`Error::Threads`], [`Error::Cancelled`].
pub fn measure(threads: usize, cancel: &CancellationToken) -> Result<Peaks, Error> {
    let kernels = Kernels::best()?;
    let pool = Pool::new(threads).map_err(|source| Error::Threads { threads, source })?;
    let threads = pool.threads();
    let data = vec![1u8; READ * threads];
    let rate = |work: f64, task: &(dyn Fn(usize) + Sync)| {
        let run = |_| {
            let start = Instant::now();
            pool.run(threads, cancel, |i, _| task(i));
            work * threads as f64 / start.elapsed().as_secs_f64()
        };
        (0..RUNS).map(run).fold(0.0, f64::max)
    };
    let peaks = Peaks {
        read_bandwidth: rate(READ as f64, &|i| {
            black_box(kernels.peak_read(&data[i * READ..(i + 1) * READ]));
        }),
        f32_flops: rate((ROUNDS * FLOPS) as f64, &|_| {
            black_box(kernels.peak_fma(ROUNDS));
        }),
        int8_ops: rate((ROUNDS * INT8_OPS) as f64, &|_| {
            black_box(kernels.peak_dot(ROUNDS));
        }),
    };
    cancel.check()?;
    Ok(peaks)
}
