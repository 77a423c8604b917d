//! Products of matrices of floats on one thread and on two, of even and of thin
//! shapes: `dense/M×K×N` as `MxKxN`.

use criterion::{BenchmarkId, Throughput};
use smallmind_abstractions::CancellationToken;
use smallmind_benches::{criterion, floats};
use smallmind_runtime::{Buffer, Gemm, MatrixView};

/// Rows of A, columns of A, columns of B.
const SHAPES: [[usize; 3]; 10] = [
    [512, 512, 512],
    [1024, 1024, 1024],
    [2048, 2048, 2048],
    [2048, 64, 2048],
    [8, 2048, 2048],
    [16, 2048, 2048],
    [2048, 2048, 16],
    [4096, 4096, 32],
    [1, 2048, 2048],
    [2048, 2048, 1],
];

/// Values in memory that is aligned, and in large pages, as numpy's are.
fn buffer(values: &[f32]) -> Buffer<f32> {
    let mut buffer = Buffer::default();
    buffer.extend_from_slice(values);
    buffer
}

fn main() {
    let mut c = criterion();
    let mut group = c.benchmark_group("dense");
    for [m, k, n] in SHAPES {
        let (a, b) = (buffer(&floats(1, m * k)), buffer(&floats(2, k * n)));
        let mut out = buffer(&vec![0.0; m * n]);
        let a = MatrixView::new(&a, m, k).expect("values for the shape");
        let b = MatrixView::new(&b, k, n).expect("values for the shape");
        group.throughput(Throughput::Elements((2 * m * k * n) as u64));
        for threads in [1, 2] {
            let (mut gemm, never) =
                (Gemm::new(Some(threads)).expect("threads"), CancellationToken::new());
            group.bench_function(BenchmarkId::new(format!("{m}x{k}x{n}"), threads), |bench| {
                bench.iter(|| gemm.multiply(a, b, &mut out, &never).expect("shapes that fit"));
            });
        }
    }
    group.finish();
    c.final_summary();
}
