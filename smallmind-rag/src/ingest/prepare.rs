//! Files read and cut, by the dozen and in parallel, before they are written.

use super::chunk::{Chunking, Fault};
use super::document::document;
use super::read::{MAX_SIZE, Stat, hash, read};
use crate::{Document, Error, Fingerprint, Stage};
use rayon::prelude::*;
use smallmind_abstractions::{CancellationToken, Cancelled};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Files in a transaction: a commit waits for the disk.
const FILES: usize = 64;

/// Bytes of files in a transaction: they are in memory at once, and again as
/// those that wait to be written.
const BYTES: u64 = 32 << 20;

/// What is to be written of a file.
pub(super) enum Outcome {
    Same,
    Touched(Fingerprint),
    Changed(Document),
    Bad(String),
}

/// A file and what is to be written of it.
pub(super) struct Prepared {
    pub(super) path: PathBuf,
    pub(super) outcome: Outcome,
}

/// Prepares files, and hands over each group of them, in their order, until
/// `take` wants no more.
pub(super) fn prepare(
    files: &[PathBuf],
    known: &HashMap<String, Fingerprint>,
    chunking: &Chunking,
    take: &mut dyn FnMut(Vec<Prepared>) -> bool,
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let stopped = Error::cancelled(Stage::Reading);
    let (mut group, mut bytes) = (Vec::new(), 0);
    for (n, path) in files.iter().enumerate() {
        cancel.check().map_err(&stopped)?;
        let job = Job::of(path, known);
        bytes += job.size();
        group.push(job);
        if group.len() >= FILES || bytes >= BYTES || n + 1 == files.len() {
            let jobs = std::mem::take(&mut group).into_par_iter();
            let prepared = jobs.map(|job| job.run(chunking, cancel)).collect::<Result<_, _>>();
            if !take(prepared.map_err(&stopped)?) {
                return Ok(());
            }
            bytes = 0;
        }
    }
    Ok(())
}

/// A file as a stat shows it.
struct Job<'a> {
    path: &'a Path,
    known: Option<&'a Fingerprint>,
    look: Look<'a>,
}

enum Look<'a> {
    Done(Outcome),
    Read(&'a str, Stat),
}

impl<'a> Job<'a> {
    fn of(path: &'a Path, known: &'a HashMap<String, Fingerprint>) -> Self {
        let bad = |reason: String| Look::Done(Outcome::Bad(reason));
        let Some(source) = path.to_str() else {
            return Self { path, known: None, look: bad("its name is not UTF-8".to_owned()) };
        };
        let known = known.get(source);
        let look = match Stat::of(path) {
            Err(error) => bad(error.to_string()),
            Ok(stat) if known.is_some_and(|k| stat.is_of(k)) => Look::Done(Outcome::Same),
            Ok(Stat { size, .. }) if size > MAX_SIZE => {
                bad(format!("it has {size} bytes; the most is {MAX_SIZE}"))
            }
            Ok(stat) => Look::Read(source, stat),
        };
        Self { path, known, look }
    }

    fn size(&self) -> u64 {
        match self.look {
            Look::Read(_, stat) => stat.size,
            Look::Done(_) => 0,
        }
    }

    fn run(self, chunking: &Chunking, cancel: &CancellationToken) -> Result<Prepared, Cancelled> {
        let path = self.path.to_owned();
        let outcome = match self.look {
            Look::Done(outcome) => outcome,
            Look::Read(source, stat) => match read(self.path, cancel)? {
                Err(reason) => Outcome::Bad(reason),
                Ok(bytes) => outcome(source, bytes, stat.modified, self.known, chunking, cancel)?,
            },
        };
        Ok(Prepared { path, outcome })
    }
}

/// What is to be written of bytes.
pub(super) fn outcome(
    source: &str,
    bytes: Vec<u8>,
    modified: i64,
    known: Option<&Fingerprint>,
    chunking: &Chunking,
    cancel: &CancellationToken,
) -> Result<Outcome, Cancelled> {
    let hash = hash(&bytes, cancel)?;
    let print = Fingerprint { size: bytes.len() as u64, modified, hash };
    match known {
        Some(known) if *known == print => return Ok(Outcome::Same),
        Some(known) if known.hash == hash => return Ok(Outcome::Touched(print)),
        _ => {}
    }
    match document(source, bytes, print, chunking, cancel) {
        Ok(document) => Ok(Outcome::Changed(document)),
        Err(Fault::Bad(reason)) => Ok(Outcome::Bad(reason)),
        Err(Fault::Stopped(cause)) => Err(cause),
    }
}
