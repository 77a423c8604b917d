//! Texts cut into chunks.

use super::headings::Headings;
use super::rows;
use crate::Chunk;
use smallmind_abstractions::{CancellationToken, Cancelled};
use std::ops::Range;
use std::path::Path;
use text_splitter::{ChunkConfig, MarkdownSplitter, TextSplitter};

/// The most characters of a chunk: what a sentence encoder reads of a text
/// (256 tokens), about.
const CHUNK: usize = 1000;

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

/// Cuts a text where its structure lets it be cut. The ending of its name says
/// what it is.
pub(super) fn chunks(
    path: &Path,
    text: &str,
    cancel: &CancellationToken,
) -> Result<Vec<Chunk>, Fault> {
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match ending.as_str() {
        "csv" => rows::csv(text, b',', cancel),
        "tsv" => rows::csv(text, b'\t', cancel),
        "jsonl" | "ndjson" => rows::jsonl(text, cancel),
        "md" | "markdown" => {
            let headings = Headings::of_markdown(text, cancel)?;
            let splitter = MarkdownSplitter::new(ChunkConfig::new(CHUNK));
            collect(splitter.chunk_indices(text), text, &headings, cancel)
        }
        _ => collect(splitter().chunk_indices(text), text, &Headings::default(), cancel),
    }
}

fn splitter() -> TextSplitter<text_splitter::Characters> {
    TextSplitter::new(ChunkConfig::new(CHUNK))
}

/// The chunks of a row: one, unless it is longer than a chunk may be.
pub(super) fn row(text: &str, bytes: &Range<usize>, lines: &Range<usize>) -> Vec<Chunk> {
    let chunk = |text: &str| Chunk {
        text: text.to_owned(),
        bytes: bytes.clone(),
        lines: lines.clone(),
        ..Chunk::default()
    };
    splitter().chunks(text).map(chunk).collect()
}

pub(super) fn newlines(text: &str) -> usize {
    text.bytes().filter(|b| *b == b'\n').count()
}

fn collect<'a>(
    pieces: impl Iterator<Item = (usize, &'a str)>,
    text: &str,
    headings: &Headings,
    cancel: &CancellationToken,
) -> Result<Vec<Chunk>, Fault> {
    let (mut at, mut line) = (0, 1);
    let mut chunks = Vec::new();
    for (start, piece) in pieces {
        cancel.check()?;
        line += newlines(&text[at..start]);
        at = start;
        let last = line + newlines(piece.trim_end());
        chunks.push(Chunk {
            heading: headings.path(start..start + piece.len()),
            text: piece.to_owned(),
            bytes: start..start + piece.len(),
            lines: line..last + 1,
            ..Chunk::default()
        });
    }
    Ok(chunks)
}
