//! SentencePiece BPE with scores and byte fallback (Kudo and Richardson 2018),
//! the `llama` model of GGUF files.
//!
//! Spaces are written `▁`. The text's characters merge, the neighbours whose
//! joined token has the highest score first; a character that is no token, and
//! a byte that is no character, becomes the tokens of its bytes.

use crate::Error;
use crate::findings::Findings;
use crate::merge::{Merge, Merges, Symbol};
use crate::parallel;
use crate::reason;
use crate::spaces::{self, Cuts};
use crate::tables::{PairMemo, PieceCache, TextTable};
use crate::tokenizer::{Model, Scratch, Work};
use crate::unicode;
use crate::vocabulary::{self, Vocabulary};
use smallmind_abstractions::{Metadata, StringTable, TokenId, TokenKind};

/// A SentencePiece BPE model.
#[derive(Debug)]
pub(crate) struct SentencePiece {
    texts: StringTable,
    table: TextTable,
    /// By token: the higher the score, the lower the number.
    priorities: Vec<u32>,
    bytes: Vec<Option<TokenId>>,
    cuts: Cuts,
    add_space_prefix: bool,
}

impl SentencePiece {
    pub(crate) fn new(
        metadata: &Metadata,
        vocabulary: &Vocabulary,
        unk: Option<TokenId>,
        add_space_prefix: bool,
        findings: &mut Findings,
    ) -> Result<Self, Error> {
        let scores = vocabulary::scores(metadata, vocabulary.len(), findings)?;
        let token = |byte: u8| {
            let named = vocabulary.id(&spaces::byte_name(byte));
            named.or_else(|| vocabulary.id(&[byte]))
        };
        let bytes: Vec<_> = (0..=u8::MAX).map(token).collect();
        let missing = bytes.iter().filter(|id| id.is_none()).count();
        if missing > 0 {
            let message = format!(
                "{missing} bytes have no token: characters that are no tokens become the unknown \
                 token or are lost; convert the model again"
            );
            findings.warning(reason::BYTES_MISSING, message);
        }
        let texts = vocabulary.texts().clone();
        Ok(Self {
            table: TextTable::new(&texts, |_| ()),
            priorities: scores.iter().map(|score| priority(*score)).collect(),
            bytes: bytes.into_iter().map(|id| id.or(unk)).collect(),
            cuts: Cuts::new(texts.iter()),
            texts,
            add_space_prefix,
        })
    }

    /// Encodes text in which spaces are still spaces.
    fn encode_piece(&self, piece: &[u8], work: &mut Work, out: &mut Vec<TokenId>) {
        let Work { merger, row, text, memo, unknown } = work;
        text.clear();
        spaces::escape(piece, text);
        if let Some(id) = self.only_token(text) {
            return out.push(id);
        }
        row.clear();
        unknown.clear();
        let end = self.texts.len() as TokenId;
        let mut at = 0;
        while at < text.len() {
            let next = text.len().min(at + unicode::length(text[at]));
            // Characters that are no tokens get ids of their own.
            let id = self.id(&text[at..next]).unwrap_or_else(|| {
                unknown.push((at as u32, next as u32));
                end + unknown.len() as TokenId - 1
            });
            row.push(id, next - at);
            at = next;
        }
        merger.merge(row, &mut Scored { model: self, text, memo });
        for id in &row.ids {
            let Some(index) = id.checked_sub(end) else {
                out.push(*id);
                continue;
            };
            let (start, end) = unknown[index as usize];
            let characters = &text[start as usize..end as usize];
            out.extend(characters.iter().filter_map(|b| self.bytes[usize::from(*b)]));
        }
    }

    /// The token of a text of one character.
    fn only_token(&self, text: &[u8]) -> Option<TokenId> {
        let one = text.first().is_some_and(|first| unicode::length(*first) >= text.len());
        if one { self.id(text) } else { None }
    }

    #[inline]
    fn id(&self, text: &[u8]) -> Option<TokenId> {
        self.table.get(&self.texts, text)
    }
}

/// Merges of one text: two symbols merge where their text is a token.
struct Scored<'a> {
    model: &'a SentencePiece,
    text: &'a [u8],
    memo: &'a mut PairMemo,
}

impl Merges for Scored<'_> {
    #[inline]
    fn merge(&mut self, left: Symbol, right: Symbol) -> Option<Merge> {
        let find = || {
            let merged = self.model.id(&self.text[left.start as usize..right.end as usize])?;
            Some(Merge { priority: self.model.priorities[merged as usize], merged })
        };
        // The ids of characters that are no tokens mean something else in the
        // next text.
        if left.id.max(right.id) >= self.end() {
            return find();
        }
        self.memo.get_or(left.id, right.id, find)
    }

    fn end(&self) -> TokenId {
        self.model.texts.len() as TokenId
    }
}

/// Scores in reverse as integers of the same order; NaN is last.
fn priority(score: f32) -> u32 {
    const LAST: u32 = u32::MAX - 1;
    if score.is_nan() {
        return LAST;
    }
    // -0.0 and 0.0 are equal scores.
    let bits = (score + 0.0).to_bits();
    let rising = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    (!rising).min(LAST)
}

impl Model for SentencePiece {
    fn encode(&self, text: &[u8], opening: bool, scratch: &mut Scratch, out: &mut Vec<TokenId>) {
        let Scratch { cache, work } = scratch;
        let mut prefixed = Vec::new();
        for piece in self.cuts.pieces(text) {
            let is_first = piece.start == 0;
            let mut piece = &text[piece];
            if is_first && opening && self.add_space_prefix {
                prefixed.push(b' ');
                prefixed.extend_from_slice(piece);
                piece = &prefixed;
            }
            if piece.len() > PieceCache::LONGEST {
                self.encode_piece(piece, work, out);
            } else {
                cache.get_or(piece, out, |out| self.encode_piece(piece, work, out));
            }
        }
    }

    fn cuts(&self, text: &[u8], parts: usize) -> Vec<usize> {
        self.cuts.places(text, parallel::wanted(text.len(), parts))
    }

    fn decode(&self, _: TokenId, text: &[u8], kind: TokenKind, out: &mut Vec<u8>) {
        match kind {
            TokenKind::Byte => out.extend(spaces::byte_of(text)),
            _ => spaces::unescape(text, out),
        }
    }

    fn prefixes_space(&self) -> bool {
        self.add_space_prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn higher_scores_come_first() {
        let scores = [f32::INFINITY, 5.0, 0.5, 0.0, -0.5, -1e9, f32::NEG_INFINITY, f32::NAN];
        assert!(scores.windows(2).all(|w| priority(w[0]) < priority(w[1])));
        assert_eq!(priority(0.0), priority(-0.0));
    }
}
