//! The vectors every kernel is written over: sixteen 32-bit lanes, whatever
//! the machine's registers hold.
//!
//! A type that implements [`Simd`] is a proof that the CPU has the
//! instructions: it can only be made after they were detected. That is what
//! makes the methods safe to call. Every method gives the same bits on every
//! implementation, so a kernel's result does not depend on the machine.

/// The number of 32-bit lanes in a vector.
pub(crate) const LANES: usize = 16;

/// Sixteen lanes of arithmetic and what integer dot products need.
pub(crate) trait Simd: Copy {
    /// Sixteen `f32`.
    type F32: Copy;
    /// Sixteen `i32`.
    type I32: Copy;
    /// Sixty-four unsigned bytes: four for each 32-bit lane.
    type Bytes: Copy;

    /// The widest tile of tokens whose sums stay in registers.
    const TILE: usize;
    /// The number of query rows whose attention sums stay in registers.
    const QUERY_ROWS: usize;
    /// The rows of a tile of a product of floats whose sums stay in registers,
    /// a multiple of three, and its vectors of columns, one or two.
    const GEMM_TILE: [usize; 2];
    /// Rows and columns of a tile of dot products whose sums stay in registers.
    const DOTS_TILE: [usize; 2];

    /// Asks for what will soon be read. It is no more than a hint: the address
    /// may be any.
    fn prefetch<T>(self, at: *const T);

    fn splat(self, x: f32) -> Self::F32;
    fn load(self, from: &[f32; LANES]) -> Self::F32;
    fn store(self, x: Self::F32, to: &mut [f32; LANES]);
    /// Each four lanes of four vectors as a square, transposed.
    fn turn(self, rows: [Self::F32; 4]) -> [Self::F32; 4];
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// The larger of each pair; `b` where either is NaN.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The smaller of each pair; `b` where either is NaN.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    fn abs(self, a: Self::F32) -> Self::F32;
    /// The nearest integers, ties to even; inputs must be in range.
    fn round(self, a: Self::F32) -> Self::I32;
    fn to_f32(self, a: Self::I32) -> Self::F32;
    /// `x * 2^n` for results that are normal numbers or zero.
    fn scale_exponent(self, x: Self::F32, n: Self::I32) -> Self::F32;
    /// `x` where `a >= b`, else zero.
    fn keep_if_ge(self, a: Self::F32, b: Self::F32, x: Self::F32) -> Self::F32;

    /// IEEE half precision to single; exact.
    fn widen_f16(self, from: &[u16; LANES]) -> Self::F32;
    /// Single to IEEE half precision, ties to even.
    fn narrow_f16(self, x: Self::F32, to: &mut [u16; LANES]);
    /// bfloat16 to single; exact.
    fn widen_bf16(self, from: &[u16; LANES]) -> Self::F32;
    fn widen_u8(self, from: &[u8; LANES]) -> Self::F32;
    fn widen_i8(self, from: &[u8; LANES]) -> Self::F32;

    /// The sum of all lanes: the upper half is added to the lower one until
    /// one lane is left.
    fn sum_across(self, x: Self::F32) -> f32;
    /// The largest lane.
    fn max_across(self, x: Self::F32) -> f32;

    fn splat_i32(self, x: i32) -> Self::I32;
    /// The sum of all lanes.
    fn sum_across_i32(self, x: Self::I32) -> i32;
    /// Arithmetic shift.
    fn shift_right(self, x: Self::I32, by: u32) -> Self::I32;
    /// Each lane as a byte; lanes must fit.
    fn narrow_i8(self, x: Self::I32, to: &mut [i8; LANES]);

    fn load_bytes(self, from: &[u8; 64]) -> Self::Bytes;
    fn splat_byte(self, x: u8) -> Self::Bytes;
    fn and(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    fn or(self, a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// Shifts 16-bit groups right by `by`; mask the result.
    fn shr(self, a: Self::Bytes, by: u32) -> Self::Bytes;
    /// Shifts 16-bit groups left by `by`; mask the input.
    fn shl(self, a: Self::Bytes, by: u32) -> Self::Bytes;
    /// `table[a]` for every byte `a < 16`.
    fn lookup(self, table: &[u8; 16], a: Self::Bytes) -> Self::Bytes;

    /// Adds to each lane the dot product of its four `weights` (below 128)
    /// with the four signed bytes of `activations`.
    fn dot(self, sum: Self::I32, weights: Self::Bytes, activations: i32) -> Self::I32;
    /// The same for weights of all eight bits, each meant as `weight - 128`.
    /// Start from [`start_wide`](Self::start_wide).
    fn dot_wide(self, sum: Self::I32, weights: Self::Bytes, activations: i32) -> Self::I32;
    /// Where sums of [`dot_wide`](Self::dot_wide) start: `bias` is -128 times
    /// the sum of the activations, which cancels the 128 in each weight.
    fn start_wide(self, bias: i32) -> Self::I32;
}

/// `cap * tanh(x / cap)`, to about `1e-7 * cap`.
#[inline(always)]
pub(crate) fn soft_cap<S: Simd>(s: S, x: S::F32, cap: f32) -> S::F32 {
    // tanh(u) is 2 / (1 + exp(-2u)) - 1.
    let e = exp(s, s.mul(x, s.splat(-2.0 / cap)));
    let tanh = s.sub(s.div(s.splat(2.0), s.add(s.splat(1.0), e)), s.splat(1.0));
    s.mul(tanh, s.splat(cap))
}

/// `exp(x)` to about 1 ulp for `x <= 88`; zero below -87.
///
/// Range reduction to `|r| <= ln(2)/2` with a two-part `ln 2`, then the
/// degree-5 polynomial of Cephes `expf`.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F32) -> S::F32 {
    const LN2_HI: f32 = 0.693_359_4;
    const LN2_LO: f32 = -2.121_944_4e-4;
    const LOWEST: f32 = -87.0;
    let clamped = s.min(s.max(x, s.splat(LOWEST)), s.splat(88.0));
    let n = s.round(s.mul(clamped, s.splat(std::f32::consts::LOG2_E)));
    let nf = s.to_f32(n);
    let r = s.fma(nf, s.splat(-LN2_HI), clamped);
    let r = s.fma(nf, s.splat(-LN2_LO), r);
    let mut p = s.splat(1.987_569_1e-4);
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = s.fma(p, r, s.splat(c));
    }
    let y = s.add(s.fma(p, s.mul(r, r), r), s.splat(1.0));
    s.keep_if_ge(x, s.splat(LOWEST), s.scale_exponent(y, n))
}
