//! From files and folders to chunks in a store.

mod chunk;
mod code;
mod document;
mod find;
mod headings;
mod html;
mod lines;
#[cfg(feature = "pdf")]
mod pdf;
mod prepare;
mod read;
mod rows;

pub use chunk::{Chunking, Measure};

use crate::embed::embed_after;
use crate::{Error, Fingerprint, Stage, Store, Update, embed_missing};
use find::Files;
use prepare::{Outcome, Prepared};
use smallmind_abstractions::{CancellationToken, ChunkId, Embedder};
use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

/// What happened, to a file as a rule.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// So many files were found; each is one of the events below.
    Found(usize),
    /// It is as it was.
    Unchanged(PathBuf),
    /// It was put into the store, as so many chunks.
    Added(PathBuf, usize),
    /// It is gone, and so is its document.
    Removed(PathBuf),
    /// It could not be read, and was left out; what the store had of it stays.
    Skipped(PathBuf, String),
    /// So many more chunks have vectors.
    Embedded(usize),
}

/// Brings a store up to date with files, folders and texts.
///
/// Files are read and cut in parallel, while those before them are written and
/// embedded. They are committed by the dozen, and are events once they are.
/// Where the work is stopped, the store is as at the last commit, and another
/// call goes on from there.
///
/// The ending of a file's name says what it is: Markdown, HTML, CSV or TSV,
/// JSON lines, PDF (behind the feature `pdf`), source code, or else plain text.
///
/// ```
/// use smallmind_abstractions::CancellationToken;
/// use smallmind_rag::ingest::{Event, Ingest};
/// use smallmind_rag::{Language, Store};
///
/// # let folder = tempfile::tempdir()?;
/// # let (docs, path) = (folder.path().join("docs"), folder.path().join("kb"));
/// # std::fs::create_dir(&docs)?;
/// std::fs::write(docs.join("wings.md"), "# Flight\n\nSwept wings delay shock waves.\n")?;
/// let never = CancellationToken::new();
/// let store = Store::open(&path, Language::English, &never)?;
/// let mut chunks = 0;
/// let mut count = |event| match event {
///     Event::Added(_, n) => chunks += n,
///     Event::Skipped(path, reason) => eprintln!("{}: {reason}", path.display()),
///     _ => {}
/// };
/// Ingest::new(&store).files(&[docs], &mut count, &never)?;
/// assert_eq!(chunks, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Ingest<'a> {
    store: &'a Store,
    chunking: Chunking,
    embedder: Option<&'a dyn Embedder>,
}

/// What the thread that writes is told by the others.
enum Message {
    Prepared(Vec<Prepared>),
    AllPrepared,
    Embedded(usize),
}

impl<'a> Ingest<'a> {
    /// Into `store`, in chunks of a thousand characters, without vectors.
    pub fn new(store: &'a Store) -> Self {
        Self { store, chunking: Chunking::default(), embedder: None }
    }

    /// In other chunks. Files that have not changed stay as they were cut.
    #[must_use]
    pub fn with_chunking(self, chunking: Chunking) -> Self {
        Self { chunking, ..self }
    }

    /// With a vector for each chunk that has none.
    #[must_use]
    pub fn with_embedder(self, embedder: &'a dyn Embedder) -> Self {
        Self { embedder: Some(embedder), ..self }
    }

    /// Puts what is new or changed into the store, and removes what is gone
    /// from the folders, which are walked by the rules of their ignore files.
    ///
    /// # Errors
    /// What the store or the embedder reports, or that `cancel` was stopped.
    /// Files that cannot be read are events.
    pub fn files(
        &self,
        paths: &[PathBuf],
        progress: &mut dyn FnMut(Event),
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let known = self.store.fingerprints(cancel)?;
        let files = Files::find(paths, progress, cancel)?;
        progress(Event::Found(files.found.len()));
        self.removing(&files, &known, progress, cancel)?;
        // A part that fails stops the others.
        let stop = cancel.child();
        let (send, messages) = sync_channel(1);
        let (wake, woken) = channel();
        let (to_writer, stop, found, known) = (send.clone(), &stop, &files.found, &known);
        let results = thread::scope(|scope| {
            let reading = scope.spawn(move || {
                let mut take = |group| to_writer.send(Message::Prepared(group)).is_ok();
                let result = prepare::prepare(found, known, &self.chunking, &mut take, stop);
                drop(to_writer.send(Message::AllPrepared));
                result.inspect_err(|_| stop.cancel())
            });
            let embedding = scope
                .spawn(move || self.embedding(&woken, &send, stop).inspect_err(|_| stop.cancel()));
            let writing = self.writing(messages, wake, progress, stop);
            [writing.inspect_err(|_| stop.cancel()), joined(reading), joined(embedding)]
        });
        first_cause(results)
    }

    /// Puts a text that is no file into the store, under a name whose ending
    /// says what it is.
    ///
    /// # Errors
    /// What the store or the embedder reports, or that `cancel` was stopped. A
    /// text that cannot be read is an event.
    pub fn text(
        &self,
        name: &str,
        from: impl Read,
        progress: &mut dyn FnMut(Event),
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let stopped = Error::cancelled(Stage::Reading);
        let known = self.store.fingerprints(cancel)?;
        let outcome = match read::read_all(from, cancel).map_err(&stopped)? {
            Err(reason) => Outcome::Bad(reason),
            Ok(bytes) => prepare::outcome(name, bytes, 0, known.get(name), &self.chunking, cancel)
                .map_err(&stopped)?,
        };
        self.write(vec![Prepared { path: name.into(), outcome }], progress, cancel)?;
        let Some(embedder) = self.embedder else { return Ok(()) };
        embed_missing(self.store, embedder, &mut |n| progress(Event::Embedded(n)), cancel)
    }

    /// Removes what is gone from folders.
    fn removing(
        &self,
        files: &Files,
        known: &HashMap<String, Fingerprint>,
        progress: &mut dyn FnMut(Event),
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let found: HashSet<_> = files.found.iter().map(PathBuf::as_path).collect();
        let gone = |s: &&String| !found.contains(Path::new(s)) && files.covers(Path::new(s));
        let gone: Vec<_> = known.keys().filter(gone).collect();
        self.store.update(cancel, |update| {
            gone.iter().try_for_each(|source| update.remove(source).map(drop))
        })?;
        gone.into_iter().for_each(|source| progress(Event::Removed(source.into())));
        Ok(())
    }

    /// Writes what is prepared, and wakes who embeds it.
    fn writing(
        &self,
        messages: Receiver<Message>,
        wake: Sender<()>,
        progress: &mut dyn FnMut(Event),
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let mut wake = Some(wake);
        for message in messages {
            match message {
                Message::Prepared(group) => {
                    self.write(group, progress, cancel)?;
                    // Nobody need be there to embed.
                    wake = wake.filter(|wake| wake.send(()).is_ok());
                }
                Message::AllPrepared => wake = None,
                Message::Embedded(chunks) => progress(Event::Embedded(chunks)),
            }
        }
        Ok(())
    }

    /// Embeds what is written, until there is nothing more to come.
    fn embedding(
        &self,
        woken: &Receiver<()>,
        send: &SyncSender<Message>,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let Some(embedder) = self.embedder else { return Ok(()) };
        // Nobody is told where the writer has failed.
        let mut progress = |chunks| drop(send.send(Message::Embedded(chunks)));
        // An earlier call may have left chunks without vectors. What is written
        // later has higher numbers.
        let mut after = ChunkId(0);
        loop {
            embed_after(&mut after, self.store, embedder, &mut progress, cancel)?;
            if woken.recv().is_err() {
                return Ok(());
            }
            while woken.try_recv().is_ok() {}
        }
    }

    /// Writes a group of files in one transaction.
    fn write(
        &self,
        group: Vec<Prepared>,
        progress: &mut dyn FnMut(Event),
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let unwritten = |p: &Prepared| matches!(p.outcome, Outcome::Same | Outcome::Bad(_));
        if !group.iter().all(unwritten) {
            self.store.update(cancel, |update| group.iter().try_for_each(|p| put(update, p)))?;
        }
        for Prepared { path, outcome } in group {
            progress(match outcome {
                Outcome::Same | Outcome::Touched(_) => Event::Unchanged(path),
                Outcome::Changed(document) => Event::Added(path, document.chunks.len()),
                Outcome::Bad(reason) => Event::Skipped(path, reason),
            });
        }
        Ok(())
    }
}

fn put(update: &mut Update<'_>, prepared: &Prepared) -> Result<(), Error> {
    match (&prepared.outcome, prepared.path.to_str()) {
        (Outcome::Touched(print), Some(source)) => update.touch(source, print),
        (Outcome::Changed(document), _) => update.put(document).map(drop),
        _ => Ok(()),
    }
}

fn joined(part: thread::ScopedJoinHandle<'_, Result<(), Error>>) -> Result<(), Error> {
    part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What made the others stop, if anything did.
fn first_cause(results: [Result<(), Error>; 3]) -> Result<(), Error> {
    let (stopped, causes): (Vec<_>, Vec<_>) = results
        .into_iter()
        .filter_map(Result::err)
        .partition(|error| matches!(error, Error::Cancelled { .. }));
    causes.into_iter().chain(stopped).next().map_or(Ok(()), Err)
}
