//! Characters as the reference tokenizers see them: code points by general
//! category, read from bytes that need not be valid UTF-8.

mod categories;

use std::borrow::Cow;
use std::sync::LazyLock;

/// What kind of character a code point is. White space is a kind of its own,
/// whatever its general category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    Letter,
    Number,
    Punctuation,
    Symbol,
    Mark,
    Space,
    Control,
    Unassigned,
}

impl Class {
    const ALL: [Self; 8] = [
        Self::Letter,
        Self::Number,
        Self::Punctuation,
        Self::Symbol,
        Self::Mark,
        Self::Space,
        Self::Control,
        Self::Unassigned,
    ];

    /// One bit for each class.
    pub(crate) const fn bit(self) -> u8 {
        1 << self as u8
    }
}

const BLOCK: usize = 128;

/// Blocks of 128 code points; equal blocks are stored once.
struct Classes {
    blocks: Vec<u16>,
    classes: Vec<[Class; BLOCK]>,
}

static CLASSES: LazyLock<Classes> = LazyLock::new(|| {
    let mut all = vec![Class::Unassigned; 0x11_0000];
    let ends = categories::RANGES.iter().skip(1).map(|r| r >> 3).chain([0x11_0000]);
    for (range, end) in categories::RANGES.iter().zip(ends) {
        all[(range >> 3) as usize..end as usize].fill(Class::ALL[(range & 7) as usize]);
    }
    let mut table = Classes { blocks: Vec::new(), classes: Vec::new() };
    let mut known = std::collections::HashMap::new();
    for block in all.as_chunks::<BLOCK>().0 {
        let key = block.map(|class| class as u8);
        let index = *known.entry(key).or_insert_with(|| {
            table.classes.push(*block);
            table.classes.len() - 1
        });
        table.blocks.push(index as u16);
    }
    table
});

/// The classes of ASCII, for loops that see little else.
pub(crate) static ASCII: LazyLock<[Class; BLOCK]> = LazyLock::new(|| CLASSES.classes[0]);

/// The class of a code point.
pub(crate) fn class(code: u32) -> Class {
    let table = &*CLASSES;
    match table.blocks.get(code as usize / BLOCK) {
        Some(block) => table.classes[usize::from(*block)][code as usize % BLOCK],
        None => Class::Unassigned,
    }
}

/// Bytes of the character that begins with `first`, going by its upper half.
pub(crate) fn length(first: u8) -> usize {
    match first >> 4 {
        0xc | 0xd => 2,
        0xe => 3,
        0xf => 4,
        _ => 1,
    }
}

/// Reads the character at the front of `bytes`: its code point and length.
/// Surrogates and overlong forms count as characters; `None` where the bytes
/// are none.
pub(crate) fn decode(bytes: &[u8]) -> Option<(u32, usize)> {
    let tail = |i: usize| match bytes.get(i) {
        Some(b) if b & 0xc0 == 0x80 => Some(u32::from(b & 0x3f)),
        _ => None,
    };
    let first = *bytes.first()?;
    let head = u32::from(first);
    match first {
        0..0x80 => Some((head, 1)),
        0xc0..0xe0 => Some(((head & 0x1f) << 6 | tail(1)?, 2)),
        0xe0..0xf0 => Some(((head & 0xf) << 12 | tail(1)? << 6 | tail(2)?, 3)),
        0xf0..0xf8 => {
            let code = (head & 7) << 18 | tail(1)? << 12 | tail(2)? << 6 | tail(3)?;
            Some((code, 4))
        }
        _ => None,
    }
}

/// Appends a code point; surrogates are written like any other.
pub(crate) fn encode(code: u32, out: &mut Vec<u8>) {
    let tail = |shift: u32| 0x80 | (code >> shift & 0x3f) as u8;
    match code {
        0..0x80 => out.push(code as u8),
        0x80..0x800 => out.extend([0xc0 | (code >> 6) as u8, tail(0)]),
        0x800..0x1_0000 => out.extend([0xe0 | (code >> 12) as u8, tail(6), tail(0)]),
        _ => out.extend([0xf0 | (code >> 18) as u8, tail(12), tail(6), tail(0)]),
    }
}

/// Code points of bytes, U+FFFD for every byte that is part of none and for
/// every number past the last code point.
pub(crate) fn code_points(bytes: &[u8]) -> impl Iterator<Item = u32> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let (code, length) = decode(rest).unwrap_or((0xfffd, 1));
        at += length;
        Some(if code > 0x10_ffff { 0xfffd } else { code })
    })
}

/// Bytes as characters in their shortest form, U+FFFD for what is none.
/// Surrogates stay. Valid UTF-8 is returned as it is.
pub(crate) fn well_formed(bytes: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(bytes).is_ok() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + 16);
    code_points(bytes).for_each(|code| encode(code, &mut out));
    Cow::Owned(out)
}

/// The lower-case character of a code point: the first, where there are more.
pub(crate) fn lower(code: u32) -> u32 {
    let assigned = class(code) != Class::Unassigned;
    let lower = char::from_u32(code).filter(|_| assigned).and_then(|c| c.to_lowercase().next());
    lower.map_or(code, u32::from)
}

/// The first character of a code point's canonical decomposition.
pub(crate) fn base(code: u32) -> u32 {
    let Some(c) = char::from_u32(code).filter(|_| class(code) != Class::Unassigned) else {
        return code;
    };
    let mut first = None;
    unicode_normalization::char::decompose_canonical(c, |part| {
        first.get_or_insert(part);
    });
    first.map_or(code, u32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_those_of_the_character_database() {
        let cases = [
            ('a', Class::Letter),
            ('世', Class::Letter),
            ('७', Class::Number),
            ('½', Class::Number),
            ('«', Class::Punctuation),
            ('$', Class::Symbol),
            ('\u{301}', Class::Mark),
            ('\u{85}', Class::Space),
            ('\u{3000}', Class::Space),
            ('\u{1c}', Class::Control),
            ('\u{200d}', Class::Control),
            ('\u{378}', Class::Unassigned),
            // Assigned in Unicode 15.1 and in 16.0.
            ('\u{2ffc}', Class::Symbol),
            ('\u{1c89}', Class::Unassigned),
        ];
        for (c, expected) in cases {
            assert_eq!(class(c.into()), expected, "{c:?}");
        }
        assert_eq!(class(0xd800), Class::Control);
        assert_eq!(class(0x11_0000), Class::Unassigned);
    }

    #[test]
    fn every_code_point_comes_back() {
        let mut bytes = Vec::new();
        for code in 0..0x11_0000 {
            bytes.clear();
            encode(code, &mut bytes);
            assert_eq!(decode(&bytes), Some((code, bytes.len())));
            assert_eq!(length(bytes[0]), bytes.len());
        }
    }

    #[test]
    fn bytes_that_are_no_characters_are_replaced() {
        let text = |bytes: &[u8]| well_formed(bytes).into_owned();
        assert_eq!(text("aé".as_bytes()), "aé".as_bytes());
        assert_eq!(text(b"a\xffb\xe4\xb8"), "a\u{fffd}b\u{fffd}\u{fffd}".as_bytes());
        assert_eq!(text(b"\xed\xa0\x80"), b"\xed\xa0\x80");
        assert_eq!(text(b"\xc1\x81"), b"A");
        assert_eq!(text(b"\xf7\xbf\xbf\xbf"), "\u{fffd}".as_bytes());
    }

    #[test]
    fn case_and_accents_go() {
        assert_eq!(lower('É'.into()), u32::from('é'));
        assert_eq!(lower('İ'.into()), u32::from('i'));
        assert_eq!(base('é'.into()), u32::from('e'));
        assert_eq!(base('한'.into()), u32::from('ᄒ'));
        assert_eq!(base('e'.into()), u32::from('e'));
    }
}
