//! Writing: all of an update, or nothing.

use super::postings::{Changes, Terms};
use super::{PATIENCE, Store, failure, is_busy, unwatch, watch};
use crate::{Analyzer, Chunk, Document, Error, Fingerprint, Stage, Unit};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use smallmind_abstractions::{CancellationToken, ChunkId};

const STAGE: Stage = Stage::Indexing;

/// Postings that wait in memory to be written, a few tens of megabytes.
pub(super) const MOST: usize = 500_000;

/// What is being written, seen by nobody else yet.
#[derive(Debug)]
pub struct Update<'a> {
    pub(super) transaction: Transaction<'a>,
    analyzer: &'a Analyzer,
    /// What is not written yet of where terms stand.
    postings: Changes,
    pub(super) cancel: &'a CancellationToken,
}

impl Store {
    /// Runs `work` and commits what it wrote, as a whole. Where it fails, or
    /// `cancel` is stopped before the commit, the store stays as it was.
    ///
    /// # Errors
    /// What `work` returns, [`Error::Cancelled`], or what SQLite reports.
    pub fn update<T>(
        &self,
        cancel: &CancellationToken,
        work: impl FnOnce(&mut Update<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let store = |source| Error::Store { stage: STAGE, source };
        let mut writer = self.writer(cancel)?;
        watch(&mut writer, cancel).map_err(store)?;
        let result = self.write(&mut writer, cancel, work);
        unwatch(&mut writer).map_err(store)?;
        result
    }

    fn write<T>(
        &self,
        writer: &mut Connection,
        cancel: &CancellationToken,
        work: impl FnOnce(&mut Update<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let transaction = begin(writer, cancel)?;
        let postings = Changes::default();
        let mut update = Update { transaction, analyzer: &self.analyzer, postings, cancel };
        // A transaction that is dropped is rolled back.
        let before = update.transaction.total_changes();
        let value = work(&mut update)?;
        update.write_postings()?;
        if update.transaction.total_changes() != before {
            count_change(&update.transaction).map_err(|error| failure(STAGE, cancel, error))?;
        }
        cancel.check().map_err(Error::cancelled(STAGE))?;
        update.transaction.commit().map_err(|error| failure(STAGE, cancel, error))?;
        Ok(value)
    }
}

/// Lets whoever holds something of the store in memory know that it has
/// changed.
fn count_change(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    const COUNT: &str = "INSERT INTO settings VALUES ('changes', 1)
        ON CONFLICT (name) DO UPDATE SET value = value + 1";
    transaction.prepare_cached(COUNT)?.execute([]).map(drop)
}

/// Begins to write, once no other process does.
pub(super) fn begin<'a>(
    connection: &'a mut Connection,
    cancel: &CancellationToken,
) -> Result<Transaction<'a>, Error> {
    let connection = &*connection;
    loop {
        cancel.check().map_err(Error::cancelled(STAGE))?;
        match Transaction::new_unchecked(connection, TransactionBehavior::Immediate) {
            Err(error) if is_busy(&error) => std::thread::sleep(PATIENCE),
            result => return result.map_err(|source| Error::Store { stage: STAGE, source }),
        }
    }
}

impl Update<'_> {
    /// Puts a document in place of the one of the same source, if there is one.
    /// Returns the numbers of its chunks.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what SQLite reports.
    pub fn put(&mut self, document: &Document) -> Result<Vec<ChunkId>, Error> {
        self.remove(&document.source)?;
        let id = self.insert_document(document).map_err(|e| self.failure(e))?;
        let chunks = document.chunks.iter().enumerate().map(|(ordinal, chunk)| {
            self.cancel.check().map_err(Error::cancelled(STAGE))?;
            self.write_postings_if_many()?;
            self.insert_chunk(id, ordinal, &document.title, chunk).map_err(|e| self.failure(e))
        });
        chunks.collect()
    }

    /// Removes the document of a source; says whether there was one.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what SQLite reports.
    pub fn remove(&mut self, source: &str) -> Result<bool, Error> {
        self.cancel.check().map_err(Error::cancelled(STAGE))?;
        const DELETE: &str = "DELETE FROM documents WHERE source = ?1";
        self.forget_terms(source).map_err(|e| self.failure(e))?;
        self.write_postings_if_many()?;
        let delete = || self.transaction.prepare_cached(DELETE)?.execute([source]);
        Ok(delete().map_err(|e| self.failure(e))? > 0)
    }

    /// Notes that the terms of a source's chunks stand there no more.
    fn forget_terms(&mut self, source: &str) -> rusqlite::Result<()> {
        const READ: &str = "SELECT c.id, d.title, c.heading, c.text
            FROM documents d JOIN chunks c ON c.document = d.id WHERE d.source = ?1";
        let mut read = self.transaction.prepare_cached(READ)?;
        let mut rows = read.query([source])?;
        while let Some(row) = rows.next()? {
            self.postings.remove(row.get(0)?, terms_of(self.analyzer, row)?);
        }
        Ok(())
    }

    fn write_postings(&mut self) -> Result<(), Error> {
        self.postings.flush(&self.transaction).map_err(|e| failure(STAGE, self.cancel, e))
    }

    fn write_postings_if_many(&mut self) -> Result<(), Error> {
        if self.postings.len > MOST { self.write_postings() } else { Ok(()) }
    }

    /// Keeps a document whose file was touched, and not changed.
    pub(crate) fn touch(&mut self, source: &str, print: &Fingerprint) -> Result<(), Error> {
        const TOUCH: &str = "UPDATE documents SET modified = ?2 WHERE source = ?1";
        let touch =
            || self.transaction.prepare_cached(TOUCH)?.execute(params![source, print.modified]);
        touch().map(drop).map_err(|e| self.failure(e))
    }

    fn insert_document(&self, document: &Document) -> rusqlite::Result<i64> {
        const INSERT: &str = "INSERT INTO documents (source, title, size, modified, hash, pages)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let print = &document.fingerprint;
        let size = i64::try_from(print.size).unwrap_or(i64::MAX);
        let id = self.transaction.prepare_cached(INSERT)?.insert(params![
            document.source,
            document.title,
            size,
            print.modified,
            print.hash,
            document.unit == Unit::Pages
        ])?;
        const METADATA: &str = "INSERT OR IGNORE INTO metadata VALUES (?1, ?2, ?3)";
        let mut insert = self.transaction.prepare_cached(METADATA)?;
        for (key, value) in &document.metadata {
            insert.execute(params![id, key, value])?;
        }
        Ok(id)
    }

    fn insert_chunk(
        &mut self,
        document: i64,
        ordinal: usize,
        title: &str,
        chunk: &Chunk,
    ) -> rusqlite::Result<ChunkId> {
        const CHUNK: &str = "INSERT INTO chunks
            (document, ordinal, restricted, byte_start, byte_end, line_start, line_end, heading, text,
             length)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let Chunk { heading, text, bytes, lines, labels } = chunk;
        let terms = Terms::of(self.analyzer, title, heading, text);
        let id = self.transaction.prepare_cached(CHUNK)?.insert(params![
            document,
            number(ordinal),
            !labels.is_empty(),
            number(bytes.start),
            number(bytes.end),
            number(lines.start),
            number(lines.end),
            heading,
            text,
            terms.length()
        ])?;
        let mut label =
            self.transaction.prepare_cached("INSERT OR IGNORE INTO labels VALUES (?1, ?2)")?;
        labels.iter().try_for_each(|l| label.execute(params![id, l]).map(drop))?;
        self.postings.add(id, terms);
        Ok(ChunkId(id))
    }

    pub(super) fn failure(&self, error: rusqlite::Error) -> Error {
        failure(STAGE, self.cancel, error)
    }
}

/// The terms of a chunk whose title, heading and text a query selects after
/// its id.
pub(super) fn terms_of(analyzer: &Analyzer, row: &Row<'_>) -> rusqlite::Result<Terms> {
    let part = |at| -> rusqlite::Result<String> { row.get(at) };
    Ok(Terms::of(analyzer, &part(1)?, &part(2)?, &part(3)?))
}

/// A count as SQLite holds it; no text in memory is longer.
fn number(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
