//! Encoding on several threads.

use smallmind_abstractions::TokenId;
use std::ops::Range;

/// Bytes that are worth a thread.
pub(crate) const SHARE: usize = 1 << 14;

/// A part of a text that is encoded on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Token(TokenId),
    Text {
        /// The text between two special tokens.
        whole: Range<usize>,
        /// Which part of it.
        part: Range<usize>,
        /// Whether it comes after a special token or at the start.
        opening: bool,
    },
}

/// Divides parts between at most `threads` threads, in order, by their bytes.
pub(crate) fn shares(parts: &[Part], threads: usize) -> Vec<&[Part]> {
    let len = |part: &Part| match part {
        Part::Token(_) => 1,
        Part::Text { part, .. } => part.len(),
    };
    let all: usize = parts.iter().map(len).sum();
    let share = (all / threads).max(SHARE);
    let mut filled = 0;
    let starts_next = |_: &Part, next: &Part| {
        filled += len(next);
        let full = filled > share;
        if full {
            filled = 0;
        }
        !full
    };
    parts.chunk_by(starts_next).collect()
}

/// What `work` makes of each share, each on a thread of its own.
pub(crate) fn map<T: Send>(shares: &[&[Part]], work: impl Fn(&[Part]) -> T + Sync) -> Vec<T> {
    let Some((first, others)) = shares.split_first() else { return Vec::new() };
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = others.iter().map(|share| scope.spawn(move || work(share))).collect();
        let mut all = vec![work(first)];
        for thread in threads {
            match thread.join() {
                Ok(ids) => all.push(ids),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    })
}

/// The place near which each of `parts` parts but the first begins.
pub(crate) fn wanted(len: usize, parts: usize) -> impl Iterator<Item = usize> {
    (1..parts).map(move |part| len / parts * part)
}
