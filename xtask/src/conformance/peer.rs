//! Asks the reference itself.

use super::Result;
use super::strings::Case;
use crate::command;
use std::path::Path;
use std::process::Command;

const PROGRAM: &str = include_str!("peer.py");

/// The ids of every case. `python` has the package `llama_cpp`.
pub(super) fn ask(python: &str, vocabulary: &Path, cases: &[Case]) -> Result<Vec<Vec<u32>>> {
    let directory = vocabulary.with_file_name("conformance");
    std::fs::create_dir_all(&directory)?;
    let (input, output) = (directory.join("cases"), directory.join("ids"));
    let mut bytes = Vec::new();
    for case in cases {
        bytes.push(u8::from(case.parse_special) | u8::from(case.add_special) << 1);
        bytes.extend((case.text.len() as u32).to_le_bytes());
        bytes.extend(&case.text);
    }
    std::fs::write(&input, bytes)?;
    let program = directory.join("peer.py");
    std::fs::write(&program, PROGRAM)?;
    command::run(Command::new(python).arg(program).args([vocabulary, &input, &output]))?;
    let bytes = std::fs::read(&output)?;
    let mut numbers = bytes.as_chunks().0.iter().map(|chunk| u32::from_le_bytes(*chunk));
    let mut ids = Vec::with_capacity(cases.len());
    while let Some(count) = numbers.next() {
        ids.push(numbers.by_ref().take(count as usize).collect());
    }
    if ids.len() != cases.len() {
        return Err(format!("the peer answered {} of {} cases", ids.len(), cases.len()).into());
    }
    Ok(ids)
}
