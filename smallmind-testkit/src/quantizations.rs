//! The types of quantized weights, for random blocks of them.

/// A block-quantized type: name, number, weights and bytes of a block, where it
/// has float16 scales, and how large those are in a random block.
pub(crate) struct Quantization {
    pub(crate) name: &'static str,
    pub(crate) kind: u32,
    pub(crate) weights: usize,
    pub(crate) bytes: usize,
    pub(crate) scales: &'static [usize],
    /// The exponent field of the scales.
    pub(crate) exponent: u16,
}

macro_rules! quantizations {
    ($($name:literal $kind:literal $weights:literal $bytes:literal $scales:expr, $exponent:literal;)*) => {
        pub(crate) const QUANTIZATIONS: &[Quantization] = &[$(Quantization {
            name: $name, kind: $kind, weights: $weights, bytes: $bytes, scales: &$scales, exponent: $exponent,
        },)*];
        /// The types that [`tiny_model`](crate::tiny_model) has a quantized model of, by the name
        /// in `llama-TYPE`.
        pub const QUANTIZED: &[&str] = &[$($name,)*];
    };
}
quantizations! {
    "q4_0" 2 32 18 [0], 8;
    "q4_1" 3 32 20 [0, 2], 7;
    "q5_0" 6 32 22 [0], 7;
    "q5_1" 7 32 24 [0, 2], 6;
    "q8_0" 8 32 34 [0], 4;
    "q2_k" 10 256 84 [80, 82], 7;
    "q3_k" 11 256 110 [108], 5;
    "q4_k" 12 256 144 [0, 2], 3;
    "q5_k" 13 256 176 [0, 2], 2;
    "q6_k" 14 256 210 [208], 1;
    "iq4_nl" 20 32 18 [0], 5;
    "iq4_xs" 23 256 136 [0], 1;
}
