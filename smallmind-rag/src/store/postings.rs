//! Where each term stands: blocks of chunks and counts, by term.
//!
//! An entry is the distance of the chunk from the first of its block, the
//! count in the text, doubled, and more by one where a count in what stands
//! above the text follows. All three are numbers of seven bits a byte (LEB128).

use crate::Analyzer;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::{BTreeMap, HashMap};

/// Bytes of a block at most: SQLite keeps such a row within a page, and little
/// is written again where a few chunks are added.
const BLOCK: usize = 900;

/// A chunk in which a term stands, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) chunk: i64,
    /// In what stands above the text.
    pub(super) above: u32,
    pub(super) body: u32,
}

/// What is to become of the postings of each term.
#[derive(Debug, Default)]
pub(super) struct Changes {
    terms: BTreeMap<String, Change>,
    /// How many postings wait.
    pub(super) len: usize,
}

#[derive(Debug, Default)]
struct Change {
    /// By rising chunk.
    added: Vec<Posting>,
    removed: Vec<i64>,
}

/// How often each term of a chunk stands above its text and in it.
pub(super) struct Terms(HashMap<String, [u32; 2]>);

impl Terms {
    pub(super) fn of(analyzer: &Analyzer, title: &str, heading: &str, text: &str) -> Self {
        let mut counts = HashMap::<_, [u32; 2]>::new();
        for (part, at) in [(title, 0), (heading, 0), (text, 1)] {
            for term in analyzer.terms(part) {
                counts.entry(term).or_default()[at] += 1;
            }
        }
        Self(counts)
    }

    /// How many terms there are.
    pub(super) fn length(&self) -> u32 {
        self.0.values().flatten().sum()
    }
}

impl Changes {
    /// Notes a chunk that is new, and has a higher id than all before.
    pub(super) fn add(&mut self, chunk: i64, terms: Terms) {
        self.len += terms.0.len();
        for (term, [above, body]) in terms.0 {
            self.terms.entry(term).or_default().added.push(Posting { chunk, above, body });
        }
    }

    /// Notes a chunk that goes.
    pub(super) fn remove(&mut self, chunk: i64, terms: Terms) {
        self.len += terms.0.len();
        for term in terms.0.into_keys() {
            self.terms.entry(term).or_default().removed.push(chunk);
        }
    }

    /// Writes all of it, term by term.
    pub(super) fn flush(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        self.len = 0;
        for (term, mut change) in std::mem::take(&mut self.terms) {
            change.removed.sort_unstable();
            // What was added and is gone before it was written.
            change.added.retain(|posting| change.removed.binary_search(&posting.chunk).is_err());
            for chunk in change.removed {
                take_out(transaction, &term, chunk)?;
            }
            append(transaction, &term, &change.added)?;
        }
        Ok(())
    }
}

/// The first chunk of a block, and its entries.
fn block(row: &Row<'_>) -> rusqlite::Result<(i64, Vec<u8>)> {
    Ok((row.get(0)?, row.get(1)?))
}

/// Takes a chunk out of the block it stands in, if it stands in one.
fn take_out(transaction: &Transaction<'_>, term: &str, chunk: i64) -> rusqlite::Result<()> {
    const FIND: &str = "SELECT first, entries FROM postings
        WHERE term = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1";
    const WRITE: &str = "UPDATE postings SET entries = ?3 WHERE term = ?1 AND first = ?2";
    const DELETE: &str = "DELETE FROM postings WHERE term = ?1 AND first = ?2";
    let found = transaction.prepare_cached(FIND)?.query_row(params![term, chunk], block);
    let Some((first, entries)) = found.optional()? else { return Ok(()) };
    let mut left = Vec::with_capacity(entries.len());
    for posting in decode(first, &entries).filter(|posting| posting.chunk != chunk) {
        encode(first, posting, &mut left);
    }
    match left.len() {
        0 => transaction.prepare_cached(DELETE)?.execute(params![term, first])?,
        len if len < entries.len() => {
            transaction.prepare_cached(WRITE)?.execute(params![term, first, left])?
        }
        _ => 0,
    };
    Ok(())
}

/// Adds postings to the last block of a term, and then to new ones.
fn append(transaction: &Transaction<'_>, term: &str, added: &[Posting]) -> rusqlite::Result<()> {
    const LAST: &str = "SELECT first, entries FROM postings
        WHERE term = ?1 ORDER BY first DESC LIMIT 1";
    const WRITE: &str = "REPLACE INTO postings (term, first, entries) VALUES (?1, ?2, ?3)";
    let Some(start) = added.first() else { return Ok(()) };
    let last = transaction.prepare_cached(LAST)?.query_row([term], block).optional()?;
    let (mut first, mut entries) = last.unwrap_or_else(|| (start.chunk, Vec::new()));
    let mut write = transaction.prepare_cached(WRITE)?;
    let mut new = Vec::new();
    for posting in added {
        new.clear();
        encode(first, *posting, &mut new);
        if entries.len() + new.len() > BLOCK {
            write.execute(params![term, first, entries])?;
            (first, entries) = (posting.chunk, Vec::new());
            new.clear();
            encode(first, *posting, &mut new);
        }
        entries.extend_from_slice(&new);
    }
    write.execute(params![term, first, entries]).map(drop)
}

/// The postings of a term, by rising chunk.
pub(super) fn of_term(
    connection: &Connection,
    term: &str,
    mut found: impl FnMut(Posting),
) -> rusqlite::Result<()> {
    const READ: &str = "SELECT first, entries FROM postings WHERE term = ?1 ORDER BY first";
    let mut read = connection.prepare_cached(READ)?;
    let mut rows = read.query([term])?;
    while let Some(row) = rows.next()? {
        decode(row.get(0)?, row.get_ref(1)?.as_blob()?).for_each(&mut found);
    }
    Ok(())
}

fn encode(first: i64, posting: Posting, to: &mut Vec<u8>) {
    let Posting { chunk, above, body } = posting;
    write_number(chunk.abs_diff(first), to);
    write_number(u64::from(body) << 1 | u64::from(above > 0), to);
    if above > 0 {
        write_number(above.into(), to);
    }
}

/// What stands in a block; of a damaged one, what can be read.
fn decode(first: i64, mut entries: &[u8]) -> impl Iterator<Item = Posting> {
    std::iter::from_fn(move || {
        let distance = read_number(&mut entries)?;
        let body = read_number(&mut entries)?;
        let above = if body & 1 == 1 { read_number(&mut entries)? } else { 0 };
        let count = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let chunk = first.saturating_add_unsigned(distance);
        Some(Posting { chunk, above: count(above), body: count(body >> 1) })
    })
}

fn write_number(mut number: u64, to: &mut Vec<u8>) {
    while number > 0x7f {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

fn read_number(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_they_were_written() {
        let counts = [0, 1, 63, 64, 127, 128, 1 << 20, u32::MAX];
        let postings: Vec<_> = counts
            .iter()
            .flat_map(|above| counts.map(|body| (*above, body)))
            .zip((0..).map(|i: i64| 5 + i * i * i))
            .map(|((above, body), chunk)| Posting { chunk, above, body })
            .collect();
        let mut entries = Vec::new();
        postings.iter().for_each(|posting| encode(5, *posting, &mut entries));
        assert_eq!(decode(5, &entries).collect::<Vec<_>>(), postings);
        for end in 0..entries.len() {
            let part: Vec<_> = decode(5, &entries[..end]).collect();
            assert_eq!(part, postings[..part.len()], "cut at {end}");
        }
        assert_eq!(decode(0, &[0xff; 40]).count(), 0);
    }
}
