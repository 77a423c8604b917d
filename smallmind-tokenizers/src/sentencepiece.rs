//! SentencePiece BPE with scores and byte fallback (Kudo and Richardson
//! 2018), the `llama` model of GGUF files.
//!
//! Spaces are written `▁`. The text's characters merge, the neighbours whose
//! joined token has the highest score first; a character that is no token
//! becomes the tokens of its bytes.

use crate::Error;
use crate::merge::{Merge, Symbols};
use crate::special::{Fragment, SpecialFinder};
use crate::vocabulary::{SCORES, Vocabulary, wrong};
use smallmind_abstractions::{
    DecodeOptions, EncodeOptions, Error as AbstractError, Metadata, TokenId, TokenKind, Tokenizer,
    TokenizerDiagnostics,
};
use std::cell::RefCell;
use std::ops::Range;

const SPACE: &str = "▁";

/// A SentencePiece BPE tokenizer. Bytes that are not UTF-8 become byte tokens.
#[derive(Debug)]
pub(crate) struct SentencePiece {
    vocabulary: Vocabulary,
    special: SpecialFinder,
    /// By token: the higher the score, the lower the number.
    priorities: Vec<u32>,
    byte_ids: [Option<TokenId>; 256],
    add_space_prefix: bool,
    diagnostics: TokenizerDiagnostics,
}

impl SentencePiece {
    pub(crate) fn new(metadata: &Metadata, vocabulary: Vocabulary) -> Result<Self, Error> {
        let scores: &[f32] = metadata.get(SCORES)?;
        if scores.len() != vocabulary.len() {
            let expected = format!("{} elements, as many as tokens", vocabulary.len());
            return Err(wrong(SCORES, &expected, format!("{} elements", scores.len())));
        }
        let mut byte_ids = [None; 256];
        for (byte, id) in byte_ids.iter_mut().enumerate() {
            let name = format!("<0x{byte:02X}>");
            *id = vocabulary.id(name.as_bytes()).or_else(|| vocabulary.id(&[byte as u8]));
        }
        let prefix = metadata.get_optional::<bool>("tokenizer.ggml.add_space_prefix")?;
        let diagnostics = TokenizerDiagnostics {
            tokenizer_type: "SentencePiece BPE".to_owned(),
            vocab_size: vocabulary.len(),
            special: vocabulary.special.clone(),
            ..Default::default()
        };
        Ok(Self {
            special: SpecialFinder::new(&vocabulary),
            priorities: scores.iter().map(|s| priority(*s)).collect(),
            vocabulary,
            byte_ids,
            add_space_prefix: prefix.unwrap_or(true),
            diagnostics,
        })
    }

    fn encode_text(&self, text: &[u8], symbols: &mut Symbols, out: &mut Vec<TokenId>) {
        let vocab_size = self.vocabulary.len() as TokenId;
        // Characters that are no tokens have numbers past the vocabulary.
        let mut unknown: Vec<Range<usize>> = Vec::new();
        let mut ids = Vec::with_capacity(text.len());
        let mut at = 0;
        while at < text.len() {
            let end = text.len().min(at + character_len(text[at]));
            ids.push(self.vocabulary.id(&text[at..end]).unwrap_or_else(|| {
                unknown.push(at..end);
                vocab_size + (unknown.len() - 1) as TokenId
            }));
            at = end;
        }
        let joined = RefCell::new(Vec::new());
        symbols.merge(&mut ids, |left, right| {
            let (left, right) = (self.vocabulary.text(left)?, self.vocabulary.text(right)?);
            let mut joined = joined.borrow_mut();
            joined.clear();
            joined.extend_from_slice(left);
            joined.extend_from_slice(right);
            let merged = self.vocabulary.id(&joined)?;
            Some(Merge { priority: self.priorities[merged as usize], merged })
        });
        for id in ids {
            match unknown.get(id.wrapping_sub(vocab_size) as usize) {
                None => out.push(id),
                Some(character) => out.extend(text[character.clone()].iter().filter_map(|b| {
                    self.byte_ids[usize::from(*b)].or(self.vocabulary.special.unk)
                })),
            }
        }
    }
}

/// Scores in reverse as integers of the same order; NaN is last.
fn priority(score: f32) -> u32 {
    if score.is_nan() {
        return u32::MAX;
    }
    // -0.0 and 0.0 are equal scores.
    let bits = (score + 0.0).to_bits();
    !(if bits >> 31 == 1 { !bits } else { bits | 1 << 31 })
}

/// Bytes of the character that begins with `first`.
fn character_len(first: u8) -> usize {
    match first >> 4 {
        0xc | 0xd => 2,
        0xe => 3,
        0xf => 4,
        _ => 1,
    }
}

/// `text` with `▁` for every space, and one in front where `prefix` says so.
fn escaped(text: &[u8], prefix: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() * 3 / 2 + 3);
    if prefix {
        out.extend_from_slice(SPACE.as_bytes());
    }
    for &byte in text {
        match byte {
            b' ' => out.extend_from_slice(SPACE.as_bytes()),
            _ => out.push(byte),
        }
    }
    out
}

impl Tokenizer for SentencePiece {
    fn encode_into(
        &self,
        text: &[u8],
        options: EncodeOptions,
        out: &mut Vec<TokenId>,
    ) -> Result<(), AbstractError> {
        let special = &self.vocabulary.special;
        out.extend(special.bos.filter(|_| options.add_special && special.add_bos));
        let mut symbols = Symbols::default();
        let mut after_special = true;
        for fragment in self.special.cut(text, options.parse_special) {
            match fragment {
                Fragment::Token(id) => {
                    out.push(id);
                    after_special = true;
                }
                Fragment::Text(range) => {
                    let prefix = self.add_space_prefix && after_special;
                    self.encode_text(&escaped(&text[range], prefix), &mut symbols, out);
                    after_special = false;
                }
            }
        }
        out.extend(special.eos.filter(|_| options.add_special && special.add_eos));
        Ok(())
    }

    fn token_bytes_into(
        &self,
        id: TokenId,
        options: DecodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), AbstractError> {
        let vocab_size = self.vocab_size();
        let (Some(kind), Some(text)) = (self.token_kind(id), self.token_text(id)) else {
            return Err(AbstractError::TokenOutOfRange { id, vocab_size });
        };
        match kind {
            TokenKind::Byte => {
                let byte = self.byte_ids.iter().position(|b| *b == Some(id));
                out.extend(byte.map(|b| b as u8));
            }
            TokenKind::Normal => unescape(text, out),
            TokenKind::UserDefined => out.extend_from_slice(text),
            TokenKind::Unknown if !options.show_special => {
                out.extend_from_slice("\u{2585}".as_bytes())
            }
            _ if options.show_special => out.extend_from_slice(text),
            _ => {}
        }
        Ok(())
    }

    fn strips_leading_space(&self) -> bool {
        self.add_space_prefix
    }

    fn vocab_size(&self) -> usize {
        self.vocabulary.len()
    }

    fn token_text(&self, id: TokenId) -> Option<&[u8]> {
        self.vocabulary.text(id)
    }

    fn token_id(&self, text: &[u8]) -> Option<TokenId> {
        self.vocabulary.id(text)
    }

    fn token_kind(&self, id: TokenId) -> Option<TokenKind> {
        self.vocabulary.kind(id)
    }

    fn diagnostics(&self) -> &TokenizerDiagnostics {
        &self.diagnostics
    }
}

fn unescape(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((first, later)) = rest.split_first() {
        if let Some(later) = rest.strip_prefix(SPACE.as_bytes()) {
            out.push(b' ');
            rest = later;
        } else {
            out.push(*first);
            rest = later;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_scores_come_first() {
        let scores = [5.0, 0.5, 0.0, -0.5, -1e9, f32::NEG_INFINITY, f32::NAN];
        assert!(scores.windows(2).all(|w| priority(w[0]) < priority(w[1])));
        assert_eq!(priority(0.0), priority(-0.0));
    }
}
