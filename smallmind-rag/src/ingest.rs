//! From files and folders to chunks in a store.

mod chunk;
mod headings;
mod rows;

use crate::{Document, Error, Fingerprint, Stage, Store, Update};
use chunk::Fault;
use ignore::WalkBuilder;
use smallmind_abstractions::CancellationToken;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Files in a transaction: a commit waits for the disk.
const BATCH: usize = 64;

/// The largest file that is read.
const MAX_SIZE: u64 = 64 << 20;

/// A file that was changed so short a time ago may change again and keep its
/// time: file systems' clocks have steps of up to two seconds.
const CLOCK_STEP: Duration = Duration::from_secs(2);

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
/// Files are committed by the dozen, and are events once they are. Where it is
/// stopped, the store is as at the last commit, and another call goes on from
/// there.
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
        let events = store.update(cancel, |update| {
            batch
                .iter()
                .map(|path| file(update, path, &known, cancel))
                .collect::<Result<Vec<_>, _>>()
        })?;
        events.into_iter().for_each(&mut *progress);
    }
    let found: HashSet<_> = files.found.iter().map(PathBuf::as_path).collect();
    let gone = |s: &&String| {
        let path = Path::new(s);
        !found.contains(path) && files.complete.iter().any(|folder| path.starts_with(folder))
    };
    let gone: Vec<_> = known.keys().filter(gone).collect();
    store.update(cancel, |update| {
        gone.iter().try_for_each(|source| update.remove(source).map(drop))
    })?;
    gone.into_iter().for_each(|source| progress(Event::Removed(source.into())));
    Ok(())
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
    cancel: &CancellationToken,
) -> Result<Event, Error> {
    cancel.check().map_err(Error::cancelled(Stage::Reading))?;
    let name = path.to_owned();
    let Some(source) = path.to_str() else {
        return Ok(Event::Skipped(name, "its name is not UTF-8".to_owned()));
    };
    Ok(match read(path, known.get(source)) {
        Err(reason) => Event::Skipped(name, reason),
        Ok(State::Same) => Event::Unchanged(name),
        Ok(State::Touched(print)) => {
            update.touch(source, &print)?;
            Event::Unchanged(name)
        }
        Ok(State::Changed(fingerprint, text)) => {
            let chunks = match chunk::chunks(path, &text, cancel) {
                Ok(chunks) => chunks,
                Err(Fault::Bad(reason)) => return Ok(Event::Skipped(name, reason)),
                Err(Fault::Stopped(cause)) => return Err(Error::cancelled(Stage::Reading)(cause)),
            };
            let count = chunks.len();
            let title = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let source = source.to_owned();
            let rest = Document::default();
            update.put(&Document { source, title, fingerprint, chunks, ..rest })?;
            Event::Added(name, count)
        }
    })
}

enum State {
    Same,
    Touched(Fingerprint),
    Changed(Fingerprint, String),
}

/// Reads a file, unless its size and time say that it is as it was.
fn read(path: &Path, known: Option<&Fingerprint>) -> Result<State, String> {
    let data = path.metadata().map_err(|e| e.to_string())?;
    let modified = data.modified().ok().and_then(settled).unwrap_or(0);
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
    match known {
        Some(known) if *known == print => return Ok(State::Same),
        Some(known) if known.hash == hash => return Ok(State::Touched(print)),
        _ => {}
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    if text.contains('\0') {
        return Err("it is not text".to_owned());
    }
    Ok(State::Changed(print, text))
}

/// A time in nanoseconds from 1970, if it is long enough ago to be trusted.
fn settled(time: SystemTime) -> Option<i64> {
    let ago = SystemTime::now().duration_since(time).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok().filter(|_| ago > CLOCK_STEP)?;
    i64::try_from(since.as_nanos()).ok()
}
