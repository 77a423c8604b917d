//! Pieces that were encoded before.

use super::hash::Seeds;
use smallmind_abstractions::TokenId;

const SLOTS: usize = 1 << 15;
/// Bytes and ids that are kept before all is forgotten.
const KEPT: usize = 1 << 20;

/// The ids of pieces seen lately, in bounded memory (about 6 MB at most).
#[derive(Debug)]
pub(crate) struct PieceCache {
    seeds: Seeds,
    slots: Vec<Slot>,
    bytes: Vec<u8>,
    ids: Vec<TokenId>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    tag: u32,
    text: u32,
    /// Where the ids are; the id itself where there is one.
    ids: u32,
    text_len: u16,
    ids_len: u16,
}

impl Default for PieceCache {
    fn default() -> Self {
        Self { seeds: Seeds::new(), slots: Vec::new(), bytes: Vec::new(), ids: Vec::new() }
    }
}

impl PieceCache {
    /// Pieces longer than this are not kept.
    pub(crate) const LONGEST: usize = 256;

    /// Appends the ids of `piece`, from memory or as `encode` finds them.
    #[inline]
    pub(crate) fn get_or(
        &mut self,
        piece: &[u8],
        out: &mut Vec<TokenId>,
        encode: impl FnOnce(&mut Vec<TokenId>),
    ) {
        let hash = self.seeds.bytes(piece);
        let tag = (hash >> 32) as u32;
        let index = hash as usize & (SLOTS - 1);
        if let Some(slot) = self.slots.get(index).filter(|slot| slot.tag == tag) {
            let start = slot.text as usize;
            if self.bytes[start..start + usize::from(slot.text_len)] == *piece {
                match slot.ids_len {
                    1 => out.push(slot.ids),
                    len => {
                        let start = slot.ids as usize;
                        out.extend_from_slice(&self.ids[start..start + usize::from(len)]);
                    }
                }
                return;
            }
        }
        let start = out.len();
        encode(out);
        self.keep(index, tag, piece, &out[start..]);
    }

    #[cold]
    fn keep(&mut self, index: usize, tag: u32, piece: &[u8], ids: &[TokenId]) {
        let (Ok(text_len), Ok(ids_len)) = (piece.len().try_into(), ids.len().try_into()) else {
            return;
        };
        if self.slots.is_empty() || self.bytes.len() + self.ids.len() > KEPT {
            self.slots.clear();
            self.slots.resize(SLOTS, Slot::default());
            self.bytes.clear();
            self.ids.clear();
        }
        let text = self.bytes.len() as u32;
        let place = if let [id] = ids { *id } else { self.ids.len() as u32 };
        self.slots[index] = Slot { tag, text, ids: place, text_len, ids_len };
        self.bytes.extend_from_slice(piece);
        if ids.len() != 1 {
            self.ids.extend_from_slice(ids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_back_whatever_was_forgotten() {
        let mut cache = PieceCache::default();
        let mut encoded = 0;
        for round in 0..3 {
            for n in 0..200_000u32 {
                // More pieces than slots, more bytes than are kept.
                let piece = format!("piece {n}");
                let ids = [n, round][..(n % 3).min(2) as usize].to_vec();
                let mut out = vec![7];
                cache.get_or(piece.as_bytes(), &mut out, |out| {
                    encoded += 1;
                    out.extend([n, 0, 0].iter().take(ids.len()));
                });
                assert_eq!(out.len(), 1 + ids.len());
                assert!(ids.is_empty() || out[1] == n);
            }
        }
        assert!(encoded > 200_000);
        let mut out = Vec::new();
        for _ in 0..2 {
            cache.get_or(b"", &mut out, |out| out.push(1));
        }
        assert_eq!(out, [1, 1]);
    }
}
