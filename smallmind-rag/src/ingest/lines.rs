//! Lines of a text, by their numbers.

use std::ops::Range;

/// Where the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        let after = text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(after).collect())
    }

    /// The lines, from 1, on which `bytes` stand; the end is exclusive.
    pub(super) fn over(&self, bytes: &Range<usize>) -> Range<usize> {
        let line = |at: usize| self.0.partition_point(|start| *start <= at);
        let first = line(bytes.start);
        first..line(bytes.end.saturating_sub(1)).max(first) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn bytes_stand_on_lines() {
        let lines = Lines::of("one\ntwo\r\n\nfour");
        assert_eq!(lines.over(&(0..3)), 1..2);
        assert_eq!(lines.over(&(0..4)), 1..2, "a newline belongs to its line");
        assert_eq!(lines.over(&(2..5)), 1..3);
        assert_eq!(lines.over(&(10..14)), 4..5);
        assert_eq!(lines.over(&(4..4)), 2..3);
    }
}
