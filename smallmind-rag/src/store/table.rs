//! The chunks in memory: what a search must know of each to count or rank it.

use super::cache::{Mirror, ids};
use super::groups::{Groups, LABELS};
use rusqlite::Connection;

/// All chunks, by rising id.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    pub(super) groups: Groups,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub(super) id: i64,
    pub(super) document: i64,
    pub(super) group: u32,
    /// How many terms it has.
    pub(super) length: u32,
}

impl Mirror for Table {
    fn refresh(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let live = ids(connection, "SELECT id FROM chunks")?;
        self.rows.retain(|row| live.contains(&row.id));
        let added = format!(
            "SELECT c.id, c.document, c.length, {LABELS} FROM chunks c WHERE c.id > ?1 ORDER BY c.id"
        );
        let last = self.rows.last().map_or(0, |row| row.id);
        let mut added = connection.prepare_cached(&added)?;
        let mut rows = added.query([last])?;
        while let Some(row) = rows.next()? {
            let group = self.groups.number(row.get(3)?);
            self.rows.push(Row {
                id: row.get(0)?,
                document: row.get(1)?,
                group,
                length: row.get(2)?,
            });
        }
        Ok(())
    }
}

impl Table {
    /// Where the row of a chunk is, of those from `from` on.
    pub(super) fn find(&self, from: usize, id: i64) -> Result<usize, usize> {
        let rest = &self.rows[from..];
        // Ids rise, and mostly by one.
        let mut step = 1;
        while rest.get(step).is_some_and(|row| row.id <= id) {
            step *= 2;
        }
        let near = &rest[..rest.len().min(step)];
        let found = near[step / 2..].binary_search_by_key(&id, |row| row.id);
        found.map(|at| from + step / 2 + at).map_err(|at| from + step / 2 + at)
    }
}
