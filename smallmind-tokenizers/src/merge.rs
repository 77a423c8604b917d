//! Merging neighbours until no pair is left that merges: the loop of BPE.
//!
//! ```text
//! while any neighbours merge: merge the pair with the best priority,
//!                             the leftmost among equals
//! ```
//!
//! Short rows search their few pairs again each time, longer ones keep them in
//! a heap, and rows beyond that are merged in stretches (`stretches.rs`).

use smallmind_abstractions::TokenId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Symbols below which searching beats a heap.
const SHORT: usize = 20;
/// Symbols up to which one heap stays in the first cache.
pub(crate) const STRETCH: usize = 512;

/// A pair that merges: the lower priority goes first. The last number of all is
/// no priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Merge {
    pub(crate) priority: u32,
    pub(crate) merged: TokenId,
}

/// A symbol and the bytes that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Symbol {
    pub(crate) id: TokenId,
    pub(crate) start: u32,
    pub(crate) end: u32,
}

/// Which neighbours merge.
pub(crate) trait Merges {
    fn merge(&self, left: Symbol, right: Symbol) -> Option<Merge>;
}

/// Symbols side by side; each ends where the next begins.
#[derive(Debug, Default, Clone)]
pub(crate) struct Row {
    pub(crate) ids: Vec<TokenId>,
    pub(crate) starts: Vec<u32>,
    pub(crate) end: u32,
}

impl Row {
    pub(crate) fn clear(&mut self) {
        self.ids.clear();
        self.starts.clear();
        self.end = 0;
    }

    /// Appends a symbol that begins where the row ends.
    #[inline]
    pub(crate) fn push(&mut self, id: TokenId, len: usize) {
        self.ids.push(id);
        self.starts.push(self.end);
        self.end += len as u32;
    }

    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    #[inline]
    pub(crate) fn symbol(&self, index: usize) -> Symbol {
        let end = self.starts.get(index + 1).copied().unwrap_or(self.end);
        Symbol { id: self.ids[index], start: self.starts[index], end }
    }

    fn remove(&mut self, index: usize) {
        self.ids.remove(index);
        self.starts.remove(index);
    }
}

const NONE: Merge = Merge { priority: u32::MAX, merged: TokenId::MAX };
/// The symbol of a pair that is no more.
const GONE: TokenId = TokenId::MAX;
const END: u32 = u32::MAX;

/// Room to merge in.
#[derive(Debug, Default)]
pub(crate) struct Merger {
    next: Vec<u32>,
    previous: Vec<u32>,
    /// What each symbol makes with the next.
    pairs: Vec<Merge>,
    /// Priority and place.
    heap: BinaryHeap<Reverse<u64>>,
    pub(crate) stretches: crate::stretches::Room,
}

impl Merger {
    /// Merges the symbols of `row`.
    pub(crate) fn merge(&mut self, row: &mut Row, merges: &impl Merges) {
        match row.len() {
            0..=1 => {}
            2..SHORT => self.merge_short(row, merges),
            SHORT..=STRETCH => self.merge_heap(row, merges),
            _ => self.merge_stretches(row, merges),
        }
    }

    fn merge_short(&mut self, row: &mut Row, merges: &impl Merges) {
        let pairs = &mut self.pairs;
        let pair =
            |row: &Row, at: usize| merges.merge(row.symbol(at), row.symbol(at + 1)).unwrap_or(NONE);
        pairs.clear();
        pairs.extend((0..row.len() - 1).map(|at| pair(row, at)));
        loop {
            let (mut best, mut place) = (NONE, 0);
            for (at, found) in pairs.iter().enumerate() {
                if found.priority < best.priority {
                    (best, place) = (*found, at);
                }
            }
            if best == NONE {
                return;
            }
            row.ids[place] = best.merged;
            row.remove(place + 1);
            pairs.remove(place);
            if place > 0 {
                pairs[place - 1] = pair(row, place - 1);
            }
            if place < pairs.len() {
                pairs[place] = pair(row, place);
            }
        }
    }

    /// As [`merge`](Self::merge), with one heap for the whole row.
    pub(crate) fn merge_heap(&mut self, row: &mut Row, merges: &impl Merges) {
        let len = row.len() as u32;
        self.next.clear();
        self.next.extend(1..=len);
        self.previous.clear();
        self.previous.extend([END].into_iter().chain(0..len));
        self.pairs.clear();
        self.pairs.resize(row.len(), NONE);
        self.heap.clear();
        for at in 0..len - 1 {
            self.offer(row, at, merges);
        }
        while let Some(Reverse(key)) = self.heap.pop() {
            let (priority, at) = ((key >> 32) as u32, key as u32);
            let pair = self.pairs[at as usize];
            // Pairs whose symbols have changed since are no longer there.
            if pair.priority != priority {
                continue;
            }
            self.join(row, at, pair.merged);
            let (before, after) = (self.previous[at as usize], self.next[at as usize]);
            self.pairs[at as usize] = NONE;
            if after != len {
                self.offer(row, at, merges);
            }
            if before != END {
                self.offer(row, before, merges);
            }
        }
        compact(row);
    }

    /// Makes the symbol at `at` and the next one `merged`.
    fn join(&mut self, row: &mut Row, at: u32, merged: TokenId) {
        let next = self.next[at as usize];
        let after = self.next[next as usize];
        row.ids[at as usize] = merged;
        row.ids[next as usize] = GONE;
        self.pairs[next as usize] = NONE;
        self.next[at as usize] = after;
        self.previous[after as usize] = at;
    }

    #[inline]
    fn offer(&mut self, row: &Row, at: u32, merges: &impl Merges) {
        let next = self.next[at as usize] as usize;
        let (start, middle) = (row.starts[at as usize], row.starts[next]);
        let end = row.starts.get(self.next[next] as usize).copied().unwrap_or(row.end);
        let left = Symbol { id: row.ids[at as usize], start, end: middle };
        let right = Symbol { id: row.ids[next], start: middle, end };
        let found = merges.merge(left, right);
        self.pairs[at as usize] = found.unwrap_or(NONE);
        if let Some(found) = found {
            self.heap.push(Reverse(u64::from(found.priority) << 32 | u64::from(at)));
        }
    }
}

/// Takes the symbols out that are gone.
fn compact(row: &mut Row) {
    let mut kept = 0;
    for at in 0..row.len() {
        if row.ids[at] != GONE {
            row.ids[kept] = row.ids[at];
            row.starts[kept] = row.starts[at];
            kept += 1;
        }
    }
    row.ids.truncate(kept);
    row.starts.truncate(kept);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Letters merge with equal letters into the next one, low ones first.
    pub(crate) struct Double;

    impl Merges for Double {
        fn merge(&self, left: Symbol, right: Symbol) -> Option<Merge> {
            let merges = left.id == right.id && left.id < 20;
            merges.then_some(Merge { priority: left.id, merged: left.id + 1 })
        }
    }

    /// A row of `len` of the first `letters` letters.
    pub(crate) fn row(len: usize, letters: u32) -> Row {
        let mut state = 7u32 + len as u32;
        let mut row = Row::default();
        for _ in 0..len {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            row.push((state >> 16) % letters, 1);
        }
        row
    }

    #[test]
    fn short_rows_and_heaps_merge_alike() {
        for len in [2, 3, 5, 24, 25, 100, 1000] {
            let (mut short, mut heap) = (row(len, 3), row(len, 3));
            Merger::default().merge_short(&mut short, &Double);
            Merger::default().merge_heap(&mut heap, &Double);
            assert_eq!((short.ids, short.starts), (heap.ids, heap.starts));
        }
    }

    #[test]
    fn a_long_run_merges_fully() {
        let mut row = row(1 << 16, 1);
        Merger::default().merge(&mut row, &Double);
        assert_eq!(row.ids, [16]);
    }
}
