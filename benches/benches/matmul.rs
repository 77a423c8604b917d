//! Products of matrices: prefill (GEMM) and decode (GEMV), and the
//! quantization of their inputs, for every type of tensor and every level.

use criterion::{BenchmarkId, Criterion, Throughput};
use half::{bf16, f16};
use smallmind_benches::{check, criterion, floats, levels};
use smallmind_runtime::bench_internals::{Inputs, Matrix};
use smallmind_runtime::container::TensorType;

const ROWS: usize = 512;
const COLS: usize = 768;

fn main() {
    let mut c = criterion();
    products(&mut c, "gemm", 64);
    products(&mut c, "gemv", 1);
    quantization(&mut c);
    c.final_summary();
}

fn products(c: &mut Criterion, name: &str, tokens: usize) {
    let x = floats(1, tokens * COLS);
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements((2 * ROWS * COLS * tokens) as u64));
    for (kind, matrix) in matrices() {
        let mut expected = None;
        for (level, bench) in levels() {
            let (mut inputs, mut out) = (Inputs::default(), vec![0.0; tokens * ROWS]);
            bench.take(&x, &matrix, &mut inputs);
            bench.matmul(&matrix, &inputs, &mut out);
            check(&mut expected, &out, &format!("{name} of {kind} at {level}"));
            group.bench_function(BenchmarkId::new(kind.name(), level), |b| {
                b.iter(|| bench.matmul(&matrix, &inputs, &mut out));
            });
        }
    }
}

/// Of activations to eight bits; the next products check what it makes.
fn quantization(c: &mut Criterion) {
    let (tokens, mut expected) = (64, None);
    let x = floats(2, tokens * COLS);
    let matrix = matrix(TensorType::Q8_0).expect("a type that has kernels");
    let mut group = c.benchmark_group("quantize");
    group.throughput(Throughput::Elements(x.len() as u64));
    for (level, bench) in levels() {
        let (mut inputs, mut out) = (Inputs::default(), vec![0.0; tokens * ROWS]);
        group.bench_function(level.as_str(), |b| b.iter(|| bench.take(&x, &matrix, &mut inputs)));
        bench.take(&x, &matrix, &mut inputs);
        bench.matmul(&matrix, &inputs, &mut out);
        check(&mut expected, &out, &format!("quantize at {level}"));
    }
}

/// A matrix of each type that has kernels.
fn matrices() -> impl Iterator<Item = (TensorType, Matrix)> {
    TensorType::ALL.iter().filter_map(|&kind| Some((kind, matrix(kind)?)))
}

fn matrix(kind: TensorType) -> Option<Matrix> {
    let source = match kind {
        TensorType::F32 => weights(f32::to_le_bytes),
        TensorType::F16 => weights(|w| f16::from_f32(w).to_le_bytes()),
        TensorType::BF16 => weights(|w| bf16::from_f32(w).to_le_bytes()),
        _ => {
            let blocks = blocks(kind)?;
            let bytes = ROWS * COLS / kind.block_size() as usize * kind.type_size() as usize;
            blocks.iter().copied().cycle().take(bytes).collect()
        }
    };
    Matrix::pack(kind, ROWS, COLS, &source)
}

fn weights<const N: usize>(bytes: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
    floats(3, ROWS * COLS).into_iter().flat_map(bytes).collect()
}

/// Some blocks of a quantized type, as the runtime's tests have them.
fn blocks(kind: TensorType) -> Option<Vec<u8>> {
    let data = include_str!("../../smallmind-runtime/tests/data/dequantized.txt");
    let line = data.lines().find_map(|l| l.strip_prefix(kind.name())?.strip_prefix(' '))?;
    let hex = line.split(' ').next()?.as_bytes().as_chunks::<2>().0;
    let digit = |c: u8| char::from(c).to_digit(16);
    hex.iter().map(|[a, b]| u8::try_from(digit(*a)? << 4 | digit(*b)?).ok()).collect()
}
