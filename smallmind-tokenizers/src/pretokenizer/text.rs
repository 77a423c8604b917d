//! A stretch of text under a scanner.

use crate::unicode::{self, Class};
use std::ops::Range;

const SPACE: u32 = 0xb;

/// The character at a place. Past the end there is one of no class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Char {
    /// The code point; white space beyond ASCII is a vertical tab, as the
    /// expressions' sets see it.
    pub(super) code: u32,
    /// [`Class::bit`], or 0 at the end.
    pub(super) class: u8,
    /// Bytes; 0 at the end.
    pub(super) len: usize,
}

impl Char {
    pub(super) fn is_line_end(self) -> bool {
        matches!(self.code, 0xa | 0xd) && self.len > 0
    }

    pub(super) fn is_in(self, classes: u8) -> bool {
        self.class & classes != 0
    }
}

/// Well-formed bytes up to an end that nothing looks beyond.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    bytes: &'a [u8],
    ascii: &'static [Class; 128],
}

impl<'a> Text<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, ascii: &unicode::ASCII }
    }

    pub(super) fn until(self, end: usize) -> Self {
        Self { bytes: &self.bytes[..end], ..self }
    }

    pub(super) fn len(self) -> usize {
        self.bytes.len()
    }

    pub(super) fn slice(self, range: Range<usize>) -> &'a [u8] {
        &self.bytes[range]
    }

    #[inline]
    pub(super) fn at(self, at: usize) -> Char {
        match self.bytes.get(at) {
            None => Char { code: u32::MAX, class: 0, len: 0 },
            Some(b) if *b < 0x80 => {
                let class = self.ascii[usize::from(*b)].bit();
                Char { code: (*b).into(), class, len: 1 }
            }
            Some(_) => self.beyond_ascii(at),
        }
    }

    fn beyond_ascii(self, at: usize) -> Char {
        let (code, len) = unicode::decode(&self.bytes[at..]).unwrap_or((0xfffd, 1));
        let class = unicode::class(code);
        let code = if class == Class::Space { SPACE } else { code };
        Char { code, class: class.bit(), len }
    }

    /// The end of the run of characters from `at` on that `is` holds for.
    #[inline]
    pub(super) fn run(self, mut at: usize, is: impl Fn(Char) -> bool) -> usize {
        loop {
            let next = self.at(at);
            if next.len == 0 || !is(next) {
                return at;
            }
            at += next.len;
        }
    }

    /// As [`run`](Self::run); `ascii` has a bit for every ASCII character that
    /// `is` holds for.
    #[inline]
    pub(super) fn run_in(self, mut at: usize, ascii: u128, is: impl Fn(Char) -> bool) -> usize {
        loop {
            match self.bytes.get(at) {
                Some(byte) if *byte < 0x80 => {
                    if ascii >> byte & 1 == 0 {
                        return at;
                    }
                    at += 1;
                }
                Some(_) => {
                    let next = self.beyond_ascii(at);
                    if !is(next) {
                        return at;
                    }
                    at += next.len;
                }
                None => return at,
            }
        }
    }

    /// The byte at a place before the end.
    #[inline]
    pub(super) fn byte(self, at: usize) -> u8 {
        self.bytes[at]
    }

    /// The start of the character before `at`, which is past the start.
    pub(super) fn before(self, at: usize) -> usize {
        let tail = |i: &usize| *i > 0 && self.bytes[*i] & 0xc0 == 0x80;
        let mut start = at - 1;
        while tail(&start) {
            start -= 1;
        }
        start
    }
}
