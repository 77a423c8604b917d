//! Merging neighbours until no pair is left that merges: the loop of BPE.
//!
//! ```text
//! while any neighbours merge: merge the pair with the best priority,
//!                             the leftmost among equals
//! ```
//!
//! Short rows search their few pairs again each time. Longer ones are merged in
//! such stretches (`stretches.rs`), or, where that does not pay, with a heap.

use smallmind_abstractions::TokenId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Symbols up to which searching beats a heap.
pub(crate) const SHORT: usize = 96;

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
    fn merge(&mut self, left: Symbol, right: Symbol) -> Option<Merge>;

    /// The first id that does not mean the same in every text.
    fn end(&self) -> TokenId;
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
    /// What each symbol makes with the next: priorities and ids.
    priorities: Vec<u32>,
    merged: Vec<TokenId>,
    /// Priority and place.
    heap: BinaryHeap<Reverse<u64>>,
    uses_heap: bool,
    pub(crate) stretches: crate::stretches::Room,
}

impl Merger {
    /// Merges the symbols of `row`.
    pub(crate) fn merge(&mut self, row: &mut Row, merges: &mut impl Merges) {
        if row.len() <= SHORT {
            self.merge_whole(row, merges);
        } else {
            self.merge_stretches(row, merges);
        }
    }

    fn set_pair(&mut self, at: usize, pair: Option<Merge>) {
        let pair = pair.unwrap_or(NONE);
        self.priorities[at] = pair.priority;
        self.merged[at] = pair.merged;
    }

    fn clear_pairs(&mut self, len: usize) {
        self.priorities.clear();
        self.priorities.resize(len, NONE.priority);
        self.merged.clear();
        self.merged.resize(len, NONE.merged);
    }

    /// As [`merge`](Self::merge), the whole row at once.
    pub(crate) fn merge_whole(&mut self, row: &mut Row, merges: &mut impl Merges) {
        if row.len() < 2 {
            return;
        }
        let len = row.len() as u32;
        self.next.clear();
        self.next.extend(1..=len);
        self.previous.clear();
        self.previous.extend([END].into_iter().chain(0..len));
        self.clear_pairs(row.len());
        self.heap.clear();
        self.uses_heap = row.len() > SHORT;
        for at in 0..len - 1 {
            self.offer(row, at, merges);
        }
        while let Some(at) = self.take_best() {
            self.join(row, at);
            let (before, after) = (self.previous[at as usize], self.next[at as usize]);
            self.set_pair(at as usize, None);
            if after != len {
                self.offer(row, at, merges);
            }
            if before != END {
                self.offer(row, before, merges);
            }
        }
        compact(row);
    }

    /// The place of the pair that goes first.
    fn take_best(&mut self) -> Option<u32> {
        if !self.uses_heap {
            return first_best(&self.priorities);
        }
        while let Some(Reverse(key)) = self.heap.pop() {
            let (priority, at) = ((key >> 32) as u32, key as u32);
            // Pairs whose symbols have changed since are no longer there.
            if self.priorities[at as usize] == priority {
                return Some(at);
            }
        }
        None
    }

    /// Makes the symbol at `at` and the next one what they merge into.
    fn join(&mut self, row: &mut Row, at: u32) {
        let next = self.next[at as usize];
        let after = self.next[next as usize];
        row.ids[at as usize] = self.merged[at as usize];
        row.ids[next as usize] = GONE;
        self.set_pair(next as usize, None);
        self.next[at as usize] = after;
        self.previous[after as usize] = at;
    }

    fn offer(&mut self, row: &Row, at: u32, merges: &mut impl Merges) {
        let next = self.next[at as usize] as usize;
        let (start, middle) = (row.starts[at as usize], row.starts[next]);
        let end = row.starts.get(self.next[next] as usize).copied().unwrap_or(row.end);
        let left = Symbol { id: row.ids[at as usize], start, end: middle };
        let right = Symbol { id: row.ids[next], start: middle, end };
        let found = merges.merge(left, right);
        self.set_pair(at as usize, found);
        if let Some(found) = found.filter(|_| self.uses_heap) {
            self.heap.push(Reverse(u64::from(found.priority) << 32 | u64::from(at)));
        }
    }
}

/// The place of the first of the lowest priorities.
#[inline]
fn first_best(priorities: &[u32]) -> Option<u32> {
    let best = priorities.iter().fold(NONE.priority, |best, p| best.min(*p));
    if best == NONE.priority {
        return None;
    }
    priorities.iter().position(|p| *p == best).map(|at| at as u32)
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
        fn merge(&mut self, left: Symbol, right: Symbol) -> Option<Merge> {
            let merges = left.id == right.id && left.id < 20;
            merges.then_some(Merge { priority: left.id, merged: left.id + 1 })
        }

        fn end(&self) -> TokenId {
            TokenId::MAX
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
    fn rows_merge_as_the_loop_says() {
        for len in [2, 3, 5, 24, 25, SHORT, SHORT + 1, 400] {
            let (mut found, mut naive) = (row(len, 3), row(len, 3));
            Merger::default().merge_whole(&mut found, &mut Double);
            let best = |row: &Row| {
                let pairs = (1..row.len()).map(|i| (row.symbol(i - 1), row.symbol(i)));
                let found = pairs.map(|(left, right)| Double.merge(left, right)).enumerate();
                let ranked = found.filter_map(|(at, m)| m.map(|m| (m.priority, at, m.merged)));
                ranked.min()
            };
            while let Some((_, at, merged)) = best(&naive) {
                naive.ids[at] = merged;
                naive.ids.remove(at + 1);
                naive.starts.remove(at + 1);
            }
            assert_eq!((found.ids, found.starts), (naive.ids, naive.starts));
        }
    }

    #[test]
    fn a_long_run_merges_fully() {
        let mut row = row(1 << 16, 1);
        Merger::default().merge(&mut row, &mut Double);
        assert_eq!(row.ids, [16]);
    }
}
