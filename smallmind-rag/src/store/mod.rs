//! One durable file of documents, chunks, words and labels.

mod cache;
mod filter;
mod groups;
mod index;
mod postings;
mod read;
mod schema;
mod table;
mod update;
mod vectors;
mod words;

pub use read::Status;
pub use update::Update;

use crate::{Analyzer, Error, Language, Stage};
use cache::Cache;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use smallmind_abstractions::CancellationToken;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// After how many of SQLite's instructions a token is looked at: well under a
/// millisecond.
const CHECK_EVERY: i32 = 1000;

/// Pages that a connection keeps in memory, in KiB where it is negative: what a
/// commit changes of the postings is all over them.
const CACHE: i64 = -32 << 10;

/// How long to wait before asking again for a lock that another holds.
const PATIENCE: Duration = Duration::from_millis(5);

/// A store of documents in one SQLite file.
///
/// Any number of threads and processes may read; one at a time writes, the
/// others wait, and readers see the last commit meanwhile. A commit is on the
/// disk when it returns.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    analyzer: Analyzer,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
    /// The chunks in memory, and their vectors.
    table: Cache<table::Table>,
    index: Cache<index::Index>,
}

impl Store {
    /// Opens the store at `path`, or makes it where there is none. `language`
    /// says how words are brought to their stems, and is kept.
    ///
    /// # Errors
    /// [`Error::NotAStore`], [`Error::NewerFormat`], [`Error::OtherLanguage`],
    /// or what SQLite reports.
    pub fn open(
        path: &Path,
        language: Language,
        cancel: &CancellationToken,
    ) -> Result<Arc<Self>, Error> {
        let mut writer = connect(path)?;
        schema::prepare(&mut writer, path, cancel)?;
        let found = schema::language(&mut writer, language, cancel)?;
        if found != language.code() {
            return Err(Error::OtherLanguage { found, asked: language.code().to_owned() });
        }
        Ok(Self::assemble(path, language, writer))
    }

    /// Opens a store that is there, in whatever language it was made for.
    ///
    /// # Errors
    /// As [`open`](Self::open), and where there is no file.
    pub fn open_existing(path: &Path, cancel: &CancellationToken) -> Result<Arc<Self>, Error> {
        let file = |source| Error::File { path: path.to_owned(), source };
        std::fs::metadata(path).map_err(file)?;
        let mut writer = connect(path)?;
        schema::prepare(&mut writer, path, cancel)?;
        let code = schema::language(&mut writer, Language::English, cancel)?;
        let language = Language::from_code(&code)
            .ok_or_else(|| Error::OtherLanguage { found: code, asked: "any known".to_owned() })?;
        Ok(Self::assemble(path, language, writer))
    }

    fn assemble(path: &Path, language: Language, writer: Connection) -> Arc<Self> {
        Arc::new(Self {
            path: path.to_owned(),
            analyzer: Analyzer::new(language),
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            table: Cache::default(),
            index: Cache::default(),
        })
    }

    /// How this store turns text into terms.
    pub fn analyzer(&self) -> &Analyzer {
        &self.analyzer
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The one connection that writes, once nobody else uses it.
    fn writer(&self, cancel: &CancellationToken) -> Result<MutexGuard<'_, Connection>, Error> {
        loop {
            match self.writer.try_lock() {
                Ok(guard) => return Ok(guard),
                // A transaction that panicked was rolled back as it unwound.
                Err(TryLockError::Poisoned(guard)) => return Ok(guard.into_inner()),
                Err(TryLockError::WouldBlock) => {
                    cancel.check().map_err(Error::cancelled(Stage::Indexing))?;
                    std::thread::sleep(PATIENCE);
                }
            }
        }
    }

    /// Runs `work` on a connection of its own, and stops it when told to.
    fn read<T>(
        &self,
        cancel: &CancellationToken,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let stage = Stage::Retrieval;
        cancel.check().map_err(Error::cancelled(stage))?;
        let idle = self.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path)?,
        };
        let store = |source| Error::Store { stage, source };
        watch(&mut connection, cancel).map_err(store)?;
        let result = snapshot(&connection, cancel, work);
        unwatch(&mut connection).map_err(store)?;
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        result.map_err(|error| failure(stage, cancel, error))
    }
}

/// Runs `work` in one transaction, so that whatever it reads is of one commit.
fn snapshot<T>(
    connection: &Connection,
    cancel: &CancellationToken,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    loop {
        let transaction = connection.unchecked_transaction()?;
        // The first statement may meet another process that recovers the file.
        match transaction.query_row("SELECT count(*) FROM settings", [], |_| Ok(())) {
            Err(error) if is_busy(&error) && !cancel.is_cancelled() => {}
            Err(error) => return Err(error),
            Ok(()) => return work(&transaction),
        }
        drop(transaction);
        std::thread::sleep(PATIENCE);
    }
}

/// Lets SQLite look at a token.
fn watch(connection: &mut Connection, cancel: &CancellationToken) -> rusqlite::Result<()> {
    let token = cancel.clone();
    connection.progress_handler(CHECK_EVERY, Some(move || token.is_cancelled()))
}

fn unwatch(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.progress_handler(0, None::<fn() -> bool>)
}

/// An error of SQLite, or the cancellation that caused it.
fn failure(stage: Stage, cancel: &CancellationToken, source: rusqlite::Error) -> Error {
    let stopped = matches!(
        source.sqlite_error_code(),
        Some(ErrorCode::OperationInterrupted | ErrorCode::DatabaseBusy)
    );
    match cancel.check() {
        Err(cause) if stopped => Error::Cancelled { stage, cause },
        _ => Error::Store { stage, source },
    }
}

/// What SQLite says of work that a token stopped.
fn interrupted() -> rusqlite::Error {
    let code = rusqlite::ffi::SQLITE_INTERRUPT;
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)
}

fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn connect(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        // Waiting is ours, since SQLite's cannot be cancelled.
        connection.busy_timeout(Duration::ZERO)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "cache_size", CACHE)?;
        Ok(connection)
    };
    open().map_err(|source: rusqlite::Error| match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => Error::NotAStore { path: path.to_owned() },
        _ => Error::Store { stage: Stage::Reading, source },
    })
}
