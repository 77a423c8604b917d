//! Numbers in square brackets, checked while a text is written.

use std::collections::BTreeSet;

/// The longest thing that is taken for a citation: `[1, 2, 3]` and the like.
const LONGEST: usize = 40;

/// Lets text through, but for citations of passages that were not given.
#[derive(Debug)]
pub(super) struct Citations {
    passages: usize,
    /// What may become a citation, from its bracket on.
    held: String,
    /// Numbers of passages that the text cites.
    pub(super) cited: BTreeSet<usize>,
    /// What was taken out of the text.
    pub(super) removed: Vec<String>,
}

impl Citations {
    pub(super) fn new(passages: usize) -> Self {
        Self { passages, held: String::new(), cited: BTreeSet::new(), removed: Vec::new() }
    }

    /// Takes more of the text; returns what can be shown.
    pub(super) fn push(&mut self, text: &str) -> String {
        let mut shown = String::new();
        for c in text.chars() {
            if c == '[' {
                shown += &std::mem::take(&mut self.held);
                self.held.push(c);
            } else if self.held.is_empty() {
                shown.push(c);
            } else {
                self.held.push(c);
                if c == ']' {
                    shown += &self.check();
                } else if !matches!(c, '0'..='9' | ',' | ' ') || self.held.len() > LONGEST {
                    shown += &std::mem::take(&mut self.held);
                }
            }
        }
        shown
    }

    /// What is still held back when the text ends.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// What remains of the citation that is held.
    fn check(&mut self) -> String {
        let held = std::mem::take(&mut self.held);
        let numbers = held.trim_matches(['[', ']']).split(',').map(str::trim);
        let given = |n: &&str| n.parse().is_ok_and(|n| (1..=self.passages).contains(&n));
        let (kept, removed): (Vec<_>, Vec<_>) = numbers.partition(given);
        self.cited.extend(kept.iter().filter_map(|n| n.parse::<usize>().ok()));
        self.removed.extend(removed.iter().map(|n| format!("[{n}]")));
        match (kept.is_empty(), removed.is_empty()) {
            (true, _) => String::new(),
            (false, true) => held,
            (false, false) => format!("[{}]", kept.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_given_passages_are_cited_however_the_text_is_cut() {
        let text = "A [1], b [2, 9]; c[0] [x] [3][99999999999999999999] [1,\n2] d [2";
        let expected = "A [1], b [2]; c [x] [3] [1,\n2] d [2";
        for size in [1, 2, 3, 100] {
            let mut citations = Citations::new(3);
            let pieces: Vec<char> = text.chars().collect();
            let mut shown = String::new();
            for piece in pieces.chunks(size) {
                shown += &citations.push(&piece.iter().collect::<String>());
            }
            shown += &citations.finish();
            assert_eq!(shown, expected);
            assert_eq!(citations.cited, BTreeSet::from([1, 2, 3]));
            assert_eq!(citations.removed, ["[9]", "[0]", "[99999999999999999999]"]);
        }
    }
}
