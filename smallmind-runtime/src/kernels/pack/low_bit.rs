//! Blocks of the types of few bits: grids, ternary and four-bit floats.
//!
//! Grid types name a group of magnitudes at once and give signs apart. Here
//! both become one place in the values of the type, a magnitude's place in
//! the low bits and the sign above it, so that kernels need no grid.

use super::super::layout::array;
use super::{Block, grids};
use half::bf16;

/// The bits of eight signs, of which seven are stored: their number is even.
fn even_signs(bits: u32) -> u8 {
    let bits = bits as u8 & 127;
    bits | (bits.count_ones() as u8 & 1) << 7
}

/// Spreads magnitudes of `bits` bits over `codes`, with the signs above.
fn spread(codes: &mut [u8], entry: u16, bits: u32, signs: u8) {
    for (i, code) in codes.iter_mut().enumerate() {
        let magnitude = (entry >> (bits * i as u32)) as u8 & ((1 << bits) - 1);
        *code = magnitude | (signs >> i & 1) << bits;
    }
}

/// The scale `0.5 + s` or `1 + 2 s`, as an odd number.
fn odd(s: u8) -> u8 {
    2 * s + 1
}

/// An `f16` with the other sign.
fn negated([low, high]: [u8; 2]) -> [u8; 2] {
    [low, high ^ 0x80]
}

/// UE4M3, an unsigned float of four bits of exponent and three of mantissa,
/// halved because the values of four-bit floats are doubled.
fn ue4m3_half(x: u8) -> bf16 {
    let (exponent, mantissa) = (x >> 3 & 15, f32::from(x & 7));
    bf16::from_f32(match (x, exponent) {
        (0x7f, _) => 0.0,
        (_, 0) => mantissa * 0.5f32.powi(10),
        _ => (1.0 + mantissa / 8.0) * 2f32.powi(i32::from(exponent) - 8),
    })
}

/// Low nibbles are the first half of the codes, high ones the second.
fn read_nibbles(quants: &[u8], codes: &mut [u8]) {
    let (low, high) = codes.split_at_mut(quants.len());
    for ((q, low), high) in quants.iter().zip(low).zip(high) {
        (*low, *high) = (q & 15, q >> 4);
    }
}

/// Whether all eight weights of an entry are shifted down.
fn shift_signs(down: bool) -> u8 {
    if down { 0xff } else { 0 }
}

impl Block {
    pub(super) fn read_iq2_xxs(&mut self, b: &[u8]) {
        self.d = *array(b, 0);
        for (part, codes) in self.codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let entries: &[u8; 4] = array(b, 2 + 8 * part);
            let bits = u32::from_le_bytes(*array(b, 6 + 8 * part));
            self.scales[part] = odd((bits >> 28) as u8);
            for (l, codes) in codes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                let entry = grids::IQ2_XXS[usize::from(entries[l])];
                spread(codes, entry, 2, even_signs(bits >> (7 * l)));
            }
        }
    }

    pub(super) fn read_iq2_xs(&mut self, b: &[u8]) {
        self.d = *array(b, 0);
        self.read_nibble_scales(array(b, 66));
        for (l, codes) in self.codes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let bits = u16::from_le_bytes(*array(b, 2 + 2 * l));
            let entry = grids::IQ2_XS[usize::from(bits & 511)];
            spread(codes, entry, 2, even_signs(u32::from(bits >> 9)));
        }
    }

    pub(super) fn read_iq2_s(&mut self, b: &[u8]) {
        self.d = *array(b, 0);
        self.read_nibble_scales(array(b, 74));
        let (low, signs): (&[u8; 32], &[u8; 32]) = (array(b, 2), array(b, 34));
        let high: &[u8; 8] = array(b, 66);
        for (l, codes) in self.codes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let upper = high[l / 4] >> (2 * (l % 4)) & 3;
            let entry = grids::IQ2_S[usize::from(low[l]) | usize::from(upper) << 8];
            spread(codes, entry, 2, signs[l]);
        }
    }

    /// Scales of two groups in a byte.
    fn read_nibble_scales(&mut self, scales: &[u8; 8]) {
        for (to, s) in self.scales.as_chunks_mut::<2>().0.iter_mut().zip(scales) {
            *to = [odd(s & 15), odd(s >> 4)];
        }
    }

    pub(super) fn read_iq3_xxs(&mut self, b: &[u8]) {
        self.d = *array(b, 0);
        let entries: &[u8; 64] = array(b, 2);
        for (part, codes) in self.codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let bits = u32::from_le_bytes(*array(b, 66 + 4 * part));
            self.scales[part] = odd((bits >> 28) as u8);
            for (l, codes) in codes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                let entry = grids::IQ3_XXS[usize::from(entries[8 * part + l])];
                let signs = even_signs(bits >> (7 * (l / 2)));
                spread(codes, entry, 3, signs >> (4 * (l % 2)));
            }
        }
    }

    pub(super) fn read_iq3_s(&mut self, b: &[u8]) {
        self.d = *array(b, 0);
        let (low, high): (&[u8; 64], &[u8; 8]) = (array(b, 2), array(b, 66));
        let (signs, scales): (&[u8; 32], &[u8; 4]) = (array(b, 74), array(b, 106));
        for (part, scale) in self.scales[..8].iter_mut().enumerate() {
            *scale = odd(scales[part / 2] >> (4 * (part % 2)) & 15);
        }
        for (l, codes) in self.codes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let upper = high[l / 8] >> (l % 8) & 1;
            let entry = grids::IQ3_S[usize::from(low[l]) | usize::from(upper) << 8];
            spread(codes, entry, 3, signs[l / 2] >> (4 * (l % 2)));
        }
    }

    pub(super) fn read_iq1_s(&mut self, b: &[u8]) {
        self.d = *array(b, 0);
        let low: &[u8; 32] = array(b, 2);
        for (l, codes) in self.codes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let (part, place) = (l / 4, l % 4);
            let bits = u16::from_le_bytes(*array(b, 34 + 2 * part));
            self.scales[part] = odd((bits >> 12 & 7) as u8);
            let entry = usize::from(low[l]) | usize::from(bits >> (3 * place) & 7) << 8;
            spread(codes, grids::IQ1[entry], 2, shift_signs(bits >> 15 != 0));
        }
    }

    pub(super) fn read_iq1_m(&mut self, b: &[u8]) {
        let (low, high): (&[u8; 32], &[u8; 16]) = (array(b, 0), array(b, 32));
        let scales: [u16; 4] = std::array::from_fn(|i| u16::from_le_bytes(*array(b, 48 + 2 * i)));
        // The upper four bits of each hold four bits of the scale of scales.
        let d = scales.iter().rev().fold(0, |d, s| d << 4 | s >> 12);
        self.d = d.to_le_bytes();
        for (group, scale) in self.scales.iter_mut().enumerate() {
            *scale = odd((scales[group / 4] >> (3 * (group % 4)) & 7) as u8);
        }
        for (l, codes) in self.codes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let bits = high[l / 2] >> (4 * (l % 2));
            let entry = usize::from(low[l]) | usize::from(bits & 7) << 8;
            spread(codes, grids::IQ1[entry], 2, shift_signs(bits & 8 != 0));
        }
    }

    pub(super) fn read_tq1_0(&mut self, b: &[u8]) {
        // A byte holds five digits of base three, as a fraction of 256: each
        // multiplication by three moves a digit above the byte. Where the
        // bytes begin, how many are side by side and how many digits count:
        const RUNS: [(usize, usize, usize); 3] = [(0, 32, 5), (32, 16, 5), (48, 4, 4)];
        self.read_ternary(*array(b, 52));
        let mut codes = self.codes.iter_mut();
        for (from, len, digits) in RUNS {
            for digit in 0..digits {
                let power = 3u8.pow(digit as u32);
                for (q, code) in b[from..from + len].iter().zip(&mut codes) {
                    let digit = (u16::from(q.wrapping_mul(power)) * 3) >> 8;
                    *code = 3 - digit as u8;
                }
            }
        }
    }

    pub(super) fn read_tq2_0(&mut self, b: &[u8]) {
        let quants: &[u8; 64] = array(b, 0);
        self.read_ternary(*array(b, 64));
        for (part, codes) in self.codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            for (code, q) in codes.iter_mut().zip(&quants[part / 4 * 32..]) {
                *code = 3 - (q >> (part % 4 * 2) & 3);
            }
        }
    }

    /// The scale of codes that stand for -1 to 2. The middle of unsigned
    /// codes makes it -2 to 1, so codes and scale are held negated.
    fn read_ternary(&mut self, d: [u8; 2]) {
        self.d = negated(d);
        self.scales = [1; 16];
    }

    pub(super) fn read_mxfp4(&mut self, b: &[u8]) {
        // The exponent of half of a power of two; the lowest are subnormal.
        self.d = match u16::from(b[0]) {
            e @ 0..2 => 0x20 << e,
            e => (e - 1) << 7,
        }
        .to_le_bytes();
        read_nibbles(array::<16>(b, 1), &mut self.codes[..32]);
    }

    pub(super) fn read_nvfp4(&mut self, b: &[u8], unit: usize) {
        self.d = ue4m3_half(b[2 * unit]).to_le_bytes();
        self.min = ue4m3_half(b[2 * unit + 1]).to_le_bytes();
        let quants: &[u8; 16] = array(b, 4 + 16 * unit);
        read_nibbles(&quants[..8], &mut self.codes[..16]);
        read_nibbles(&quants[8..], &mut self.codes[16..32]);
    }

    pub(super) fn read_q1_0(&mut self, b: &[u8], unit: usize) {
        self.d = *array(b, 0);
        let bits = u32::from_le_bytes(*array(b, 2 + 4 * unit));
        for (i, code) in self.codes[..32].iter_mut().enumerate() {
            // One above or below the code that means zero.
            *code = 1 + 2 * (bits >> i & 1) as u8;
        }
    }

    pub(super) fn read_q2_0(&mut self, b: &[u8], unit: usize) {
        self.read_ternary(*array(b, 0));
        let quants: &[u8; 8] = array(b, 2 + 8 * unit);
        for (i, code) in self.codes[..32].iter_mut().enumerate() {
            *code = 3 - (quants[i / 4] >> (i % 4 * 2) & 3);
        }
    }
}
