//! The normalization table that SentencePiece compiles into its models.
//!
//! A blob of 32-bit units, its length in front, is a double-array trie with
//! exclusive-or addressing; after it come replacement texts, each ended by a
//! zero byte. A unit holds its label in bits 0–7, whether a value follows in
//! bit 8, and the distance to its children in bits 10–30, times 256 where bit
//! 9 is set; a value has bit 31 set.
//!
//! Source: Darts-clone (Susumu Yata), and the `precompiled_charsmap` of
//! SentencePiece's `ModelProto`.

use crate::Error;

/// Replacements by the texts they replace.
#[derive(Debug, Default)]
pub(crate) struct Charsmap {
    units: Vec<u32>,
    replacements: Vec<u8>,
}

impl Charsmap {
    /// Reads a table.
    pub(crate) fn new(blob: &[u8]) -> Result<Self, Error> {
        let wrong = |expected: &str, found: String| Error::Charsmap {
            expected: expected.to_owned(),
            found,
        };
        let Some((len, rest)) = blob.split_first_chunk() else {
            return Err(wrong("a length of 4 bytes", format!("{} bytes", blob.len())));
        };
        let len = u32::from_le_bytes(*len) as usize;
        if len >= rest.len() {
            let found = format!("{} bytes after a length of {len}", rest.len());
            return Err(wrong("a trie of that length and replacements", found));
        }
        let (trie, replacements) = rest.split_at(len);
        if replacements.last() != Some(&0) {
            return Err(wrong("replacements ended by a zero", "an open end".to_owned()));
        }
        let units = trie.as_chunks().0.iter().map(|unit| u32::from_le_bytes(*unit)).collect();
        Ok(Self { units, replacements: replacements.to_vec() })
    }

    /// The longest text that `text` begins with and that is replaced: its
    /// length, and what it becomes.
    pub(crate) fn replace(&self, text: &[u8]) -> Option<(usize, &[u8])> {
        let unit = |index: u32| self.units.get(index as usize).copied();
        let children = |unit: u32| (unit >> 10) << ((unit & 1 << 9) >> 6);
        let mut index = children(unit(0)?);
        let mut found = None;
        for (at, byte) in text.iter().take_while(|byte| **byte != 0).enumerate() {
            index ^= u32::from(*byte);
            let Some(here) = unit(index).filter(|u| u & (1 << 31 | 0xff) == u32::from(*byte))
            else {
                break;
            };
            index ^= children(here);
            if here & 1 << 8 != 0 {
                found = unit(index).map(|value| (at + 1, (value & !(1 << 31)) as usize));
            }
        }
        let (len, start) = found?;
        let replacement = self.replacements.get(start..)?;
        let end = replacement.iter().position(|byte| *byte == 0)?;
        Some((len, &replacement[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trie of the one key `a`, which becomes `bc`.
    fn blob() -> Vec<u8> {
        // The root's children are at 256; 'a' is at 256 ^ 97 and its value at
        // that ^ 1.
        let node = 256 ^ 97;
        let mut units = vec![0u32; 512];
        units[0] = 256 << 10;
        units[node] = 1 << 10 | 1 << 8 | 97;
        units[node ^ 1] = 1 << 31 | 2;
        let mut blob = (units.len() as u32 * 4).to_le_bytes().to_vec();
        units.iter().for_each(|u| blob.extend(u.to_le_bytes()));
        blob.extend(b"x\0bc\0");
        blob
    }

    #[test]
    fn the_longest_match_is_replaced() {
        let map = Charsmap::new(&blob()).unwrap();
        assert_eq!(map.replace(b"ab"), Some((1, &b"bc"[..])));
        assert_eq!(map.replace(b"b"), None);
        assert_eq!(map.replace(b""), None);
        assert_eq!(Charsmap::default().replace(b"a"), None);
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let whole = blob();
        assert!(Charsmap::new(&whole[..3]).is_err());
        assert!(Charsmap::new(&whole[..2000]).is_err());
        assert!(Charsmap::new(&whole[..whole.len() - 1]).is_err());
        for at in 4..whole.len() - 1 {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            let map = Charsmap::new(&damaged).unwrap();
            for byte in 0..=u8::MAX {
                map.replace(&[byte, 97]);
            }
        }
    }
}
