//! Cuts a text at the tokens that are never split.
//!
//! ```text
//! for each special token, the longest text first:
//!     cut every fragment that is still text where the token occurs in it
//! ```
//!
//! A vocabulary may have thousands of such tokens, and a text thousands of
//! them, so this is done the other way about: a trie finds the longest token
//! at each place, and a heap takes them up longest first. One that reaches
//! into a cut made before is looked for again, up to the cut.

use crate::roles::Strip;
use crate::tables::Trie;
use crate::vocabulary::Vocabulary;
use smallmind_abstractions::{TokenId, TokenKind};
use std::cmp::Reverse;
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
    user_defined: Trie,
    /// These and control tokens.
    all: Trie,
    /// Tokens that take white space with them.
    strips: BTreeMap<TokenId, Strip>,
}

impl SpecialFinder {
    pub(crate) fn new(vocabulary: &Vocabulary, strip: impl Fn(&[u8]) -> Strip) -> Self {
        let special = |kinds: &'static [TokenKind]| {
            let tokens = vocabulary.iter().filter(|(_, _, kind)| kinds.contains(kind));
            tokens.map(|(id, text, _)| (text, id))
        };
        const ALL: &[TokenKind] = &[TokenKind::Control, TokenKind::UserDefined, TokenKind::Unknown];
        let strips = special(ALL).map(|(text, id)| (id, strip(text)));
        Self {
            user_defined: Trie::new(special(&[TokenKind::UserDefined])),
            all: Trie::new(special(ALL)),
            strips: strips.filter(|(_, strip)| *strip != Strip::default()).collect(),
        }
    }

    /// The fragments of `text`, in order, none empty. Control tokens count
    /// only where `parse_special` says so.
    pub(crate) fn cut(&self, text: &[u8], parse_special: bool) -> Vec<Fragment> {
        let trie = if parse_special { &self.all } else { &self.user_defined };
        let mut found = BinaryHeap::new();
        for (at, byte) in text.iter().enumerate() {
            if trie.start(*byte).is_some() {
                found.extend(candidate(trie, text, at, text.len()));
            }
        }
        if found.is_empty() {
            return Some(Fragment::Text(0..text.len()))
                .filter(|_| !text.is_empty())
                .into_iter()
                .collect();
        }
        fragments(text.len(), &self.take(trie, text, found))
    }

    /// The cuts, by where they begin: their end, and the token with its place.
    fn take(&self, trie: &Trie, text: &[u8], mut found: BinaryHeap<Candidate>) -> Cuts {
        let mut cuts = Cuts::new();
        while let Some((len, Reverse(at), id)) = found.pop() {
            let before = cuts.range(..=at).next_back().map_or(0, |(_, cut)| cut.end);
            if before > at {
                continue;
            }
            let after = cuts.range(at..).next().map_or(text.len(), |(start, _)| *start);
            if at + len > after {
                found.extend(candidate(trie, text, at, after));
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

/// Length, place and id: the longest first, of these the leftmost.
type Candidate = (usize, Reverse<usize>, TokenId);
type Cuts = BTreeMap<usize, Cut>;

#[derive(Debug, Clone, Copy)]
struct Cut {
    end: usize,
    id: TokenId,
}

fn candidate(trie: &Trie, text: &[u8], at: usize, end: usize) -> Option<Candidate> {
    trie.longest(&text[at..end]).map(|(len, id)| (len, Reverse(at), id))
}

fn fragments(len: usize, cuts: &Cuts) -> Vec<Fragment> {
    let mut out = Vec::with_capacity(cuts.len() * 2 + 1);
    let mut at = 0;
    for (start, cut) in cuts {
        if *start > at {
            out.push(Fragment::Text(at..*start));
        }
        out.push(Fragment::Token(cut.id));
        at = cut.end;
    }
    if at < len {
        out.push(Fragment::Text(at..len));
    }
    out
}
