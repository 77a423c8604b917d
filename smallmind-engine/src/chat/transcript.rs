//! What was rendered and generated so far, as text and as tokens.
//!
//! A model may spell its reply in other tokens than the tokenizer would. Where
//! the next prompt begins with a text of which the tokens are known, those are
//! taken, so that what the context holds is not computed again.

use serde::{Deserialize, Serialize};
use smallmind_abstractions::TokenId;

/// A text and its tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Transcript {
    text: String,
    tokens: Vec<TokenId>,
    /// Where prompts and replies end: bytes of the text, and tokens.
    ends: Vec<(usize, usize)>,
}

impl Transcript {
    /// The tokens of a prompt: those known, and what `encode` makes of the
    /// rest. `encode` is told whether that is the whole prompt.
    pub(super) fn prompt<E>(
        &mut self,
        text: String,
        encode: impl FnOnce(&str, bool) -> Result<Vec<TokenId>, E>,
    ) -> Result<&[TokenId], E> {
        let known = |end: &&(usize, usize)| {
            self.text.as_bytes().get(..end.0).is_some_and(|t| text.as_bytes().starts_with(t))
        };
        let keep = self.ends.iter().take_while(known).count();
        let (bytes, tokens) = keep.checked_sub(1).map_or((0, 0), |last| self.ends[last]);
        let new = encode(&text[bytes..], bytes == 0)?;
        self.tokens.truncate(tokens);
        self.tokens.extend(new);
        self.ends.truncate(keep);
        self.ends.push((text.len(), self.tokens.len()));
        self.text = text;
        Ok(&self.tokens)
    }

    /// Takes note of the reply to the last prompt.
    pub(super) fn reply(&mut self, text: &str, tokens: &[TokenId]) {
        self.text += text;
        self.tokens.extend_from_slice(tokens);
        self.ends.push((self.text.len(), self.tokens.len()));
    }

    /// Whether it can be what it says it is: it may come from a file.
    pub(super) fn is_sound(&self, vocab_size: usize) -> bool {
        let inside = |&(bytes, tokens): &(usize, usize)| {
            self.text.is_char_boundary(bytes) && tokens <= self.tokens.len()
        };
        let rising = self.ends.windows(2).all(|w| w[0].0 <= w[1].0 && w[0].1 <= w[1].1);
        let known = self.tokens.iter().all(|id| (*id as usize) < vocab_size);
        rising && known && self.ends.iter().all(inside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// A token for each byte, and 1000 before a whole prompt.
    fn encode(text: &str, whole: bool) -> Result<Vec<TokenId>, Infallible> {
        let start = whole.then_some(1000);
        Ok(start.into_iter().chain(text.bytes().map(TokenId::from)).collect())
    }

    fn prompt(transcript: &mut Transcript, text: &str) -> Vec<TokenId> {
        transcript.prompt(text.to_owned(), encode).unwrap().to_vec()
    }

    #[test]
    fn replies_keep_the_tokens_they_were_made_of() {
        let mut transcript = Transcript::default();
        assert_eq!(prompt(&mut transcript, "a>"), [1000, 97, 62]);
        transcript.reply("bc", &[500]);
        assert_eq!(prompt(&mut transcript, "a>bc d>"), [1000, 97, 62, 500, 32, 100, 62]);
        transcript.reply("e", &[600]);
        // Another end keeps what comes before it.
        assert_eq!(prompt(&mut transcript, "a>bc f>"), [1000, 97, 62, 500, 32, 102, 62]);
        // A reply that is rendered otherwise is encoded, and its prompt is not.
        assert_eq!(prompt(&mut transcript, "a>b"), [1000, 97, 62, 98]);
        assert_eq!(prompt(&mut transcript, "xy"), [1000, 120, 121]);
    }

    #[test]
    fn an_error_changes_nothing() {
        let mut transcript = Transcript::default();
        prompt(&mut transcript, "a>");
        transcript.reply("b", &[7]);
        let before = transcript.clone();
        assert!(transcript.prompt("a>c".to_owned(), |_, _| Err(())).is_err());
        assert_eq!(transcript, before);
    }

    #[test]
    fn transcripts_that_cannot_be_are_found() {
        let mut sound = Transcript::default();
        prompt(&mut sound, "ü>");
        assert!(sound.is_sound(1001) && !sound.is_sound(1000));
        for ends in [vec![(1, 1)], vec![(9, 1)], vec![(2, 9)], vec![(3, 4), (2, 4)]] {
            let unsound = Transcript { ends, ..sound.clone() };
            assert!(!unsound.is_sound(1001), "{unsound:?}");
        }
    }
}
