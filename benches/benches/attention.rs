//! Attention to a thousand positions: scores, softmax and weighted values.

use criterion::{BenchmarkId, Throughput};
use smallmind_benches::{check, criterion, floats, levels};

const POSITIONS: usize = 1024;

fn main() {
    let mut c = criterion();
    let mut group = c.benchmark_group("attention");
    // The query heads that share one of keys; 48 rows are a tile of prefill.
    for (dim, rows) in [(64, 3), (64, 48), (256, 4), (256, 48)] {
        let (q, mut expected) = (floats(1, rows * dim), None);
        let (k, v) = (floats(2, POSITIONS * dim), floats(3, POSITIONS * dim));
        group.throughput(Throughput::Elements((4 * rows * dim * POSITIONS) as u64));
        for (level, bench) in levels() {
            let name = format!("head {dim} rows {rows}");
            let mut out = vec![0.0; rows * dim];
            bench.attention(dim, [&q, &k, &v], &mut out);
            check(&mut expected, &out, &format!("attention, {name}, at {level}"));
            group.bench_function(BenchmarkId::new(name, level), |b| {
                b.iter(|| bench.attention(dim, [&q, &k, &v], &mut out));
            });
        }
    }
    group.finish();
    c.final_summary();
}
