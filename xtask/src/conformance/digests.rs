//! Digests of the ids that the reference gives.

use super::Result;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// Cases that share a digest.
pub(super) const BLOCK: usize = 250;

const HEADER: &str = "\
# Digests of token ids, one a block of cases, by vocabulary. The ids are those of
# llama-cpp-python 0.3.36, asked by `cargo xtask conformance --peer … --bless`.
";

/// Digests by vocabulary.
#[derive(Debug)]
pub(super) struct Digests(BTreeMap<String, Vec<String>>);

fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/conformance/digests.txt"))
}

impl Digests {
    pub(super) fn read() -> Result<Self> {
        let text = std::fs::read_to_string(path()).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let entries = lines.filter_map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Some((words.next()?, words.collect()))
        });
        Ok(Self(entries.collect()))
    }

    pub(super) fn write(&self) -> Result<()> {
        let mut text = HEADER.to_owned();
        for (name, digests) in &self.0 {
            writeln!(text, "{name} {}", digests.join(" "))?;
        }
        Ok(std::fs::write(path(), text)?)
    }

    pub(super) fn set(&mut self, name: &str, ids: &[Vec<u32>]) {
        self.0.insert(name.to_owned(), digests(ids));
    }

    /// Blocks whose digest is another, or is not known.
    pub(super) fn differences(&self, name: &str, ids: &[Vec<u32>]) -> usize {
        let expected = self.0.get(name).map(Vec::as_slice).unwrap_or_default();
        let found = digests(ids);
        let same = expected.iter().zip(&found).filter(|(a, b)| a == b).count();
        expected.len().max(found.len()) - same
    }
}

/// The first eight bytes of SHA-256 over the ids of each block, a count before
/// the ids of every case.
fn digests(ids: &[Vec<u32>]) -> Vec<String> {
    ids.chunks(BLOCK)
        .map(|block| {
            let mut hash = Sha256::new();
            for case in block {
                hash.update((case.len() as u32).to_le_bytes());
                case.iter().for_each(|id| hash.update(id.to_le_bytes()));
            }
            hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
        })
        .collect()
}
