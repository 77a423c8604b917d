//! Cuts a text at the tokens that are never split.
//!
//! ```text
//! for each special token, the longest text first:
//!     cut every fragment that is still text where the token occurs in it
//! ```
//!
//! A vocabulary may have thousands of such tokens, and a text thousands of
//! them, so this is done the other way about: a trie finds the longest token
//! at each place, and it is cut out where no longer one can begin within it.
//! Where one can, a heap takes up all that overlap, longest first, and one that
//! reaches into a cut made before is looked for again, up to the cut.

use crate::roles::Strip;
use crate::tables::Trie;
use crate::vocabulary::Vocabulary;
use smallmind_abstractions::{TokenId, TokenKind};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::Range;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fragment {
    Text(Range<usize>),
    Token(TokenId),
}

/// Finds special tokens in text.
#[derive(Debug)]
pub(crate) struct SpecialFinder {
    /// Tokens that are always one.
    user_defined: Tokens,
    /// These and control tokens.
    all: Tokens,
    /// Tokens that take white space with them.
    strips: BTreeMap<TokenId, Strip>,
}

/// Tokens by their text.
#[derive(Debug)]
struct Tokens {
    trie: Trie,
    /// The length of the longest that begins with each byte.
    longest: Box<[usize; 256]>,
}

impl Tokens {
    fn new<'a>(tokens: impl Iterator<Item = (&'a [u8], TokenId)> + Clone) -> Self {
        let mut longest = Box::new([0; 256]);
        for (text, _) in tokens.clone() {
            if let Some(first) = text.first() {
                let longest = &mut longest[usize::from(*first)];
                *longest = text.len().max(*longest);
            }
        }
        Self { trie: Trie::new(tokens), longest }
    }

    fn find(&self, text: &[u8], at: usize, end: usize) -> Option<Candidate> {
        self.trie.longest(&text[at..end]).map(|(len, id)| Candidate { len, at, id })
    }
}

impl SpecialFinder {
    pub(crate) fn new(vocabulary: &Vocabulary, strip: impl Fn(&[u8]) -> Strip) -> Self {
        const ALL: &[TokenKind] = &[TokenKind::Control, TokenKind::UserDefined, TokenKind::Unknown];
        let of_kinds = |kinds: &'static [TokenKind]| -> Vec<(&[u8], TokenId)> {
            let tokens = vocabulary.iter().filter(|(_, _, kind)| kinds.contains(kind));
            tokens.map(|(id, text, _)| (text, id)).collect()
        };
        let all = of_kinds(ALL);
        let strips = all.iter().map(|(text, id)| (*id, strip(text)));
        Self {
            user_defined: Tokens::new(of_kinds(&[TokenKind::UserDefined]).into_iter()),
            strips: strips.filter(|(_, strip)| *strip != Strip::default()).collect(),
            all: Tokens::new(all.into_iter()),
        }
    }

    /// The fragments of `text`, in order, none empty. Control tokens count
    /// only where `parse_special` says so.
    pub(crate) fn cut(&self, text: &[u8], parse_special: bool) -> Vec<Fragment> {
        let tokens = if parse_special { &self.all } else { &self.user_defined };
        let mut fragments = Fragments { text, done: 0, list: Vec::new() };
        let mut at = 0;
        while at < text.len() {
            if tokens.longest[usize::from(text[at])] == 0 {
                at += 1;
                continue;
            }
            let Some(found) = tokens.find(text, at, text.len()) else {
                at += 1;
                continue;
            };
            let end = at + found.len;
            // Nothing that begins within it is longer: then it goes first.
            let no_longer = |at: usize| {
                tokens.longest[usize::from(text[at])] <= found.len
                    || tokens.find(text, at, text.len()).is_none_or(|o| o.len <= found.len)
            };
            if self.strips.is_empty() && (at + 1..end).all(no_longer) {
                fragments.cut(at, Cut { end, id: found.id });
                at = end;
            } else {
                at = self.cut_group(tokens, found, &mut fragments);
            }
        }
        fragments.text_until(text.len());
        fragments.list
    }

    /// Cuts at the tokens that overlap `first`, those that overlap these, and
    /// so on; returns where they end. What is stripped may belong to another
    /// token: then all that follow are one group.
    fn cut_group(&self, tokens: &Tokens, first: Candidate, fragments: &mut Fragments<'_>) -> usize {
        let text = fragments.text;
        let mut reach = first.at + first.len;
        let mut group = BinaryHeap::from([first]);
        let mut at = first.at + 1;
        while at < reach || (!self.strips.is_empty() && at < text.len()) {
            if let Some(found) = tokens.find(text, at, text.len()) {
                reach = reach.max(at + found.len);
                group.push(found);
            }
            at += 1;
        }
        for (start, cut) in self.longest_first(tokens, text, group) {
            fragments.cut(start, cut);
        }
        at
    }

    /// The cuts, by where they begin.
    fn longest_first(
        &self,
        tokens: &Tokens,
        text: &[u8],
        mut found: BinaryHeap<Candidate>,
    ) -> BTreeMap<usize, Cut> {
        let mut cuts = BTreeMap::<usize, Cut>::new();
        while let Some(Candidate { len, at, id }) = found.pop() {
            let before = cuts.range(..=at).next_back().map_or(0, |(_, cut)| cut.end);
            if before > at {
                continue;
            }
            let after = cuts.range(at..).next().map_or(text.len(), |(start, _)| *start);
            if at + len > after {
                found.extend(tokens.find(text, at, after));
                continue;
            }
            let strip = self.strips.get(&id).copied().unwrap_or_default();
            let is_space = |at: usize| matches!(text[at], b' ' | 9..=13);
            let (mut start, mut end) = (at, at + len);
            while strip.left && start > before && is_space(start - 1) {
                start -= 1;
            }
            while strip.right && end < after && is_space(end) {
                end += 1;
            }
            cuts.insert(start, Cut { end, id });
        }
        cuts
    }
}

/// A token at a place. The longest is the greatest, of these the leftmost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    len: usize,
    at: usize,
    id: TokenId,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.len.cmp(&other.len).then(other.at.cmp(&self.at))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A token with what it strips.
#[derive(Debug, Clone, Copy)]
struct Cut {
    end: usize,
    id: TokenId,
}

/// What a text is cut into so far.
struct Fragments<'a> {
    text: &'a [u8],
    done: usize,
    list: Vec<Fragment>,
}

impl Fragments<'_> {
    fn text_until(&mut self, end: usize) {
        if end > self.done {
            self.list.push(Fragment::Text(self.done..end));
        }
    }

    fn cut(&mut self, start: usize, cut: Cut) {
        self.text_until(start);
        self.list.push(Fragment::Token(cut.id));
        self.done = cut.end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::Findings;
    use crate::vocabulary::{TOKENS, TYPES};
    use smallmind_abstractions::{Metadata, MetadataArray, MetadataValue};

    fn finder(tokens: &[&str], strip: impl Fn(&[u8]) -> Strip) -> SpecialFinder {
        let mut metadata = Metadata::new();
        let array = MetadataValue::Array;
        metadata.insert(TOKENS, array(MetadataArray::String(tokens.iter().collect())));
        let kinds = tokens.iter().map(|t| if t.starts_with('<') { 3 } else { 4 });
        metadata.insert(TYPES, array(MetadataArray::I32(kinds.collect())));
        let vocabulary = Vocabulary::read(&metadata, &mut Findings::default()).unwrap();
        SpecialFinder::new(&vocabulary, strip)
    }

    fn cut(finder: &SpecialFinder, text: &str, parse_special: bool) -> Vec<String> {
        let fragments = finder.cut(text.as_bytes(), parse_special);
        let show = |fragment| match fragment {
            Fragment::Text(range) => text[range].to_owned(),
            Fragment::Token(id) => format!("#{id}"),
        };
        fragments.into_iter().map(show).collect()
    }

    #[test]
    fn longer_tokens_are_cut_first() {
        let finder = finder(&["abc", "cdefg", "d", "aaa", "aa", "<x>"], |_| Strip::default());
        assert_eq!(cut(&finder, "zabcdefgz", true), ["zab", "#1", "z"]);
        assert_eq!(cut(&finder, "abcd", true), ["#0", "#2"]);
        assert_eq!(cut(&finder, "aaaaaxaaaa", true), ["#3", "#4", "x", "#3", "a"]);
        assert_eq!(cut(&finder, "a<x>d", true), ["a", "#5", "#2"]);
        assert_eq!(cut(&finder, "a<x>d", false), ["a<x>", "#2"]);
        assert_eq!(cut(&finder, "", true), [""; 0]);
    }

    #[test]
    fn white_space_goes_with_tokens_that_strip() {
        let strip = |token: &[u8]| Strip { left: token == b"<l>", right: token == b"<r>" };
        let finder = finder(&["<l>", "<r>", "  "], strip);
        assert_eq!(cut(&finder, "a \n<l> b", true), ["a", "#0", " b"]);
        assert_eq!(cut(&finder, "a <r>  b  c", true), ["a ", "#1", "b", "#2", "c"]);
        assert_eq!(cut(&finder, " <l><l> ", true), ["#0", "#0", " "]);
        assert_eq!(cut(&finder, "<r> ", true), ["#1"]);
    }
}
