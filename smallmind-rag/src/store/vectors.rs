//! Vectors: written beside the chunks they belong to, and the nearest of them.

use super::filter::{VISIBLE, documents, held};
use super::index::{Identity, floats};
use super::{Store, Update};
use crate::hits::best;
use crate::{Error, Passage, Stage};
use rusqlite::{Connection, OptionalExtension, Row, params};
use smallmind_abstractions::{
    Access, CancellationToken, ChunkId, Embedder, Embedding, Error as AbstractError, Hit,
    SearchRequest, VectorStore,
};

/// So many more than asked for are scored again: codes rank those beside the
/// last one only nearly as their vectors do.
const MORE: usize = 64;

impl Update<'_> {
    /// Gives chunks their vectors: `chunks.len() × embedder.dimensions()`
    /// values, one vector after the other. The first vectors of a store say
    /// whose all others must be. Chunks that are not there are left out.
    ///
    /// # Errors
    /// [`Error::OtherEmbedder`], [`Error::Vectors`], [`Error::Cancelled`], or
    /// what SQLite reports.
    pub fn put_vectors(
        &mut self,
        embedder: &dyn Embedder,
        chunks: &[ChunkId],
        vectors: &[f32],
    ) -> Result<(), Error> {
        let (name, dimensions) = (embedder.id().to_owned(), embedder.dimensions());
        let (found, expected) = (vectors.len(), chunks.len().saturating_mul(dimensions));
        if found != expected || dimensions == 0 {
            return Err(Error::Vectors { found, expected });
        }
        self.claim(&Identity { name, dimensions })?;
        for (chunk, vector) in chunks.iter().zip(vectors.chunks_exact(dimensions)) {
            self.cancel.check().map_err(Error::cancelled(Stage::Indexing))?;
            let blob: Vec<u8> = vector.iter().flat_map(|v| v.to_le_bytes()).collect();
            const PUT: &str = "REPLACE INTO vectors (chunk, vector)
                SELECT id, ?2 FROM chunks WHERE id = ?1";
            let put = || self.transaction.prepare_cached(PUT)?.execute(params![chunk.0, blob]);
            put().map_err(|e| self.failure(e))?;
        }
        Ok(())
    }

    /// Removes all vectors, so that another embedder's may be put.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what SQLite reports.
    pub fn forget_vectors(&mut self) -> Result<(), Error> {
        const FORGET: &str = "DELETE FROM vectors;
            DELETE FROM settings WHERE name IN ('embedder', 'dimensions');";
        self.transaction.execute_batch(FORGET).map_err(|e| self.failure(e))
    }

    /// Makes sure that the store's vectors are those of `asked`.
    fn claim(&self, asked: &Identity) -> Result<(), Error> {
        const CLAIM: &str = "INSERT OR IGNORE INTO settings
            VALUES ('embedder', ?1), ('dimensions', ?2)";
        let claim = || {
            let length = asked.dimensions.to_string();
            self.transaction.prepare_cached(CLAIM)?.execute([&asked.name, &length])?;
            Identity::read(&self.transaction)
        };
        match claim().map_err(|e| self.failure(e))? {
            Some(found) if found != *asked => Err(other(&found, asked)),
            _ => Ok(()),
        }
    }
}

fn other(found: &Identity, asked: &Identity) -> Error {
    Error::OtherEmbedder { found: found.to_string(), asked: asked.to_string() }
}

impl Store {
    /// The id of the embedder whose vectors the store holds, if it holds any.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what SQLite reports.
    pub fn embedder(&self, cancel: &CancellationToken) -> Result<Option<String>, Error> {
        Ok(self.read(cancel, Identity::read)?.map(|found| found.name))
    }

    /// The vectors of `chunks`, in their order; nothing for those that have
    /// none, or that `access` does not allow.
    ///
    /// # Errors
    /// [`Error::Cancelled`], or what SQLite reports.
    pub fn vectors(
        &self,
        chunks: &[ChunkId],
        access: &Access,
        cancel: &CancellationToken,
    ) -> Result<Vec<Option<Vec<f32>>>, Error> {
        let sql = format!(
            "SELECT v.vector FROM vectors v JOIN chunks c ON c.id = v.chunk
             WHERE c.id = ?2 AND {VISIBLE}"
        );
        let held = held(access);
        let vector = |row: &Row<'_>| Ok(floats(row.get_ref(0)?.as_blob()?).collect());
        self.read(cancel, |connection| {
            let mut query = connection.prepare_cached(&sql)?;
            let one = |c: &ChunkId| query.query_row(params![held, c.0], vector).optional();
            chunks.iter().map(one).collect()
        })
    }

    /// At most `limit` of the chunks after `after` that have no vector, by
    /// rising number.
    pub(crate) fn without_vectors(
        &self,
        after: ChunkId,
        limit: usize,
        cancel: &CancellationToken,
    ) -> Result<Vec<Passage>, Error> {
        let sql = super::read::select_passages(
            "c.id > ?1 AND NOT EXISTS (SELECT 1 FROM vectors v WHERE v.chunk = c.id)
             ORDER BY c.id LIMIT ?2",
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read(cancel, |connection| {
            let mut query = connection.prepare_cached(&sql)?;
            query.query_map([after.0, limit], super::read::passage)?.collect()
        })
    }
}

impl VectorStore for Store {
    fn nearest(
        &self,
        query: Embedding<'_>,
        request: &SearchRequest,
        cancel: &CancellationToken,
    ) -> Result<Vec<Hit>, AbstractError> {
        let asked = Identity { name: query.embedder.into(), dimensions: query.values.len() };
        let hits = self.read(cancel, |connection| {
            let index = self.index.get(connection, cancel)?;
            match &index.embedder {
                None => return Ok(Ok(Vec::new())),
                Some(found) if *found != asked => return Ok(Err(other(found, &asked))),
                Some(_) => {}
            }
            let documents = documents(connection, request)?;
            let limit = request.limit.saturating_add(request.limit / 2).saturating_add(MORE);
            let best = index.best(query.values, limit, &request.access, documents.as_ref(), cancel);
            let best = match best {
                Ok(best) => best,
                Err(error) => return Ok(Err(error)),
            };
            rescore(connection, &best, query.values, request).map(Ok)
        })?;
        Ok(hits?)
    }
}

/// The exact scores of vectors, best first. The store is asked once more who
/// may see them.
fn rescore(
    connection: &Connection,
    ids: &[i64],
    query: &[f32],
    request: &SearchRequest,
) -> rusqlite::Result<Vec<Hit>> {
    let sql = format!(
        "SELECT v.chunk, v.vector FROM vectors v JOIN chunks c ON c.id = v.chunk
         WHERE v.id = ?2 AND {VISIBLE}"
    );
    let held = held(&request.access);
    let mut read = connection.prepare_cached(&sql)?;
    let mut hits = Vec::with_capacity(ids.len());
    for id in ids {
        let hit = |row: &Row<'_>| {
            let score = product(floats(row.get_ref(1)?.as_blob()?), query);
            Ok(Hit { chunk: ChunkId(row.get(0)?), score })
        };
        hits.extend(read.query_row(params![held, id], hit).optional()?);
    }
    Ok(best(hits, request.limit))
}

/// An inner product, as exact as floats let it be.
fn product(vector: impl Iterator<Item = f32>, query: &[f32]) -> f32 {
    vector.zip(query).map(|(a, b)| f64::from(a) * f64::from(*b)).sum::<f64>() as f32
}
