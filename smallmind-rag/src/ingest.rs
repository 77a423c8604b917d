//! From files and folders to chunks in a store.

use crate::{Chunk, Document, Error, Fingerprint, Stage, Store, Update};
use ignore::WalkBuilder;
use smallmind_abstractions::CancellationToken;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use text_splitter::{ChunkConfig, MarkdownSplitter, TextSplitter};

/// The most characters of a chunk: what a sentence encoder reads of a text
/// (256 tokens), about.
const CHUNK: usize = 1000;

/// Files in a transaction: a commit waits for the disk.
const BATCH: usize = 64;

/// The largest file that is read.
const MAX_SIZE: u64 = 64 << 20;

/// What happened to a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// It is as it was.
    Unchanged(PathBuf),
    /// It was put into the store, as so many chunks.
    Added(PathBuf, usize),
    /// It is gone, and so is its document.
    Removed(PathBuf),
    /// It could not be read, and was left out; what the store had of it stays.
    Skipped(PathBuf, String),
}

/// Brings the store up to date with files and folders: puts what is new or
/// changed, removes what is gone from the folders. Folders are walked by the
/// rules of their ignore files.
///
/// Files are committed by the dozen. Where it is stopped, the store is as at
/// the last commit, and another call goes on from there.
///
/// # Errors
/// What the store reports, or that `cancel` was stopped. Files that cannot be
/// read are events.
pub fn ingest(
    store: &Store,
    paths: &[PathBuf],
    progress: &mut dyn FnMut(Event),
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let known = store.fingerprints(cancel)?;
    let files = find(paths, progress, cancel)?;
    for batch in files.found.chunks(BATCH) {
        store.update(cancel, |update| {
            batch.iter().try_for_each(|path| file(update, path, &known, progress, cancel))
        })?;
    }
    let found: HashSet<_> = files.found.iter().map(PathBuf::as_path).collect();
    let gone = |s: &&String| {
        let path = Path::new(s);
        !found.contains(path) && files.complete.iter().any(|folder| path.starts_with(folder))
    };
    store.update(cancel, |update| {
        known.keys().filter(gone).try_for_each(|source| {
            update.remove(source)?;
            progress(Event::Removed(source.into()));
            Ok(())
        })
    })
}

struct Files {
    /// All files, in a fixed order.
    found: Vec<PathBuf>,
    /// The folders that could be walked to their end.
    complete: Vec<PathBuf>,
}

fn find(
    paths: &[PathBuf],
    progress: &mut dyn FnMut(Event),
    cancel: &CancellationToken,
) -> Result<Files, Error> {
    let mut files = Files { found: Vec::new(), complete: Vec::new() };
    for path in paths {
        let root = match path.canonicalize() {
            Ok(root) => root,
            Err(error) => {
                progress(Event::Skipped(path.clone(), error.to_string()));
                continue;
            }
        };
        let mut complete = true;
        for entry in WalkBuilder::new(&root).sort_by_file_name(Ord::cmp).build() {
            cancel.check().map_err(Error::cancelled(Stage::Reading))?;
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|t| t.is_file()) => {
                    files.found.push(entry.into_path());
                }
                Ok(_) => {}
                Err(error) => {
                    complete = false;
                    progress(Event::Skipped(root.clone(), error.to_string()));
                }
            }
        }
        if complete && root.is_dir() {
            files.complete.push(root);
        }
    }
    Ok(files)
}

fn file(
    update: &mut Update<'_>,
    path: &Path,
    known: &HashMap<String, Fingerprint>,
    progress: &mut dyn FnMut(Event),
    cancel: &CancellationToken,
) -> Result<(), Error> {
    cancel.check().map_err(Error::cancelled(Stage::Reading))?;
    let name = path.to_owned();
    let Some(source) = path.to_str() else {
        progress(Event::Skipped(name, "its name is not UTF-8".to_owned()));
        return Ok(());
    };
    match read(path, known.get(source)) {
        Err(reason) => progress(Event::Skipped(name, reason)),
        Ok(State::Same) => progress(Event::Unchanged(name)),
        Ok(State::Touched(print)) => {
            update.touch(source, &print)?;
            progress(Event::Unchanged(name));
        }
        Ok(State::Changed(fingerprint, text)) => {
            let chunks = chunks(path, &text, cancel)?;
            let count = chunks.len();
            let title = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let source = source.to_owned();
            let rest = Document::default();
            update.put(&Document { source, title, fingerprint, chunks, ..rest })?;
            progress(Event::Added(name, count));
        }
    }
    Ok(())
}

enum State {
    Same,
    Touched(Fingerprint),
    Changed(Fingerprint, String),
}

/// Reads a file, unless its size and time say that it is as it was.
fn read(path: &Path, known: Option<&Fingerprint>) -> Result<State, String> {
    let data = path.metadata().map_err(|e| e.to_string())?;
    let since = data.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    let modified = since.and_then(|t| i64::try_from(t.as_nanos()).ok()).unwrap_or(0);
    let size = data.len();
    if known.is_some_and(|k| k.size == size && k.modified == modified && modified != 0) {
        return Ok(State::Same);
    }
    if size > MAX_SIZE {
        return Err(format!("it has {size} bytes; the most is {MAX_SIZE}"));
    }
    let bytes = std::fs::read(path).map_err(|e| e.to_string())?;
    let hash = *blake3::hash(&bytes).as_bytes();
    let print = Fingerprint { size: bytes.len() as u64, modified, hash };
    if known.is_some_and(|k| k.hash == hash) {
        return Ok(State::Touched(print));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    if text.contains('\0') {
        return Err("it is not text".to_owned());
    }
    Ok(State::Changed(print, text))
}

/// Cuts a text where its structure lets it be cut.
fn chunks(path: &Path, text: &str, cancel: &CancellationToken) -> Result<Vec<Chunk>, Error> {
    let markdown = path.extension().is_some_and(|e| e == "md" || e == "markdown");
    if markdown {
        collect(MarkdownSplitter::new(ChunkConfig::new(CHUNK)).chunk_indices(text), text, cancel)
    } else {
        collect(TextSplitter::new(ChunkConfig::new(CHUNK)).chunk_indices(text), text, cancel)
    }
}

fn collect<'a>(
    pieces: impl Iterator<Item = (usize, &'a str)>,
    text: &str,
    cancel: &CancellationToken,
) -> Result<Vec<Chunk>, Error> {
    let (mut at, mut line) = (0, 1);
    let newlines = |text: &str| text.bytes().filter(|b| *b == b'\n').count();
    let mut chunks = Vec::new();
    for (start, piece) in pieces {
        cancel.check().map_err(Error::cancelled(Stage::Reading))?;
        line += newlines(&text[at..start]);
        at = start;
        let last = line + newlines(piece.trim_end());
        chunks.push(Chunk {
            text: piece.to_owned(),
            bytes: start..start + piece.len(),
            lines: line..last + 1,
            ..Chunk::default()
        });
    }
    Ok(chunks)
}
