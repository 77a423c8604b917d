//! How packed weights lie in memory, and how a kernel reads them.
//!
//! Sixteen rows make a *panel*. Along a row, 32 weights make a *chunk*; a
//! panel's chunk is eight vectors of 64 bytes, vector `j` holding weights
//! `4j..4j+4` of each of the sixteen rows, so that one integer dot product
//! instruction advances sixteen output rows by four. Codes of fewer than eight
//! bits share bytes; scales stand in front of the codes they belong to:
//!
//! ```text
//! panel  = unit, unit, …            unit  = head, chunk, … (1 or 8 chunks)
//! chunk  = scales, codes            head  = f16 scales of 256 weights
//! ```
//!
//! A format is a way to hold codes ([`Codes`]) and a way to hold scales
//! ([`Scales`]); all the formats of ggml are pairs of these. Codes are
//! unsigned. Where a format has no minimum, the code that means zero is half
//! of the range.

use super::generic::matmul::{Float, Half};
use super::simd::{LANES, Simd};
use std::marker::PhantomData;

/// The number of this layout, which files of panels name. It is the same for
/// every instruction set; whoever changes what the bytes mean counts it up.
pub(crate) const LAYOUT: u32 = 1;
/// Rows in a panel.
pub(crate) const PANEL: usize = LANES;
/// Weights along a row that are one step of a kernel.
pub(crate) const CHUNK: usize = 32;

/// How 32 codes of each of a panel's rows are packed and unpacked.
pub(crate) trait Codes {
    /// Bits of a code once unpacked.
    const BITS: u32;
    /// Bytes of a chunk.
    const BYTES: usize;
    fn unpack<S: Simd>(s: S, bytes: &[u8]) -> [S::Bytes; 8];
}

/// How the scales of a panel's chunks are held.
pub(crate) trait Scales {
    /// Chunks that share a head.
    const CHUNKS: usize;
    /// Bytes of the head.
    const HEAD: usize;
    /// Bytes of the scales of a chunk.
    const BYTES: usize;
    /// Scales a row has within a chunk: 1 or 2.
    const GROUPS: usize;
    /// Whether weights are `scale * code + min` rather than
    /// `scale * (code - zero)`.
    const HAS_MIN: bool;
    fn head<S: Simd>(s: S, bytes: &[u8]) -> [S::F32; 2];
    /// The scale and the minimum of each group.
    fn read<S: Simd>(s: S, head: [S::F32; 2], bytes: &[u8]) -> [[S::F32; 2]; 2];
}

/// Bytes of `S::CHUNKS` chunks with their head.
pub(crate) const fn unit_bytes<C: Codes, S: Scales>() -> usize {
    S::HEAD + S::CHUNKS * (S::BYTES + C::BYTES)
}

/// `bytes[at..at + N]` as an array.
#[inline(always)]
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> &[u8; N] {
    bytes[at..at + N].first_chunk().expect("a slice of N bytes")
}

/// Evaluates an expression for `j` from 0 to 7. A closure would do, but one
/// that is not inlined loses the instruction set of its caller.
macro_rules! eight {
    ($j:ident => $e:expr) => {
        eight!(@ $j, $e, 0 1 2 3 4 5 6 7)
    };
    (@ $j:ident, $e:expr, $($i:literal)*) => {
        [$({
            let $j: usize = $i;
            $e
        }),*]
    };
}

/// Moves the field at bit `from` to bit `to` and masks it there.
#[inline(always)]
fn field<S: Simd>(s: S, x: S::Bytes, from: u32, to: u32, mask: u8) -> S::Bytes {
    let moved = if from > to { s.shr(x, from - to) } else { s.shl(x, to - from) };
    s.and(moved, s.splat_byte(mask))
}

#[inline(always)]
fn load<S: Simd>(s: S, bytes: &[u8], vector: usize) -> S::Bytes {
    s.load_bytes(array(bytes, vector * 64))
}

/// Two bits: vector `j` in bits `2(j % 4)` of packed vector `j / 4`.
pub(crate) struct Bits2;
impl Codes for Bits2 {
    const BITS: u32 = 2;
    const BYTES: usize = 128;
    #[inline(always)]
    fn unpack<S: Simd>(s: S, bytes: &[u8]) -> [S::Bytes; 8] {
        let packed = [load(s, bytes, 0), load(s, bytes, 1)];
        eight!(j => field(s, packed[j / 4], 2 * (j as u32 % 4), 0, 0x03))
    }
}

/// Three bits: two as in [`Bits2`], then a plane with the third of vector `j`
/// in bit `j`.
pub(crate) struct Bits3;
impl Codes for Bits3 {
    const BITS: u32 = 3;
    const BYTES: usize = 192;
    #[inline(always)]
    fn unpack<S: Simd>(s: S, bytes: &[u8]) -> [S::Bytes; 8] {
        let low = Bits2::unpack(s, bytes);
        let high = load(s, bytes, 2);
        eight!(j => s.or(low[j], field(s, high, j as u32, 2, 0x04)))
    }
}

/// Four bits: vectors 0 to 3 in low nibbles, 4 to 7 in high ones.
pub(crate) struct Bits4;
impl Codes for Bits4 {
    const BITS: u32 = 4;
    const BYTES: usize = 256;
    #[inline(always)]
    fn unpack<S: Simd>(s: S, bytes: &[u8]) -> [S::Bytes; 8] {
        let packed = [load(s, bytes, 0), load(s, bytes, 1), load(s, bytes, 2), load(s, bytes, 3)];
        eight!(j => field(s, packed[j % 4], if j < 4 { 0 } else { 4 }, 0, 0x0f))
    }
}

/// Five bits: four as in [`Bits4`], then a plane with the fifth of vector `j`
/// in bit `j`.
pub(crate) struct Bits5;
impl Codes for Bits5 {
    const BITS: u32 = 5;
    const BYTES: usize = 320;
    #[inline(always)]
    fn unpack<S: Simd>(s: S, bytes: &[u8]) -> [S::Bytes; 8] {
        let low = Bits4::unpack(s, bytes);
        let high = load(s, bytes, 4);
        eight!(j => s.or(low[j], field(s, high, j as u32, 4, 0x10)))
    }
}

/// Six bits: four as in [`Bits4`], then two planes with the upper two of
/// vector `j` in bits `2(j % 4)` of plane `j / 4`.
pub(crate) struct Bits6;
impl Codes for Bits6 {
    const BITS: u32 = 6;
    const BYTES: usize = 384;
    #[inline(always)]
    fn unpack<S: Simd>(s: S, bytes: &[u8]) -> [S::Bytes; 8] {
        let low = Bits4::unpack(s, bytes);
        let high = [load(s, bytes, 4), load(s, bytes, 5)];
        eight!(j => s.or(low[j], field(s, high[j / 4], 2 * (j as u32 % 4), 4, 0x30)))
    }
}

/// Eight bits, as they are.
pub(crate) struct Bits8;
impl Codes for Bits8 {
    const BITS: u32 = 8;
    const BYTES: usize = 512;
    #[inline(always)]
    fn unpack<S: Simd>(s: S, bytes: &[u8]) -> [S::Bytes; 8] {
        eight!(j => load(s, bytes, j))
    }
}

/// What the codes of a format without a formula stand for.
pub(crate) trait Values {
    /// Bits that hold every value plus half of their range.
    const BITS: u32;
    const VALUES: [i8; 16];
}

/// Places, packed as `C` packs them, in a table of values.
pub(crate) struct Lookup<C, V>(PhantomData<(C, V)>);
impl<C: Codes, V: Values> Lookup<C, V> {
    /// The values as codes.
    const TABLE: [u8; 16] = {
        let mut table = [0; 16];
        let mut i = 0;
        while i < table.len() {
            table[i] = (V::VALUES[i] as i16 + (1 << (V::BITS - 1))) as u8;
            i += 1;
        }
        table
    };
}
impl<C: Codes, V: Values> Codes for Lookup<C, V> {
    const BITS: u32 = V::BITS;
    const BYTES: usize = C::BYTES;
    #[inline(always)]
    fn unpack<S: Simd>(s: S, bytes: &[u8]) -> [S::Bytes; 8] {
        let places = C::unpack(s, bytes);
        eight!(j => s.lookup(&Self::TABLE, places[j]))
    }
}

/// IQ4_NL and IQ4_XS.
pub(crate) struct Iq4;
impl Values for Iq4 {
    const BITS: u32 = 8;
    const VALUES: [i8; 16] =
        [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
}

/// MXFP4 and NVFP4: twice the values of E2M1, a float of four bits (OCP
/// Microscaling Formats 1.0).
pub(crate) struct Fp4;
impl Values for Fp4 {
    const BITS: u32 = 5;
    const VALUES: [i8; 16] = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12];
}

/// IQ1_S and IQ1_M: eight times -1, 0 or 1, plus or, from the fifth on, minus
/// an eighth. The fourth of each is unused.
pub(crate) struct Iq1;
impl Values for Iq1 {
    const BITS: u32 = 5;
    const VALUES: [i8; 16] = [-7, 1, 9, 0, -9, -1, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0];
}

/// The IQ2 types: three magnitudes and, from the fifth on, their negatives.
pub(crate) struct Iq2;
impl Values for Iq2 {
    const BITS: u32 = 7;
    const VALUES: [i8; 16] = [8, 25, 43, 0, -8, -25, -43, 0, 0, 0, 0, 0, 0, 0, 0, 0];
}

/// IQ3_XXS: eight magnitudes and their negatives.
pub(crate) struct Iq3Xxs;
impl Values for Iq3Xxs {
    const BITS: u32 = 7;
    const VALUES: [i8; 16] = [4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62];
}

/// IQ3_S: eight magnitudes and their negatives.
pub(crate) struct Iq3S;
impl Values for Iq3S {
    const BITS: u32 = 5;
    const VALUES: [i8; 16] = [1, 3, 5, 7, 9, 11, 13, 15, -1, -3, -5, -7, -9, -11, -13, -15];
}

#[inline(always)]
fn halves<S: Simd>(s: S, bytes: &[u8], at: usize) -> S::F32 {
    Half::read(s, &bytes[at..])
}

/// A scale, in one of the formats of 16 bits, for each row and each of `G`
/// groups in a chunk. Only `bf16` holds the powers of two of MXFP4.
pub(crate) struct Flat<F = Half, const G: usize = 1>(PhantomData<F>);
impl<F: Float, const G: usize> Scales for Flat<F, G> {
    const CHUNKS: usize = 1;
    const HEAD: usize = 0;
    const BYTES: usize = F::BYTES * G;
    const GROUPS: usize = G;
    const HAS_MIN: bool = false;
    #[inline(always)]
    fn head<S: Simd>(s: S, _: &[u8]) -> [S::F32; 2] {
        [s.splat(0.0); 2]
    }
    #[inline(always)]
    fn read<S: Simd>(s: S, [zero, _]: [S::F32; 2], bytes: &[u8]) -> [[S::F32; 2]; 2] {
        [[F::read(s, bytes), zero], [F::read(s, &bytes[F::BYTES * (G - 1)..]), zero]]
    }
}

/// An `f16` scale and an `f16` minimum for each row and chunk.
pub(crate) struct FlatMin;
impl Scales for FlatMin {
    const CHUNKS: usize = 1;
    const HEAD: usize = 0;
    const BYTES: usize = 64;
    const GROUPS: usize = 1;
    const HAS_MIN: bool = true;
    #[inline(always)]
    fn head<S: Simd>(s: S, _: &[u8]) -> [S::F32; 2] {
        [s.splat(0.0); 2]
    }
    #[inline(always)]
    fn read<S: Simd>(s: S, [zero, _]: [S::F32; 2], bytes: &[u8]) -> [[S::F32; 2]; 2] {
        [[halves(s, bytes, 0), halves(s, bytes, 32)], [zero; 2]]
    }
}

/// For 256 weights an `f16` scale of scales and one of minimums; for each of
/// `G` groups in a chunk an unsigned byte of each.
pub(crate) struct SuperMin<const G: usize>;
impl<const G: usize> Scales for SuperMin<G> {
    const CHUNKS: usize = 8;
    const HEAD: usize = 64;
    const BYTES: usize = 32 * G;
    const GROUPS: usize = G;
    const HAS_MIN: bool = true;
    #[inline(always)]
    fn head<S: Simd>(s: S, bytes: &[u8]) -> [S::F32; 2] {
        [halves(s, bytes, 0), s.mul(halves(s, bytes, 32), s.splat(-1.0))]
    }
    #[inline(always)]
    fn read<S: Simd>(s: S, [d, neg_min]: [S::F32; 2], bytes: &[u8]) -> [[S::F32; 2]; 2] {
        let last = 32 * (G - 1);
        [
            [s.mul(d, s.widen_u8(array(bytes, 0))), s.mul(neg_min, s.widen_u8(array(bytes, 16)))],
            [
                s.mul(d, s.widen_u8(array(bytes, last))),
                s.mul(neg_min, s.widen_u8(array(bytes, last + 16))),
            ],
        ]
    }
}

/// For 256 weights an `f16` scale of scales; for each of `G` groups in a chunk
/// a signed byte. `PARTS` is what their product is divided by, a power of two.
pub(crate) struct SuperSigned<const G: usize, const PARTS: u16 = 1>;
impl<const G: usize, const PARTS: u16> Scales for SuperSigned<G, PARTS> {
    const CHUNKS: usize = 8;
    const HEAD: usize = 32;
    const BYTES: usize = 16 * G;
    const GROUPS: usize = G;
    const HAS_MIN: bool = false;
    #[inline(always)]
    fn head<S: Simd>(s: S, bytes: &[u8]) -> [S::F32; 2] {
        [s.mul(halves(s, bytes, 0), s.splat(1.0 / f32::from(PARTS))), s.splat(0.0)]
    }
    #[inline(always)]
    fn read<S: Simd>(s: S, [d, zero]: [S::F32; 2], bytes: &[u8]) -> [[S::F32; 2]; 2] {
        let last = 16 * (G - 1);
        [
            [s.mul(d, s.widen_i8(array(bytes, 0))), zero],
            [s.mul(d, s.widen_i8(array(bytes, last))), zero],
        ]
    }
}
