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

/// Cuts text before spaces that no merge reaches across.
///
/// A merge across the boundary between a byte and `▁` makes a symbol in which
/// the two are neighbours. Where no symbol has them side by side, what lies on
/// each side merges on its own.
#[derive(Debug)]
pub(crate) struct SpaceCuts {
    /// Bytes that come before `▁` within a symbol.
    joined: [bool; 256],
}

impl SpaceCuts {
    /// Cuts for these symbols, in which spaces are written `▁`.
    pub(crate) fn new<'a>(symbols: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut joined = [false; 256];
        for symbol in symbols {
            for (at, byte) in symbol.iter().enumerate().skip(1) {
                if *byte == MARK.as_bytes()[0] && symbol[at..].starts_with(MARK.as_bytes()) {
                    joined[usize::from(symbol[at - 1])] = true;
                }
            }
        }
        // A space is one byte before it is written as three.
        joined[usize::from(b' ')] = joined[usize::from(MARK.as_bytes()[2])];
        Self { joined }
    }

    /// The pieces of `text`, where spaces are still spaces. Text that is no
    /// UTF-8 is one piece: a character cut short reaches into what follows.
    pub(crate) fn pieces<'a>(&'a self, text: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        let valid = std::str::from_utf8(text).is_ok();
        let mut start = 0;
        std::iter::from_fn(move || {
            let rest = text.get(start + 1..)?;
            let is_cut = |at: &usize| {
                valid && rest[*at] == b' ' && !self.joined[usize::from(text[start + *at])]
            };
            let end = (0..rest.len()).find(is_cut).map_or(text.len(), |at| start + 1 + at);
            let piece = start..end;
            start = end;
            Some(piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_are_where_no_symbol_reaches() {
        let symbols = ["▁a", "▁▁", "b▁", "c"];
        let cuts = SpaceCuts::new(symbols.iter().map(|s| s.as_bytes()));
        let text = b"a b c  d";
        let pieces: Vec<_> = cuts.pieces(text).map(|r| &text[r]).collect();
        assert_eq!(pieces, [&b"a"[..], b" b c", b"  d"]);
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
