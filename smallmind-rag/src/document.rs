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
    /// What the lines of its chunks count.
    pub unit: Unit,
    /// Its passages, in order.
    pub chunks: Vec<Chunk>,
}

/// What places in a document are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    /// Lines of a text.
    #[default]
    Lines,
    /// Pages of a PDF file.
    Pages,
}

/// A passage of a document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// The headings it stands under, outermost first, ` > ` between them.
    pub heading: String,
    /// The passage.
    pub text: String,
    /// Where it stands in the source, in bytes; in the text of its page, where
    /// that is of a PDF file.
    pub bytes: Range<usize>,
    /// Where it stands in the source, in its document's [`Unit`]s from 1; the
    /// end is exclusive.
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
    /// Where it stands in the source, in bytes; in the text of its page, where
    /// that is of a PDF file.
    pub bytes: Range<usize>,
    /// Where it stands in the source, in `unit`s from 1; the end is exclusive.
    pub lines: Range<usize>,
    /// What `lines` count.
    pub unit: Unit,
}

impl Passage {
    /// The source and the place in it, as editors and browsers open them:
    /// `guide.md:12`, `guide.pdf#page=3`.
    pub fn place(&self) -> String {
        let mark = match self.unit {
            Unit::Lines => ":",
            Unit::Pages => "#page=",
        };
        format!("{}{mark}{}", self.source, self.lines.start)
    }
}
