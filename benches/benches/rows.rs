//! What is done to one token's activations between products. Throughput
//! counts values.

use criterion::{Criterion, Throughput};
use smallmind_benches::{check, criterion, floats, levels};
use smallmind_runtime::bench_internals::Bench;

fn main() {
    let mut c = criterion();
    let (x, y) = (floats(1, 1536), floats(2, 1536));
    kernel(&mut c, "rms norm", &x, |bench, out| bench.rms_norm(&x, &y, out));
    kernel(&mut c, "silu gate", &x, |bench, out| bench.silu_gate(out, &y));
    kernel(&mut c, "gelu gate", &x, |bench, out| bench.gelu_gate(out, &y));
    let (sin, cos): (Vec<f32>, Vec<f32>) = (0..128).map(|i| (i as f32).sin_cos()).unzip();
    kernel(&mut c, "rope", &x[..256], |bench, out| bench.rope(out, &cos, &sin));
    c.final_summary();
}

/// Times `f`, which changes or overwrites the values it is given.
fn kernel(c: &mut Criterion, name: &str, x: &[f32], f: impl Fn(&Bench, &mut [f32])) {
    let (mut group, mut expected) = (c.benchmark_group(name), None);
    group.throughput(Throughput::Elements(x.len() as u64));
    for (level, bench) in levels() {
        let mut out = x.to_vec();
        f(&bench, &mut out);
        check(&mut expected, &out, &format!("{name} at {level}"));
        group.bench_function(level.as_str(), |b| {
            b.iter(|| {
                // The same values each time: products of products vanish.
                out.copy_from_slice(x);
                f(&bench, &mut out);
            });
        });
    }
}
