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
}

const FREE: TokenId = TokenId::MAX;

impl TextTable {
    /// Of equal texts, the last one counts; `duplicate` is told of the others.
    pub(crate) fn new(texts: &StringTable, mut duplicate: impl FnMut(TokenId)) -> Self {
        let size = (texts.len() * 2).next_power_of_two();
        let mut table = Self { seeds: Seeds::new(), slots: vec![(0, FREE); size] };
        for (id, text) in texts.iter().enumerate() {
            let (tag, slot) = table.find(texts, text);
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
        let (_, slot) = self.find(texts, text);
        Some(self.slots[slot].1).filter(|id| *id != FREE)
    }

    /// The slot that has a text or is free for it.
    #[inline]
    fn find(&self, texts: &StringTable, text: &[u8]) -> (u32, usize) {
        let hash = self.seeds.bytes(text);
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
