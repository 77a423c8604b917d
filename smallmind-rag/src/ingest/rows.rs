//! Tables: each row is a chunk, of its columns' names and values.

use super::chunk::{Cutter, Fault};
use crate::Chunk;
use serde_json::Value;

/// The rows of a table whose first row names its columns.
pub(super) fn csv(text: &str, delimiter: u8, cutter: &Cutter<'_>) -> Result<Vec<Chunk>, Fault> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(text.as_bytes());
    let bad = |error: csv::Error| Fault::Bad(error.to_string());
    let names = reader.headers().map_err(bad)?.clone();
    let (mut record, mut chunks) = (csv::StringRecord::new(), Vec::new());
    // Where a row begins and ends is told in numbers that no text in memory exceeds.
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(text.len());
    while reader.read_record(&mut record).map_err(bad)? {
        cutter.check()?;
        let start = record.position().map_or(0, |p| at(p.byte()));
        let end = at(reader.position().byte());
        let fields = record.iter().enumerate().map(|(i, v)| (names.get(i).unwrap_or_default(), v));
        let line = record.position().map_or(1, |p| at(p.line()));
        // The first row's position may be that of empty lines above it.
        let source = text.get(start..end).unwrap_or_default();
        let above = source.len() - source.trim_start_matches(['\r', '\n']).len();
        let first = line + newlines(&source[..above]);
        let (start, source) = (start + above, source[above..].trim_end());
        let lines = first..first + newlines(source) + 1;
        let bytes = start..start + source.len();
        chunks.extend(cutter.row(&describe(fields), &bytes, &lines)?);
    }
    Ok(chunks)
}

/// The rows of a file that has a JSON value on each line.
pub(super) fn jsonl(text: &str, cutter: &Cutter<'_>) -> Result<Vec<Chunk>, Fault> {
    let (mut start, mut chunks) = (0, Vec::new());
    for (line, source) in (1..).zip(text.split_inclusive('\n')) {
        cutter.check()?;
        let bytes = start..start + source.trim_end().len();
        start += source.len();
        if source.trim().is_empty() {
            continue;
        }
        let value: Value = serde_json::from_str(source)
            .map_err(|error| Fault::Bad(format!("line {line} is no JSON: {error}")))?;
        let text = match &value {
            Value::Object(fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, v)| (name, plain(v))).collect();
                describe(fields.iter().map(|(name, v)| (name.as_str(), v.as_str())))
            }
            value => plain(value),
        };
        chunks.extend(cutter.row(&text, &bytes, &(line..line + 1))?);
    }
    Ok(chunks)
}

/// A value as people read it; nothing where there is none.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// `name: value` for each field that has a value, one a line.
fn describe<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let line = |(name, value): (&str, &str)| match name {
        "" => value.to_owned(),
        name => format!("{name}: {value}"),
    };
    fields.filter(|(_, v)| !v.trim().is_empty()).map(line).collect::<Vec<_>>().join("\n")
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|b| *b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::chunk::Chunking;
    use crate::ingest::headings::Headings;
    use smallmind_abstractions::CancellationToken;

    fn read(
        rows: impl FnOnce(&Cutter<'_>) -> Result<Vec<Chunk>, Fault>,
    ) -> Result<Vec<Chunk>, Fault> {
        let (chunking, never) = (Chunking::default(), CancellationToken::new());
        rows(&Cutter::new(&chunking, "", &Headings::default(), &never))
    }

    #[test]
    fn rows_of_a_table_stand_where_they_say() {
        let table = "name,note\r\nwing,\"swept,\r\nthin\"\r\n\r\ntail,\r\n,,more\n";
        let rows = read(|cutter| csv(table, b',', cutter)).unwrap();
        let texts: Vec<_> = rows.iter().map(|r| r.text.as_str()).collect();
        assert_eq!(texts, ["name: wing\nnote: swept,\r\nthin", "name: tail", "more"]);
        let sources: Vec<_> = rows.iter().map(|r| &table[r.bytes.clone()]).collect();
        assert_eq!(sources, ["wing,\"swept,\r\nthin\"", "tail,", ",,more"]);
        let lines: Vec<_> = rows.iter().map(|r| r.lines.clone()).collect();
        assert_eq!(lines, [2..4, 5..6, 6..7]);
    }

    #[test]
    fn each_line_of_json_is_a_row() {
        let text = "{\"a\": \"wing\", \"b\": [1, 2], \"c\": null}\n\n\"tail\"\n";
        let rows = read(|cutter| jsonl(text, cutter)).unwrap();
        let found: Vec<_> = rows.iter().map(|r| (r.text.as_str(), r.lines.clone())).collect();
        assert_eq!(found, [("a: wing\nb: [1,2]", 1..2), ("tail", 3..4)]);
        assert_eq!(&text[rows[1].bytes.clone()], "\"tail\"");
        let bad = read(|cutter| jsonl("{}\n{", cutter));
        assert!(matches!(bad, Err(Fault::Bad(reason)) if reason.starts_with("line 2 is no JSON")));
    }

    #[test]
    fn a_row_that_is_too_long_is_cut_and_cited_as_a_whole() {
        let text = format!("\"{}\"\n", "swept wings ".repeat(200));
        let rows = read(|cutter| jsonl(&text, cutter)).unwrap();
        assert!(rows.len() > 1 && rows.iter().all(|r| r.bytes == (0..text.len() - 1)));
    }
}
