//! Spaces written as `▁`, and where a text may be cut at them.

use std::ops::Range;

pub(crate) const MARK: &str = "▁";

/// The byte of a token that stands for one byte: `<0x0A>`.
pub(crate) fn byte_of(name: &[u8]) -> Option<u8> {
    let hex = name.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    match hex {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    }
}

/// The name of the token that stands for a byte.
pub(crate) fn byte_name(byte: u8) -> [u8; 6] {
    let digit = |n: u8| b"0123456789ABCDEF"[usize::from(n)];
    [b'<', b'0', b'x', digit(byte >> 4), digit(byte & 15), b'>']
}

/// Appends `text` with `▁` for every space.
pub(crate) fn escape(text: &[u8], out: &mut Vec<u8>) {
    for part in text.split_inclusive(|byte| *byte == b' ') {
        match part.split_last() {
            Some((b' ', before)) => {
                out.extend_from_slice(before);
                out.extend_from_slice(MARK.as_bytes());
            }
            _ => out.extend_from_slice(part),
        }
    }
}

/// Appends `text` with a space for every `▁`.
pub(crate) fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((first, later)) = rest.split_first() {
        if let Some(later) = rest.strip_prefix(MARK.as_bytes()) {
            out.push(b' ');
            rest = later;
        } else {
            out.push(*first);
            rest = later;
        }
    }
}

/// Cuts text where no merge reaches across.
///
/// A merge across a boundary makes a symbol in which the bytes on both sides
/// are neighbours. Where no symbol has them side by side, what lies on each
/// side merges on its own.
#[derive(Debug)]
pub(crate) struct Cuts {
    /// Whether a byte comes before another within a symbol: 256 bits for each
    /// byte.
    joined: Box<[[u64; 4]; 256]>,
}

impl Cuts {
    /// Cuts for these symbols, in which spaces are written `▁`.
    pub(crate) fn new<'a>(symbols: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut cuts = Self { joined: Box::new([[0; 4]; 256]) };
        let mark = MARK.as_bytes();
        for symbol in symbols {
            symbol.windows(2).for_each(|pair| cuts.join(pair[0], pair[1]));
            // A space may stand in a text as one byte or as these three.
            for at in 0..symbol.len() {
                if symbol[at] != mark[0] || !symbol[at..].starts_with(mark) {
                    continue;
                }
                if at > 0 {
                    cuts.join(symbol[at - 1], b' ');
                }
                match symbol.get(at + mark.len()) {
                    Some(first) if *first == mark[0] => {
                        cuts.join(b' ', b' ');
                        cuts.join(b' ', *first);
                    }
                    Some(next) => cuts.join(b' ', *next),
                    None => {}
                }
            }
        }
        cuts
    }

    fn join(&mut self, left: u8, right: u8) {
        self.joined[usize::from(left)][usize::from(right >> 6)] |= 1 << (right & 63);
    }

    #[inline]
    fn is_joined(&self, left: u8, right: u8) -> bool {
        self.joined[usize::from(left)][usize::from(right >> 6)] >> (right & 63) & 1 == 1
    }

    /// The pieces of `text`, where spaces are still spaces. Text that is no
    /// UTF-8 is one piece: a character cut short reaches into what follows.
    pub(crate) fn pieces<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        let valid = std::str::from_utf8(text).is_ok();
        let mut start = 0;
        std::iter::from_fn(move || {
            if start == text.len() {
                return None;
            }
            let mut end = start + 1;
            while end < text.len() && (!valid || self.reaches(text, end)) {
                end += 1;
            }
            let piece = start..end;
            start = end;
            Some(piece)
        })
    }

    /// The first place from each of `wanted` on where no symbol reaches across;
    /// none in text that is no UTF-8.
    pub(crate) fn places(&self, text: &[u8], wanted: impl Iterator<Item = usize>) -> Vec<usize> {
        if std::str::from_utf8(text).is_err() {
            return Vec::new();
        }
        let place = |from: usize| (from.max(1)..text.len()).find(|at| !self.reaches(text, *at));
        let mut places: Vec<_> = wanted.filter_map(place).collect();
        places.dedup();
        places
    }

    /// Whether `at` is within a character or a symbol may reach across it.
    #[inline]
    fn reaches(&self, text: &[u8], at: usize) -> bool {
        text[at] & 0xc0 == 0x80 || self.is_joined(text[at - 1], text[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_where_no_symbol_reaches() {
        let symbols = ["▁a", "▁▁", "b▁", "c"];
        let cuts = Cuts::new(symbols.iter().map(|s| s.as_bytes()));
        let pieces = |text: &'static [u8]| {
            cuts.pieces(text).map(|r| text[r].escape_ascii().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(pieces(b"aa b  a b"), ["a", "a", " ", "b  a", " ", "b"]);
        assert_eq!(pieces("a▁a▁▁c".as_bytes()).len(), 4);
        assert_eq!(pieces(b"a\xff b").len(), 1);
        assert_eq!(cuts.pieces(b"").count(), 0);
        assert_eq!(cuts.pieces(b" ").count(), 1);
    }

    #[test]
    fn spaces_and_bytes_come_back() {
        let mut escaped = Vec::new();
        escape(b" a  b ", &mut escaped);
        assert_eq!(escaped, "▁a▁▁b▁".as_bytes());
        let mut text = Vec::new();
        unescape(&escaped, &mut text);
        assert_eq!(text, b" a  b ");
        for byte in 0..=255 {
            assert_eq!(byte_of(&byte_name(byte)), Some(byte));
        }
        assert_eq!(byte_of(b"<0x+1>"), None);
        assert_eq!(byte_of(b"<0x1>"), None);
    }
}
