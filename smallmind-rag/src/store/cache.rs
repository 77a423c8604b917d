//! What is held in memory of the file, as the last search left it.

use super::{PATIENCE, interrupted};
use rusqlite::{Connection, OptionalExtension};
use smallmind_abstractions::CancellationToken;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, TryLockError};

/// Something in memory that follows the file.
pub(super) trait Mirror: Clone + Default {
    /// Brings it to the state that `connection` sees. Where that is stopped,
    /// the next call goes on with what has been read.
    fn refresh(&mut self, connection: &Connection) -> rusqlite::Result<()>;
}

/// A mirror, and which state of the store it is, once it is complete.
#[derive(Debug, Default)]
pub(super) struct Cache<T>(Mutex<(Option<i64>, Arc<T>)>);

impl<T: Mirror> Cache<T> {
    /// The mirror of what `connection` sees. One thread at a time brings it
    /// there; all search in it side by side.
    pub(super) fn get(
        &self,
        connection: &Connection,
        cancel: &CancellationToken,
    ) -> rusqlite::Result<Arc<T>> {
        let mut shared = loop {
            match self.0.try_lock() {
                Ok(guard) => break guard,
                // A mirror that is not complete says so.
                Err(TryLockError::Poisoned(guard)) => break guard.into_inner(),
                Err(TryLockError::WouldBlock) if cancel.is_cancelled() => return Err(interrupted()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(PATIENCE),
            }
        };
        let changes = Some(changes(connection)?);
        if shared.0 != changes {
            shared.0 = None;
            let mut mirror = Arc::unwrap_or_clone(std::mem::take(&mut shared.1));
            let refreshed = mirror.refresh(connection);
            shared.1 = Arc::new(mirror);
            refreshed?;
            shared.0 = changes;
        }
        Ok(shared.1.clone())
    }
}

/// How often the store was changed.
fn changes(connection: &Connection) -> rusqlite::Result<i64> {
    const CHANGES: &str = "SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'changes'";
    let changes = connection.prepare_cached(CHANGES)?.query_row([], |row| row.get(0));
    Ok(changes.optional()?.unwrap_or(0))
}

/// The ids that a query selects.
pub(super) fn ids(connection: &Connection, sql: &str) -> rusqlite::Result<HashSet<i64>> {
    connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
}
