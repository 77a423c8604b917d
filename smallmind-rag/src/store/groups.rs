//! Sets of labels by number: chunks have few different ones.

use smallmind_abstractions::Access;
use std::collections::HashMap;

/// The labels that a chunk of the table `chunks c` carries, as a set of them
/// is named; nothing for a chunk that all may see.
pub(super) const LABELS: &str = "CASE WHEN c.restricted THEN
    (SELECT json_group_array(label) FROM labels WHERE chunk = c.id) END";

/// The first is that of chunks without labels.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    sets: Vec<Vec<String>>,
    numbers: HashMap<String, u32>,
}

impl Default for Groups {
    fn default() -> Self {
        Self { sets: vec![Vec::new()], numbers: HashMap::new() }
    }
}

impl Groups {
    /// The number of what [`LABELS`] selects.
    pub(super) fn number(&mut self, labels: Option<String>) -> u32 {
        let Some(labels) = labels else { return 0 };
        if let Some(number) = self.numbers.get(&labels) {
            return *number;
        }
        let number = u32::try_from(self.sets.len()).unwrap_or(u32::MAX);
        self.sets.push(serde_json::from_str(&labels).unwrap_or_default());
        self.numbers.insert(labels, number);
        number
    }

    /// For each number, whether its chunks may be seen.
    pub(super) fn visible(&self, access: &Access) -> Vec<bool> {
        // A chunk that is restricted and has no labels is for nobody.
        let sees = |labels: &Vec<String>| {
            *access == Access::Everything || !labels.is_empty() && access.allows(labels)
        };
        let restricted = self.sets[1..].iter().map(sees);
        std::iter::once(true).chain(restricted).collect()
    }
}
