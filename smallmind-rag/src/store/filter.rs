//! What a searcher may see and wants to see, as SQL that is a part of each
//! query. The texts of it are fixed; what they compare with comes as JSON.

use rusqlite::Connection;
use serde_json::{Value, json};
use smallmind_abstractions::{Access, Condition, SearchRequest};
use std::collections::HashSet;

/// True for chunks of the table `chunks c` that may be seen. `?1` is what
/// [`held`] says.
pub(super) const VISIBLE: &str = "(c.restricted = 0 OR ?1 IS NULL OR EXISTS (
    SELECT 1 FROM labels l JOIN json_each(?1) held ON l.label = held.value WHERE l.chunk = c.id))";

/// True for documents `d` that meet all conditions. `?1` is what [`conditions`] says.
const MATCHING: &str = "NOT EXISTS (
    SELECT 1 FROM json_each(?1) wanted WHERE NOT CASE
        WHEN wanted.value ->> 'prefix' IS NOT NULL
        THEN substr(d.source, 1, length(wanted.value ->> 'prefix')) = wanted.value ->> 'prefix'
        ELSE EXISTS (
            SELECT 1 FROM metadata m JOIN json_each(wanted.value, '$.one_of') one
            ON m.value = one.value
            WHERE m.document = d.id AND m.key = wanted.value ->> 'key')
        END)";

/// The labels held, in JSON, or nothing for access to everything.
pub(super) fn held(access: &Access) -> Option<String> {
    match access {
        Access::Everything => None,
        Access::Labels(labels) => Some(Value::from(labels.as_slice()).to_string()),
    }
}

/// The documents that meet the conditions of a request; nothing where it has
/// none.
pub(super) fn documents(
    connection: &Connection,
    request: &SearchRequest,
) -> rusqlite::Result<Option<HashSet<i64>>> {
    if request.conditions.is_empty() {
        return Ok(None);
    }
    let object = |condition: &Condition| match condition {
        Condition::SourceStartsWith(prefix) => json!({ "prefix": prefix }),
        Condition::Metadata { key, one_of } => json!({ "key": key, "one_of": one_of }),
    };
    let wanted = request.conditions.iter().map(object).collect::<Value>().to_string();
    let sql = format!("SELECT d.id FROM documents d WHERE {MATCHING}");
    connection.prepare_cached(&sql)?.query_map([wanted], |row| row.get(0))?.collect()
}
