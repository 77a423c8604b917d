//! Unigram (Kudo 2018) with SentencePiece's normalization, the `t5` model of
//! GGUF files.
//!
//! Of all ways to cut a text into tokens, the one with the highest sum of
//! scores; a character that no token covers costs more than any. Bytes that
//! are no UTF-8 are taken as U+FFFD.

use super::Charsmap;
use crate::Error;
use crate::findings::Findings;
use crate::spaces::{self, MARK};
use crate::tables::Trie;
use crate::tokenizer::{Model, Scratch};
use crate::unicode;
use crate::vocabulary::{self, Vocabulary};
use smallmind_abstractions::{Metadata, TokenId, TokenKind};

/// How far below the lowest score unknown characters are.
const UNKNOWN_PENALTY: f32 = 10.0;

/// A Unigram model.
#[derive(Debug)]
pub(crate) struct Unigram {
    tokens: Trie,
    user_defined: Trie,
    /// By token.
    scores: Vec<f64>,
    unknown_score: f64,
    unk: Option<TokenId>,
    charsmap: Charsmap,
    spaces: SpaceRules,
}

/// What happens to white space.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpaceRules {
    /// One is put before the text.
    pub(crate) add_prefix: bool,
    /// Several become one.
    pub(crate) merge: bool,
}

/// The best way to a place.
#[derive(Debug, Clone, Copy)]
struct Best {
    score: f64,
    /// Where its last token begins.
    start: usize,
    /// That token; `None` for an unknown character.
    token: Option<TokenId>,
}

impl Unigram {
    pub(crate) fn new(
        metadata: &Metadata,
        vocabulary: &Vocabulary,
        unk: Option<TokenId>,
        charsmap: Charsmap,
        spaces: SpaceRules,
        findings: &mut Findings,
    ) -> Result<Self, Error> {
        let scores = vocabulary::scores(metadata, vocabulary.len(), findings)?;
        let of_kinds = |kinds: &'static [TokenKind]| {
            let tokens = vocabulary.iter().filter(|(_, _, kind)| kinds.contains(kind));
            tokens.map(|(id, text, _)| (text, id))
        };
        let normal = of_kinds(&[TokenKind::Normal]).map(|(_, id)| scores[id as usize]);
        let lowest = normal.fold(f32::MAX, f32::min);
        let is_user = |id: usize| vocabulary.kind(id as TokenId) == Some(TokenKind::UserDefined);
        let score = |(id, score): (usize, &f32)| if is_user(id) { 0.0 } else { f64::from(*score) };
        Ok(Self {
            tokens: Trie::new(of_kinds(&[
                TokenKind::Normal,
                TokenKind::UserDefined,
                TokenKind::Unused,
            ])),
            user_defined: Trie::new(of_kinds(&[TokenKind::UserDefined])),
            scores: scores.iter().enumerate().map(score).collect(),
            unknown_score: f64::from(lowest - UNKNOWN_PENALTY),
            unk,
            charsmap,
            spaces,
        })
    }

    fn normalize(&self, text: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() * 3 / 2 + 3);
        let (mut prefixed, mut in_word) = (false, false);
        let mut at = 0;
        while at < text.len() {
            let (len, replacement) = self.replace(&text[at..]);
            at += len;
            for byte in replacement {
                if *byte != b' ' {
                    if !in_word && (self.spaces.merge || (self.spaces.add_prefix && !prefixed)) {
                        out.extend_from_slice(MARK.as_bytes());
                        prefixed = true;
                    }
                    in_word = true;
                    out.push(*byte);
                } else {
                    in_word = false;
                    if !self.spaces.merge {
                        out.extend_from_slice(MARK.as_bytes());
                    }
                }
            }
        }
        out
    }

    /// How many bytes are taken from the front of `text`, and what they
    /// become. What user-defined tokens begin with stays as it is.
    fn replace<'a>(&'a self, text: &'a [u8]) -> (usize, &'a [u8]) {
        let user_defined = self.user_defined.depth(text);
        if user_defined > 0 {
            return (user_defined, &text[..user_defined]);
        }
        if let Some(replaced) = self.charsmap.replace(text) {
            return replaced;
        }
        match unicode::decode(text) {
            Some((_, len)) => (len, &text[..len]),
            None => (1, "\u{fffd}".as_bytes()),
        }
    }

    /// The best way to every place of `text`.
    fn search(&self, text: &[u8]) -> Vec<Best> {
        let none = Best { score: f64::MIN, start: 0, token: None };
        let mut best = vec![none; text.len() + 1];
        best[0].score = 0.0;
        let mut at = 0;
        while at < text.len() {
            let character = unicode::length(text[at]).min(text.len() - at);
            let here = best[at].score;
            let mut reach = |len: usize, token: Option<TokenId>, score: f64| {
                let there = &mut best[at + len];
                if here + score > there.score {
                    *there = Best { score: here + score, start: at, token };
                }
            };
            let mut covered = false;
            for (len, id) in self.tokens.prefixes(&text[at..]) {
                covered |= len == character;
                reach(len, Some(id), self.scores[id as usize]);
            }
            if !covered {
                reach(character, None, self.unknown_score);
            }
            at += character;
        }
        best
    }
}

impl Model for Unigram {
    fn encode(&self, text: &[u8], _: bool, _: &mut Scratch, out: &mut Vec<TokenId>) {
        let text = self.normalize(text);
        if text.is_empty() {
            return;
        }
        let best = self.search(&text);
        let start = out.len();
        let mut at = text.len();
        let mut after_unknown = false;
        loop {
            let Best { start, token, .. } = best[at];
            // Unknown characters in a row are one token.
            let token = token.or(self.unk);
            let unknown = token == self.unk;
            out.extend(token.filter(|_| !(unknown && after_unknown)));
            after_unknown = unknown;
            at = start;
            if at == 0 {
                break;
            }
        }
        out[start..].reverse();
    }

    fn decode(&self, _: TokenId, text: &[u8], kind: TokenKind, out: &mut Vec<u8>) {
        match kind {
            TokenKind::Byte => out.extend(spaces::byte_of(text)),
            _ => spaces::unescape(text, out),
        }
    }

    fn prefixes_space(&self) -> bool {
        self.spaces.add_prefix
    }
}
