//! Sampling from the logits of small and large vocabularies.

use criterion::{BenchmarkId, Throughput};
use smallmind_abstractions::SamplingOptions;
use smallmind_benches::{criterion, floats};
use smallmind_runtime::Sampler;

fn main() {
    let mut c = criterion();
    let mut group = c.benchmark_group("sampling");
    let greedy = SamplingOptions::default();
    let filtered = SamplingOptions {
        temperature: 0.8,
        top_k: 40,
        top_p: 0.95,
        min_p: 0.05,
        seed: 1,
        ..Default::default()
    };
    for size in [49_152, 262_144] {
        let logits: Vec<_> = floats(1, size).into_iter().map(|l| 10.0 * l).collect();
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        group.throughput(Throughput::Elements(size as u64));
        for (name, options, slack) in [("greedy", &greedy, 0.0), ("filtered", &filtered, 3.0)] {
            let mut sampler = Sampler::new(options.clone()).expect("sound options");
            let token = sampler.sample(&logits).expect("sound logits");
            // ln(0.05) is above -3.
            assert!(logits[token as usize] >= max - slack, "{name} takes an unlikely token");
            group.bench_function(BenchmarkId::new(name, size), |b| {
                b.iter(|| sampler.sample(&logits));
            });
        }
    }
    group.finish();
    c.final_summary();
}
