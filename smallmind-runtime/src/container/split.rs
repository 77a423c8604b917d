//! Models in several files: `NAME-00001-of-00003.gguf` and its siblings.

use crate::Error;
use smallmind_abstractions::Metadata;
use std::path::{Path, PathBuf};

/// More files than any model has.
const MAX_PARTS: usize = 1000;

/// The files of the model that `path` belongs to, in order.
pub(super) fn parts(path: &Path) -> Vec<PathBuf> {
    let siblings = || {
        let name = path.file_name()?.to_str()?;
        let (rest, count) = name.strip_suffix(".gguf")?.rsplit_once("-of-")?;
        let (stem, number) = rest.rsplit_once('-')?;
        let total: usize = five_digits(count)?;
        let number = five_digits(number)?;
        let valid = (1..=MAX_PARTS).contains(&total) && (1..=total).contains(&number);
        valid.then(|| {
            (1..=total)
                .map(|i| path.with_file_name(format!("{stem}-{i:05}-of-{count}.gguf")))
                .collect()
        })
    };
    siblings().unwrap_or_else(|| vec![path.to_owned()])
}

fn five_digits(text: &str) -> Option<usize> {
    (text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Checks that a file is the part its name says.
pub(super) fn check(path: &Path, m: &Metadata, index: usize, total: usize) -> Result<(), Error> {
    let count = m.get_optional::<usize>("split.count")?.unwrap_or(1).max(1);
    let number = m.get_optional::<usize>("split.no")?.unwrap_or(0);
    if (number, count) == (index, total) {
        return Ok(());
    }
    Err(Error::Unsupported {
        file: path.to_owned(),
        what: format!(
            "it is part {} of {count}, not {} of {total}",
            number.saturating_add(1),
            index + 1
        ),
        advice: "keep all parts in one folder under their own names (…-00001-of-0000N.gguf)".into(),
    })
}

/// Checks that the parts hold all tensors.
pub(super) fn check_total(path: &Path, m: &Metadata, found: usize) -> Result<(), Error> {
    match m.get_optional::<usize>("split.tensors.count")? {
        Some(expected) if expected != found => Err(Error::Damaged {
            file: path.to_owned(),
            what: "metadata key 'split.tensors.count'".to_owned(),
            offset: 0,
            expected: format!("{found}, the tensors of all parts"),
            found: expected.to_string(),
        }),
        _ => Ok(()),
    }
}
