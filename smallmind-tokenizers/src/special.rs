//! Cuts a text at the tokens that are never split.
//!
//! ```text
//! for each special token, the longest text first:
//!     cut every fragment that is still text where the token occurs in it
//! ```
//!
//! A vocabulary may have thousands of such tokens, so an Aho-Corasick
//! automaton finds first which of them occur at all.

use crate::vocabulary::Vocabulary;
use aho_corasick::{AhoCorasick, MatchKind};
use smallmind_abstractions::{TokenId, TokenKind};
use std::cmp::Reverse;
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
    /// Longest first.
    tokens: Vec<(TokenId, Box<[u8]>, TokenKind)>,
    automaton: Option<AhoCorasick>,
}

impl SpecialFinder {
    pub(crate) fn new(vocabulary: &Vocabulary) -> Self {
        let mut tokens: Vec<(TokenId, Box<[u8]>, TokenKind)> = vocabulary
            .iter()
            .filter(|(_, text, kind)| {
                let special = matches!(
                    kind,
                    TokenKind::Control | TokenKind::UserDefined | TokenKind::Unknown
                );
                special && !text.is_empty()
            })
            .map(|(id, text, kind)| (id, text.into(), kind))
            .collect();
        tokens.sort_by_key(|(_, text, _)| Reverse(text.len()));
        let texts = tokens.iter().map(|(_, text, _)| text);
        let builder = AhoCorasick::builder().match_kind(MatchKind::Standard).build(texts);
        // Building fails only for vocabularies beyond any memory.
        Self { automaton: builder.ok(), tokens }
    }

    /// The fragments of `text`, in order, none empty. Control tokens count
    /// only where `parse_special` says so.
    pub(crate) fn cut(&self, text: &[u8], parse_special: bool) -> Vec<Fragment> {
        let mut fragments = Vec::new();
        if !text.is_empty() {
            fragments.push(Fragment::Text(0..text.len()));
        }
        for index in self.occurring(text) {
            let (id, token, kind) = &self.tokens[index];
            if !parse_special && *kind != TokenKind::UserDefined {
                continue;
            }
            fragments = cut_at(text, fragments, *id, token);
        }
        fragments
    }

    /// Which tokens occur, longest first.
    fn occurring(&self, text: &[u8]) -> Vec<usize> {
        let Some(automaton) = &self.automaton else { return (0..self.tokens.len()).collect() };
        let matches = automaton.find_overlapping_iter(text);
        let mut found: Vec<_> = matches.map(|m| m.pattern().as_usize()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn cut_at(text: &[u8], fragments: Vec<Fragment>, id: TokenId, token: &[u8]) -> Vec<Fragment> {
    let mut out = Vec::with_capacity(fragments.len() + 2);
    for fragment in fragments {
        let Fragment::Text(range) = fragment else {
            out.push(fragment);
            continue;
        };
        let mut at = range.start;
        while let Some(found) = find(&text[at..range.end], token) {
            if found > 0 {
                out.push(Fragment::Text(at..at + found));
            }
            out.push(Fragment::Token(id));
            at += found + token.len();
        }
        if at < range.end {
            out.push(Fragment::Text(at..range.end));
        }
    }
    out
}

fn find(text: &[u8], token: &[u8]) -> Option<usize> {
    text.windows(token.len()).position(|w| w == token)
}
