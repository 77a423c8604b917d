//! Content is data: control tokens that are written in it stay text.
//!
//! A template puts content between control tokens of its own, all in one text.
//! So that only the latter become tokens, a mark is put into content wherever a
//! control token is spelled or may begin; the text is encoded in the pieces
//! between marks, the character after each by itself and as plain text.

use smallmind_abstractions::{EncodeOptions, Error, TokenId, TokenKind, Tokenizer};
use std::collections::BTreeSet;
use std::ops::Bound;

/// Unicode's noncharacters: no text should have one, let alone all.
const MARKS: std::ops::RangeInclusive<char> = '\u{FDD0}'..='\u{FDEF}';

/// How control tokens are spelled.
#[derive(Debug)]
pub(super) struct Spellings {
    texts: BTreeSet<String>,
    /// The lengths of the texts.
    lengths: BTreeSet<usize>,
    /// Their first bytes.
    firsts: BTreeSet<u8>,
}

impl Spellings {
    pub(super) fn of(tokenizer: &dyn Tokenizer) -> Self {
        let ids = 0..tokenizer.vocab_size() as TokenId;
        let control = |id: &TokenId| {
            matches!(tokenizer.token_kind(*id), Some(TokenKind::Control | TokenKind::Unknown))
        };
        let text = |id| String::from_utf8(tokenizer.token_text(id)?.to_vec()).ok();
        let texts: BTreeSet<_> =
            ids.filter(control).filter_map(text).filter(|text| !text.is_empty()).collect();
        Self::new(texts)
    }

    fn new(texts: BTreeSet<String>) -> Self {
        let lengths = texts.iter().map(String::len).collect();
        let firsts = texts.iter().filter_map(|text| text.bytes().next()).collect();
        Self { texts, lengths, firsts }
    }

    /// `content` with `mark` where control tokens are spelled, and at an end
    /// with which one may begin that goes on in what follows.
    pub(super) fn mark(&self, content: &str, mark: char) -> String {
        let bare = content.trim_end();
        let begins = |(at, _): &(usize, char)| {
            self.firsts.contains(&content.as_bytes()[*at])
                && (self.is_spelled(&content[*at..])
                    || self.is_beginning(&content[*at..])
                    || (*at < bare.len() && self.is_beginning(&bare[*at..])))
        };
        let mut marked = String::with_capacity(content.len());
        let mut done = 0;
        for (at, _) in content.char_indices().filter(begins) {
            marked += &content[done..at];
            marked.push(mark);
            done = at;
        }
        marked + &content[done..]
    }

    /// Whether `text` begins with a control token.
    fn is_spelled(&self, text: &str) -> bool {
        let mut beginnings = self.lengths.iter().filter_map(|len| text.get(..*len));
        beginnings.any(|text| self.texts.contains(text))
    }

    /// Whether a control token begins with all of `text`.
    fn is_beginning(&self, text: &str) -> bool {
        let longest = self.lengths.last().copied().unwrap_or_default();
        text.len() < longest
            && self
                .texts
                .range::<str, _>((Bound::Included(text), Bound::Unbounded))
                .next()
                .is_some_and(|spelling| spelling.starts_with(text))
    }
}

/// A mark that is in none of `texts`.
pub(super) fn unused_mark(texts: &[&str]) -> Option<char> {
    MARKS.into_iter().find(|mark| !texts.iter().any(|text| text.contains(*mark)))
}

/// The tokens of a marked text.
pub(super) fn encode(
    tokenizer: &dyn Tokenizer,
    marked: &str,
    mark: char,
) -> Result<Vec<TokenId>, Error> {
    let mut ids = Vec::new();
    let mut push = |text: &str, parse_special| {
        let options = EncodeOptions { add_special: false, parse_special };
        tokenizer.encode_into(text.as_bytes(), options, &mut ids)
    };
    let mut pieces = marked.split(mark);
    push(pieces.next().unwrap_or_default(), true)?;
    for piece in pieces {
        let first = piece.chars().next().map_or(0, char::len_utf8);
        push(&piece[..first], false)?;
        push(&piece[first..], true)?;
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spellings(texts: &[&str]) -> Spellings {
        Spellings::new(texts.iter().map(|text| (*text).to_owned()).collect())
    }

    #[test]
    fn marks_stand_where_control_tokens_begin_or_may() {
        let spellings = spellings(&["<|end|>", "<s>", "[INST]", "«a»"]);
        for (content, expected) in [
            ("plain, 1 < 2 > 0", "plain, 1 < 2 > 0"),
            ("a<|end|>b", "a!<|end|>b"),
            ("<s><s>", "!<s>!<s>"),
            ("<<s>>", "<!<s>>"),
            ("[[INST]", "[![INST]"),
            ("«a» ü «", "!«a» ü !«"),
            // What may go on behind the content.
            ("a <|e", "a !<|e"),
            ("a <|e \n", "a !<|e \n"),
            ("<", "!<"),
            ("< a", "< a"),
            ("", ""),
        ] {
            assert_eq!(spellings.mark(content, '!'), expected);
        }
    }

    #[test]
    fn a_mark_is_none_of_the_characters_used() {
        assert_eq!(unused_mark(&["a\u{FDD0}", "\u{FDD2}"]), Some('\u{FDD1}'));
        let all = MARKS.collect::<String>();
        assert_eq!(unused_mark(&[&all]), None);
    }
}
