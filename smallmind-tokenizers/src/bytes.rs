//! The characters that byte-level vocabularies write bytes as.
//!
//! Source: `bytes_to_unicode` of GPT-2 (Radford et al. 2019): printable bytes
//! of Latin-1 stand for themselves, the others for U+0100 and on, in order.

/// The character of each byte.
fn character(byte: u8) -> char {
    let printable = |b: u8| matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|b| !printable(*b)).count() as u32;
    char::from_u32(0x100 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Bytes as characters and back.
#[derive(Debug)]
pub(crate) struct ByteCharacters {
    texts: Vec<String>,
    /// Bytes of characters below U+0200; `None` where one is no byte's.
    bytes: [Option<u8>; 0x200],
}

impl ByteCharacters {
    pub(crate) fn new() -> Self {
        let mut bytes = [None; 0x200];
        for byte in 0..=u8::MAX {
            bytes[character(byte) as usize] = Some(byte);
        }
        Self { texts: (0..=u8::MAX).map(|byte| character(byte).to_string()).collect(), bytes }
    }

    /// The character of a byte.
    pub(crate) fn text(&self, byte: u8) -> &str {
        &self.texts[usize::from(byte)]
    }

    /// Appends the bytes that a token stands for; false, and the token's own
    /// text, where it is written otherwise.
    pub(crate) fn decode(&self, token: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let mut characters = std::str::from_utf8(token).unwrap_or("\u{200}").chars();
        let all = characters.all(|c| match self.bytes.get(c as usize).copied().flatten() {
            Some(byte) => {
                out.push(byte);
                true
            }
            None => false,
        });
        if !all {
            out.truncate(start);
            out.extend_from_slice(token);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        let table = ByteCharacters::new();
        for byte in 0..=u8::MAX {
            let mut out = Vec::new();
            assert!(table.decode(table.text(byte).as_bytes(), &mut out));
            assert_eq!(out, [byte]);
        }
        assert_eq!(table.text(b' '), "Ġ");
        assert_eq!(table.text(b'\n'), "Ċ");
    }

    #[test]
    fn other_text_stands_for_itself() {
        let table = ByteCharacters::new();
        for text in ["a世".as_bytes(), b"a\xff"] {
            let mut out = Vec::new();
            assert!(!table.decode(text, &mut out));
            assert_eq!(out, text);
        }
    }
}
