//! Merging a long row in stretches.
//!
//! A stretch of a few dozen symbols merges without a heap, in the first cache; a
//! megabyte does not. Putting stretches together rests on this: tokens
//! `t1 … tn` are what a text merges into if, and only if, for all neighbours
//! `ti ti+1`, the text of the two merges into just these two.
//!
//! For take the first merge over the whole text that would join symbols across
//! a boundary `ti|ti+1`. Until then every token was merged on its own, in the
//! order that priority and place give; that order, seen on the text of the two
//! alone, is the same, so there the merge would cross the boundary too. The
//! other way about, a merge that crosses in the two alone crosses in the whole.
//!
//! ```text
//! for each stretch:
//!     merge it together with the last k tokens so far, k = 1, 4, 16 …,
//!     until the boundary to the tokens before these holds
//! ```

use crate::merge::{Merger, Merges, Row, Symbol};
use crate::tables::PieceCache;

/// Symbols of a stretch.
const STRETCH: usize = 64;
/// Symbols merged, for each symbol of the row, before it is given to one
/// heap after all.
const PATIENCE: usize = 6;

/// Rows to work in.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// The symbols before any merge.
    input: Row,
    /// A stretch with the tokens before it.
    window: Row,
    probe: Row,
    /// What stretches became: repeated text is merged once.
    seen: PieceCache,
    key: Vec<u8>,
    /// Ids and lengths.
    merged: Vec<u32>,
    /// Symbols merged so far.
    spent: usize,
}

impl Merger {
    pub(crate) fn merge_stretches(&mut self, row: &mut Row, merges: &mut impl Merges) {
        let mut room = std::mem::take(&mut self.stretches);
        room.input.clone_from(row);
        room.spent = 0;
        row.ids.clear();
        row.starts.clear();
        let len = room.input.len();
        let mut starts = (0..len).step_by(STRETCH);
        let joined = starts.all(|start| self.join_stretch(row, &mut room, start, merges));
        if !joined {
            row.clone_from(&room.input);
            self.merge_whole(row, merges);
        }
        self.stretches = room;
    }

    /// Appends the stretch that begins with symbol `start` to what is merged
    /// so far; false where that takes too long.
    fn join_stretch(
        &mut self,
        row: &mut Row,
        room: &mut Room,
        start: usize,
        merges: &mut impl Merges,
    ) -> bool {
        let end = room.input.len().min(start + STRETCH);
        let mut width = 1;
        loop {
            let kept = row.len().saturating_sub(width);
            let from = row.starts.get(kept).copied().unwrap_or(room.input.starts[start]);
            let mut window = std::mem::take(&mut room.window);
            self.merge_anew(room, from, end, &mut window, merges);
            let holds = kept == 0 || {
                let left = row.symbol(kept - 1).start;
                self.holds(room, left, window.symbol(0).start, window.symbol(0).end, merges)
            };
            if holds {
                row.ids.truncate(kept);
                row.starts.truncate(kept);
                row.ids.extend_from_slice(&window.ids);
                row.starts.extend_from_slice(&window.starts);
            }
            room.window = window;
            if holds || room.spent > PATIENCE * room.input.len() {
                return holds;
            }
            width *= 4;
        }
    }

    /// Whether the texts from `left` to `middle` and on to `right` stay two
    /// tokens.
    fn holds(
        &mut self,
        room: &mut Room,
        left: u32,
        middle: u32,
        right: u32,
        merges: &mut impl Merges,
    ) -> bool {
        let mut probe = std::mem::take(&mut room.probe);
        let end = room.input.starts.partition_point(|s| *s < right);
        self.merge_anew(room, left, end, &mut probe, merges);
        let two = probe.len() == 2 && probe.starts[1] == middle;
        room.probe = probe;
        two
    }

    /// Merges the symbols from the byte `start` to symbol `end` on their own.
    fn merge_anew(
        &mut self,
        room: &mut Room,
        start: u32,
        end: usize,
        out: &mut Row,
        merges: &mut impl Merges,
    ) {
        let first = room.input.starts.partition_point(|s| *s < start);
        room.spent += end - first;
        let ids = &room.input.ids[first..end];
        if ids.iter().any(|id| *id >= merges.end()) {
            copy(&room.input, first, end, out);
            return self.merge_whole(out, merges);
        }
        room.key.clear();
        room.key.extend(ids.iter().flat_map(|id| id.to_le_bytes()));
        room.merged.clear();
        let (input, merged) = (&room.input, &mut room.merged);
        room.seen.get_or(&room.key, merged, |merged| {
            copy(input, first, end, out);
            self.merge_whole(out, merges);
            for index in 0..out.len() {
                let Symbol { id, start, end } = out.symbol(index);
                merged.extend([id, end - start]);
            }
        });
        out.clear();
        out.end = start;
        for token in room.merged.as_chunks::<2>().0 {
            out.push(token[0], token[1] as usize);
        }
    }
}

/// Makes `out` the symbols from `start` to `end` of `row`.
fn copy(row: &Row, start: usize, end: usize, out: &mut Row) {
    out.clear();
    out.ids.extend_from_slice(&row.ids[start..end]);
    out.starts.extend_from_slice(&row.starts[start..end]);
    out.end = row.starts.get(end).copied().unwrap_or(row.end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::Merge;
    use crate::merge::tests::{Double, row};

    /// Any two symbols merge or not, by a hash of both: as unruly as can be.
    struct Unruly(u32);

    impl Merges for Unruly {
        fn merge(&mut self, left: Symbol, right: Symbol) -> Option<Merge> {
            let mixed = (left.id.wrapping_mul(0x9e37_79b1) ^ right.id).wrapping_mul(0x85eb_ca6b);
            let short = right.end - left.start <= 24;
            let merges = short && mixed % 100 < self.0;
            merges.then_some(Merge { priority: mixed >> 20, merged: mixed >> 8 })
        }

        fn end(&self) -> u32 {
            40
        }
    }

    fn assert_same(row: &Row, merges: &mut impl Merges) {
        let (mut whole, mut stretches) = (row.clone(), row.clone());
        Merger::default().merge_whole(&mut whole, merges);
        Merger::default().merge_stretches(&mut stretches, merges);
        assert!(whole.ids == stretches.ids && whole.starts == stretches.starts);
    }

    #[test]
    fn stretches_merge_as_the_whole_does() {
        for len in [513, 600, 1024, 1025, 3000, 20_000] {
            for letters in [1, 2, 3, 50] {
                assert_same(&row(len, letters), &mut Double);
                for odds in [5, 30, 60, 95] {
                    assert_same(&row(len, letters), &mut Unruly(odds));
                }
            }
        }
    }
}
