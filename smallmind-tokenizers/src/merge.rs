//! Merging neighbours until no pair is left that merges: the loop of BPE.
//!
//! ```text
//! while any neighbours merge: merge the pair with the best priority,
//!                             the leftmost among equals
//! ```
//!
//! Short pieces search their few pairs again each time; long ones keep them in
//! a heap, so that a megabyte without a space takes n log n steps.

use smallmind_abstractions::TokenId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Pairs up to which searching beats a heap.
const SHORT: usize = 24;

/// A pair that merges: the lower priority goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Merge {
    pub(crate) priority: u32,
    pub(crate) merged: TokenId,
}

/// Symbols in a row; merged ones leave the list.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    ids: Vec<TokenId>,
    next: Vec<u32>,
    previous: Vec<u32>,
    pairs: Vec<Option<Merge>>,
    /// Priority, place, what it makes, and of what.
    heap: BinaryHeap<Reverse<(u32, u32, TokenId, TokenId, TokenId)>>,
}

const END: u32 = u32::MAX;
/// The id of a symbol that was merged into its left neighbour.
const GONE: TokenId = TokenId::MAX;

impl Symbols {
    /// Merges `ids` as `merge(left, right)` says and leaves the result there.
    pub(crate) fn merge(
        &mut self,
        ids: &mut Vec<TokenId>,
        merge: impl Fn(TokenId, TokenId) -> Option<Merge>,
    ) {
        if ids.len() <= SHORT { self.merge_short(ids, merge) } else { self.merge_long(ids, merge) }
    }

    fn merge_short(
        &mut self,
        ids: &mut Vec<TokenId>,
        merge: impl Fn(TokenId, TokenId) -> Option<Merge>,
    ) {
        let pairs = &mut self.pairs;
        pairs.clear();
        pairs.extend(ids.windows(2).map(|w| merge(w[0], w[1])));
        loop {
            let candidates =
                pairs.iter().enumerate().filter_map(|(i, m)| Some((m.as_ref()?.priority, i)));
            let Some((_, at)) = candidates.min() else { return };
            let Some(best) = pairs.remove(at) else { return };
            ids[at] = best.merged;
            ids.remove(at + 1);
            if at > 0 {
                pairs[at - 1] = merge(ids[at - 1], ids[at]);
            }
            if let Some(pair) = pairs.get_mut(at) {
                *pair = merge(ids[at], ids[at + 1]);
            }
        }
    }

    fn merge_long(
        &mut self,
        ids: &mut Vec<TokenId>,
        merge: impl Fn(TokenId, TokenId) -> Option<Merge>,
    ) {
        let len = ids.len() as u32;
        std::mem::swap(&mut self.ids, ids);
        self.next.clear();
        self.next.extend((1..len).chain([END]));
        self.previous.clear();
        self.previous.extend([END].into_iter().chain(0..len - 1));
        self.heap.clear();
        for at in 0..len - 1 {
            self.offer(at, &merge);
        }
        while let Some(Reverse((_, at, merged, left, right))) = self.heap.pop() {
            let next = self.next[at as usize];
            // Pairs whose symbols have changed since are no longer there.
            if next == END || self.ids[at as usize] != left || self.ids[next as usize] != right {
                continue;
            }
            self.ids[at as usize] = merged;
            self.ids[next as usize] = GONE;
            let after = self.next[next as usize];
            self.next[at as usize] = after;
            if after != END {
                self.previous[after as usize] = at;
                self.offer(at, &merge);
            }
            let before = self.previous[at as usize];
            if before != END {
                self.offer(before, &merge);
            }
        }
        std::mem::swap(&mut self.ids, ids);
        ids.retain(|id| *id != GONE);
    }

    fn offer(&mut self, at: u32, merge: &impl Fn(TokenId, TokenId) -> Option<Merge>) {
        let (left, right) = (self.ids[at as usize], self.ids[self.next[at as usize] as usize]);
        if let Some(found) = merge(left, right) {
            self.heap.push(Reverse((found.priority, at, found.merged, left, right)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters merge with equal letters into the next one, low ones first.
    fn double(left: TokenId, right: TokenId) -> Option<Merge> {
        (left == right && left < 20).then_some(Merge { priority: left, merged: left + 1 })
    }

    #[test]
    fn short_and_long_pieces_merge_alike() {
        let mut state = 7u32;
        for len in [1, 2, 3, 5, 24, 25, 100, 1000] {
            let start: Vec<_> = (0..len)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 30) % 3
                })
                .collect();
            let (mut short, mut long) = (start.clone(), start);
            Symbols::default().merge_short(&mut short, double);
            Symbols::default().merge_long(&mut long, double);
            assert_eq!(short, long);
        }
    }

    #[test]
    fn a_long_run_merges_fully() {
        let mut ids = vec![0; 1 << 16];
        Symbols::default().merge(&mut ids, double);
        assert_eq!(ids, [16]);
    }
}
