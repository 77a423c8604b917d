//! The lanes in plain Rust: what the other implementations must equal, and
//! what a CPU without vector instructions runs.

use super::simd::{LANES, Simd};
use half::{bf16, f16};

/// Plain Rust; every CPU has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scalar;

type F32 = [f32; LANES];
type Bytes = [u8; 64];

#[inline(always)]
fn map2(a: F32, b: F32, f: impl Fn(f32, f32) -> f32) -> F32 {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn map_groups(a: Bytes, f: impl Fn(u16) -> u16) -> Bytes {
    let mut out = [0; 64];
    for (o, i) in out.as_chunks_mut::<2>().0.iter_mut().zip(a.as_chunks::<2>().0) {
        *o = f(u16::from_le_bytes(*i)).to_le_bytes();
    }
    out
}

#[inline(always)]
fn dot(sum: [i32; LANES], weights: Bytes, activations: i32, bias: i32) -> [i32; LANES] {
    let a = activations.to_le_bytes();
    std::array::from_fn(|lane| {
        let w = &weights[lane * 4..lane * 4 + 4];
        (0..4).fold(sum[lane], |s, i| s + (i32::from(w[i]) - bias) * i32::from(a[i] as i8))
    })
}

impl Simd for Scalar {
    type F32 = F32;
    type I32 = [i32; LANES];
    type Bytes = Bytes;
    const TILE: usize = 4;
    const QUERY_ROWS: usize = 2;
    const GEMM_TILE: [usize; 2] = [3, 1];
    const DOTS_TILE: [usize; 2] = [2, 2];

    #[inline(always)]
    fn prefetch<T>(self, _at: *const T) {}

    #[inline(always)]
    fn splat(self, x: f32) -> F32 {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, from: &F32) -> F32 {
        *from
    }
    #[inline(always)]
    fn store(self, x: F32, to: &mut F32) {
        *to = x;
    }
    #[inline(always)]
    fn turn(self, rows: [F32; 4]) -> [F32; 4] {
        std::array::from_fn(|j| std::array::from_fn(|lane| rows[lane % 4][lane / 4 * 4 + j]))
    }
    #[inline(always)]
    fn add(self, a: F32, b: F32) -> F32 {
        map2(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: F32, b: F32) -> F32 {
        map2(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: F32, b: F32) -> F32 {
        map2(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: F32, b: F32) -> F32 {
        map2(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn fma(self, a: F32, b: F32, c: F32) -> F32 {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn max(self, a: F32, b: F32) -> F32 {
        map2(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: F32, b: F32) -> F32 {
        map2(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn abs(self, a: F32) -> F32 {
        a.map(f32::abs)
    }
    #[inline(always)]
    fn round(self, a: F32) -> [i32; LANES] {
        a.map(|x| x.round_ties_even() as i32)
    }
    #[inline(always)]
    fn to_f32(self, a: [i32; LANES]) -> F32 {
        a.map(|x| x as f32)
    }
    #[inline(always)]
    fn scale_exponent(self, x: F32, n: [i32; LANES]) -> F32 {
        std::array::from_fn(|i| f32::from_bits(x[i].to_bits().wrapping_add((n[i] << 23) as u32)))
    }
    #[inline(always)]
    fn keep_if_ge(self, a: F32, b: F32, x: F32) -> F32 {
        std::array::from_fn(|i| if a[i] >= b[i] { x[i] } else { 0.0 })
    }
    #[inline(always)]
    fn widen_f16(self, from: &[u16; LANES]) -> F32 {
        from.map(|x| f16::from_bits(x).to_f32_const())
    }
    #[inline(always)]
    fn narrow_f16(self, x: F32, to: &mut [u16; LANES]) {
        *to = x.map(|x| f16::from_f32_const(x).to_bits());
    }
    #[inline(always)]
    fn widen_bf16(self, from: &[u16; LANES]) -> F32 {
        from.map(|x| bf16::from_bits(x).to_f32_const())
    }
    #[inline(always)]
    fn widen_u8(self, from: &[u8; LANES]) -> F32 {
        from.map(f32::from)
    }
    #[inline(always)]
    fn widen_i8(self, from: &[u8; LANES]) -> F32 {
        from.map(|x| f32::from(x as i8))
    }
    #[inline(always)]
    fn sum_across(self, mut x: F32) -> f32 {
        for width in [8, 4, 2, 1] {
            for i in 0..width {
                x[i] += x[i + width];
            }
        }
        x[0]
    }
    #[inline(always)]
    fn max_across(self, x: F32) -> f32 {
        x.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
    #[inline(always)]
    fn sum_across_i32(self, x: [i32; LANES]) -> i32 {
        x.into_iter().sum()
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> [i32; LANES] {
        [x; LANES]
    }
    #[inline(always)]
    fn shift_right(self, x: [i32; LANES], by: u32) -> [i32; LANES] {
        x.map(|x| x >> by)
    }
    #[inline(always)]
    fn narrow_i8(self, x: [i32; LANES], to: &mut [i8; LANES]) {
        *to = x.map(|x| x as i8);
    }
    #[inline(always)]
    fn load_bytes(self, from: &Bytes) -> Bytes {
        *from
    }
    #[inline(always)]
    fn splat_byte(self, x: u8) -> Bytes {
        [x; 64]
    }
    #[inline(always)]
    fn and(self, a: Bytes, b: Bytes) -> Bytes {
        std::array::from_fn(|i| a[i] & b[i])
    }
    #[inline(always)]
    fn or(self, a: Bytes, b: Bytes) -> Bytes {
        std::array::from_fn(|i| a[i] | b[i])
    }
    #[inline(always)]
    fn shr(self, a: Bytes, by: u32) -> Bytes {
        map_groups(a, |x| x >> by)
    }
    #[inline(always)]
    fn shl(self, a: Bytes, by: u32) -> Bytes {
        map_groups(a, |x| x << by)
    }
    #[inline(always)]
    fn lookup(self, table: &[u8; 16], a: Bytes) -> Bytes {
        a.map(|i| table[usize::from(i & 15)])
    }
    #[inline(always)]
    fn dot(self, sum: [i32; LANES], weights: Bytes, activations: i32) -> [i32; LANES] {
        dot(sum, weights, activations, 0)
    }
    #[inline(always)]
    fn dot_wide(self, sum: [i32; LANES], weights: Bytes, activations: i32) -> [i32; LANES] {
        dot(sum, weights, activations, 128)
    }
    #[inline(always)]
    fn start_wide(self, _: i32) -> [i32; LANES] {
        [0; LANES]
    }
}
