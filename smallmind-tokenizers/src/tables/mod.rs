//! Tables that tokenizers look things up in, each in one or two allocations.

mod cache;
mod hash;
mod pairs;
mod texts;
mod trie;

pub(crate) use cache::PieceCache;
pub(crate) use pairs::{PairMemo, PairTable};
pub(crate) use texts::TextTable;
pub(crate) use trie::Trie;
