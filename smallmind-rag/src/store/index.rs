//! The vectors in memory, as bytes: what a search reads of each chunk is a
//! quarter of its vector. The best are then scored again with all they have.

use super::cache::{Mirror, ids};
use super::groups::{Groups, LABELS};
use crate::hits::keep_best;
use crate::{Error, Stage};
use rusqlite::{Connection, OptionalExtension, Row};
use smallmind_abstractions::{Access, CancellationToken};
use smallmind_runtime::dots_of_bytes;
use std::collections::HashSet;

/// Rows between two looks at a token: less than a millisecond.
const BLOCK: usize = 8192;

/// The largest code of a vector's value.
const CODES: f32 = 127.0;

/// The largest code of a query's value. It has more bits than a vector's, so
/// that all of the error is the vectors'.
const QUERY_CODES: i32 = 2047;

/// Codes of all vectors, in the order of their ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    /// Whose vectors these are; nobody's where there are none.
    pub(super) embedder: Option<Identity>,
    entries: Vec<Entry>,
    /// `dimensions` codes an entry.
    codes: Vec<i8>,
    groups: Groups,
}

/// An embedder's name and the length of its vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) name: String,
    pub(super) dimensions: usize,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: i64,
    document: i64,
    group: u32,
    /// What a code is worth.
    scale: f32,
}

impl Identity {
    /// The embedder whose vectors the store holds.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        const READ: &str = "SELECT n.value, CAST(d.value AS INTEGER) FROM settings n, settings d
            WHERE n.name = 'embedder' AND d.name = 'dimensions'";
        let identity = |row: &Row<'_>| {
            let dimensions = usize::try_from(row.get::<_, i64>(1)?).unwrap_or_default();
            Ok(Self { name: row.get(0)?, dimensions })
        };
        connection.prepare_cached(READ)?.query_row([], identity).optional()
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} dimensions)", self.name, self.dimensions)
    }
}

impl Mirror for Index {
    fn refresh(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let embedder = Identity::read(connection)?;
        if embedder != self.embedder {
            *self = Self { embedder, ..Self::default() };
        }
        self.drop_removed(connection)?;
        self.read_added(connection)
    }
}

impl Index {
    fn dimensions(&self) -> usize {
        self.embedder.as_ref().map_or(0, |e| e.dimensions)
    }

    fn drop_removed(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let live = ids(connection, "SELECT id FROM vectors")?;
        let dimensions = self.dimensions();
        let mut kept = 0;
        for at in 0..self.entries.len() {
            if live.contains(&self.entries[at].id) {
                self.entries[kept] = self.entries[at];
                self.codes.copy_within(at * dimensions..(at + 1) * dimensions, kept * dimensions);
                kept += 1;
            }
        }
        self.entries.truncate(kept);
        self.codes.truncate(kept * dimensions);
        Ok(())
    }

    fn read_added(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let added = format!(
            "SELECT v.id, c.document, v.vector, {LABELS}
             FROM vectors v JOIN chunks c ON c.id = v.chunk WHERE v.id > ?1 ORDER BY v.id"
        );
        let last = self.entries.last().map_or(0, |e| e.id);
        let mut added = connection.prepare_cached(&added)?;
        let mut rows = added.query([last])?;
        while let Some(row) = rows.next()? {
            let vector = floats(row.get_ref(2)?.as_blob()?);
            let scale = self.encode(vector);
            let group = self.groups.number(row.get(3)?);
            self.entries.push(Entry { id: row.get(0)?, document: row.get(1)?, group, scale });
        }
        Ok(())
    }

    /// Appends the codes of a vector; returns what a code is worth.
    fn encode(&mut self, vector: impl Iterator<Item = f32> + Clone) -> f32 {
        let dimensions = self.dimensions();
        let scale = vector.clone().fold(0.0, |most: f32, v| most.max(v.abs())) / CODES;
        let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
        // Of a float, `as` makes the nearest code there is.
        let codes = vector.map(|v| (v * inverse).round() as i8);
        // Whatever the file holds, an entry has as many codes as all others.
        self.codes.extend(codes.chain(std::iter::repeat(0)).take(dimensions));
        scale
    }

    /// The ids of the `limit` best of the entries that `access` and
    /// `documents` allow, in no order.
    pub(super) fn best(
        &self,
        query: &[f32],
        limit: usize,
        access: &Access,
        documents: Option<&HashSet<i64>>,
        cancel: &CancellationToken,
    ) -> Result<Vec<i64>, Error> {
        let dimensions = self.dimensions();
        if dimensions == 0 {
            return Ok(Vec::new());
        }
        let query = encode_query(query);
        let visible = self.groups.visible(access);
        let allowed = |e: &Entry| {
            visible[e.group as usize] && documents.is_none_or(|d| d.contains(&e.document))
        };
        let mut scores = Vec::new();
        let mut products = vec![0; self.entries.len().min(BLOCK)];
        let blocks = self.entries.chunks(BLOCK).zip(self.codes.chunks(BLOCK * dimensions));
        for (entries, codes) in blocks {
            cancel.check().map_err(Error::cancelled(Stage::Retrieval))?;
            let products = &mut products[..entries.len()];
            dots_of_bytes(codes, &query, products)?;
            let rows = entries.iter().zip(&*products).filter(|(e, _)| allowed(e));
            scores.extend(rows.map(|(e, product)| (*product as f32 * e.scale, e.id)));
        }
        keep_best(&mut scores, limit, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        Ok(scores.into_iter().map(|(_, id)| id).collect())
    }
}

/// The values of a vector as the store holds them.
pub(super) fn floats(blob: &[u8]) -> impl Iterator<Item = f32> + Clone {
    blob.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

/// A query's codes, which leave a sum of products within 32 bits. What they
/// are worth is the same for all rows, and so does not matter.
fn encode_query(query: &[f32]) -> Vec<i16> {
    let rows = i32::try_from(query.len().max(1)).unwrap_or(i32::MAX);
    let most = (i32::MAX / CODES as i32 / rows).min(QUERY_CODES);
    let largest = query.iter().fold(0.0, |most: f32, v| most.max(v.abs()));
    let scale = if largest > 0.0 { most as f32 / largest } else { 0.0 };
    query.iter().map(|v| (v * scale).round() as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_the_largest_codes_fit() {
        for dimensions in [1, 384, 4096, 100_000] {
            let query = encode_query(&vec![-3.5; dimensions]);
            let exact: i64 = query.iter().map(|q| i64::from(*q) * -127).sum();
            let mut found = [0];
            dots_of_bytes(&vec![-127; dimensions], &query, &mut found).unwrap();
            assert_eq!(i64::from(found[0]), exact, "{dimensions}");
        }
    }
}
