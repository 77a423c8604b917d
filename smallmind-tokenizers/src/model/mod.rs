//! The algorithms, one a file.

mod bpe;
mod charsmap;
mod longest;
mod none;
mod sentencepiece;
mod symbols;
mod unigram;
mod wordpiece;

pub(crate) use bpe::{Bpe, BpeOptions};
pub(crate) use charsmap::Charsmap;
pub(crate) use longest::{Longest, Spelling};
pub(crate) use none::NoVocabulary;
pub(crate) use sentencepiece::SentencePiece;
pub(crate) use unigram::{SpaceRules, Unigram};
pub(crate) use wordpiece::{Normalization, WordPiece};
