//! Merging a long row in stretches.
//!
//! A stretch of a few hundred symbols merges in the first cache; a heap over a
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
//!     merge it
//!     merge anew the last k tokens so far with the first k of the stretch,
//!     k = 1, 4, 16 …, until the outer boundaries hold
//! ```

use crate::merge::{Merger, Merges, Row, STRETCH};
use smallmind_abstractions::TokenId;

/// Symbols merged anew, for each symbol of the row, before it is given to one
/// heap after all.
const PATIENCE: usize = 6;

/// Rows to work in.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// The symbols before any merge.
    input: Row,
    /// The stretch that is put to the result.
    stretch: Row,
    /// What is merged anew.
    seam: Row,
    probe: Row,
    /// Symbols merged anew.
    spent: usize,
}

impl Merger {
    pub(crate) fn merge_stretches(&mut self, row: &mut Row, merges: &impl Merges) {
        let mut room = std::mem::take(&mut self.stretches);
        room.input.clone_from(row);
        room.spent = 0;
        row.ids.clear();
        row.starts.clear();
        let len = room.input.len();
        let joined = (0..len).step_by(STRETCH).all(|start| {
            let end = len.min(start + STRETCH);
            copy(&room.input, start, end, &mut room.stretch);
            self.merge_whole(&mut room.stretch, merges);
            self.join_stretch(row, &mut room, merges)
        });
        if !joined {
            row.clone_from(&room.input);
            self.merge_heap(row, merges);
        }
        self.stretches = room;
    }

    fn merge_whole(&mut self, row: &mut Row, merges: &impl Merges) {
        if row.len() <= STRETCH { self.merge(row, merges) } else { self.merge_heap(row, merges) }
    }

    /// Appends the stretch to what is merged so far; false where that takes
    /// too long.
    fn join_stretch(&mut self, row: &mut Row, room: &mut Room, merges: &impl Merges) -> bool {
        let mut width = 1;
        while row.len() > 0 {
            let kept = row.len().saturating_sub(width);
            let taken = room.stretch.len().min(width);
            let start = row.starts[kept];
            let end = room.stretch.starts.get(taken).copied().unwrap_or(room.stretch.end);
            let mut seam = std::mem::take(&mut room.seam);
            self.merge_anew(room, start, end, &mut seam, merges);
            let (before, after) = (kept.checked_sub(1), room.stretch.starts.get(taken));
            let unchanged =
                width == 1 && seam.len() == 2 && seam.starts[1] == room.stretch.starts[0];
            let holds = unchanged || {
                let left = before.map(|i| row.symbol(i).start);
                let right = after.map(|_| room.stretch.symbol(taken).end);
                self.holds(room, left, start, seam.symbol(0).end, merges)
                    && self.holds_right(room, &seam, end, right, merges)
            };
            if holds {
                row.ids.truncate(kept);
                row.starts.truncate(kept);
                append(row, &seam, 0);
                append(row, &room.stretch, taken);
                room.seam = seam;
                return true;
            }
            room.seam = seam;
            if room.spent > PATIENCE * room.input.len() {
                return false;
            }
            width *= 4;
        }
        append(row, &room.stretch, 0);
        true
    }

    /// Whether the texts from `left` to `middle` and on to `end` stay two
    /// tokens. True where there is nothing to the left.
    fn holds(
        &mut self,
        room: &mut Room,
        left: Option<u32>,
        middle: u32,
        end: u32,
        merges: &impl Merges,
    ) -> bool {
        let Some(left) = left else { return true };
        let mut probe = std::mem::take(&mut room.probe);
        self.merge_anew(room, left, end, &mut probe, merges);
        let two = probe.len() == 2 && probe.starts[1] == middle;
        room.probe = probe;
        two
    }

    fn holds_right(
        &mut self,
        room: &mut Room,
        seam: &Row,
        middle: u32,
        right: Option<u32>,
        merges: &impl Merges,
    ) -> bool {
        let last = seam.symbol(seam.len() - 1).start;
        match right {
            Some(right) => self.holds(room, Some(last), middle, right, merges),
            None => true,
        }
    }

    /// Merges the symbols of the bytes from `start` to `end` on their own.
    fn merge_anew(
        &mut self,
        room: &mut Room,
        start: u32,
        end: u32,
        out: &mut Row,
        merges: &impl Merges,
    ) {
        let first = room.input.starts.partition_point(|s| *s < start);
        let last = room.input.starts.partition_point(|s| *s < end);
        copy(&room.input, first, last, out);
        room.spent += last - first;
        self.merge_whole(out, merges);
    }
}

/// Makes `out` the symbols from `start` to `end` of `row`.
fn copy(row: &Row, start: usize, end: usize, out: &mut Row) {
    out.clear();
    out.ids.extend_from_slice(&row.ids[start..end]);
    out.starts.extend_from_slice(&row.starts[start..end]);
    out.end = row.starts.get(end).copied().unwrap_or(row.end);
}

fn append(row: &mut Row, more: &Row, from: usize) {
    let ids: &[TokenId] = &more.ids[from..];
    row.ids.extend_from_slice(ids);
    row.starts.extend_from_slice(&more.starts[from..]);
    row.end = more.end.max(row.end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::tests::{Double, row};
    use crate::merge::{Merge, Symbol};

    /// Any two symbols merge or not, by a hash of both: as unruly as can be.
    struct Unruly(u32);

    impl Merges for Unruly {
        fn merge(&self, left: Symbol, right: Symbol) -> Option<Merge> {
            let mixed = (left.id.wrapping_mul(0x9e37_79b1) ^ right.id).wrapping_mul(0x85eb_ca6b);
            let short = right.end - left.start <= 24;
            let merges = short && mixed % 100 < self.0;
            merges.then_some(Merge { priority: mixed >> 20, merged: mixed >> 8 })
        }
    }

    fn assert_same(row: &Row, merges: &impl Merges) {
        let (mut whole, mut stretches) = (row.clone(), row.clone());
        Merger::default().merge_heap(&mut whole, merges);
        Merger::default().merge_stretches(&mut stretches, merges);
        assert!(whole.ids == stretches.ids && whole.starts == stretches.starts);
    }

    #[test]
    fn stretches_merge_as_the_whole_does() {
        for len in [513, 600, 1024, 1025, 3000, 20_000] {
            for letters in [1, 2, 3, 50] {
                assert_same(&row(len, letters), &Double);
                for odds in [5, 30, 60, 95] {
                    assert_same(&row(len, letters), &Unruly(odds));
                }
            }
        }
    }
}
