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
use part::{Part, Set, SpaceRun};
pub(crate) use rules::Habits;
use rules::RULES;
use std::fmt;
use std::ops::Range;
use text::Text;

/// One rule.
#[derive(Clone)]
pub(crate) struct PreTokenizer {
    steps: Vec<Step>,
}

/// An expression, ready to scan.
#[derive(Clone)]
struct Step {
    scan: Scan,
    parts: Vec<(Part, u128)>,
    /// For every ASCII character, a bit for each part that may begin with it.
    starts: Box<[u32; 128]>,
}

impl Step {
    fn new(expression: &Expression) -> Self {
        let parts = match expression.scan {
            Scan::Parts(parts) => parts,
            _ => &[],
        };
        let characters: [_; 128] = std::array::from_fn(|byte| Text::new(&[byte as u8]).at(0));
        let ascii = |set: Set| {
            let bits = characters.iter().enumerate().filter(|(_, c)| set.contains(**c));
            bits.fold(0, |all, (byte, _)| all | 1u128 << byte)
        };
        let starts = characters.map(|c| {
            let parts = parts.iter().enumerate().filter(|(_, part)| part.may_start(c));
            parts.fold(0, |all, (index, _)| all | 1 << index)
        });
        Self {
            scan: expression.scan,
            parts: parts.iter().map(|p| (*p, p.set().map_or(0, ascii))).collect(),
            starts: Box::new(starts),
        }
    }

    /// The end of the first part that matches at `at`.
    #[inline]
    fn find(&self, text: Text<'_>, at: usize, spaces: &mut SpaceRun) -> Option<usize> {
        let every = u32::MAX >> (32 - self.parts.len());
        let mut left = self.starts.get(usize::from(text.byte(at))).copied().unwrap_or(every);
        while left != 0 {
            let (part, ascii) = self.parts[left.trailing_zeros() as usize];
            if let Some(end) = part.find(ascii, text, at, spaces) {
                return Some(end);
            }
            left &= left - 1;
        }
        None
    }
}

impl fmt::Debug for PreTokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|step| step.scan)).finish()
    }
}

/// The names of all rules, in alphabetical order.
pub(crate) fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = RULES.iter().flat_map(|r| r.names).copied().collect();
    names.sort_unstable();
    names
}

/// The names of each rule.
#[cfg(feature = "hf")]
pub(crate) fn rules() -> impl Iterator<Item = &'static [&'static str]> {
    RULES.iter().map(|rule| rule.names)
}

/// The regular expressions of a rule; `None` for what none says.
#[cfg(feature = "hf")]
pub(crate) fn definitions(name: &str) -> Result<impl Iterator<Item = Option<&'static str>>, Error> {
    Ok(rule(name)?.expressions.iter().map(|expression| expression.definition))
}

fn rule(name: &str) -> Result<&'static rules::Rule, Error> {
    RULES.iter().find(|r| r.names.contains(&name)).ok_or_else(|| Error::UnknownPreTokenizer {
        found: name.escape_debug().to_string(),
        supported: names().join(", "),
    })
}

impl PreTokenizer {
    /// The rule with a name.
    pub(crate) fn named(name: &str) -> Result<Self, Error> {
        Ok(Self::new(rule(name)?.expressions))
    }

    fn new(expressions: &[&Expression]) -> Self {
        Self { steps: expressions.iter().map(|e| Step::new(e)).collect() }
    }

    /// Gives the pieces of well-formed `text` to `piece`, in order and without
    /// gaps.
    #[cfg(test)]
    pub(crate) fn cut(&self, text: &[u8], piece: &mut impl FnMut(Range<usize>)) {
        self.cut_until(text, text.len(), piece);
    }

    /// As [`cut`](Self::cut), up to `end`, which is one of the
    /// [`places`](Self::places) of `text` or its end.
    pub(crate) fn cut_until(&self, text: &[u8], end: usize, piece: &mut impl FnMut(Range<usize>)) {
        cut(Text::new(text), 0, end, &self.steps, piece);
    }

    /// A place from each of `wanted` on, where there is one soon, that the first
    /// expression cuts `text` at.
    ///
    /// Scanning looks ahead and never back. So where a scan from the last place
    /// and one from anywhere else both come to the end of a piece, they go on
    /// alike, and the place is one of the whole text. Numbers that are counted
    /// from their end need all of the number.
    pub(crate) fn places(&self, text: &[u8], wanted: impl Iterator<Item = usize>) -> Vec<usize> {
        const SOON: usize = 1 << 12;
        let Some(first) = self.steps.first().filter(|s| matches!(s.scan, Scan::Parts(_))) else {
            return Vec::new();
        };
        let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        let ends = |start: usize, end: usize| {
            let mut ends = Vec::new();
            let mut add = |piece: Range<usize>| ends.push(start + piece.end);
            let step = std::slice::from_ref(first);
            cut(Text::new(&text[start..]), 0, end - start, step, &mut add);
            ends
        };
        let mut places = Vec::new();
        let mut last = 0;
        for mut start in wanted {
            while is_inside(start) {
                start += 1;
            }
            let end = text.len().min(start + SOON);
            let true_ends = ends(last, end);
            let guessed = ends(start, end);
            let found = guessed
                .iter()
                .find(|at| **at > last && **at < end && true_ends.binary_search(at).is_ok());
            if let Some(place) = found {
                places.push(*place);
                last = *place;
            }
        }
        places
    }
}

/// The pieces from `start` on. The first expression stops at `end`.
fn cut(
    text: Text<'_>,
    start: usize,
    end: usize,
    steps: &[Step],
    piece: &mut impl FnMut(Range<usize>),
) {
    let Some((first, rest)) = steps.split_first() else {
        if start < text.len() {
            piece(start..text.len());
        }
        return;
    };
    let mut next = |start: usize, end: usize| {
        if rest.is_empty() {
            piece(start..end);
        } else {
            cut_more(text.until(end), start, end, rest, piece);
        }
    };
    match first.scan {
        Scan::Parts(_) => cut_by_parts(text, start..end, first, next),
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
    end: usize,
    steps: &[Step],
    mut piece: &mut dyn FnMut(Range<usize>),
) {
    cut(text, start, end, steps, &mut piece);
}

fn cut_by_parts(
    text: Text<'_>,
    range: Range<usize>,
    step: &Step,
    mut piece: impl FnMut(usize, usize),
) {
    let mut spaces = SpaceRun::default();
    let (mut gap, mut at) = (range.start, range.start);
    while at < range.end {
        let Some(end) = step.find(text, at, &mut spaces) else {
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
