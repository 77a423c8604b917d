//! What neighbours merge into.

use super::hash::Seeds;
use crate::merge::Merge;
use smallmind_abstractions::TokenId;

/// Merges by the two ids they join.
#[derive(Debug)]
pub(crate) struct PairTable {
    seeds: Seeds,
    slots: Vec<(u64, Merge)>,
    len: usize,
}

/// No two ids: the last id is never used.
const FREE: u64 = u64::MAX;

impl PairTable {
    /// Room for `count` merges.
    pub(crate) fn with_capacity(count: usize) -> Self {
        let free = (FREE, Merge { priority: 0, merged: 0 });
        let size = (count * 2).next_power_of_two();
        Self { seeds: Seeds::new(), slots: vec![free; size.max(2)], len: 0 }
    }

    /// Adds a merge; false where the pair has one already, which stays.
    pub(crate) fn insert(&mut self, left: TokenId, right: TokenId, merge: Merge) -> bool {
        let key = u64::from(left) << 32 | u64::from(right);
        let slot = self.find(key);
        if self.slots[slot].0 == key {
            return false;
        }
        debug_assert!(self.len < self.slots.len() - 1);
        self.slots[slot] = (key, merge);
        self.len += 1;
        true
    }

    #[inline]
    pub(crate) fn get(&self, left: TokenId, right: TokenId) -> Option<Merge> {
        let key = u64::from(left) << 32 | u64::from(right);
        let (found, merge) = self.slots[self.find(key)];
        (found == key).then_some(merge)
    }

    #[inline]
    fn find(&self, key: u64) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = self.seeds.number(key) as usize & mask;
        while self.slots[slot].0 != key && self.slots[slot].0 != FREE {
            slot = (slot + 1) & mask;
        }
        slot
    }
}

/// What pairs looked up lately merge into, in bounded memory.
#[derive(Debug)]
pub(crate) struct PairMemo {
    seeds: Seeds,
    slots: Vec<(u64, Option<Merge>)>,
}

impl Default for PairMemo {
    fn default() -> Self {
        Self { seeds: Seeds::new(), slots: Vec::new() }
    }
}

impl PairMemo {
    const SLOTS: usize = 1 << 12;

    /// What a pair merges into, from memory or as `find` says.
    #[inline]
    pub(crate) fn get_or(
        &mut self,
        left: TokenId,
        right: TokenId,
        find: impl FnOnce() -> Option<Merge>,
    ) -> Option<Merge> {
        if self.slots.is_empty() {
            self.slots.resize(Self::SLOTS, (FREE, None));
        }
        let key = u64::from(left) << 32 | u64::from(right);
        let slot = self.seeds.number(key) as usize & (Self::SLOTS - 1);
        let (found, merge) = self.slots[slot];
        if found == key {
            return merge;
        }
        let merge = find();
        self.slots[slot] = (key, merge);
        merge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equal_pairs_counts() {
        let mut table = PairTable::with_capacity(100);
        for id in 0..100 {
            assert!(table.insert(id, id + 1, Merge { priority: id, merged: id + 1000 }));
        }
        assert!(!table.insert(5, 6, Merge { priority: 0, merged: 0 }));
        assert_eq!(table.get(5, 6), Some(Merge { priority: 5, merged: 1005 }));
        assert_eq!(table.get(6, 5), None);
        assert_eq!(PairTable::with_capacity(0).get(0, 0), None);
    }
}
