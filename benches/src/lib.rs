//! What benchmarks share.
//!
//! Throughput counts operations, multiplications and additions apart, so that
//! criterion's `Gelem/s` are GFLOP/s. Every kernel is held to the scalar one's
//! bits before it is timed.

use criterion::Criterion;
use smallmind_runtime::Level;
use smallmind_runtime::bench_internals::Bench;
use smallmind_testkit::Random;
use std::time::Duration;

/// Criterion with runs short enough for all kernels of all levels.
pub fn criterion() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(500))
        .configure_from_args()
}

/// The kernels of each level this machine has, the scalar ones first.
pub fn levels() -> Vec<(Level, Bench)> {
    Level::ALL.into_iter().filter_map(|l| Some((l, Bench::new(l)?))).collect()
}

/// Random numbers from -1 to 1.
pub fn floats(seed: u64, count: usize) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.float()).collect()
}

/// Keeps the first result that is found, and holds the others to its bits.
///
/// # Panics
/// Where they differ, or are no numbers.
pub fn check(expected: &mut Option<Vec<f32>>, found: &[f32], name: &str) {
    assert!(found.iter().all(|v| v.is_finite()), "{name} computes what is no number");
    assert!(found.iter().any(|v| *v != 0.0), "{name} computes nothing");
    let expected = expected.get_or_insert_with(|| found.to_vec());
    let same = expected.iter().zip(found).all(|(e, f)| e.to_bits() == f.to_bits());
    assert!(same && expected.len() == found.len(), "{name} differs from the scalar kernels");
}
