//! Sixteen lanes in one AVX-512 register, dot products by VNNI.

use crate::kernels::simd::{LANES, Simd};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX-512 F, BW, VL and VNNI.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// `None` where the CPU lacks an instruction that the kernels use.
    pub(crate) fn new() -> Option<Self> {
        let available = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vnni")
            && super::Avx2::new().is_some();
        available.then_some(Self(()))
    }

    /// The proof without the question.
    ///
    /// # Safety
    /// [`new`](Self::new) has returned `Some`.
    pub(crate) const unsafe fn assume() -> Self {
        Self(())
    }
}

/// Wraps intrinsics in their one justification.
macro_rules! cpu {
    ($e:expr) => {
        // SAFETY: `self` exists only where the CPU features were detected, and
        // every pointer comes from a reference to an array of the size read or
        // written.
        unsafe { $e }
    };
}

impl Simd for Avx512 {
    type F32 = __m512;
    type I32 = __m512i;
    type Bytes = __m512i;
    const TILE: usize = 16;
    const QUERY_ROWS: usize = 6;
    const GEMM_TILE: [usize; 2] = [12, 2];
    const DOTS_TILE: [usize; 2] = [6, 4];

    #[inline(always)]
    fn prefetch<T>(self, at: *const T) {
        // SAFETY: SSE is in every x86-64, and a hint may name any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        cpu!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> __m512 {
        cpu!(_mm512_loadu_ps(from.as_ptr()))
    }
    #[inline(always)]
    fn store(self, x: __m512, to: &mut [f32; LANES]) {
        cpu!(_mm512_storeu_ps(to.as_mut_ptr(), x));
    }
    #[inline(always)]
    fn turn(self, [a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
        let pair = |a, b| cpu!((_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b)));
        let ((ab, ab2), (cd, cd2)) = (pair(a, b), pair(c, d));
        let low = |a, b| cpu!(_mm512_shuffle_ps::<0x44>(a, b));
        let high = |a, b| cpu!(_mm512_shuffle_ps::<0xEE>(a, b));
        [low(ab, cd), high(ab, cd), low(ab2, cd2), high(ab2, cd2)]
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        cpu!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        cpu!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        cpu!(_mm512_abs_ps(a))
    }
    #[inline(always)]
    fn round(self, a: __m512) -> __m512i {
        cpu!(_mm512_cvtps_epi32(a))
    }
    #[inline(always)]
    fn to_f32(self, a: __m512i) -> __m512 {
        cpu!(_mm512_cvtepi32_ps(a))
    }
    #[inline(always)]
    fn scale_exponent(self, x: __m512, n: __m512i) -> __m512 {
        cpu!(_mm512_castsi512_ps(_mm512_add_epi32(
            _mm512_castps_si512(x),
            _mm512_slli_epi32::<23>(n)
        )))
    }
    #[inline(always)]
    fn keep_if_ge(self, a: __m512, b: __m512, x: __m512) -> __m512 {
        cpu!(_mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GE_OQ>(a, b), x))
    }
    #[inline(always)]
    fn widen_f16(self, from: &[u16; LANES]) -> __m512 {
        cpu!(_mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())))
    }
    #[inline(always)]
    fn narrow_f16(self, x: __m512, to: &mut [u16; LANES]) {
        cpu!(_mm256_storeu_si256(
            to.as_mut_ptr().cast(),
            _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(x)
        ));
    }
    #[inline(always)]
    fn widen_bf16(self, from: &[u16; LANES]) -> __m512 {
        cpu!(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(
            _mm256_loadu_si256(from.as_ptr().cast())
        ))))
    }
    #[inline(always)]
    fn widen_u8(self, from: &[u8; LANES]) -> __m512 {
        cpu!(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.as_ptr().cast()))))
    }
    #[inline(always)]
    fn widen_i8(self, from: &[u8; LANES]) -> __m512 {
        cpu!(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast()))))
    }
    #[inline(always)]
    fn sum_across(self, x: __m512) -> f32 {
        cpu!({
            let upper = _mm512_extractf32x8_ps::<1>(x);
            let x = _mm256_add_ps(_mm512_castps512_ps256(x), upper);
            let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
        })
    }
    #[inline(always)]
    fn max_across(self, x: __m512) -> f32 {
        cpu!(_mm512_reduce_max_ps(x))
    }
    #[inline(always)]
    fn sum_across_i32(self, x: __m512i) -> i32 {
        cpu!(_mm512_reduce_add_epi32(x))
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> __m512i {
        cpu!(_mm512_set1_epi32(x))
    }
    #[inline(always)]
    fn shift_right(self, x: __m512i, by: u32) -> __m512i {
        cpu!(_mm512_sra_epi32(x, _mm_cvtsi32_si128(by as i32)))
    }
    #[inline(always)]
    fn narrow_i8(self, x: __m512i, to: &mut [i8; LANES]) {
        cpu!(_mm_storeu_si128(to.as_mut_ptr().cast(), _mm512_cvtepi32_epi8(x)));
    }
    #[inline(always)]
    fn load_bytes(self, from: &[u8; 64]) -> __m512i {
        cpu!(_mm512_loadu_si512(from.as_ptr().cast()))
    }
    #[inline(always)]
    fn splat_byte(self, x: u8) -> __m512i {
        cpu!(_mm512_set1_epi8(x as i8))
    }
    #[inline(always)]
    fn and(self, a: __m512i, b: __m512i) -> __m512i {
        cpu!(_mm512_and_si512(a, b))
    }
    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        cpu!(_mm512_or_si512(a, b))
    }
    #[inline(always)]
    fn shr(self, a: __m512i, by: u32) -> __m512i {
        cpu!(_mm512_srl_epi16(a, _mm_cvtsi32_si128(by as i32)))
    }
    #[inline(always)]
    fn shl(self, a: __m512i, by: u32) -> __m512i {
        cpu!(_mm512_sll_epi16(a, _mm_cvtsi32_si128(by as i32)))
    }
    #[inline(always)]
    fn lookup(self, table: &[u8; 16], a: __m512i) -> __m512i {
        cpu!(_mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast())), a))
    }
    #[inline(always)]
    fn dot(self, sum: __m512i, weights: __m512i, activations: i32) -> __m512i {
        cpu!(_mm512_dpbusd_epi32(sum, weights, _mm512_set1_epi32(activations)))
    }
    #[inline(always)]
    fn dot_wide(self, sum: __m512i, weights: __m512i, activations: i32) -> __m512i {
        self.dot(sum, weights, activations)
    }
    #[inline(always)]
    fn start_wide(self, bias: i32) -> __m512i {
        self.splat_i32(bias)
    }
}
