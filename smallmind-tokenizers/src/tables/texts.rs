//! Ids by text.

use super::hash::Seeds;
use smallmind_abstractions::{StringTable, TokenId};

/// Which entry of a [`StringTable`] a text is. The table is given to every
/// call, so that the texts are stored once.
#[derive(Debug)]
pub(crate) struct TextTable {
    seeds: Seeds,
    /// Some bits of the hash, and the id.
    slots: Vec<(u32, TokenId)>,
    /// A bit for each hash that a text may have (Bloom 1970). Most texts that
    /// are asked for are in no table, and this one stays in a near cache.
    maybe: Vec<u64>,
}

const FREE: TokenId = TokenId::MAX;

impl TextTable {
    /// Of equal texts, the last one counts; `duplicate` is told of the others.
    pub(crate) fn new(texts: &StringTable, mut duplicate: impl FnMut(TokenId)) -> Self {
        let size = (texts.len() * 2).next_power_of_two();
        let (slots, maybe) = (vec![(0, FREE); size], vec![0; (size / 16).max(1)]);
        let mut table = Self { seeds: Seeds::new(), slots, maybe };
        for (id, text) in texts.iter().enumerate() {
            let hash = table.seeds.bytes(text);
            let (word, bit) = table.place(hash);
            table.maybe[word] |= bit;
            let (tag, slot) = table.find(texts, text, hash);
            if table.slots[slot].1 != FREE {
                duplicate(table.slots[slot].1);
            }
            table.slots[slot] = (tag, id as TokenId);
        }
        table
    }

    /// The id of a text.
    #[inline]
    pub(crate) fn get(&self, texts: &StringTable, text: &[u8]) -> Option<TokenId> {
        let hash = self.seeds.bytes(text);
        let (word, bit) = self.place(hash);
        if self.maybe[word] & bit == 0 {
            return None;
        }
        let (_, slot) = self.find(texts, text, hash);
        Some(self.slots[slot].1).filter(|id| *id != FREE)
    }

    /// The word and the bit of a hash in `maybe`; by bits that slots leave out.
    #[inline]
    fn place(&self, hash: u64) -> (usize, u64) {
        ((hash >> 38) as usize & (self.maybe.len() - 1), 1 << (hash >> 32 & 63))
    }

    /// The slot that has a text or is free for it.
    #[inline]
    fn find(&self, texts: &StringTable, text: &[u8], hash: u64) -> (u32, usize) {
        let (tag, mask) = ((hash >> 32) as u32, self.slots.len() - 1);
        let mut slot = hash as usize & mask;
        loop {
            let (other, id) = self.slots[slot];
            if id == FREE || (other == tag && texts.get(id as usize) == Some(text)) {
                return (tag, slot);
            }
            slot = (slot + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_and_the_last_of_equals_counts() {
        let texts: StringTable =
            ["a", "", "bb", "a", "a longer text of many bytes"].iter().collect();
        let mut duplicates = Vec::new();
        let table = TextTable::new(&texts, |id| duplicates.push(id));
        assert_eq!(duplicates, [0]);
        let get = |text: &str| table.get(&texts, text.as_bytes());
        assert_eq!(get("a"), Some(3));
        assert_eq!(get(""), Some(1));
        assert_eq!(get("bb"), Some(2));
        assert_eq!(get("a longer text of many bytes"), Some(4));
        assert_eq!(get("b"), None);
        assert_eq!(TextTable::new(&StringTable::new(), |_| ()).get(&texts, b"a"), None);
    }
}
