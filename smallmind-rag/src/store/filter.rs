//! What a searcher may see and wants to see, as SQL that is a part of each
//! query. The texts of it are fixed; what they compare with comes as JSON.

use serde_json::{Value, json};
use smallmind_abstractions::{Access, Condition};

/// True for chunks of the table `chunks c` that may be seen. `?1` is what
/// [`held`] says.
pub(super) const VISIBLE: &str = "(c.restricted = 0 OR ?1 IS NULL OR EXISTS (
    SELECT 1 FROM labels l JOIN json_each(?1) held ON l.label = held.value WHERE l.chunk = c.id))";

/// True for chunks of the table `chunks c` whose document meets all conditions.
/// `?2` is what [`conditions`] says.
pub(super) const MATCHING: &str = "(?2 IS NULL OR NOT EXISTS (
    SELECT 1 FROM json_each(?2) wanted, documents d WHERE d.id = c.document AND NOT CASE
        WHEN wanted.value ->> 'prefix' IS NOT NULL
        THEN substr(d.source, 1, length(wanted.value ->> 'prefix')) = wanted.value ->> 'prefix'
        ELSE EXISTS (
            SELECT 1 FROM metadata m JOIN json_each(wanted.value, '$.one_of') one
            ON m.value = one.value
            WHERE m.document = d.id AND m.key = wanted.value ->> 'key')
        END))";

/// The labels held, in JSON, or nothing for access to everything.
pub(super) fn held(access: &Access) -> Option<String> {
    match access {
        Access::Everything => None,
        Access::Labels(labels) => Some(Value::from(labels.as_slice()).to_string()),
    }
}

/// The conditions, in JSON, or nothing where there are none.
pub(super) fn conditions(conditions: &[Condition]) -> Option<String> {
    let object = |condition: &Condition| match condition {
        Condition::SourceStartsWith(prefix) => json!({ "prefix": prefix }),
        Condition::Metadata { key, one_of } => json!({ "key": key, "one_of": one_of }),
    };
    let wanted = || conditions.iter().map(object).collect::<Value>().to_string();
    (!conditions.is_empty()).then(wanted)
}
