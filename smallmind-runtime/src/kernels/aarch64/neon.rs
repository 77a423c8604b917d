//! Sixteen lanes in four NEON registers. NEON is in every 64-bit ARM; what
//! differs is how four bytes are multiplied and added up.

use crate::kernels::simd::{LANES, Simd};
use std::arch::aarch64::*;
use std::arch::{asm, is_aarch64_feature_detected};
use std::array::from_fn;

/// Lanes of any 64-bit ARM.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neon;

/// Proof that the CPU has `sdot` (ARMv8.2 dot products).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dotprod(());

impl Dotprod {
    /// `None` where the CPU lacks the instruction.
    pub(crate) fn new() -> Option<Self> {
        is_aarch64_feature_detected!("dotprod").then_some(Self(()))
    }

    /// The proof without the question.
    ///
    /// # Safety
    /// [`new`](Self::new) has returned `Some`.
    pub(crate) const unsafe fn assume() -> Self {
        Self(())
    }
}

/// Sums of products of four signed bytes a lane.
trait Dot4: Copy {
    fn dot4(self, sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t;
}

/// Wraps intrinsics in their one justification.
macro_rules! cpu {
    ($e:expr) => {
        // SAFETY: NEON is in every CPU of this architecture, and every pointer
        // comes from a reference to an array of the size read or written, parts
        // of it at offsets inside that array.
        unsafe { $e }
    };
}

impl Dot4 for Neon {
    #[inline(always)]
    fn dot4(self, sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
        cpu!({
            let low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
            let high = vmull_high_s8(a, b);
            vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)))
        })
    }
}

impl Dot4 for Dotprod {
    #[inline(always)]
    fn dot4(self, mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
        // SAFETY: `self` exists only where the instruction was detected; it
        // reads and writes registers alone.
        unsafe {
            asm!(
                ".arch_extension dotprod",
                "sdot {sum:v}.4s, {a:v}.16b, {b:v}.16b",
                sum = inout(vreg) sum,
                a = in(vreg) a,
                b = in(vreg) b,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        sum
    }
}

/// Four registers of floats.
#[derive(Clone, Copy)]
pub(crate) struct F32([float32x4_t; 4]);
/// Four registers of integers.
#[derive(Clone, Copy)]
pub(crate) struct I32([int32x4_t; 4]);
/// Four registers of bytes.
#[derive(Clone, Copy)]
pub(crate) struct Bytes([uint8x16_t; 4]);

/// The larger of each pair; `b` where they do not compare.
#[inline(always)]
fn larger(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    cpu!(vbslq_f32(vcgtq_f32(a, b), a, b))
}

/// Half precision to single: an instruction of every 64-bit ARM.
#[inline(always)]
fn widen(from: uint16x4_t) -> float32x4_t {
    let to: float32x4_t;
    // SAFETY: it reads and writes registers alone.
    unsafe {
        asm!(
            "fcvtl {to:v}.4s, {from:v}.4h",
            to = lateout(vreg) to,
            from = in(vreg) from,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    to
}

/// Single to half precision, ties to even.
#[inline(always)]
fn narrow(from: float32x4_t) -> uint16x4_t {
    let to: uint16x4_t;
    // SAFETY: it reads and writes registers alone.
    unsafe {
        asm!(
            "fcvtn {to:v}.4h, {from:v}.4s",
            to = lateout(vreg) to,
            from = in(vreg) from,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    to
}

/// Sixteen bytes in four registers, each a word.
#[inline(always)]
fn widen_words(bytes: uint8x16_t) -> [uint32x4_t; 4] {
    cpu!({
        let (low, high) = (vmovl_u8(vget_low_u8(bytes)), vmovl_high_u8(bytes));
        [
            vmovl_u16(vget_low_u16(low)),
            vmovl_high_u16(low),
            vmovl_u16(vget_low_u16(high)),
            vmovl_high_u16(high),
        ]
    })
}

impl<D: Dot4> Simd for D {
    type F32 = F32;
    type I32 = I32;
    type Bytes = Bytes;
    const TILE: usize = 4;
    const QUERY_ROWS: usize = 2;
    const GEMM_TILE: [usize; 2] = [6, 1];
    const DOTS_TILE: [usize; 2] = [2, 2];

    #[inline(always)]
    fn prefetch<T>(self, at: *const T) {
        // SAFETY: a hint may name any address.
        unsafe {
            asm!("prfm pldl1keep, [{at}]", at = in(reg) at, options(nostack, preserves_flags));
        }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> F32 {
        F32([cpu!(vdupq_n_f32(x)); 4])
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> F32 {
        F32(from_fn(|i| cpu!(vld1q_f32(from.as_ptr().add(4 * i)))))
    }
    #[inline(always)]
    fn store(self, x: F32, to: &mut [f32; LANES]) {
        for (i, x) in x.0.into_iter().enumerate() {
            cpu!(vst1q_f32(to.as_mut_ptr().add(4 * i), x));
        }
    }
    #[inline(always)]
    fn turn(self, [a, b, c, d]: [F32; 4]) -> [F32; 4] {
        let mut to = [F32([cpu!(vdupq_n_f32(0.0)); 4]); 4];
        for i in 0..4 {
            cpu!({
                let pairs = |a, b| (vtrn1q_f32(a, b), vtrn2q_f32(a, b));
                let ((even, odd), (even2, odd2)) = (pairs(a.0[i], b.0[i]), pairs(c.0[i], d.0[i]));
                let low = |a, b| vcombine_f32(vget_low_f32(a), vget_low_f32(b));
                let high = |a, b| vcombine_f32(vget_high_f32(a), vget_high_f32(b));
                to[0].0[i] = low(even, even2);
                to[1].0[i] = low(odd, odd2);
                to[2].0[i] = high(even, even2);
                to[3].0[i] = high(odd, odd2);
            });
        }
        to
    }
    #[inline(always)]
    fn add(self, a: F32, b: F32) -> F32 {
        F32(from_fn(|i| cpu!(vaddq_f32(a.0[i], b.0[i]))))
    }
    #[inline(always)]
    fn sub(self, a: F32, b: F32) -> F32 {
        F32(from_fn(|i| cpu!(vsubq_f32(a.0[i], b.0[i]))))
    }
    #[inline(always)]
    fn mul(self, a: F32, b: F32) -> F32 {
        F32(from_fn(|i| cpu!(vmulq_f32(a.0[i], b.0[i]))))
    }
    #[inline(always)]
    fn div(self, a: F32, b: F32) -> F32 {
        F32(from_fn(|i| cpu!(vdivq_f32(a.0[i], b.0[i]))))
    }
    #[inline(always)]
    fn fma(self, a: F32, b: F32, c: F32) -> F32 {
        F32(from_fn(|i| cpu!(vfmaq_f32(c.0[i], a.0[i], b.0[i]))))
    }
    #[inline(always)]
    fn max(self, a: F32, b: F32) -> F32 {
        F32(from_fn(|i| larger(a.0[i], b.0[i])))
    }
    #[inline(always)]
    fn min(self, a: F32, b: F32) -> F32 {
        F32(from_fn(|i| cpu!(vbslq_f32(vcltq_f32(a.0[i], b.0[i]), a.0[i], b.0[i]))))
    }
    #[inline(always)]
    fn abs(self, a: F32) -> F32 {
        F32(from_fn(|i| cpu!(vabsq_f32(a.0[i]))))
    }
    #[inline(always)]
    fn round(self, a: F32) -> I32 {
        I32(from_fn(|i| cpu!(vcvtnq_s32_f32(a.0[i]))))
    }
    #[inline(always)]
    fn to_f32(self, a: I32) -> F32 {
        F32(from_fn(|i| cpu!(vcvtq_f32_s32(a.0[i]))))
    }
    #[inline(always)]
    fn scale_exponent(self, x: F32, n: I32) -> F32 {
        F32(from_fn(|i| {
            cpu!({
                let n = vshlq_n_s32::<23>(n.0[i]);
                vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x.0[i]), n))
            })
        }))
    }
    #[inline(always)]
    fn keep_if_ge(self, a: F32, b: F32, x: F32) -> F32 {
        F32(from_fn(|i| {
            cpu!({
                let keep = vcgeq_f32(a.0[i], b.0[i]);
                vreinterpretq_f32_u32(vandq_u32(keep, vreinterpretq_u32_f32(x.0[i])))
            })
        }))
    }
    #[inline(always)]
    fn widen_f16(self, from: &[u16; LANES]) -> F32 {
        F32(from_fn(|i| widen(cpu!(vld1_u16(from.as_ptr().add(4 * i))))))
    }
    #[inline(always)]
    fn narrow_f16(self, x: F32, to: &mut [u16; LANES]) {
        for (i, x) in x.0.into_iter().enumerate() {
            let x = narrow(x);
            cpu!(vst1_u16(to.as_mut_ptr().add(4 * i), x));
        }
    }
    #[inline(always)]
    fn widen_bf16(self, from: &[u16; LANES]) -> F32 {
        F32(from_fn(|i| {
            cpu!({
                let words = vshll_n_u16::<16>(vld1_u16(from.as_ptr().add(4 * i)));
                vreinterpretq_f32_u32(words)
            })
        }))
    }
    #[inline(always)]
    fn widen_u8(self, from: &[u8; LANES]) -> F32 {
        let words = widen_words(cpu!(vld1q_u8(from.as_ptr())));
        F32(words.map(|x| cpu!(vcvtq_f32_u32(x))))
    }
    #[inline(always)]
    fn widen_i8(self, from: &[u8; LANES]) -> F32 {
        // The sign is moved out of the way: `x ^ 128` is `x + 128`.
        let bytes = cpu!(veorq_u8(vld1q_u8(from.as_ptr()), vdupq_n_u8(128)));
        F32(widen_words(bytes)
            .map(|x| cpu!(vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(x), vdupq_n_s32(128))))))
    }
    #[inline(always)]
    fn sum_across(self, x: F32) -> f32 {
        let [a, b, c, d] = x.0;
        cpu!({
            let x = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
            let x = vadd_f32(vget_low_f32(x), vget_high_f32(x));
            vget_lane_f32::<0>(x) + vget_lane_f32::<1>(x)
        })
    }
    #[inline(always)]
    fn max_across(self, x: F32) -> f32 {
        let [a, b, c, d] = x.0;
        let x = larger(larger(a, c), larger(b, d));
        let x = larger(x, cpu!(vextq_f32::<2>(x, x)));
        let x = larger(x, cpu!(vextq_f32::<1>(x, x)));
        cpu!(vgetq_lane_f32::<0>(x))
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> I32 {
        I32([cpu!(vdupq_n_s32(x)); 4])
    }
    #[inline(always)]
    fn sum_across_i32(self, x: I32) -> i32 {
        let [a, b, c, d] = x.0;
        cpu!(vaddvq_s32(vaddq_s32(vaddq_s32(a, c), vaddq_s32(b, d))))
    }
    #[inline(always)]
    fn shift_right(self, x: I32, by: u32) -> I32 {
        let by = cpu!(vdupq_n_s32(-(by as i32)));
        I32(x.0.map(|x| cpu!(vshlq_s32(x, by))))
    }
    #[inline(always)]
    fn narrow_i8(self, x: I32, to: &mut [i8; LANES]) {
        let [a, b, c, d] = x.0;
        cpu!({
            let low = vqmovn_high_s32(vqmovn_s32(a), b);
            let high = vqmovn_high_s32(vqmovn_s32(c), d);
            vst1q_s8(to.as_mut_ptr(), vqmovn_high_s16(vqmovn_s16(low), high));
        });
    }
    #[inline(always)]
    fn load_bytes(self, from: &[u8; 64]) -> Bytes {
        Bytes(from_fn(|i| cpu!(vld1q_u8(from.as_ptr().add(16 * i)))))
    }
    #[inline(always)]
    fn splat_byte(self, x: u8) -> Bytes {
        Bytes([cpu!(vdupq_n_u8(x)); 4])
    }
    #[inline(always)]
    fn and(self, a: Bytes, b: Bytes) -> Bytes {
        Bytes(from_fn(|i| cpu!(vandq_u8(a.0[i], b.0[i]))))
    }
    #[inline(always)]
    fn or(self, a: Bytes, b: Bytes) -> Bytes {
        Bytes(from_fn(|i| cpu!(vorrq_u8(a.0[i], b.0[i]))))
    }
    #[inline(always)]
    fn shr(self, a: Bytes, by: u32) -> Bytes {
        shift(a, -(by as i16))
    }
    #[inline(always)]
    fn shl(self, a: Bytes, by: u32) -> Bytes {
        shift(a, by as i16)
    }
    #[inline(always)]
    fn lookup(self, table: &[u8; 16], a: Bytes) -> Bytes {
        let table = cpu!(vld1q_u8(table.as_ptr()));
        Bytes(a.0.map(|a| cpu!(vqtbl1q_u8(table, a))))
    }
    #[inline(always)]
    fn dot(self, sum: I32, weights: Bytes, activations: i32) -> I32 {
        let a = cpu!(vreinterpretq_s8_s32(vdupq_n_s32(activations)));
        I32(from_fn(|i| self.dot4(sum.0[i], cpu!(vreinterpretq_s8_u8(weights.0[i])), a)))
    }
    #[inline(always)]
    fn dot_wide(self, sum: I32, weights: Bytes, activations: i32) -> I32 {
        let sign = cpu!(vdupq_n_u8(128));
        let weights = Bytes(weights.0.map(|w| cpu!(veorq_u8(w, sign))));
        self.dot(sum, weights, activations)
    }
    #[inline(always)]
    fn start_wide(self, _: i32) -> I32 {
        self.splat_i32(0)
    }
}

/// Shifts 16-bit groups left, or right where `by` is negative.
#[inline(always)]
fn shift(a: Bytes, by: i16) -> Bytes {
    let by = cpu!(vdupq_n_s16(by));
    Bytes(a.0.map(|a| cpu!(vreinterpretq_u8_u16(vshlq_u16(vreinterpretq_u16_u8(a), by)))))
}
