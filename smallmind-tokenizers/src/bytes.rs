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

/// Bytes of characters below U+0200; `None` where a character is no byte's.
pub(crate) struct CharacterBytes([Option<u8>; 0x200]);

impl CharacterBytes {
    pub(crate) fn new() -> Self {
        let mut table = [None; 0x200];
        for byte in 0..=u8::MAX {
            table[character(byte) as usize] = Some(byte);
        }
        Self(table)
    }

    /// The bytes that a token stands for; a token that is written otherwise
    /// stands for its own text.
    pub(crate) fn decode(&self, token: &str, out: &mut Vec<u8>) {
        let start = out.len();
        for c in token.chars() {
            let Some(byte) = self.0.get(c as usize).copied().flatten() else {
                out.truncate(start);
                out.extend_from_slice(token.as_bytes());
                return;
            };
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_a_character_of_its_own() {
        let table = CharacterBytes::new();
        for byte in 0..=u8::MAX {
            let mut out = Vec::new();
            table.decode(&character(byte).to_string(), &mut out);
            assert_eq!(out, [byte]);
        }
        assert_eq!(character(b' '), 'Ġ');
        assert_eq!(character(b'\n'), 'Ċ');
    }

    #[test]
    fn other_text_stands_for_itself() {
        let mut out = Vec::new();
        CharacterBytes::new().decode("a世", &mut out);
        assert_eq!(out, "a世".as_bytes());
    }
}
