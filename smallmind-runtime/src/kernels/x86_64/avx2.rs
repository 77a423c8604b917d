//! Sixteen lanes in two AVX2 registers, dot products by `maddubs`.

use crate::kernels::simd::{LANES, Simd};
use std::arch::x86_64::*;

/// Proof that the CPU has AVX2, FMA and F16C.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// `None` where the CPU lacks an instruction that the kernels use.
    pub(crate) fn new() -> Option<Self> {
        let available = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
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
        // written, halves of it at offsets inside that array.
        unsafe { $e }
    };
}

/// Two registers of floats: lanes 0 to 7, then 8 to 15.
#[derive(Clone, Copy)]
pub(crate) struct F32(__m256, __m256);
/// Two registers of integers.
#[derive(Clone, Copy)]
pub(crate) struct Int(__m256i, __m256i);

/// The four-byte dot products of one register: `unsigned * signed`, without
/// saturation while each `unsigned` is at most 128.
#[inline(always)]
unsafe fn dot4(sum: __m256i, unsigned: __m256i, signed: __m256i) -> __m256i {
    // SAFETY: the caller has AVX2.
    unsafe {
        let pairs = _mm256_maddubs_epi16(unsigned, signed);
        _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
}

/// Each four lanes of four registers as a square, transposed.
#[inline(always)]
unsafe fn turn8(a: __m256, b: __m256, c: __m256, d: __m256) -> [__m256; 4] {
    // SAFETY: the caller has AVX2.
    unsafe {
        let pair = |a, b| (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let ((ab, ab2), (cd, cd2)) = (pair(a, b), pair(c, d));
        let low = |a, b| _mm256_shuffle_ps::<0x44>(a, b);
        let high = |a, b| _mm256_shuffle_ps::<0xEE>(a, b);
        [low(ab, cd), high(ab, cd), low(ab2, cd2), high(ab2, cd2)]
    }
}

/// The sum of eight lanes, halves first.
#[inline(always)]
unsafe fn sum8(x: __m256) -> f32 {
    // SAFETY: the caller has AVX2.
    unsafe {
        let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
    }
}

impl Simd for Avx2 {
    type F32 = F32;
    type I32 = Int;
    type Bytes = Int;
    const TILE: usize = 4;
    const QUERY_ROWS: usize = 1;
    const GEMM_TILE: [usize; 2] = [6, 1];
    const DOTS_TILE: [usize; 2] = [2, 2];

    #[inline(always)]
    fn prefetch<T>(self, at: *const T) {
        // SAFETY: SSE is in every x86-64, and a hint may name any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> F32 {
        let x = cpu!(_mm256_set1_ps(x));
        F32(x, x)
    }
    #[inline(always)]
    fn load(self, from: &[f32; LANES]) -> F32 {
        cpu!(F32(_mm256_loadu_ps(from.as_ptr()), _mm256_loadu_ps(from.as_ptr().add(8))))
    }
    #[inline(always)]
    fn store(self, x: F32, to: &mut [f32; LANES]) {
        cpu!({
            _mm256_storeu_ps(to.as_mut_ptr(), x.0);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), x.1);
        });
    }
    #[inline(always)]
    fn turn(self, [a, b, c, d]: [F32; 4]) -> [F32; 4] {
        let low = cpu!(turn8(a.0, b.0, c.0, d.0));
        let high = cpu!(turn8(a.1, b.1, c.1, d.1));
        std::array::from_fn(|i| F32(low[i], high[i]))
    }
    #[inline(always)]
    fn add(self, a: F32, b: F32) -> F32 {
        cpu!(F32(_mm256_add_ps(a.0, b.0), _mm256_add_ps(a.1, b.1)))
    }
    #[inline(always)]
    fn sub(self, a: F32, b: F32) -> F32 {
        cpu!(F32(_mm256_sub_ps(a.0, b.0), _mm256_sub_ps(a.1, b.1)))
    }
    #[inline(always)]
    fn mul(self, a: F32, b: F32) -> F32 {
        cpu!(F32(_mm256_mul_ps(a.0, b.0), _mm256_mul_ps(a.1, b.1)))
    }
    #[inline(always)]
    fn div(self, a: F32, b: F32) -> F32 {
        cpu!(F32(_mm256_div_ps(a.0, b.0), _mm256_div_ps(a.1, b.1)))
    }
    #[inline(always)]
    fn fma(self, a: F32, b: F32, c: F32) -> F32 {
        cpu!(F32(_mm256_fmadd_ps(a.0, b.0, c.0), _mm256_fmadd_ps(a.1, b.1, c.1)))
    }
    #[inline(always)]
    fn max(self, a: F32, b: F32) -> F32 {
        cpu!(F32(_mm256_max_ps(a.0, b.0), _mm256_max_ps(a.1, b.1)))
    }
    #[inline(always)]
    fn min(self, a: F32, b: F32) -> F32 {
        cpu!(F32(_mm256_min_ps(a.0, b.0), _mm256_min_ps(a.1, b.1)))
    }
    #[inline(always)]
    fn abs(self, a: F32) -> F32 {
        cpu!({
            let sign = _mm256_set1_ps(-0.0);
            F32(_mm256_andnot_ps(sign, a.0), _mm256_andnot_ps(sign, a.1))
        })
    }
    #[inline(always)]
    fn round(self, a: F32) -> Int {
        cpu!(Int(_mm256_cvtps_epi32(a.0), _mm256_cvtps_epi32(a.1)))
    }
    #[inline(always)]
    fn to_f32(self, a: Int) -> F32 {
        cpu!(F32(_mm256_cvtepi32_ps(a.0), _mm256_cvtepi32_ps(a.1)))
    }
    #[inline(always)]
    fn scale_exponent(self, x: F32, n: Int) -> F32 {
        #[inline(always)]
        fn one(x: __m256, n: __m256i) -> __m256 {
            let n = cpu!(_mm256_slli_epi32::<23>(n));
            cpu!(_mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), n)))
        }
        F32(one(x.0, n.0), one(x.1, n.1))
    }
    #[inline(always)]
    fn keep_if_ge(self, a: F32, b: F32, x: F32) -> F32 {
        #[inline(always)]
        fn one(a: __m256, b: __m256, x: __m256) -> __m256 {
            cpu!(_mm256_and_ps(_mm256_cmp_ps::<_CMP_GE_OQ>(a, b), x))
        }
        F32(one(a.0, b.0, x.0), one(a.1, b.1, x.1))
    }
    #[inline(always)]
    fn widen_f16(self, from: &[u16; LANES]) -> F32 {
        let (low, high) = from.split_at(8);
        cpu!(F32(
            _mm256_cvtph_ps(_mm_loadu_si128(low.as_ptr().cast())),
            _mm256_cvtph_ps(_mm_loadu_si128(high.as_ptr().cast()))
        ))
    }
    #[inline(always)]
    fn narrow_f16(self, x: F32, to: &mut [u16; LANES]) {
        const ROUND: i32 = _MM_FROUND_TO_NEAREST_INT;
        let (low, high) = to.split_at_mut(8);
        cpu!({
            _mm_storeu_si128(low.as_mut_ptr().cast(), _mm256_cvtps_ph::<ROUND>(x.0));
            _mm_storeu_si128(high.as_mut_ptr().cast(), _mm256_cvtps_ph::<ROUND>(x.1));
        });
    }
    #[inline(always)]
    fn widen_bf16(self, from: &[u16; LANES]) -> F32 {
        let (low, high) = from.split_at(8);
        cpu!(F32(
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(
                low.as_ptr().cast()
            )))),
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(
                high.as_ptr().cast()
            ))))
        ))
    }
    #[inline(always)]
    fn widen_u8(self, from: &[u8; LANES]) -> F32 {
        let (low, high) = from.split_at(8);
        cpu!(F32(
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(low.as_ptr().cast()))),
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(high.as_ptr().cast())))
        ))
    }
    #[inline(always)]
    fn widen_i8(self, from: &[u8; LANES]) -> F32 {
        let (low, high) = from.split_at(8);
        cpu!(F32(
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(low.as_ptr().cast()))),
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(high.as_ptr().cast())))
        ))
    }
    #[inline(always)]
    fn sum_across(self, x: F32) -> f32 {
        cpu!(sum8(_mm256_add_ps(x.0, x.1)))
    }
    #[inline(always)]
    fn max_across(self, x: F32) -> f32 {
        cpu!({
            let x = _mm256_max_ps(x.0, x.1);
            let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)))
        })
    }
    #[inline(always)]
    fn sum_across_i32(self, x: Int) -> i32 {
        cpu!({
            let x = _mm256_add_epi32(x.0, x.1);
            let x = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
            let x = _mm_add_epi32(x, _mm_unpackhi_epi64(x, x));
            _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32::<1>(x)))
        })
    }
    #[inline(always)]
    fn splat_i32(self, x: i32) -> Int {
        let x = cpu!(_mm256_set1_epi32(x));
        Int(x, x)
    }
    #[inline(always)]
    fn shift_right(self, x: Int, by: u32) -> Int {
        cpu!({
            let by = _mm_cvtsi32_si128(by as i32);
            Int(_mm256_sra_epi32(x.0, by), _mm256_sra_epi32(x.1, by))
        })
    }
    #[inline(always)]
    fn narrow_i8(self, x: Int, to: &mut [i8; LANES]) {
        cpu!({
            // Packing works within 128-bit halves, so lanes come out as
            // 0-3, 8-11 and 4-7, 12-15.
            let words = _mm256_packs_epi32(x.0, x.1);
            let bytes = _mm256_packs_epi16(words, words);
            let order = _mm256_setr_epi32(0, 4, 1, 5, 0, 0, 0, 0);
            let bytes = _mm256_permutevar8x32_epi32(bytes, order);
            _mm_storeu_si128(to.as_mut_ptr().cast(), _mm256_castsi256_si128(bytes));
        });
    }
    #[inline(always)]
    fn load_bytes(self, from: &[u8; 64]) -> Int {
        cpu!(Int(
            _mm256_loadu_si256(from.as_ptr().cast()),
            _mm256_loadu_si256(from.as_ptr().add(32).cast())
        ))
    }
    #[inline(always)]
    fn splat_byte(self, x: u8) -> Int {
        let x = cpu!(_mm256_set1_epi8(x as i8));
        Int(x, x)
    }
    #[inline(always)]
    fn and(self, a: Int, b: Int) -> Int {
        cpu!(Int(_mm256_and_si256(a.0, b.0), _mm256_and_si256(a.1, b.1)))
    }
    #[inline(always)]
    fn or(self, a: Int, b: Int) -> Int {
        cpu!(Int(_mm256_or_si256(a.0, b.0), _mm256_or_si256(a.1, b.1)))
    }
    #[inline(always)]
    fn shr(self, a: Int, by: u32) -> Int {
        cpu!({
            let by = _mm_cvtsi32_si128(by as i32);
            Int(_mm256_srl_epi16(a.0, by), _mm256_srl_epi16(a.1, by))
        })
    }
    #[inline(always)]
    fn shl(self, a: Int, by: u32) -> Int {
        cpu!({
            let by = _mm_cvtsi32_si128(by as i32);
            Int(_mm256_sll_epi16(a.0, by), _mm256_sll_epi16(a.1, by))
        })
    }
    #[inline(always)]
    fn lookup(self, table: &[u8; 16], a: Int) -> Int {
        cpu!({
            let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
            Int(_mm256_shuffle_epi8(table, a.0), _mm256_shuffle_epi8(table, a.1))
        })
    }
    #[inline(always)]
    fn dot(self, sum: Int, weights: Int, activations: i32) -> Int {
        cpu!({
            let a = _mm256_set1_epi32(activations);
            Int(dot4(sum.0, weights.0, a), dot4(sum.1, weights.1, a))
        })
    }
    #[inline(always)]
    fn dot_wide(self, sum: Int, weights: Int, activations: i32) -> Int {
        #[inline(always)]
        fn one(sum: __m256i, weights: __m256i, activations: i32) -> __m256i {
            cpu!({
                // `|w| * (a * sign(w))`: the magnitudes fit `maddubs`.
                let w = _mm256_xor_si256(weights, _mm256_set1_epi8(-128));
                let a = _mm256_sign_epi8(_mm256_set1_epi32(activations), w);
                dot4(sum, _mm256_abs_epi8(w), a)
            })
        }
        Int(one(sum.0, weights.0, activations), one(sum.1, weights.1, activations))
    }
    #[inline(always)]
    fn start_wide(self, _: i32) -> Int {
        self.splat_i32(0)
    }
}
