//! Text to token ids and back.

use crate::{Diagnostic, Error};
use std::fmt;
use std::num::NonZeroUsize;

/// The number of a token in a vocabulary.
pub type TokenId = u32;

/// What a token is for, as `tokenizer.ggml.token_type` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Text.
    Normal,
    /// Stands for text outside the vocabulary.
    Unknown,
    /// Steers the model and has no text: BOS, EOS, turn markers.
    Control,
    /// Text that is always one token.
    UserDefined,
    /// A place kept free.
    Unused,
    /// One byte.
    Byte,
}

/// How text becomes ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Adds BOS, EOS and the like where the model asks for them.
    pub add_special: bool,
    /// Turns control tokens written in the text into those tokens. Off by
    /// default: a user's text must not be able to smuggle them in.
    pub parse_special: bool,
}

impl Default for EncodeOptions {
    fn default() -> Self {
        Self { add_special: true, parse_special: false }
    }
}

/// How ids become text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeOptions {
    /// Writes control tokens as their names instead of leaving them out.
    pub show_special: bool,
    /// Takes the ids as the continuation of other text: keeps the space that
    /// some vocabularies put before a first word and take off again.
    pub continuation: bool,
}

/// The ids with a meaning of their own; `None` where the model has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecialTokens {
    /// Beginning of sequence.
    pub bos: Option<TokenId>,
    /// End of sequence.
    pub eos: Option<TokenId>,
    /// End of turn.
    pub eot: Option<TokenId>,
    /// End of message.
    pub eom: Option<TokenId>,
    /// Unknown text.
    pub unk: Option<TokenId>,
    /// Separator (BERT `[SEP]`).
    pub sep: Option<TokenId>,
    /// Padding.
    pub pad: Option<TokenId>,
    /// Mask (BERT `[MASK]`).
    pub mask: Option<TokenId>,
    /// Fill in the middle: before the gap.
    pub fim_prefix: Option<TokenId>,
    /// Fill in the middle: after the gap.
    pub fim_suffix: Option<TokenId>,
    /// Fill in the middle: the gap.
    pub fim_middle: Option<TokenId>,
    /// Fill in the middle: padding.
    pub fim_pad: Option<TokenId>,
    /// Fill in the middle: repository name.
    pub fim_repo: Option<TokenId>,
    /// Fill in the middle: file separator.
    pub fim_separator: Option<TokenId>,
    /// Whether BOS is added in front.
    pub add_bos: bool,
    /// Whether EOS is added at the end.
    pub add_eos: bool,
    /// Whether SEP is added at the end.
    pub add_sep: bool,
    /// Every token that ends a generation, sorted.
    pub end_of_generation: Vec<TokenId>,
}

/// What a factory found while it built a tokenizer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TokenizerDiagnostics {
    /// The algorithm, as people name it: `byte-level BPE`, `SentencePiece BPE`.
    pub tokenizer_type: String,
    /// `tokenizer.ggml.pre`, or what stands for it.
    pub pre_tokenizer: Option<String>,
    /// The number of tokens.
    pub vocab_size: usize,
    /// The number of merges; 0 where the algorithm has none.
    pub merge_count: usize,
    /// The special tokens.
    pub special: SpecialTokens,
    /// What was wrong or odd.
    pub issues: Vec<Diagnostic>,
}

/// Turns text into token ids and back.
///
/// Text goes in as bytes: input need not be valid UTF-8, and each
/// implementation documents what it does with bytes that are not. Ids come out
/// the same whatever the thread.
pub trait Tokenizer: Send + Sync + fmt::Debug {
    /// Appends the ids of `text` to `out`.
    ///
    /// # Errors
    /// [`Error::NoVocabulary`] where the model has no vocabulary.
    fn encode_into(
        &self,
        text: &[u8],
        options: EncodeOptions,
        out: &mut Vec<TokenId>,
    ) -> Result<(), Error>;

    /// Appends the bytes of one token, as it reads in the middle of a text.
    /// Control tokens have none unless `options.show_special` is set.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] where `id` is not in the vocabulary.
    fn token_bytes_into(
        &self,
        id: TokenId,
        options: DecodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), Error>;

    /// Whether a first token's leading space was put there by this tokenizer
    /// and is not part of the text.
    fn strips_leading_space(&self) -> bool;

    /// The number of tokens.
    fn vocab_size(&self) -> usize;

    /// The name of a token as the vocabulary spells it, or `None` where the
    /// id is out of range.
    fn token_text(&self, id: TokenId) -> Option<&[u8]>;

    /// The id of the token that the vocabulary spells `text`.
    fn token_id(&self, text: &[u8]) -> Option<TokenId>;

    /// What a token is for, or `None` where the id is out of range.
    fn token_kind(&self, id: TokenId) -> Option<TokenKind>;

    /// What the factory found; includes the special tokens.
    fn diagnostics(&self) -> &TokenizerDiagnostics;

    /// The special tokens.
    fn special(&self) -> &SpecialTokens {
        &self.diagnostics().special
    }

    /// Whether `id` ends a generation.
    fn is_end_of_generation(&self, id: TokenId) -> bool {
        self.special().end_of_generation.binary_search(&id).is_ok()
    }

    /// As [`encode_into`](Self::encode_into), on up to `threads` threads where
    /// the text is long enough to gain by it. The ids are the same.
    ///
    /// # Errors
    /// As [`encode_into`](Self::encode_into).
    fn encode_into_with_threads(
        &self,
        text: &[u8],
        options: EncodeOptions,
        threads: NonZeroUsize,
        out: &mut Vec<TokenId>,
    ) -> Result<(), Error> {
        let _ = threads;
        self.encode_into(text, options, out)
    }

    /// The ids of `text`.
    ///
    /// # Errors
    /// As [`encode_into`](Self::encode_into).
    fn encode(&self, text: &str, options: EncodeOptions) -> Result<Vec<TokenId>, Error> {
        let mut ids = Vec::new();
        self.encode_into(text.as_bytes(), options, &mut ids)?;
        Ok(ids)
    }

    /// The bytes of `ids`; they need not be valid UTF-8.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] for the first id outside the vocabulary.
    fn decode(&self, ids: &[TokenId], options: DecodeOptions) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(ids.len() * 4);
        let mut strip = self.strips_leading_space() && !options.continuation;
        for &id in ids {
            push_token(self, id, options, &mut strip, &mut out)?;
        }
        Ok(out)
    }
}

/// Appends one token; `strip` says that a leading space still has to go.
fn push_token<T: Tokenizer + ?Sized>(
    tokenizer: &T,
    id: TokenId,
    options: DecodeOptions,
    strip: &mut bool,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = out.len();
    tokenizer.token_bytes_into(id, options, out)?;
    if *strip && out.len() > start {
        *strip = false;
        if out[start] == b' ' && tokenizer.token_kind(id) != Some(TokenKind::Control) {
            out.remove(start);
        }
    }
    Ok(())
}

/// Decodes a stream of ids into text that never splits a character.
///
/// Bytes that may still become a character are held back; bytes that cannot
/// are written as U+FFFD, one for each maximal invalid part, as
/// [`String::from_utf8_lossy`] does. The pieces put together are the lossy text
/// of the whole.
///
/// ```
/// # use smallmind_abstractions::*;
/// fn show(tokenizer: &dyn Tokenizer, ids: &[TokenId]) -> Result<String, Error> {
///     let mut decoder = IncrementalDecoder::new(tokenizer, DecodeOptions::default());
///     let mut text = String::new();
///     for &id in ids {
///         decoder.push(id, &mut text)?;
///     }
///     decoder.finish(&mut text);
///     Ok(text)
/// }
/// ```
#[derive(Debug)]
pub struct IncrementalDecoder<'a> {
    tokenizer: &'a dyn Tokenizer,
    options: DecodeOptions,
    strip: bool,
    pending: Vec<u8>,
}

/// Bytes that nearly all tokens stay below.
const PENDING_BYTES: usize = 64;

impl<'a> IncrementalDecoder<'a> {
    /// A decoder at the start of a text, or in the middle of one where
    /// `options.continuation` says so.
    pub fn new(tokenizer: &'a dyn Tokenizer, options: DecodeOptions) -> Self {
        let strip = tokenizer.strips_leading_space() && !options.continuation;
        Self { tokenizer, options, strip, pending: Vec::with_capacity(PENDING_BYTES) }
    }

    /// Appends to `out` the text that becomes complete with `id`.
    ///
    /// # Errors
    /// [`Error::TokenOutOfRange`] where `id` is not in the vocabulary; nothing
    /// is lost, and the decoder may go on.
    pub fn push(&mut self, id: TokenId, out: &mut String) -> Result<(), Error> {
        push_token(self.tokenizer, id, self.options, &mut self.strip, &mut self.pending)?;
        self.drain(out);
        Ok(())
    }

    /// Appends what was held back, as U+FFFD where it is no character.
    pub fn finish(&mut self, out: &mut String) {
        out.push_str(&String::from_utf8_lossy(&self.pending));
        self.pending.clear();
    }

    fn drain(&mut self, out: &mut String) {
        let mut done = 0;
        for chunk in self.pending.utf8_chunks() {
            out.push_str(chunk.valid());
            done += chunk.valid().len();
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let at_end = done + invalid.len() == self.pending.len();
            if at_end && may_continue(invalid) {
                break;
            }
            out.push(char::REPLACEMENT_CHARACTER);
            done += invalid.len();
        }
        self.pending.drain(..done);
    }
}

/// Whether more bytes could turn this maximal invalid part into a character.
fn may_continue(part: &[u8]) -> bool {
    std::str::from_utf8(part).is_err_and(|e| e.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One token a byte; token 256 is a control token.
    #[derive(Debug)]
    struct Bytes(TokenizerDiagnostics);

    impl Tokenizer for Bytes {
        fn encode_into(
            &self,
            text: &[u8],
            _: EncodeOptions,
            out: &mut Vec<TokenId>,
        ) -> Result<(), Error> {
            out.extend(text.iter().map(|&b| TokenId::from(b)));
            Ok(())
        }
        fn token_bytes_into(
            &self,
            id: TokenId,
            _: DecodeOptions,
            out: &mut Vec<u8>,
        ) -> Result<(), Error> {
            let byte =
                u8::try_from(id).map_err(|_| Error::TokenOutOfRange { id, vocab_size: 256 })?;
            out.push(byte);
            Ok(())
        }
        fn strips_leading_space(&self) -> bool {
            true
        }
        fn vocab_size(&self) -> usize {
            256
        }
        fn token_text(&self, _: TokenId) -> Option<&[u8]> {
            None
        }
        fn token_id(&self, _: &[u8]) -> Option<TokenId> {
            None
        }
        fn token_kind(&self, _: TokenId) -> Option<TokenKind> {
            Some(TokenKind::Byte)
        }
        fn diagnostics(&self) -> &TokenizerDiagnostics {
            &self.0
        }
    }

    fn stream(bytes: &[u8], options: DecodeOptions) -> String {
        let tokenizer = Bytes(TokenizerDiagnostics::default());
        let mut decoder = IncrementalDecoder::new(&tokenizer, options);
        let mut out = String::new();
        for &b in bytes {
            decoder.push(b.into(), &mut out).unwrap();
        }
        decoder.finish(&mut out);
        out
    }

    #[test]
    fn streaming_equals_the_lossy_text_of_the_whole() {
        let keep = DecodeOptions { continuation: true, ..Default::default() };
        let cases: [&[u8]; 7] = [
            "Grüße, 世界 🦀".as_bytes(),
            b"\xf0\x9f\xa6",
            b"\xf0\x9f\xa6a",
            b"a\xffb\xc3\x28",
            b"\xe4\xb8\xe4\xb8\x96",
            b"\xed\xa0\x80\xed\xbf\xbf",
            b" ",
        ];
        for bytes in cases {
            assert_eq!(stream(bytes, keep), String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn characters_are_never_split() {
        let tokenizer = Bytes(TokenizerDiagnostics::default());
        let mut decoder = IncrementalDecoder::new(&tokenizer, DecodeOptions::default());
        let mut pieces = Vec::new();
        for b in "é🦀".bytes() {
            let mut piece = String::new();
            decoder.push(b.into(), &mut piece).unwrap();
            pieces.push(piece);
        }
        assert_eq!(pieces, ["", "é", "", "", "", "🦀"]);
    }

    #[test]
    fn only_a_text_start_loses_its_space() {
        assert_eq!(stream(b"  a b", DecodeOptions::default()), " a b");
        let keep = DecodeOptions { continuation: true, ..Default::default() };
        assert_eq!(stream(b" a", keep), " a");
    }
}
