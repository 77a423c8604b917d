//! Blocks to the units of a panel.

use super::{Block, CHUNK, Codes, PANEL, Scales};

/// The unit that the blocks of sixteen rows make.
pub(super) fn unit<C: Codes, L: Scales>(blocks: &[Block; PANEL], unit: &mut [u8]) {
    let (head, chunks) = unit.split_at_mut(L::HEAD);
    write_halves(blocks, head);
    for (c, chunk) in chunks.chunks_exact_mut(L::BYTES + C::BYTES).enumerate() {
        let (scales, codes) = chunk.split_at_mut(L::BYTES);
        if L::HEAD == 0 {
            write_halves(blocks, scales);
        } else {
            write_groups::<L>(blocks, c, scales);
        }
        write_codes::<C>(blocks, c, codes);
    }
}

/// The `f16` scales of the rows, then the minimums where there is room.
fn write_halves(blocks: &[Block; PANEL], to: &mut [u8]) {
    let (scales, mins) = to.split_at_mut(to.len().min(2 * PANEL));
    for (to, b) in scales.as_chunks_mut::<2>().0.iter_mut().zip(blocks) {
        *to = b.d;
    }
    for (to, b) in mins.as_chunks_mut::<2>().0.iter_mut().zip(blocks) {
        *to = b.min;
    }
}

fn write_groups<L: Scales>(blocks: &[Block; PANEL], chunk: usize, to: &mut [u8]) {
    let bytes = to.len() / L::GROUPS;
    for (g, to) in to.chunks_exact_mut(bytes).enumerate() {
        let (scales, mins) = to.split_at_mut(PANEL);
        let group = chunk * L::GROUPS + g;
        for (to, b) in scales.iter_mut().zip(blocks) {
            *to = b.scales[group];
        }
        for (to, b) in mins.iter_mut().zip(blocks) {
            *to = b.mins[group];
        }
    }
}

/// The codes of a chunk as the kernels unpack them; see [`super::layout`].
fn write_codes<C: Codes>(blocks: &[Block; PANEL], chunk: usize, to: &mut [u8]) {
    let mut vectors = [[0u8; 64]; 8];
    for (lane, b) in blocks.iter().enumerate() {
        let codes = &b.codes[chunk * CHUNK..][..CHUNK];
        for (v, four) in vectors.iter_mut().zip(codes.as_chunks::<4>().0) {
            v[lane * 4..lane * 4 + 4].copy_from_slice(four);
        }
    }
    // How many bits each part of `to` takes of a code, and from which on.
    match C::BYTES {
        128 => write_part::<2, 0>(&vectors, to),
        192 => {
            write_part::<2, 0>(&vectors, &mut to[..128]);
            write_part::<1, 2>(&vectors, &mut to[128..]);
        }
        256 => write_part::<4, 0>(&vectors, to),
        320 => {
            write_part::<4, 0>(&vectors, &mut to[..256]);
            write_part::<1, 4>(&vectors, &mut to[256..]);
        }
        384 => {
            write_part::<4, 0>(&vectors, &mut to[..256]);
            write_part::<2, 4>(&vectors, &mut to[256..]);
        }
        _ => write_part::<8, 0>(&vectors, to),
    }
}

/// Bits `FROM` to `FROM + BITS` of each code.
fn write_part<const BITS: usize, const FROM: usize>(vectors: &[[u8; 64]; 8], to: &mut [u8]) {
    let per_byte = 8 / BITS;
    let mask = ((1u16 << BITS) - 1) as u8;
    for (i, to) in to.as_chunks_mut::<64>().0.iter_mut().enumerate() {
        let mut packed = [0; 64];
        for place in 0..per_byte {
            // Nibbles alternate between the halves of the eight vectors; other
            // widths fill a packed vector before the next.
            let from = if BITS == 4 { i + 4 * place } else { i * per_byte + place };
            for (packed, code) in packed.iter_mut().zip(&vectors[from]) {
                *packed |= ((code >> FROM) & mask) << (place * BITS);
            }
        }
        *to = packed;
    }
}
