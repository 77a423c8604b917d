//! Kernels against naive twins, at every level this machine has.

use super::layout::PANEL;
use super::matmul::{Activations, Compute, Product, Source, matmul, matmul_gated};
use super::memory::Arena;
use super::pack::{PackedMatrix, Packing};
use super::precision::Precision;
use super::threads::Pool;
use super::{BLOCK, Block, Format, Gate, Kernels, Level, RopePairs, Softmax, Visible};
use half::{bf16, f16};
use smallmind_abstractions::CancellationToken;
use std::slice::from_ref;

const FORMATS: [(Format, &str); 28] = [
    (Format::F32, "F32"),
    (Format::F16, "F16"),
    (Format::BF16, "BF16"),
    (Format::Q4_0, "Q4_0"),
    (Format::Q4_1, "Q4_1"),
    (Format::Q5_0, "Q5_0"),
    (Format::Q5_1, "Q5_1"),
    (Format::Q8_0, "Q8_0"),
    (Format::Q2_K, "Q2_K"),
    (Format::Q3_K, "Q3_K"),
    (Format::Q4_K, "Q4_K"),
    (Format::Q5_K, "Q5_K"),
    (Format::Q6_K, "Q6_K"),
    (Format::IQ4_NL, "IQ4_NL"),
    (Format::IQ4_XS, "IQ4_XS"),
    (Format::IQ2_XXS, "IQ2_XXS"),
    (Format::IQ2_XS, "IQ2_XS"),
    (Format::IQ2_S, "IQ2_S"),
    (Format::IQ3_XXS, "IQ3_XXS"),
    (Format::IQ3_S, "IQ3_S"),
    (Format::IQ1_S, "IQ1_S"),
    (Format::IQ1_M, "IQ1_M"),
    (Format::TQ1_0, "TQ1_0"),
    (Format::TQ2_0, "TQ2_0"),
    (Format::MXFP4, "MXFP4"),
    (Format::NVFP4, "NVFP4"),
    (Format::Q1_0, "Q1_0"),
    (Format::Q2_0, "Q2_0"),
];

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between -1 and 1.
    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn floats(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.float()).collect()
    }
}

fn levels() -> impl Iterator<Item = &'static Kernels> {
    Level::ALL.into_iter().filter_map(Kernels::new)
}

fn packed(format: Format, rows: usize, cols: usize, source: &[u8]) -> PackedMatrix {
    let (memory, never) = (Arena::default(), CancellationToken::new());
    let packing = Packing { memory: &memory, done: &|_| (), cancel: &never };
    PackedMatrix::pack(format, rows, cols, source, packing).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).unwrap() as u8;
    text.as_bytes().as_chunks::<2>().0.iter().map(|[a, b]| digit(*a) << 4 | digit(*b)).collect()
}

/// Blocks of a type and the weights they stand for, from the data file.
fn reference_blocks(name: &str) -> (Vec<u8>, Vec<f32>) {
    let data = include_str!("../../tests/data/dequantized.txt");
    let line = data.lines().find(|l| l.split(' ').next() == Some(name)).unwrap();
    let parts: Vec<_> = line.split(' ').collect();
    let floats = hex(parts[2]).as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    (hex(parts[1]), floats)
}

/// A matrix in ggml's blocks and its weights, row by row.
fn matrix(format: Format, name: &str, rows: usize, cols: usize) -> (PackedMatrix, Vec<f32>) {
    let mut random = Random(rows as u64);
    let (mut source, mut weights) = (Vec::new(), Vec::new());
    if format.is_quantized() {
        let (blocks, values) = reference_blocks(name);
        let (len, bytes) = format.source_block();
        for _ in 0..rows * cols / len {
            let i = (random.next() % 3) as usize;
            source.extend_from_slice(&blocks[i * bytes..(i + 1) * bytes]);
            weights.extend_from_slice(&values[i * len..(i + 1) * len]);
        }
    } else {
        for value in random.floats(rows * cols) {
            let bytes = match format {
                Format::F32 => value.to_le_bytes().to_vec(),
                Format::F16 => f16::from_f32(value).to_le_bytes().to_vec(),
                _ => bf16::from_f32(value).to_le_bytes().to_vec(),
            };
            weights.push(match format {
                Format::F32 => value,
                Format::F16 => f16::from_f32(value).to_f32(),
                _ => bf16::from_f32(value).to_f32(),
            });
            source.extend(bytes);
        }
    }
    let packed = packed(format, rows, cols, &source);
    (packed, weights)
}

#[test]
fn packing_keeps_every_weight() {
    for (format, name) in FORMATS {
        let (rows, cols) = (2 * PANEL + 3, 512);
        let (packed, weights) = matrix(format, name, rows, cols);
        let mut row = vec![0.0; cols];
        for (r, expected) in weights.chunks_exact(cols).enumerate() {
            packed.dequantize_row(r, &mut row);
            let largest = expected.iter().fold(0.0f32, |m, w| m.max(w.abs()));
            for (found, expected) in row.iter().zip(expected) {
                assert!((found - expected).abs() <= 1e-6 * largest, "{name} {found} {expected}");
            }
        }
    }
}

fn run(kernels: &'static Kernels, pool: &Pool, f: impl Fn(Compute<'_>)) {
    f(Compute { kernels, pool, cancel: &CancellationToken::new() });
}

fn product(kernels: &'static Kernels, pool: &Pool, w: &PackedMatrix, x: &[f32]) -> Vec<f32> {
    product_with(Precision::Int8, kernels, pool, w, x)
}

fn product_with(
    precision: Precision,
    kernels: &'static Kernels,
    pool: &Pool,
    w: &PackedMatrix,
    x: &[f32],
) -> Vec<f32> {
    let tokens = x.len() / w.cols();
    let mut out = vec![0.0; tokens * w.rows()];
    let cancel = CancellationToken::new();
    let compute = Compute { kernels, pool, cancel: &cancel };
    let mut a = Activations::new(precision, 1, 0);
    a.fill(compute, Source::Plain(x), &[w]);
    matmul(
        compute,
        &a,
        &mut [Product { weights: from_ref(w), bias: None, out: &mut out, accumulate: false }],
    );
    out
}

/// What rounding of activations to eight bits may change.
fn tolerance(weights: &[f32], x: &[f32]) -> f32 {
    let largest = x.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    weights.iter().map(|w| w.abs()).sum::<f32>() * largest / 254.0 + 1e-4
}

#[test]
fn products_are_right_and_the_same_bits_everywhere() {
    let (rows, cols, tokens) = (2 * PANEL + 5, 512, 23);
    let x = Random(5).floats(tokens * cols);
    for (format, name) in FORMATS {
        let (packed, weights) = matrix(format, name, rows, cols);
        let expected =
            product(Kernels::new(Level::Scalar).unwrap(), &Pool::new(1).unwrap(), &packed, &x);
        for t in 0..tokens {
            let x = &x[t * cols..][..cols];
            for (r, w) in weights.chunks_exact(cols).enumerate() {
                let naive: f64 = w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                let found = expected[t * rows + r];
                let allowed = if format.is_quantized() { tolerance(w, x) } else { 1e-4 };
                assert!((found - naive as f32).abs() <= allowed, "{name} {found} {naive}");
            }
        }
        for kernels in levels() {
            let pool = Pool::new(3).unwrap();
            let found = product(kernels, &pool, &packed, &x);
            assert_eq!(bits(&found), bits(&expected), "{name} {}", kernels.level());
            for count in [1, 2, 3, 5, 8, 16, 17, 23] {
                let some = product(kernels, &pool, &packed, &x[..count * cols]);
                assert_eq!(bits(&some), bits(&expected[..count * rows]), "{name} {count}");
            }
        }
    }
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn eight_bit_weights_and_activations_at_their_limits_do_not_overflow() {
    let (rows, cols) = (PANEL, 64);
    let mut block = f16::ONE.to_le_bytes().to_vec();
    block.extend([0x80u8; 32]);
    let source = block.repeat(rows * cols / 32);
    let w = packed(Format::Q8_0, rows, cols, &source);
    let x: Vec<f32> = (0..cols).map(|i| if i < 32 { 127.0 } else { -127.0 }).collect();
    for kernels in levels() {
        let out = product(kernels, &Pool::new(1).unwrap(), &w, &x[..]);
        assert!(out.iter().all(|&v| v == 0.0), "{}", kernels.level());
        let out = product(kernels, &Pool::new(1).unwrap(), &w, &[127.0; 64]);
        assert!(out.iter().all(|&v| v == -127.0 * 128.0 * 64.0), "{}", kernels.level());
    }
}

#[test]
fn bias_accumulation_and_gates_follow_the_product() {
    let (rows, cols, tokens) = (40, 64, 5);
    let (w, _) = matrix(Format::F32, "F32", rows, cols);
    let (x, bias) = (Random(9).floats(tokens * cols), Random(10).floats(rows));
    let pool = Pool::new(2).unwrap();
    for kernels in levels() {
        let wx = product(kernels, &pool, &w, &x);
        run(kernels, &pool, |compute| {
            let mut a = Activations::default();
            a.fill(compute, Source::Plain(&x), &[&w]);
            let mut out = vec![2.0; tokens * rows];
            let (weights, bias) = (from_ref(&w), Some(&bias[..]));
            let sum = Product { weights, bias, out: &mut out, accumulate: true };
            matmul(compute, &a, &mut [sum]);
            for (i, (found, product)) in out.iter().zip(&wx).enumerate() {
                assert_eq!(*found, 2.0 + (product + bias.unwrap()[i % rows]));
            }
            // The halves of a gate may be of different kinds.
            for (kind, name) in [(Format::F16, "F16"), (Format::Q8_0, "Q8_0")] {
                let (v, _) = matrix(kind, name, rows, cols);
                a.fill(compute, Source::Plain(&x), &[&w, &v]);
                let vx = product(kernels, &pool, &v, &x);
                for gate in [Gate::Silu, Gate::Gelu, Gate::GeluErf] {
                    matmul_gated(compute, &a, [from_ref(&w), from_ref(&v)], gate, &mut out);
                    for ((found, g), u) in out.iter().zip(&wx).zip(&vx) {
                        let expected = naive_gate(gate, f64::from(*g)) * f64::from(*u);
                        let error = (f64::from(*found) - expected).abs();
                        assert!(error <= 1e-6 * f64::from(10.0 + u.abs()), "{found} {expected}");
                    }
                }
            }
        });
    }
}

#[test]
fn products_of_sixteen_bits_are_nearly_those_of_floats() {
    let (rows, cols, tokens) = (PANEL + 3, 512, 21);
    let x = Random(11).floats(tokens * cols);
    for (format, name) in FORMATS {
        let (packed, weights) = matrix(format, name, rows, cols);
        for kernels in levels() {
            let pool = Pool::new(2).unwrap();
            let found = product_with(Precision::Int16, kernels, &pool, &packed, &x);
            let rows = x.chunks_exact(cols).zip(found.chunks_exact(rows));
            for (x, found) in rows {
                for (found, w) in found.iter().zip(weights.chunks_exact(cols)) {
                    let products = w.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x));
                    let naive: f64 = products.sum();
                    let allowed = tolerance(w, x) / 100.0;
                    assert!((f64::from(*found) - naive).abs() <= allowed.into(), "{name}");
                }
            }
        }
    }
}

fn naive_gate(gate: Gate, x: f64) -> f64 {
    match gate {
        Gate::Silu => x / (1.0 + (-x).exp()),
        Gate::Gelu => {
            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + u.tanh())
        }
        Gate::GeluErf => x * normal_distribution(x),
    }
}

/// The integral of the density, by Simpson's rule.
fn normal_distribution(x: f64) -> f64 {
    const STEPS: usize = 2000;
    let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let h = x / STEPS as f64;
    let inner = (1..STEPS).map(|i| density(h * i as f64) * if i % 2 == 1 { 4.0 } else { 2.0 });
    0.5 + h / 3.0 * (density(0.0) + inner.sum::<f64>() + density(x))
}

#[test]
fn gelu_is_exact_on_both_sides_of_zero_and_without_a_factor() {
    let x: Vec<f32> = (-83..=83).map(|i| i as f32 / 10.0).collect();
    for kernels in levels() {
        let mut found = x.clone();
        kernels.gate(Gate::GeluErf, &mut found, &[]);
        for (x, found) in x.iter().zip(found) {
            let expected = naive_gate(Gate::GeluErf, f64::from(*x));
            assert!((f64::from(found) - expected).abs() < 1e-6, "{x}: {found} {expected}");
        }
    }
}

#[test]
fn rows_are_normalized_around_their_mean() {
    let scalar = Kernels::new(Level::Scalar).unwrap();
    for (len, biased) in [(1, true), (15, true), (16, false), (100, true), (384, true)] {
        let (x, w) = (Random(1).floats(len), Random(2).floats(len));
        let x: Vec<_> = x.iter().map(|x| x + 3.0).collect();
        let bias = if biased { Random(3).floats(len) } else { Vec::new() };
        let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / len as f64;
        let squares = x.iter().map(|x| (f64::from(*x) - mean).powi(2));
        let deviation = (squares.sum::<f64>() / len as f64 + 1e-5).sqrt();
        let mut expected = vec![0.0; len];
        scalar.layer_norm(&x, &w, &bias, 1e-5, &mut expected);
        for (i, found) in expected.iter().enumerate() {
            let naive = (f64::from(x[i]) - mean) / deviation * f64::from(w[i]);
            let naive = naive + bias.get(i).map_or(0.0, |b| f64::from(*b));
            assert!((f64::from(*found) - naive).abs() < 1e-4, "{found} {naive}");
        }
        for kernels in levels() {
            let mut found = vec![0.0; len];
            kernels.layer_norm(&x, &w, &bias, 1e-5, &mut found);
            assert_eq!(bits(&found), bits(&expected), "{}", kernels.level());
        }
    }
}

#[test]
fn rows_are_normalized() {
    let scalar = Kernels::new(Level::Scalar).unwrap();
    for len in [1, 15, 16, 100, 576] {
        let (x, w) = (Random(1).floats(len), Random(2).floats(len));
        let mean = x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / len as f64;
        let mut expected = vec![0.0; len];
        scalar.rms_norm(&x, &w, 1e-5, &mut expected);
        for ((x, w), found) in x.iter().zip(&w).zip(&expected) {
            let naive = f64::from(*x) / (mean + 1e-5).sqrt() * f64::from(*w);
            assert!((f64::from(*found) - naive).abs() < 1e-5);
        }
        for kernels in levels() {
            let mut found = vec![0.0; len];
            kernels.rms_norm(&x, &w, 1e-5, &mut found);
            assert_eq!(bits(&found), bits(&expected), "{}", kernels.level());
        }
    }
}

#[test]
fn gates_keep_their_limits() {
    for kernels in levels() {
        for (gate, x, expected) in [
            (Gate::Silu, 200.0, 200.0),
            (Gate::Silu, -200.0, 0.0),
            (Gate::Gelu, 40.0, 40.0),
            (Gate::Gelu, -40.0, 0.0),
            (Gate::GeluErf, 200.0, 200.0),
            (Gate::GeluErf, -200.0, 0.0),
        ] {
            let mut value = [x];
            kernels.gate(gate, &mut value, &[1.0]);
            assert!((value[0] - expected).abs() < 1e-30, "{gate:?} {x} {}", value[0]);
        }
    }
}

#[test]
fn values_are_capped_by_tanh_and_the_same_everywhere() {
    let values: Vec<f32> = (-200..=200).map(|i| i as f32 * 0.7).collect();
    let mut expected = None;
    for kernels in levels() {
        let mut capped = values.clone();
        kernels.cap(&mut capped, 30.0);
        for (x, y) in values.iter().zip(&capped) {
            assert!((30.0 * (x / 30.0).tanh() - y).abs() < 1e-5, "{x}: {y}");
        }
        assert_eq!(*expected.get_or_insert_with(|| capped.clone()), capped);
    }
}

#[test]
fn heads_are_rotated() {
    let angles: [f32; 2] = [0.3, 1.2];
    let (cos, sin) = (angles.map(f32::cos), angles.map(f32::sin));
    for (pairs, places) in
        [(RopePairs::Adjacent, [(0, 1), (2, 3)]), (RopePairs::Halves, [(0, 2), (1, 3)])]
    {
        for kernels in levels() {
            let before = [0.5, -1.0, 2.0, 0.25, 9.0];
            let mut x = before;
            kernels.rope(pairs, &mut x, &cos, &sin);
            for (i, (a, b)) in places.into_iter().enumerate() {
                assert!((x[a] - (before[a] * cos[i] - before[b] * sin[i])).abs() < 1e-6);
                assert!((x[b] - (before[a] * sin[i] + before[b] * cos[i])).abs() < 1e-6);
            }
            assert_eq!(x[4], 9.0);
        }
    }
}

#[test]
fn half_precision_is_the_same_everywhere() {
    let mut x = Random(3).floats(64);
    x[..4].copy_from_slice(&[65504.0, 1e-7, -0.0, 70000.0]);
    for kernels in levels() {
        let (mut narrow, mut wide) = ([0u16; 64], [0f32; 64]);
        kernels.narrow_f16(&x, &mut narrow);
        kernels.widen_f16(&narrow, &mut wide);
        for ((x, n), w) in x.iter().zip(narrow).zip(wide) {
            assert_eq!(n, f16::from_f32(*x).to_bits());
            assert_eq!(w, f16::from_bits(n).to_f32());
        }
    }
}

/// Attention of `rows` to `blocks` blocks, folded; `visible` of all positions.
fn attend(
    kernels: &Kernels,
    q: &[f32],
    k: &[f32],
    v: &[f32],
    dim: usize,
    visible: Visible,
    rows: usize,
) -> Vec<f32> {
    let mut total = vec![Softmax::EMPTY; rows];
    let mut out = vec![0.0; rows * dim];
    for b in 0..k.len() / (BLOCK * dim) {
        let base = (b * BLOCK) as u32;
        let clip = |p: u32| p.saturating_sub(base).min(BLOCK as u32);
        let seen = vec![Visible { from: clip(visible.from), to: clip(visible.to) }; rows];
        let at = b * BLOCK * dim..(b + 1) * BLOCK * dim;
        let block = Block { keys: &k[at.clone()], values: &v[at], dim, cap: 0.0 };
        let (mut softmax, mut part) = (vec![Softmax::EMPTY; rows], vec![0.0; rows * dim]);
        kernels.attend_block(block, q, &seen, &mut softmax, &mut part);
        for r in 0..rows {
            let at = r * dim..(r + 1) * dim;
            kernels.fold(&mut total[r], &mut out[at.clone()], softmax[r], &part[at]);
        }
    }
    for r in 0..rows {
        kernels.finish(total[r], &mut out[r * dim..(r + 1) * dim]);
    }
    out
}

#[test]
fn attention_is_softmax_weighted_values() {
    let (blocks, scalar) = (3, Kernels::new(Level::Scalar).unwrap());
    for (dim, rows) in [(16, 1), (64, 3), (80, 7), (256, 6)] {
        let mut random = Random(dim as u64);
        let (q, k) = (random.floats(rows * dim), random.floats(blocks * BLOCK * dim));
        let v = random.floats(blocks * BLOCK * dim);
        for visible in [
            Visible { from: 0, to: 1 },
            Visible { from: 30, to: 150 },
            Visible { from: 130, to: 192 },
        ] {
            let expected = attend(scalar, &q, &k, &v, dim, visible, rows);
            for r in 0..rows {
                let naive = naive_attention(&q[r * dim..][..dim], &k, &v, visible);
                for (found, naive) in expected[r * dim..].iter().zip(naive) {
                    assert!((f64::from(*found) - naive).abs() < 1e-5, "{dim} {found} {naive}");
                }
            }
            for kernels in levels() {
                let found = attend(kernels, &q, &k, &v, dim, visible, rows);
                assert_eq!(bits(&found), bits(&expected), "{} {dim}", kernels.level());
            }
        }
    }
}

fn naive_attention(q: &[f32], k: &[f32], v: &[f32], visible: Visible) -> Vec<f64> {
    let dim = q.len();
    let score = |p: usize| -> f64 {
        let key = &k[p / BLOCK * BLOCK * dim..];
        (0..dim).map(|d| f64::from(q[d]) * f64::from(key[d * BLOCK + p % BLOCK])).sum()
    };
    let positions: Vec<_> = (visible.from as usize..visible.to as usize).collect();
    let weights: Vec<_> = positions.iter().map(|&p| score(p).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let value =
        |d| positions.iter().zip(&weights).map(|(p, w)| f64::from(v[p * dim + d]) * w / sum).sum();
    (0..dim).map(value).collect()
}
