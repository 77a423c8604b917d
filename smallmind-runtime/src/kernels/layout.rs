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

use super::simd::{LANES, Simd};

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

/// Four-bit places in the table of IQ4_NL and IQ4_XS.
pub(crate) struct Nonlinear4;
impl Nonlinear4 {
    /// The values of the table, each plus 128.
    pub(crate) const TABLE: [u8; 16] =
        [1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241];
}
impl Codes for Nonlinear4 {
    const BITS: u32 = 8;
    const BYTES: usize = 256;
    #[inline(always)]
    fn unpack<S: Simd>(s: S, bytes: &[u8]) -> [S::Bytes; 8] {
        let places = Bits4::unpack(s, bytes);
        eight!(j => s.lookup(&Self::TABLE, places[j]))
    }
}

#[inline(always)]
fn halves<S: Simd>(s: S, bytes: &[u8], at: usize) -> S::F32 {
    let halves: [u16; LANES] = bytemuck::pod_read_unaligned(array::<32>(bytes, at));
    s.widen_f16(&halves)
}

/// An `f16` scale for each row and chunk.
pub(crate) struct Flat;
impl Scales for Flat {
    const CHUNKS: usize = 1;
    const HEAD: usize = 0;
    const BYTES: usize = 32;
    const GROUPS: usize = 1;
    const HAS_MIN: bool = false;
    #[inline(always)]
    fn head<S: Simd>(s: S, _: &[u8]) -> [S::F32; 2] {
        [s.splat(0.0); 2]
    }
    #[inline(always)]
    fn read<S: Simd>(s: S, [zero, _]: [S::F32; 2], bytes: &[u8]) -> [[S::F32; 2]; 2] {
        [[halves(s, bytes, 0), zero], [zero; 2]]
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
/// a signed byte.
pub(crate) struct SuperSigned<const G: usize>;
impl<const G: usize> Scales for SuperSigned<G> {
    const CHUNKS: usize = 8;
    const HEAD: usize = 32;
    const BYTES: usize = 16 * G;
    const GROUPS: usize = G;
    const HAS_MIN: bool = false;
    #[inline(always)]
    fn head<S: Simd>(s: S, bytes: &[u8]) -> [S::F32; 2] {
        [halves(s, bytes, 0), s.splat(0.0)]
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
