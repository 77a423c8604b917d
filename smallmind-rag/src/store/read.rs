//! Reading. What a searcher may not see is left out by the query itself,
//! before anything is ranked or counted.

use super::Store;
use super::filter::{VISIBLE, held};
use crate::{Error, Fingerprint, Passage, Unit};
use rusqlite::{Row, params};
use smallmind_abstractions::{Access, CancellationToken, ChunkId};
use std::collections::HashMap;
use std::ops::Range;

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Documents.
    pub documents: u64,
    /// Chunks of them.
    pub chunks: u64,
    /// Chunks that have a vector.
    pub vectors: u64,
}

impl Store {
    /// The passages of `chunks` that `access` allows, in their order. Chunks
    /// that have been removed meanwhile are left out.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what SQLite reports.
    pub fn passages(
        &self,
        chunks: &[ChunkId],
        access: &Access,
        cancel: &CancellationToken,
    ) -> Result<Vec<Passage>, Error> {
        let sql = select_passages(&format!("c.id = ?2 AND {VISIBLE}"));
        let held = held(access);
        self.read(cancel, |connection| {
            let mut query = connection.prepare_cached(&sql)?;
            let mut passages = Vec::with_capacity(chunks.len());
            for chunk in chunks {
                passages
                    .extend(query.query_map(params![held, chunk.0], passage)?.next().transpose()?);
            }
            Ok(passages)
        })
    }

    /// A chunk and those of its document that stand at most `reach` before or
    /// after it, in the document's order, as `access` allows.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what SQLite reports.
    pub fn neighbours(
        &self,
        chunk: ChunkId,
        reach: u32,
        access: &Access,
        cancel: &CancellationToken,
    ) -> Result<Vec<Passage>, Error> {
        let sql = select_passages(&format!(
            "{VISIBLE} AND EXISTS (SELECT 1 FROM chunks o WHERE o.id = ?2
             AND o.document = c.document AND abs(o.ordinal - c.ordinal) <= ?3)
             AND c.document = (SELECT document FROM chunks WHERE id = ?2) ORDER BY c.ordinal"
        ));
        self.read(cancel, |connection| {
            let mut query = connection.prepare_cached(&sql)?;
            query.query_map(params![held(access), chunk.0, reach], passage)?.collect()
        })
    }

    /// The state in which each source was read last.
    pub(crate) fn fingerprints(
        &self,
        cancel: &CancellationToken,
    ) -> Result<HashMap<String, Fingerprint>, Error> {
        const ALL: &str = "SELECT source, size, modified, hash FROM documents";
        let print = |row: &Row<'_>| {
            let size = row.get::<_, i64>(1)?.unsigned_abs();
            Ok((row.get(0)?, Fingerprint { size, modified: row.get(2)?, hash: row.get(3)? }))
        };
        self.read(cancel, |connection| {
            connection.prepare_cached(ALL)?.query_map([], print)?.collect()
        })
    }

    /// How much of the store `access` shows.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what SQLite reports.
    pub fn status(&self, access: &Access, cancel: &CancellationToken) -> Result<Status, Error> {
        let sql = format!(
            "SELECT count(DISTINCT c.document), count(*), count(v.chunk)
             FROM chunks c LEFT JOIN vectors v ON v.chunk = c.id WHERE {VISIBLE}"
        );
        let count = |row: &Row<'_>, i| row.get::<_, i64>(i).map(i64::unsigned_abs);
        let status = |row: &Row<'_>| {
            let (documents, chunks, vectors) = (count(row, 0)?, count(row, 1)?, count(row, 2)?);
            Ok(Status { documents, chunks, vectors })
        };
        self.read(cancel, |connection| connection.query_row(&sql, [held(access)], status))
    }
}

/// A query whose rows are read by [`passage`].
pub(super) fn select_passages(condition: &str) -> String {
    format!(
        "SELECT c.id, d.source, d.title, c.heading, c.text,
            c.byte_start, c.byte_end, c.line_start, c.line_end, d.pages
         FROM chunks c JOIN documents d ON d.id = c.document WHERE {condition}"
    )
}

pub(super) fn passage(row: &Row<'_>) -> rusqlite::Result<Passage> {
    let range = |start, end| -> rusqlite::Result<Range<usize>> {
        let at = |i| row.get::<_, i64>(i).map(|n| usize::try_from(n).unwrap_or_default());
        Ok(at(start)?..at(end)?)
    };
    Ok(Passage {
        chunk: ChunkId(row.get(0)?),
        source: row.get(1)?,
        title: row.get(2)?,
        heading: row.get(3)?,
        text: row.get(4)?,
        bytes: range(5, 6)?,
        lines: range(7, 8)?,
        unit: if row.get(9)? { Unit::Pages } else { Unit::Lines },
    })
}
