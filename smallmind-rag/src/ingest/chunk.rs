//! Texts cut into pieces that an embedder can read.

use super::headings::Headings;
use super::lines::Lines;
use crate::{Chunk, text_to_embed};
use smallmind_abstractions::{CancellationToken, Cancelled};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use text_splitter::{ChunkConfig, ChunkSizer, MarkdownSplitter, TextSplitter};

/// Bytes that are cut without a look at the token, less than 50 ms's worth.
const BLOCK: usize = 64 << 10;

/// How large a text is, as whoever reads it counts: in an embedder's tokens,
/// for one.
pub trait Measure: Send + Sync {
    /// The size of `text`.
    fn size(&self, text: &str) -> usize;
}

struct Characters;

impl Measure for Characters {
    fn size(&self, text: &str) -> usize {
        text.chars().count()
    }
}

/// How large chunks are, and how much of one the next repeats.
///
/// ```
/// use smallmind_rag::ingest::{Chunking, Measure};
///
/// struct Words;
///
/// impl Measure for Words {
///     fn size(&self, text: &str) -> usize {
///         text.split_whitespace().count()
///     }
/// }
///
/// let chunking = Chunking::new(std::sync::Arc::new(Words), 200).with_overlap(20);
/// assert_eq!(chunking.size(), 200);
/// ```
#[derive(Clone)]
pub struct Chunking {
    measure: Arc<dyn Measure>,
    size: usize,
    overlap: usize,
}

impl fmt::Debug for Chunking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, overlap, .. } = self;
        f.debug_struct("Chunking").field("size", size).field("overlap", overlap).finish()
    }
}

impl Default for Chunking {
    /// A thousand characters: about what sentence encoders read of a text
    /// (256 tokens).
    fn default() -> Self {
        Self::new(Arc::new(Characters), 1000)
    }
}

impl Chunking {
    /// Chunks that are at most `size` large with their title and headings,
    /// and repeat an eighth of the one before.
    pub fn new(measure: Arc<dyn Measure>, size: usize) -> Self {
        Self { measure, size, overlap: size / 8 }
    }

    /// Chunks that are at most `size` large with their title and headings.
    #[must_use]
    pub fn with_size(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// Chunks that repeat at most `overlap` of the one before. Code and rows
    /// of tables are never repeated.
    #[must_use]
    pub fn with_overlap(self, overlap: usize) -> Self {
        Self { overlap, ..self }
    }

    /// How large a chunk may be.
    pub fn size(&self) -> usize {
        self.size
    }
}

/// As much as a model reads of a text, in its own tokens.
#[cfg(feature = "engine")]
impl From<Arc<smallmind_engine::EmbeddingModel>> for Chunking {
    fn from(model: Arc<smallmind_engine::EmbeddingModel>) -> Self {
        let size = model.context_length();
        Self::new(model, size)
    }
}

#[cfg(feature = "engine")]
impl Measure for smallmind_engine::EmbeddingModel {
    fn size(&self, text: &str) -> usize {
        // No token is shorter than a byte.
        self.count(text, smallmind_abstractions::EmbeddingRole::Document).unwrap_or(text.len())
    }
}

/// Why there are no chunks.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file is not what its name says.
    Bad(String),
    /// The work was stopped.
    Stopped(Cancelled),
}

impl From<Cancelled> for Fault {
    fn from(cause: Cancelled) -> Self {
        Self::Stopped(cause)
    }
}

/// What structure a text is cut by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Structure {
    Prose,
    Markdown,
}

/// Cuts the texts of a document.
pub(super) struct Cutter<'a> {
    chunking: &'a Chunking,
    cancel: &'a CancellationToken,
    /// How large a piece may be.
    room: usize,
}

impl ChunkSizer for Cutter<'_> {
    fn size(&self, chunk: &str) -> usize {
        self.chunking.measure.size(chunk)
    }
}

impl<'a> Cutter<'a> {
    /// For pieces that stand under `title` and one of the headings: whatever
    /// is embedded with a piece takes room, though never more than half.
    pub(super) fn new(
        chunking: &'a Chunking,
        title: &str,
        headings: &Headings,
        cancel: &'a CancellationToken,
    ) -> Self {
        let above = chunking.measure.size(&text_to_embed(title, &headings.longest(), ""));
        let room = chunking.size.saturating_sub(above).max(chunking.size / 2).max(1);
        Self { chunking, cancel, room }
    }

    pub(super) fn room(&self) -> usize {
        self.room
    }

    pub(super) fn check(&self) -> Result<(), Cancelled> {
        self.cancel.check()
    }

    /// The pieces of a text, in its order, as bytes of it.
    pub(super) fn pieces(
        &self,
        text: &str,
        structure: Structure,
    ) -> Result<Vec<Range<usize>>, Fault> {
        let overlap = self.chunking.overlap.min(self.room.saturating_sub(1) / 2);
        let config = || ChunkConfig::new(self.room).with_sizer(self).with_overlap(overlap);
        let bad = |e: text_splitter::ChunkConfigError| Fault::Bad(e.to_string());
        let mut pieces = Vec::new();
        for block in blocks(text) {
            let part = &text[block.clone()];
            let mut add = |(at, piece): (usize, &str)| {
                let start = block.start + at;
                pieces.push(start..start + piece.len());
                self.check()
            };
            match structure {
                Structure::Prose => {
                    TextSplitter::new(config().map_err(bad)?).chunk_indices(part).try_for_each(add)
                }
                Structure::Markdown => MarkdownSplitter::new(config().map_err(bad)?)
                    .chunk_indices(part)
                    .try_for_each(&mut add),
            }?;
        }
        Ok(pieces)
    }

    /// The chunks of a text that is its own source.
    pub(super) fn chunks(
        &self,
        text: &str,
        structure: Structure,
        headings: &Headings,
    ) -> Result<Vec<Chunk>, Fault> {
        let lines = Lines::of(text);
        let chunk = |bytes: Range<usize>| Chunk {
            heading: headings.path(bytes.clone()),
            text: text[bytes.clone()].to_owned(),
            lines: lines.over(&bytes),
            bytes,
            ..Chunk::default()
        };
        Ok(self.pieces(text, structure)?.into_iter().map(chunk).collect())
    }

    /// The chunks of a row: one, unless it is longer than a chunk may be.
    pub(super) fn row(
        &self,
        text: &str,
        bytes: &Range<usize>,
        lines: &Range<usize>,
    ) -> Result<Vec<Chunk>, Fault> {
        let chunk = |piece: Range<usize>| Chunk {
            text: text[piece].to_owned(),
            bytes: bytes.clone(),
            lines: lines.clone(),
            ..Chunk::default()
        };
        Ok(self.pieces(text, Structure::Prose)?.into_iter().map(chunk).collect())
    }
}

/// A text in blocks, each of which ends with a paragraph or a line if it can.
fn blocks(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let end = match rest.get(..rest.floor_char_boundary(BLOCK)) {
            Some(most) if most.len() < rest.len() => {
                let after = |mark: &str| most.rfind(mark).map(|at| at + mark.len());
                after("\n\n").or_else(|| after("\n")).unwrap_or(most.len())
            }
            _ => rest.len(),
        };
        let block = start..start + end;
        start = block.end;
        Some(block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Words;

    impl Measure for Words {
        fn size(&self, text: &str) -> usize {
            text.split_whitespace().count()
        }
    }

    fn cut(text: &str, size: usize, overlap: usize) -> Vec<Chunk> {
        let chunking = Chunking::new(Arc::new(Words), size).with_overlap(overlap);
        let never = CancellationToken::new();
        let headings = Headings::of_markdown(text, &never).unwrap();
        let cutter = Cutter::new(&chunking, "A title", &headings, &never);
        cutter.chunks(text, Structure::Markdown, &headings).unwrap()
    }

    #[test]
    fn chunks_fit_with_what_stands_above_them() {
        let text = format!("# Swept wings\n\n{}", "One two three four five. ".repeat(40));
        let chunks = cut(&text, 20, 0);
        assert!(chunks.len() > 10);
        for chunk in &chunks {
            assert!(Words.size(&text_to_embed("A title", &chunk.heading, &chunk.text)) <= 20);
        }
    }

    #[test]
    fn chunks_overlap_and_stand_where_they_say() {
        let text: String = (0..2000).map(|n| format!("Sentence {n} of many.\n")).collect();
        let chunks = cut(&text, 50, 10);
        assert!(text.len() < BLOCK && chunks.len() > 100);
        for chunk in &chunks {
            assert_eq!(text[chunk.bytes.clone()], chunk.text);
            let first = text.lines().nth(chunk.lines.start - 1).unwrap();
            assert!(chunk.text.starts_with(first), "{chunk:?}");
            let last = text.lines().nth(chunk.lines.end - 2).unwrap();
            assert!(chunk.text.ends_with(last), "{chunk:?}");
        }
        assert!(chunks.windows(2).all(|c| c[1].bytes.start < c[0].bytes.end), "an overlap");
    }

    #[test]
    fn blocks_are_all_of_a_text() {
        for unit in ["Ärger und Tee. ", "Ärger\n", "Ärger\n\n"] {
            let text = unit.repeat(3 * BLOCK / unit.len());
            let parts: Vec<_> = blocks(&text).map(|b| &text[b]).collect();
            assert!(parts.len() > 2 && parts.iter().all(|p| p.len() <= BLOCK));
            assert_eq!(parts.concat(), text);
        }
    }
}
