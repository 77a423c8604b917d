//! The algorithms, once, over [`Simd`](super::simd::Simd) lanes. The modules
//! of the instruction sets compile them with their instructions enabled.

pub(crate) mod attention;
pub(crate) mod gemm;
pub(crate) mod matmul;
pub(crate) mod peaks;
pub(crate) mod rows;

/// Runs the body for each `t` below `T`, unrolled, so that arrays indexed by
/// `t` stay in registers.
macro_rules! unroll {
    ($t:ident < $T:expr => $body:expr) => {
        unroll!(@ $t, $T, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
    };
    (@ $t:ident, $T:expr, $body:expr, $($i:literal)*) => {$(
        if $i < $T {
            let $t: usize = $i;
            $body
        }
    )*};
}
pub(crate) use unroll;
