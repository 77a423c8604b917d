//! WordPiece with the normalization of BERT (Devlin et al. 2018), the `bert`
//! model of GGUF files.
//!
//! Text is parted at white space, punctuation and Chinese characters; each word
//! becomes the longest tokens from its left, or the unknown token where some
//! of it has none. The first token of a word is written with `▁`. Bytes that
//! are no UTF-8 are left out.

use crate::spaces::{self, MARK};
use crate::tables::{PieceCache, Trie};
use crate::tokenizer::{Model, Scratch};
use crate::unicode::{self, Class};
use crate::vocabulary::Vocabulary;
use smallmind_abstractions::{TokenId, TokenKind};

/// A WordPiece model.
#[derive(Debug)]
pub(crate) struct WordPiece {
    tokens: Trie,
    unk: Option<TokenId>,
    normalization: Normalization,
}

/// What is changed in a text first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Normalization {
    pub(crate) lowercase: bool,
    pub(crate) strip_accents: bool,
}

impl WordPiece {
    pub(crate) fn new(
        vocabulary: &Vocabulary,
        unk: Option<TokenId>,
        normalization: Normalization,
    ) -> Self {
        let tokens = Trie::new(vocabulary.iter().map(|(id, text, _)| (text, id)));
        Self { tokens, unk, normalization }
    }

    /// Calls `word` with every word, `▁` in front.
    fn words(&self, text: &[u8], mut word: impl FnMut(&[u8])) {
        let mut current = MARK.as_bytes().to_vec();
        let mut end = |current: &mut Vec<u8>| {
            if current.len() > MARK.len() {
                word(current);
            }
            current.truncate(MARK.len());
        };
        for code in unicode::code_points(text) {
            let code = if self.normalization.strip_accents { unicode::base(code) } else { code };
            let class = unicode::class(code);
            match class {
                Class::Space => {
                    end(&mut current);
                    continue;
                }
                Class::Control => continue,
                Class::Mark if self.normalization.strip_accents => continue,
                _ if code == 0 || code == 0xfffd => continue,
                _ => {}
            }
            let alone = class == Class::Punctuation
                || (class == Class::Symbol && code < 0x7f)
                || is_chinese(code);
            if alone {
                end(&mut current);
            }
            let written = if self.normalization.lowercase { unicode::lower(code) } else { code };
            unicode::encode(written, &mut current);
            if alone {
                end(&mut current);
            }
        }
        end(&mut current);
    }

    fn encode_word(&self, word: &[u8], out: &mut Vec<TokenId>) {
        let start = out.len();
        let mut at = 0;
        while at < word.len() {
            let Some((len, id)) = self.tokens.longest(&word[at..]) else {
                out.truncate(start);
                out.extend(self.unk);
                return;
            };
            out.push(id);
            at += len;
        }
    }
}

/// The blocks that BERT writes with a space on each side.
fn is_chinese(code: u32) -> bool {
    matches!(
        code,
        0x3400..=0x4dbf
            | 0x4e00..=0x9fff
            | 0xf900..=0xfaff
            | 0x2_0000..=0x2_a6df
            | 0x2_a700..=0x2_b73f
            | 0x2_b740..=0x2_b81f
            // The implementations begin this one late, and models learned so.
            | 0x2_b920..=0x2_ceaf
            | 0x2_f800..=0x2_fa1f
    )
}

impl Model for WordPiece {
    fn encode(&self, text: &[u8], _: bool, scratch: &mut Scratch, out: &mut Vec<TokenId>) {
        self.words(text, |word| {
            if word.len() > PieceCache::LONGEST {
                self.encode_word(word, out);
            } else {
                scratch.cache.get_or(word, out, |out| self.encode_word(word, out));
            }
        });
    }

    fn decode(&self, _: TokenId, text: &[u8], _: TokenKind, out: &mut Vec<u8>) {
        spaces::unescape(text, out);
    }

    fn prefixes_space(&self) -> bool {
        true
    }
}
