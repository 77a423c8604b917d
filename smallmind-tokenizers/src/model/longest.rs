//! The longest token at each place, from the left: the `rwkv` model of GGUF
//! files, and what is left to do with a table of tokens and nothing else.

use crate::bytes::ByteCharacters;
use crate::spaces;
use crate::tables::Trie;
use crate::tokenizer::{Model, Scratch};
use crate::vocabulary::Vocabulary;
use smallmind_abstractions::{StringTable, TokenId, TokenKind};

/// A model that takes the longest token.
#[derive(Debug)]
pub(crate) struct Longest {
    tokens: Trie,
    /// What each token stands for.
    bytes: StringTable,
    unk: Option<TokenId>,
}

/// How tokens are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// With backslash escapes, as RWKV's lists are.
    Escaped,
    /// In the characters of bytes.
    Characters,
    /// With `▁` for spaces and names for bytes.
    Marks,
}

impl Spelling {
    /// How the tokens of a table seem to be written.
    pub(crate) fn guess(vocabulary: &Vocabulary) -> Self {
        let space = ByteCharacters::new().text(b' ').as_bytes().to_vec();
        let counts = |mark: &[u8]| vocabulary.iter().filter(|t| t.1.starts_with(mark)).count();
        if counts(&space) > counts(spaces::MARK.as_bytes()) {
            Self::Characters
        } else {
            Self::Marks
        }
    }

    fn decode(self, token: &[u8], characters: &ByteCharacters, out: &mut Vec<u8>) {
        match self {
            Self::Escaped => unescape(token, out),
            Self::Characters => {
                characters.decode(token, out);
            }
            Self::Marks => match spaces::byte_of(token) {
                Some(byte) => out.push(byte),
                None => spaces::unescape(token, out),
            },
        }
    }
}

impl Longest {
    pub(crate) fn new(vocabulary: &Vocabulary, spelling: Spelling, unk: Option<TokenId>) -> Self {
        let characters = ByteCharacters::new();
        let mut bytes = StringTable::with_capacity(vocabulary.len(), vocabulary.len() * 7);
        let mut token = Vec::new();
        for (_, text, _) in vocabulary.iter() {
            token.clear();
            spelling.decode(text, &characters, &mut token);
            bytes.push(&token);
        }
        // RWKV takes every token for text; a bare table may have control tokens.
        let is_text = |id: TokenId| {
            let kind = vocabulary.kind(id);
            spelling == Spelling::Escaped
                || matches!(
                    kind,
                    Some(TokenKind::Normal | TokenKind::Byte | TokenKind::UserDefined)
                )
        };
        let keys = bytes.iter().enumerate().map(|(id, text)| (text, id as TokenId));
        let tokens = Trie::new(keys.filter(|(_, id)| is_text(*id)));
        Self { tokens, bytes, unk }
    }
}

/// Appends what a token of RWKV's lists stands for.
fn unescape(token: &[u8], out: &mut Vec<u8>) {
    let mut rest = token.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.next() {
            Some(b't') => out.push(b'\t'),
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b'x') => {
                if let (Some(high), Some(low)) = (rest.next(), rest.next()) {
                    out.push(digit(high) << 4 | digit(low));
                }
            }
            Some(other) => out.push(other),
            None => {}
        }
    }
}

fn digit(byte: u8) -> u8 {
    char::from(byte).to_digit(16).unwrap_or(0) as u8
}

impl Model for Longest {
    fn encode(&self, text: &[u8], _: bool, _: &mut Scratch, out: &mut Vec<TokenId>) {
        let mut at = 0;
        while at < text.len() {
            let (len, id) = match self.tokens.longest(&text[at..]) {
                Some((len, id)) => (len, Some(id)),
                None => (1, self.unk),
            };
            out.extend(id);
            at += len;
        }
    }

    fn decode(&self, id: TokenId, _: &[u8], _: TokenKind, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes.get(id as usize).unwrap_or_default());
    }

    fn prefixes_space(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read() {
        let mut out = Vec::new();
        unescape(br"a\n\t\r\\\'\x00\xfF\", &mut out);
        assert_eq!(out, b"a\n\t\r\\'\x00\xff");
    }
}
