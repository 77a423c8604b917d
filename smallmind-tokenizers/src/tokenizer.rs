//! What all tokenizers share: special tokens around and inside a text.

use crate::merge::{Merger, Row};
use crate::parallel::{self, Part};
use crate::special::{Fragment, SpecialFinder};
use crate::tables::{PairMemo, PieceCache};
use crate::vocabulary::Vocabulary;
use smallmind_abstractions::{
    DecodeOptions, EncodeOptions, Error, TokenId, TokenKind, Tokenizer, TokenizerDiagnostics,
};
use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::Mutex;

/// How the text between special tokens becomes ids and ids become bytes.
pub(crate) trait Model: Debug + Send + Sync {
    /// Appends the ids of `text`. `opening` is true at the start of a text and
    /// after a special token.
    fn encode(&self, text: &[u8], opening: bool, scratch: &mut Scratch, out: &mut Vec<TokenId>);

    /// Places, in order, that part `text` into about `parts` parts whose ids
    /// put together are those of the whole; none where that is not known.
    fn cuts(&self, text: &[u8], parts: usize) -> Vec<usize> {
        let _ = (text, parts);
        Vec::new()
    }

    /// As [`encode`](Self::encode), the part of `text` between two
    /// [`cuts`](Self::cuts).
    fn encode_part(
        &self,
        text: &[u8],
        part: Range<usize>,
        opening: bool,
        scratch: &mut Scratch,
        out: &mut Vec<TokenId>,
    ) {
        self.encode(&text[part.clone()], opening && part.start == 0, scratch, out);
    }

    /// Appends the bytes that a token of text or of one byte stands for.
    fn decode(&self, id: TokenId, text: &[u8], kind: TokenKind, out: &mut Vec<u8>);

    /// Whether a space is put before a text that has to be taken off again.
    fn prefixes_space(&self) -> bool;
}

/// Room to encode in, kept from one call to the next.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) cache: PieceCache,
    pub(crate) work: Work,
}

/// The part of [`Scratch`] that encoding a piece needs.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) merger: Merger,
    pub(crate) row: Row,
    pub(crate) text: Vec<u8>,
    pub(crate) memo: PairMemo,
    /// Characters that are no tokens.
    pub(crate) unknown: Vec<(u32, u32)>,
}

/// A tokenizer of any algorithm.
#[derive(Debug)]
pub(crate) struct TextTokenizer<M> {
    vocabulary: Vocabulary,
    special: SpecialFinder,
    model: M,
    /// Tokens put before and after a text.
    prefix: Option<TokenId>,
    suffix: Option<TokenId>,
    /// One for each call that ran at the same time as others.
    scratch: Mutex<Vec<Scratch>>,
    diagnostics: TokenizerDiagnostics,
}

/// The parts of a [`TextTokenizer`] that do not depend on the algorithm.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) vocabulary: Vocabulary,
    pub(crate) special: SpecialFinder,
    pub(crate) prefix: Option<TokenId>,
    pub(crate) suffix: Option<TokenId>,
    pub(crate) diagnostics: TokenizerDiagnostics,
}

impl<M: Model> TextTokenizer<M> {
    pub(crate) fn new(parts: Parts, model: M) -> Self {
        let Parts { vocabulary, special, prefix, suffix, diagnostics } = parts;
        let scratch = Mutex::default();
        Self { vocabulary, special, model, prefix, suffix, scratch, diagnostics }
    }

    fn with_scratch(&self, work: impl FnOnce(&mut Scratch)) {
        let lock = || self.scratch.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut scratch = lock().pop().unwrap_or_default();
        work(&mut scratch);
        lock().push(scratch);
    }

    /// The fragments of `text`, long ones in `count` parts.
    fn parts(&self, text: &[u8], fragments: &[Fragment], count: usize) -> Vec<Part> {
        let mut parts = Vec::with_capacity(fragments.len() + count);
        let mut opening = true;
        for fragment in fragments {
            match fragment {
                Fragment::Token(id) => parts.push(Part::Token(*id)),
                Fragment::Text(whole) => {
                    let cuts = match whole.len() / parallel::SHARE {
                        0 | 1 => Vec::new(),
                        most => self.model.cuts(&text[whole.clone()], count.min(most)),
                    };
                    let ends = cuts.iter().copied().chain([whole.len()]);
                    let mut start = 0;
                    for end in ends {
                        parts.push(Part::Text { whole: whole.clone(), part: start..end, opening });
                        start = end;
                    }
                }
            }
            opening = matches!(fragment, Fragment::Token(_));
        }
        parts
    }

    fn encode_parts(&self, text: &[u8], parts: &[Part], out: &mut Vec<TokenId>) {
        self.with_scratch(|scratch| {
            for part in parts {
                match part {
                    Part::Token(id) => out.push(*id),
                    Part::Text { whole, part, opening } => {
                        let text = &text[whole.clone()];
                        self.model.encode_part(text, part.clone(), *opening, scratch, out);
                    }
                }
            }
        });
    }
}

impl<M: Model> Tokenizer for TextTokenizer<M> {
    fn encode_into(
        &self,
        text: &[u8],
        options: EncodeOptions,
        out: &mut Vec<TokenId>,
    ) -> Result<(), Error> {
        out.extend(self.prefix.filter(|_| options.add_special));
        let fragments = self.special.cut(text, options.parse_special);
        self.encode_parts(text, &self.parts(text, &fragments, 1), out);
        out.extend(self.suffix.filter(|_| options.add_special));
        Ok(())
    }

    fn encode_into_with_threads(
        &self,
        text: &[u8],
        options: EncodeOptions,
        threads: NonZeroUsize,
        out: &mut Vec<TokenId>,
    ) -> Result<(), Error> {
        let fragments = self.special.cut(text, options.parse_special);
        out.extend(self.prefix.filter(|_| options.add_special));
        let parts = self.parts(text, &fragments, threads.get());
        let shares = parallel::shares(&parts, threads.get());
        for ids in parallel::map(&shares, |share| {
            let mut ids = Vec::new();
            self.encode_parts(text, share, &mut ids);
            ids
        }) {
            out.extend(ids);
        }
        out.extend(self.suffix.filter(|_| options.add_special));
        Ok(())
    }

    fn token_bytes_into(
        &self,
        id: TokenId,
        options: DecodeOptions,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let vocab_size = self.vocab_size();
        let (Some(kind), Some(text)) = (self.token_kind(id), self.token_text(id)) else {
            return Err(Error::TokenOutOfRange { id, vocab_size });
        };
        match kind {
            TokenKind::Normal | TokenKind::Byte => self.model.decode(id, text, kind, out),
            TokenKind::UserDefined => out.extend_from_slice(text),
            _ if options.show_special => out.extend_from_slice(text),
            _ => {}
        }
        Ok(())
    }

    fn strips_leading_space(&self) -> bool {
        self.model.prefixes_space()
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
