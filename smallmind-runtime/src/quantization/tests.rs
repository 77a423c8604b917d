//! Round trips against ggml's own quantizers, whose errors are in a data file.

use super::{TARGETS, dequantize, quantize};
use crate::Error;
use crate::container::TensorType;
use smallmind_abstractions::CancellationToken;

const COUNT: usize = 64 * 256;

/// SplitMix64 (Steele, Lea and Flood 2014), between -1 and 1.
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 23) - 1.0
}

/// What `weights` in make_quantization_errors.py makes.
fn weights(distribution: &str) -> Vec<f32> {
    let mut state = 7;
    let mut next = || uniform(&mut state);
    let values = (0..COUNT).map(|i| {
        let [a, b, c, d] = [next(), next(), next(), next()];
        let x = if distribution == "normal" { a + b + c + d } else { a * b * c };
        (x * (1 + i / 256 % 4) as f64) as f32
    });
    values.collect()
}

fn back(tensor_type: TensorType, blocks: &[u8], count: usize) -> Vec<f32> {
    let mut out = vec![f32::NAN; count];
    dequantize(tensor_type, blocks, &mut out, &CancellationToken::new()).unwrap();
    out
}

/// The root of the mean squared error over that of the weights.
fn error(tensor_type: TensorType, x: &[f32]) -> f64 {
    let blocks = quantize(tensor_type, x, &CancellationToken::new()).unwrap();
    let squares = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>();
    let back = back(tensor_type, &blocks, x.len());
    let off = squares(&mut x.iter().zip(back).map(|(x, b)| f64::from(x - b)));
    (off / squares(&mut x.iter().map(|x| f64::from(*x)))).sqrt()
}

#[test]
#[allow(clippy::print_stdout, reason = "reports/QUANTIZATION.md is made of it")]
fn errors_are_no_more_than_ggmls() {
    let data = include_str!("../../tests/data/quantization_errors.txt");
    let mut seen = 0;
    for line in data.lines() {
        let [name, distribution, theirs] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let tensor_type = TARGETS.into_iter().find(|t| t.name() == name).unwrap();
        let ours = error(tensor_type, &weights(distribution));
        let theirs: f64 = theirs.parse().unwrap();
        println!("{name} {distribution}: {ours:.7}, ggml {theirs:.7}, {:.3}", ours / theirs);
        assert!(ours <= theirs * 1.0001, "{name} {distribution}: {ours} against {theirs}");
        seen += 1;
    }
    assert_eq!(seen, 2 * (TARGETS.len() - 1), "a line for each type but F32 and distribution");
    assert_eq!(error(TensorType::F32, &weights("normal")), 0.0);
}

/// Whatever the weights, blocks come out that read as finite numbers.
#[test]
fn extreme_weights_stay_finite() {
    let patterns: [fn(usize) -> f32; 8] = [
        |_| 0.0,
        |_| -3.5,
        |i| if i == 37 { 1e30 } else { 0.0 },
        |i| if i % 2 == 0 { f32::MAX } else { f32::MIN },
        |_| f32::MIN_POSITIVE / 8.0,
        |i| i as f32 * 1e-42,
        |i| 1.0 + i as f32 * 1e-7,
        |i| -1e-9 * (i as f32),
    ];
    for tensor_type in TARGETS {
        for (n, pattern) in patterns.iter().enumerate() {
            let x: Vec<_> = (0..512).map(pattern).collect();
            let blocks = quantize(tensor_type, &x, &CancellationToken::new()).unwrap();
            let back = back(tensor_type, &blocks, x.len());
            // Halves hold nothing beyond 65504, and floats of sixteen bits round up.
            let may_overflow = matches!(tensor_type, TensorType::F16 | TensorType::BF16);
            assert!(may_overflow || back.iter().all(|b| b.is_finite()), "{tensor_type}, {n}");
            if n == 0 {
                assert!(back.iter().all(|b| *b == 0.0), "{tensor_type}");
            }
        }
    }
}

#[test]
fn what_cannot_be_quantized_is_refused() {
    let never = CancellationToken::new();
    let x = vec![1.0; 256];
    let refused = quantize(TensorType::IQ1_S, &x, &never);
    assert!(matches!(refused, Err(Error::NoQuantizer { tensor_type: TensorType::IQ1_S })));
    let refused = quantize(TensorType::Q4_K, &x[1..], &never);
    assert!(matches!(refused, Err(Error::PartialBlock { len: 255, .. })));
    let mut bad = x.clone();
    bad[3] = f32::NAN;
    let refused = quantize(TensorType::Q8_0, &bad, &never);
    assert!(matches!(refused, Err(Error::NotFinite { index: 3, .. })));
    let refused = dequantize(TensorType::Q4_K, &[0; 143], &mut [0.0; 256], &never);
    assert!(matches!(refused, Err(Error::MatrixShape { expected: 144, found: 143, .. })));
    let stopped = CancellationToken::new();
    stopped.cancel();
    assert!(matches!(quantize(TensorType::Q4_K, &x, &stopped), Err(Error::Cancelled(_))));
}
