//! How packed matrices hold their weights.

use super::generic::matmul::{Brain, Float, Half, Single};
use super::layout::{
    Bits2, Bits3, Bits4, Bits5, Bits6, Bits8, CHUNK, Flat, FlatMin, Fp4, Iq1, Iq2, Iq3S, Iq3Xxs,
    Iq4, Lookup, Scales, SuperMin, SuperSigned, unit_bytes,
};

/// How the weights of a packed matrix are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
#[allow(non_camel_case_types, reason = "the names of ggml's types")]
pub(crate) enum Format {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2_K,
    Q3_K,
    Q4_K,
    Q5_K,
    Q6_K,
    IQ4_NL,
    IQ4_XS,
    IQ2_XXS,
    IQ2_XS,
    IQ2_S,
    IQ3_XXS,
    IQ3_S,
    IQ1_S,
    IQ1_M,
    TQ1_0,
    TQ2_0,
    MXFP4,
    NVFP4,
    Q1_0,
    Q2_0,
}

/// Calls a generic function with the codes and scales of a quantized format.
macro_rules! with_format {
    ($format:expr, $quantized:ident ! $args:tt, $float:ident ! $float_args:tt) => {
        match $format {
            Format::F32 => $float!(Single, $float_args),
            Format::F16 => $float!(Half, $float_args),
            Format::BF16 => $float!(Brain, $float_args),
            Format::Q4_0 => $quantized!(Bits4, Flat, $args),
            Format::Q4_1 => $quantized!(Bits4, FlatMin, $args),
            Format::Q5_0 => $quantized!(Bits5, Flat, $args),
            Format::Q5_1 => $quantized!(Bits5, FlatMin, $args),
            Format::Q8_0 => $quantized!(Bits8, Flat, $args),
            Format::Q2_K => $quantized!(Bits2, SuperMin<2>, $args),
            Format::Q3_K => $quantized!(Bits3, SuperSigned<2>, $args),
            Format::Q4_K => $quantized!(Bits4, SuperMin<1>, $args),
            Format::Q5_K => $quantized!(Bits5, SuperMin<1>, $args),
            Format::Q6_K => $quantized!(Bits6, SuperSigned<2>, $args),
            Format::IQ4_NL => $quantized!(Lookup<Bits4, Iq4>, Flat, $args),
            Format::IQ4_XS => $quantized!(Lookup<Bits4, Iq4>, SuperSigned<1>, $args),
            Format::IQ2_XXS => $quantized!(Lookup<Bits3, Iq2>, SuperSigned<1, 8>, $args),
            Format::IQ2_XS | Format::IQ2_S => {
                $quantized!(Lookup<Bits3, Iq2>, SuperSigned<2, 8>, $args)
            }
            Format::IQ3_XXS => $quantized!(Lookup<Bits4, Iq3Xxs>, SuperSigned<1, 4>, $args),
            Format::IQ3_S => $quantized!(Lookup<Bits4, Iq3S>, SuperSigned<1>, $args),
            Format::IQ1_S => $quantized!(Lookup<Bits3, Iq1>, SuperSigned<1, 8>, $args),
            Format::IQ1_M => $quantized!(Lookup<Bits3, Iq1>, SuperSigned<2, 8>, $args),
            Format::TQ1_0 | Format::TQ2_0 => $quantized!(Bits2, SuperSigned<1>, $args),
            Format::MXFP4 => $quantized!(Lookup<Bits4, Fp4>, Flat<Brain>, $args),
            Format::NVFP4 => $quantized!(Lookup<Bits4, Fp4>, Flat<Brain, 2>, $args),
            Format::Q1_0 | Format::Q2_0 => $quantized!(Bits2, Flat, $args),
        }
    };
}

pub(crate) use with_format;

impl Format {
    /// Whether products take quantized activations, rather than floats.
    pub(crate) fn is_quantized(self) -> bool {
        !matches!(self, Self::F32 | Self::F16 | Self::BF16)
    }

    /// Weights along a row that come as one whole.
    pub(crate) fn unit_len(self) -> usize {
        macro_rules! quantized {
            ($c:ty, $s:ty, ()) => {
                <$s>::CHUNKS * CHUNK
            };
        }
        macro_rules! float {
            ($f:ty, ()) => {
                1
            };
        }
        with_format!(self, quantized!(), float!())
    }

    /// Bytes of a unit of a whole panel.
    pub(crate) fn unit_bytes(self) -> usize {
        macro_rules! quantized {
            ($c:ty, $s:ty, ()) => {
                unit_bytes::<$c, $s>()
            };
        }
        macro_rules! float {
            ($f:ty, ()) => {
                <$f as Float>::BYTES
            };
        }
        with_format!(self, quantized!(), float!())
    }
}
