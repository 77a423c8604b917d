//! The chunks that hold the words of a question, by BM25.

use super::filter::documents;
use super::postings::of_term;
use super::table::{Row, Table};
use super::{Store, interrupted};
use crate::Error;
use crate::hits::best;
use rusqlite::Connection;
use smallmind_abstractions::{CancellationToken, ChunkId, Hit, SearchRequest};
use std::collections::BTreeMap;

/// The usual constants of BM25: how soon a word counts no more, and how much
/// long chunks pay for their length.
const K1: f32 = 1.2;
const B: f32 = 0.75;

/// A search in progress.
struct Scoring<'a> {
    table: &'a Table,
    /// By group, whether its chunks may be seen.
    visible: Vec<bool>,
    title_weight: f32,
    /// Of the chunks that may be seen: how many, and their mean length.
    count: f32,
    mean: f32,
    /// By row of the table.
    scores: Vec<f32>,
    /// Where a term stands: rows, and its weighted counts there.
    found: Vec<(usize, f32)>,
}

impl Store {
    /// The chunks in which any of `terms` stands, by falling BM25. The text of
    /// the request does not matter.
    pub(crate) fn words(
        &self,
        terms: &[String],
        title_weight: f32,
        request: &SearchRequest,
        cancel: &CancellationToken,
    ) -> Result<Vec<Hit>, Error> {
        let mut asked = BTreeMap::<_, f32>::new();
        terms.iter().for_each(|term| *asked.entry(term).or_default() += 1.0);
        self.read(cancel, |connection| {
            let table = self.table.get(connection, cancel)?;
            let documents = documents(connection, request)?;
            let mut scoring = Scoring::new(&table, request, title_weight);
            for (term, times) in asked {
                cancel.check().map_err(|_| interrupted())?;
                scoring.add(connection, term, times)?;
            }
            let rows = table.rows.iter().zip(scoring.scores);
            let wanted = rows.filter(|(row, score)| {
                *score > 0.0 && documents.as_ref().is_none_or(|d| d.contains(&row.document))
            });
            let hit = |(row, score): (&Row, f32)| Hit { chunk: ChunkId(row.id), score };
            Ok(best(wanted.map(hit).collect(), request.limit))
        })
    }
}

impl<'a> Scoring<'a> {
    fn new(table: &'a Table, request: &SearchRequest, title_weight: f32) -> Self {
        let visible = table.groups.visible(&request.access);
        let seen = table.rows.iter().filter(|row| visible[row.group as usize]);
        let (count, terms) =
            seen.fold((0u64, 0u64), |(n, terms), row| (n + 1, terms + u64::from(row.length)));
        Self {
            table,
            visible,
            title_weight,
            count: count as f32,
            mean: (terms as f32 / count as f32).max(1.0),
            scores: vec![0.0; table.rows.len()],
            found: Vec::new(),
        }
    }

    /// Adds what a term that is asked for so many times is worth in each chunk.
    /// Chunks that may not be seen are neither scored nor counted.
    fn add(&mut self, connection: &Connection, term: &str, times: f32) -> rusqlite::Result<()> {
        self.found.clear();
        let mut at = 0;
        of_term(connection, term, |posting| match self.table.find(at, posting.chunk) {
            Ok(row) => {
                at = row;
                if self.visible[self.table.rows[row].group as usize] {
                    let count = self.title_weight * posting.above as f32 + posting.body as f32;
                    self.found.push((row, count));
                }
            }
            Err(next) => at = next,
        })?;
        let found = self.found.len() as f32;
        let rarity = times * (1.0 + (self.count - found + 0.5) / (found + 0.5)).ln();
        for (row, count) in &self.found {
            let length = self.table.rows[*row].length as f32 / self.mean;
            let share = count / (count + K1 * (1.0 - B + B * length));
            self.scores[*row] += rarity * (K1 + 1.0) * share;
        }
        Ok(())
    }
}
