//! How a text is cut into pieces before byte-level BPE.
//!
//! A rule is a list of expressions. Each cuts every piece that is there: what
//! it matches becomes pieces, and so does what lies between.
//!
//! ```text
//! at every place, from the left:
//!     the first alternative that matches makes a piece
//!     where none does, the character joins the piece between matches
//! ```

mod expressions;
mod part;
mod rules;
mod text;

use crate::Error;
use expressions::{Expression, Scan};
use part::{Part, SpaceRun};
pub(crate) use rules::Habits;
use rules::RULES;
use std::fmt;
use std::ops::Range;
use text::Text;

/// One rule.
#[derive(Clone, Copy)]
pub(crate) struct PreTokenizer {
    expressions: &'static [&'static Expression],
}

impl fmt::Debug for PreTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let definitions = self.expressions.iter().map(|e| e.scan);
        f.debug_list().entries(definitions).finish()
    }
}

/// The names of all rules, in alphabetical order.
pub(crate) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = RULES.iter().flat_map(|r| r.names).copied().collect();
    names.sort_unstable();
    names
}

impl PreTokenizer {
    /// The rule with a name.
    pub(crate) fn named(name: &str) -> Result<Self, Error> {
        let rule = RULES.iter().find(|r| r.names.contains(&name)).ok_or_else(|| {
            Error::UnknownPreTokenizer {
                found: name.escape_debug().to_string(),
                supported: names().join(", "),
            }
        })?;
        Ok(Self { expressions: rule.expressions })
    }

    /// Gives the pieces of well-formed `text` to `piece`, in order and without
    /// gaps.
    pub(crate) fn cut(&self, text: &[u8], piece: &mut impl FnMut(Range<usize>)) {
        cut(Text::new(text), 0, self.expressions, piece);
    }
}

fn cut(
    text: Text<'_>,
    start: usize,
    expressions: &[&'static Expression],
    piece: &mut impl FnMut(Range<usize>),
) {
    let Some((first, rest)) = expressions.split_first() else {
        if start < text.len() {
            piece(start..text.len());
        }
        return;
    };
    let mut next = |start: usize, end: usize| {
        if rest.is_empty() {
            piece(start..end);
        } else {
            cut_more(text.until(end), start, rest, piece);
        }
    };
    match first.scan {
        Scan::Parts(parts) => cut_by_parts(text, start, parts, next),
        Scan::NumbersByThree => part::numbers_by_three(text, start, next),
        Scan::BeforeTriples => part::before_triples(text, start, next),
        Scan::TrailingSpaces => {
            let end = trailing_spaces(text, start);
            if end > start {
                next(start, end);
            }
            if end < text.len() {
                next(end, text.len());
            }
        }
    }
}

/// As [`cut`], where a compiler would otherwise inline without end.
fn cut_more(
    text: Text<'_>,
    start: usize,
    expressions: &[&'static Expression],
    mut piece: &mut dyn FnMut(Range<usize>),
) {
    cut(text, start, expressions, &mut piece);
}

fn cut_by_parts(text: Text<'_>, start: usize, parts: &[Part], mut piece: impl FnMut(usize, usize)) {
    let mut spaces = SpaceRun::default();
    let (mut gap, mut at) = (start, start);
    while at < text.len() {
        let Some(end) = parts.iter().find_map(|p| p.find(text, at, &mut spaces)) else {
            at += text.at(at).len;
            continue;
        };
        if gap < at {
            piece(gap, at);
        }
        piece(at, end);
        (gap, at) = (end, end);
    }
    if gap < at {
        piece(gap, at);
    }
}

fn trailing_spaces(text: Text<'_>, start: usize) -> usize {
    let mut end = text.len();
    while end > start {
        let last = text.before(end);
        if !text.at(last).is_in(crate::unicode::Class::Space.bit()) {
            break;
        }
        end = last;
    }
    end
}

#[cfg(test)]
mod tests;
