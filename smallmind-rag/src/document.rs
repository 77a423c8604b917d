//! Documents as they go into a store, passages as they come out.

use smallmind_abstractions::ChunkId;
use std::ops::Range;

/// What tells whether a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fingerprint {
    /// The length in bytes.
    pub size: u64,
    /// Nanoseconds from 1970 to the last change, or 0 where there is none.
    pub modified: i64,
    /// A hash of the bytes.
    pub hash: [u8; 32],
}

/// A document and the chunks it is cut into.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// Where it comes from, a path as a rule; one document a source.
    pub source: String,
    /// What people call it.
    pub title: String,
    /// Its state when it was read.
    pub fingerprint: Fingerprint,
    /// Keys and values to search by; a key may have several values.
    pub metadata: Vec<(String, String)>,
    /// Its passages, in order.
    pub chunks: Vec<Chunk>,
}

/// A passage of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// The headings it stands under, outermost first, ` > ` between them.
    pub heading: String,
    /// The passage.
    pub text: String,
    /// Where it stands in the source, in bytes.
    pub bytes: Range<usize>,
    /// Where it stands in the source, in lines from 1; the end is exclusive.
    pub lines: Range<usize>,
    /// Who may see it; everybody where there are none.
    pub labels: Vec<String>,
}

impl Document {
    /// A document of one chunk that everybody may see.
    pub fn from_text(source: &str, title: &str, text: &str) -> Self {
        let chunk = Chunk {
            text: text.to_owned(),
            bytes: 0..text.len(),
            lines: 1..text.lines().count() + 1,
            ..Chunk::default()
        };
        Self {
            source: source.to_owned(),
            title: title.to_owned(),
            chunks: vec![chunk],
            ..Self::default()
        }
    }
}

/// A chunk as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Its number.
    pub chunk: ChunkId,
    /// Where its document comes from.
    pub source: String,
    /// The title of its document.
    pub title: String,
    /// The headings it stands under.
    pub heading: String,
    /// The passage.
    pub text: String,
    /// Where it stands in the source, in bytes.
    pub bytes: Range<usize>,
    /// Where it stands in the source, in lines from 1; the end is exclusive.
    pub lines: Range<usize>,
}
