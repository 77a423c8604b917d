//! Codes and scales to the bytes of ggml's blocks.

use super::search::{self, Grid, Iq4, Linear, inverse};
use super::superblock::{Signed, WEIGHTS, WithMinimums, signed, with_minimums};
use half::f16;

/// The nearest half that is finite.
pub(super) fn half(x: f32) -> f16 {
    let most = f16::MAX.to_f32();
    f16::from_f32(x.max(-most).min(most))
}

/// The scale and the codes of 32 weights.
fn flat<G: Grid>(x: &[f32]) -> (f16, [u8; 32]) {
    let d = half(search::scale::<G>(x));
    let inverse = inverse(d.to_f32());
    let mut codes = [0; 32];
    for (code, x) in codes.iter_mut().zip(x) {
        *code = G::code(G::nearest(x * inverse));
    }
    (d, codes)
}

/// The scale, the minimum and the codes of 32 weights.
fn flat_minimum<const LAST: i32>(x: &[f32]) -> (f16, f16, [u8; 32]) {
    let (scale, minimum) = search::affine::<LAST>(x, false);
    let (d, minimum) = (half(scale), half(minimum));
    let inverse = inverse(d.to_f32());
    let mut codes = [0; 32];
    for (code, x) in codes.iter_mut().zip(x) {
        *code = Linear::<0, LAST>::nearest((x - minimum.to_f32()) * inverse) as u8;
    }
    (d, minimum, codes)
}

fn put(to: &mut [u8], at: usize, value: f16) {
    to[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

/// Weights `i` and `i + 16` share a byte.
fn nibbles(to: &mut [u8], codes: &[u8; 32]) {
    for (i, to) in to.iter_mut().enumerate() {
        *to = codes[i] & 15 | codes[i + 16] << 4;
    }
}

/// The fifth bits of 32 codes.
fn fifths(to: &mut [u8], codes: &[u8; 32]) {
    let bits = codes.iter().rev().fold(0u32, |bits, code| bits << 1 | u32::from(code >> 4));
    to.copy_from_slice(&bits.to_le_bytes());
}

pub(super) fn q8_0(x: &[f32], to: &mut [u8]) {
    let (d, codes) = flat::<Linear<-127, 127>>(x);
    put(to, 0, d);
    for (to, code) in to[2..].iter_mut().zip(codes) {
        *to = code.wrapping_sub(127);
    }
}

pub(super) fn q5_1(x: &[f32], to: &mut [u8]) {
    let (d, minimum, codes) = flat_minimum::<31>(x);
    put(to, 0, d);
    put(to, 2, minimum);
    fifths(&mut to[4..8], &codes);
    nibbles(&mut to[8..], &codes);
}

pub(super) fn q5_0(x: &[f32], to: &mut [u8]) {
    let (d, codes) = flat::<Linear<-16, 15>>(x);
    put(to, 0, d);
    fifths(&mut to[2..6], &codes);
    nibbles(&mut to[6..], &codes);
}

pub(super) fn q4_1(x: &[f32], to: &mut [u8]) {
    let (d, minimum, codes) = flat_minimum::<15>(x);
    put(to, 0, d);
    put(to, 2, minimum);
    nibbles(&mut to[4..], &codes);
}

pub(super) fn q4_0(x: &[f32], to: &mut [u8]) {
    let (d, codes) = flat::<Linear<-8, 7>>(x);
    put(to, 0, d);
    nibbles(&mut to[2..], &codes);
}

pub(super) fn iq4_nl(x: &[f32], to: &mut [u8]) {
    let (d, codes) = flat::<Iq4>(x);
    put(to, 0, d);
    nibbles(&mut to[2..], &codes);
}

pub(super) fn iq4_xs(x: &[f32], to: &mut [u8]) {
    let Signed { d, scales, codes } = signed::<Iq4, 32, 32>(x);
    put(to, 0, d);
    let mut high = 0u16;
    for (part, codes) in codes.as_chunks::<32>().0.iter().enumerate() {
        let scale = (scales[part] + 32) as u8;
        to[4 + part / 2] |= (scale & 15) << (part % 2 * 4);
        high |= u16::from(scale >> 4) << (part * 2);
        nibbles(&mut to[8 + part * 16..][..16], codes);
    }
    to[2..4].copy_from_slice(&high.to_le_bytes());
}

pub(super) fn q6_k(x: &[f32], to: &mut [u8]) {
    let Signed { d, scales, codes } = signed::<Linear<-32, 31>, 16, 128>(x);
    for (part, codes) in codes.as_chunks::<32>().0.iter().enumerate() {
        let (half, quarter) = (part / 4, part % 4);
        for (i, code) in codes.iter().enumerate() {
            to[half * 64 + quarter % 2 * 32 + i] |= (code & 15) << (quarter / 2 * 4);
            to[128 + half * 32 + i] |= (code >> 4) << (quarter * 2);
        }
    }
    for (to, scale) in to[192..208].iter_mut().zip(scales) {
        *to = scale as u8;
    }
    put(to, 208, d);
}

pub(super) fn q3_k(x: &[f32], to: &mut [u8]) {
    let Signed { d, scales, codes } = signed::<Linear<-4, 3>, 16, 32>(x);
    for (part, codes) in codes.as_chunks::<32>().0.iter().enumerate() {
        for (i, code) in codes.iter().enumerate() {
            to[i] |= (code >> 2) << part;
            to[32 + part / 4 * 32 + i] |= (code & 3) << (part % 4 * 2);
        }
    }
    for (k, scale) in scales.iter().enumerate() {
        let scale = (scale + 32) as u8;
        to[96 + k % 8] |= (scale & 15) << (k / 8 * 4);
        to[104 + k % 4] |= (scale >> 4) << (k / 4 * 2);
    }
    put(to, 108, d);
}

pub(super) fn q2_k(x: &[f32], to: &mut [u8]) {
    let WithMinimums { d, d_min, scales, minimums, codes } = with_minimums::<16, 3, 15>(x);
    for ((to, scale), minimum) in to.iter_mut().zip(scales).zip(minimums) {
        *to = scale | minimum << 4;
    }
    for (part, codes) in codes.as_chunks::<32>().0.iter().enumerate() {
        for (to, code) in to[16 + part / 4 * 32..].iter_mut().zip(codes) {
            *to |= code << (part % 4 * 2);
        }
    }
    put(to, 80, d);
    put(to, 82, d_min);
}

pub(super) fn q4_k(x: &[f32], to: &mut [u8]) {
    let block = with_minimums::<32, 15, 63>(x);
    six_bit_scales(&block, to);
    low_nibbles(&block.codes, &mut to[16..]);
}

pub(super) fn q5_k(x: &[f32], to: &mut [u8]) {
    let block = with_minimums::<32, 31, 63>(x);
    six_bit_scales(&block, to);
    for (part, codes) in block.codes.as_chunks::<32>().0.iter().enumerate() {
        for (to, code) in to[16..48].iter_mut().zip(codes) {
            *to |= (code >> 4) << part;
        }
    }
    low_nibbles(&block.codes, &mut to[48..]);
}

/// The head of Q4_K and Q5_K: the scales of scales, then eight scales and
/// minimums in twelve bytes.
fn six_bit_scales(block: &WithMinimums, to: &mut [u8]) {
    let WithMinimums { d, d_min, scales, minimums, .. } = block;
    put(to, 0, *d);
    put(to, 2, *d_min);
    let to = &mut to[4..16];
    for j in 0..4 {
        to[j] = scales[j] | scales[j + 4] >> 4 << 6;
        to[j + 4] = minimums[j] | minimums[j + 4] >> 4 << 6;
        to[j + 8] = scales[j + 4] & 15 | minimums[j + 4] << 4;
    }
}

/// 32 codes in low nibbles, the next 32 in the high ones of the same bytes.
fn low_nibbles(codes: &[u8; WEIGHTS], to: &mut [u8]) {
    for (to, codes) in to.as_chunks_mut::<32>().0.iter_mut().zip(codes.as_chunks::<64>().0) {
        let (low, high) = codes.split_at(32);
        for ((to, low), high) in to.iter_mut().zip(low).zip(high) {
            *to = low & 15 | high << 4;
        }
    }
}
