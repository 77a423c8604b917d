//! The alternatives that expressions are made of, each as a scanner that
//! matches at a place as its regular expression does.

use super::text::{Char, Text};
use crate::unicode::Class;

const LETTER: u8 = Class::Letter.bit();
const NUMBER: u8 = Class::Number.bit();
const SPACE: u8 = Class::Space.bit();

/// A set of characters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set {
    /// Every character of these classes.
    pub(super) classes: u8,
    /// And those between these, ends included.
    pub(super) ranges: &'static [(char, char)],
    /// But none of these.
    pub(super) except: &'static [(char, char)],
}

impl Set {
    pub(super) const fn of(classes: u8) -> Self {
        Self { classes, ranges: &[], except: &[] }
    }

    pub(super) const fn between(ranges: &'static [(char, char)]) -> Self {
        Self { classes: 0, ranges, except: &[] }
    }

    #[inline]
    pub(super) fn contains(self, c: Char) -> bool {
        (c.is_in(self.classes) || is_between(c, self.ranges)) && !is_between(c, self.except)
    }
}

fn is_between(c: Char, ranges: &[(char, char)]) -> bool {
    ranges.iter().any(|(first, last)| u32::from(*first) <= c.code && c.code <= u32::from(*last))
}

/// One character that may stand before a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Lead {
    Nothing,
    /// ` ?`
    Space,
    /// `\s?`
    AnySpace,
    /// `[^\r\n…]?` with these classes.
    Not(u8),
}

impl Lead {
    #[inline]
    fn takes(self, c: Char) -> bool {
        match self {
            Self::Nothing => false,
            Self::Space => c.code == 0x20,
            Self::AnySpace => c.is_in(SPACE),
            Self::Not(classes) => !c.is_in(classes) && !c.is_line_end() && c.len > 0,
        }
    }
}

/// What may follow a run.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tail {
    Nothing,
    /// `[\r\n]*`
    LineEnds,
    /// `[\r\n/]*`
    LineEndsAndSlashes,
    /// `[\r\n/]?`
    LineEndOrSlash,
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`
    Contraction,
}

/// An alternative of an expression.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// `'s|'t|'re|'ve|'m|'ll|'d`
    LowerContraction,
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
    Contraction,
    /// `lead? set{1,max} tail`
    Run(Lead, Set, usize, Tail),
    /// `lead? upper* lower+ tail|lead? upper+ lower* tail`, where `upper` is a
    /// character of the classes that is not `a-z`, `lower` one that is not
    /// `A-Z`.
    CasedWord(Lead, u8, Tail),
    /// `lead?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+`
    SpacedLetters(Lead),
    /// ASCII punctuation and then `[A-Za-z]+`.
    MarkedWord,
    /// `\s*[\r\n]+`
    Lines,
    /// `\s+(?!\S)`
    SpacesButLast,
    /// `\s+`
    Spaces,
    /// `\s{n}(?!\S)` for n of 512, 256 and so on to 4, then `\s{1,2}(?!\S)`,
    /// then `\s{1}`.
    SpacesByHalves,
    /// One of these.
    OneOf(Set),
    /// Three of these.
    Triple(Set),
    /// `<sentinel:[0-9]+>`
    Sentinel,
    /// `(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z`
    Image,
    /// `[\t\n]|    |  `
    Indent,
}

/// The white space last looked at: a run is measured once, however many
/// pieces it is cut into.
#[derive(Debug, Default)]
pub(super) struct SpaceRun {
    start: usize,
    end: usize,
    /// The end of the last line end.
    lines: usize,
}

impl SpaceRun {
    /// Makes sure that the run that `at` is in is known.
    fn measure(&mut self, text: Text<'_>, at: usize) {
        if (self.start..self.end).contains(&at) {
            return;
        }
        *self = Self { start: at, end: at, lines: at };
        loop {
            let next = text.at(self.end);
            if !next.is_in(SPACE) {
                return;
            }
            self.end += next.len;
            if next.is_line_end() {
                self.lines = self.end;
            }
        }
    }
}

impl Part {
    /// Whether a match may begin with this character.
    pub(super) fn may_start(self, c: Char) -> bool {
        let is = |byte: u8| c.code == u32::from(byte);
        match self {
            Self::LowerContraction | Self::Contraction => is(b'\''),
            Self::Run(lead, set, ..) => lead.takes(c) || set.contains(c),
            Self::CasedWord(lead, classes, _) => lead.takes(c) || c.is_in(classes),
            Self::SpacedLetters(lead) => lead.takes(c) || c.is_in(LETTER),
            Self::MarkedWord => u8::try_from(c.code).is_ok_and(|b| b.is_ascii_punctuation()),
            Self::Lines | Self::SpacesButLast | Self::Spaces | Self::SpacesByHalves => {
                c.is_in(SPACE)
            }
            Self::OneOf(set) | Self::Triple(set) => set.contains(c),
            Self::Sentinel => is(b'<'),
            Self::Image => is(b'I'),
            Self::Indent => is(b'\t') || is(b'\n') || is(b' '),
        }
    }

    /// The characters that a run is made of.
    pub(super) fn set(self) -> Option<Set> {
        match self {
            Self::Run(_, set, ..) => Some(set),
            _ => None,
        }
    }

    /// The end of the match at `at`, where there is one. `ascii` has a bit for
    /// every character of [`set`](Self::set) that is ASCII.
    #[inline]
    pub(super) fn find(
        self,
        ascii: u128,
        text: Text<'_>,
        at: usize,
        spaces: &mut SpaceRun,
    ) -> Option<usize> {
        match self {
            Self::LowerContraction => contraction(text, at, false),
            Self::Contraction => contraction(text, at, true),
            Self::Run(lead, set, max, end) => {
                let start = led(text, at, lead, |c| set.contains(c))?;
                let run = if max == usize::MAX {
                    text.run_in(start, ascii, |c| set.contains(c))
                } else {
                    bounded_run(text, start, set, max)
                };
                Some(tail(text, run, end))
            }
            Self::CasedWord(lead, classes, end) => {
                cased_word(text, at, lead, classes).map(|word| tail(text, word, end))
            }
            Self::SpacedLetters(lead) => spaced_letters(text, at, lead),
            Self::MarkedWord => marked_word(text, at),
            Self::Lines | Self::SpacesButLast | Self::Spaces | Self::SpacesByHalves => {
                if !text.at(at).is_in(SPACE) {
                    return None;
                }
                spaces.measure(text, at);
                self.find_spaces(text, at, spaces)
            }
            Self::OneOf(set) => Some(text.at(at)).filter(|c| set.contains(*c)).map(|c| at + c.len),
            Self::Triple(set) => (0..3).try_fold(at, |at, _| {
                Some(text.at(at)).filter(|c| set.contains(*c)).map(|c| at + c.len)
            }),
            Self::Sentinel => sentinel(text, at),
            Self::Image => image(text, at),
            Self::Indent => indent(text, at),
        }
    }

    fn find_spaces(self, text: Text<'_>, at: usize, spaces: &SpaceRun) -> Option<usize> {
        match self {
            Self::Lines => (spaces.lines > at).then_some(spaces.lines),
            Self::SpacesButLast if spaces.end == text.len() => Some(spaces.end),
            Self::SpacesButLast => Some(text.before(spaces.end)).filter(|end| *end > at),
            Self::SpacesByHalves => Some(half_of_spaces(text, at, spaces.end)),
            _ => Some(spaces.end),
        }
    }
}

/// Where a run begins that may have a character before it.
#[inline]
fn led(text: Text<'_>, at: usize, lead: Lead, is: impl Fn(Char) -> bool) -> Option<usize> {
    let first = text.at(at);
    if lead.takes(first) && is(text.at(at + first.len)) {
        return Some(at + first.len);
    }
    is(first).then_some(at)
}

fn bounded_run(text: Text<'_>, mut at: usize, set: Set, max: usize) -> usize {
    for _ in 0..max {
        let next = text.at(at);
        if !set.contains(next) {
            break;
        }
        at += next.len;
    }
    at
}

#[inline]
fn tail(text: Text<'_>, at: usize, tail: Tail) -> usize {
    match tail {
        Tail::Nothing => at,
        Tail::LineEnds => text.run(at, Char::is_line_end),
        Tail::LineEndsAndSlashes => text.run(at, |c| c.is_line_end() || c.code == u32::from('/')),
        Tail::LineEndOrSlash => {
            let next = text.at(at);
            let takes = next.is_line_end() || next.code == u32::from('/');
            if takes { at + next.len } else { at }
        }
        Tail::Contraction => contraction(text, at, true).unwrap_or(at),
    }
}

#[inline]
fn contraction(text: Text<'_>, at: usize, any_case: bool) -> Option<usize> {
    let letter = |at: usize| match text.at(at).code {
        upper @ 0x41..=0x5a if any_case => upper as u8 + 32,
        code => u8::try_from(code).unwrap_or(0),
    };
    if text.at(at).code != u32::from('\'') {
        return None;
    }
    match (letter(at + 1), letter(at + 2)) {
        (b's' | b't' | b'm' | b'd', _) => Some(at + 2),
        (b'r' | b'v', b'e') | (b'l', b'l') => Some(at + 3),
        _ => None,
    }
}

/// The end of a word in capitals, in small letters, or of a capital and small
/// letters; letters beyond ASCII are both.
fn cased_word(text: Text<'_>, at: usize, lead: Lead, classes: u8) -> Option<usize> {
    let first = text.at(at);
    let after_lead = lead.takes(first).then_some(at + first.len);
    let starts = || after_lead.into_iter().chain([at]);
    let upper = |c: Char| c.is_in(classes) && !is_ascii(c, b'a'..=b'z');
    let lower = |c: Char| c.is_in(classes) && !is_ascii(c, b'A'..=b'Z');
    let ends_lower = |start: usize| {
        let capitals = text.run(start, upper);
        if lower(text.at(capitals)) {
            return Some(text.run(capitals, lower));
        }
        // Give capitals back until one counts as a small letter too.
        let mut end = capitals;
        while end > start {
            let last = text.before(end);
            if lower(text.at(last)) {
                return Some(end);
            }
            end = last;
        }
        None
    };
    let begins_upper = |start: usize| {
        let capitals = text.run(start, upper);
        (capitals > start).then(|| text.run(capitals, lower))
    };
    starts().find_map(ends_lower).or_else(|| starts().find_map(begins_upper))
}

fn is_ascii(c: Char, range: std::ops::RangeInclusive<u8>) -> bool {
    u8::try_from(c.code).is_ok_and(|byte| range.contains(&byte))
}

fn spaced_letters(text: Text<'_>, at: usize, lead: Lead) -> Option<usize> {
    let mut end = led(text, at, lead, |c| c.is_in(LETTER))?;
    while let Some(letter) = led(text, end, Lead::Space, |c| c.is_in(LETTER)) {
        let after = letter + text.at(letter).len;
        end = text.run(after, |c| c.is_in(Class::Mark.bit()));
    }
    Some(end)
}

fn marked_word(text: Text<'_>, at: usize) -> Option<usize> {
    let byte = |at| u8::try_from(text.at(at).code).unwrap_or(0);
    let is_marked = byte(at).is_ascii_punctuation() && byte(at + 1).is_ascii_alphabetic();
    let is_letter = |c: Char| is_ascii(c, b'a'..=b'z') || is_ascii(c, b'A'..=b'Z');
    is_marked.then(|| text.run(at + 1, is_letter))
}

fn half_of_spaces(text: Text<'_>, at: usize, end: usize) -> usize {
    // A count of characters must leave one before a word.
    let limit = if end == text.len() { end } else { text.before(end) };
    let mut marks = [at; 11];
    let (mut here, mut count) = (at, 0usize);
    while here < limit && count < 512 {
        here += text.at(here).len;
        count += 1;
        if count.is_power_of_two() {
            marks[count.ilog2() as usize] = here;
        }
    }
    match marks.into_iter().rfind(|mark| *mark > at) {
        Some(mark) => mark,
        None => at + text.at(at).len,
    }
}

fn sentinel(text: Text<'_>, at: usize) -> Option<usize> {
    let rest = text.slice(at..text.len()).strip_prefix(b"<sentinel:")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let ends = digits > 0 && rest.get(digits) == Some(&b'>');
    ends.then_some(at + b"<sentinel:".len() + digits + 1)
}

fn image(text: Text<'_>, at: usize) -> Option<usize> {
    let rest = text.slice(at..text.len()).strip_prefix(b"IMGIMG")?;
    let letters = rest.iter().take(4).take_while(|b| (b'A'..=b'I').contains(b)).count();
    let ends = letters > 0 && rest.get(letters) == Some(&b'Z');
    ends.then_some(at + b"IMGIMG".len() + letters + 1)
}

fn indent(text: Text<'_>, at: usize) -> Option<usize> {
    let rest = text.slice(at..text.len());
    match rest {
        [b'\t' | b'\n', ..] => Some(at + 1),
        [b' ', b' ', b' ', b' ', ..] => Some(at + 4),
        [b' ', b' ', ..] => Some(at + 2),
        _ => None,
    }
}

/// Cuts runs of numbers into threes counted from their end; the rest is left
/// as it is.
pub(super) fn numbers_by_three(text: Text<'_>, start: usize, mut piece: impl FnMut(usize, usize)) {
    let (mut gap, mut at) = (start, start);
    while at < text.len() {
        let count = count_numbers(text, at);
        if count == 0 {
            at += text.at(at).len;
            continue;
        }
        // The first group takes what stands before the number along.
        let mut left = count;
        while left > 0 {
            let group = (left - 1) % 3 + 1;
            at = bounded_run(text, at, Set::of(NUMBER), group);
            left -= group;
            piece(gap, at);
            gap = at;
        }
    }
    if gap < text.len() {
        piece(gap, text.len());
    }
}

fn count_numbers(text: Text<'_>, mut at: usize) -> usize {
    let mut count = 0;
    while text.at(at).is_in(NUMBER) {
        at += text.at(at).len;
        count += 1;
    }
    count
}

/// Cuts before every ASCII digit that has a multiple of three of them from
/// there on: `(?=(\d{3})+(?!\d))`.
pub(super) fn before_triples(text: Text<'_>, start: usize, mut piece: impl FnMut(usize, usize)) {
    let is_digit = |c: Char| is_ascii(c, b'0'..=b'9');
    let (mut gap, mut at) = (start, start);
    while at < text.len() {
        let end = text.run(at, is_digit);
        let mut mark = at + (end - at) % 3;
        while mark < end {
            if mark > gap {
                piece(gap, mark);
            }
            gap = mark;
            mark += 3;
        }
        at = end + text.at(end).len;
    }
    if gap < text.len() {
        piece(gap, text.len());
    }
}
