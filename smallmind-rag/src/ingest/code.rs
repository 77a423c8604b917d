//! Source code, cut where definitions, blocks or lines end.

use super::chunk::{Cutter, Fault, Structure};
use super::lines::Lines;
use crate::Chunk;
use smallmind_abstractions::Cancelled;
use std::ops::Range;
use text_splitter::ChunkSizer;

/// Endings of the names of files that are indented.
const ENDINGS: &[&str] = &[
    "bash", "c", "cc", "cfg", "clj", "cmake", "cpp", "cs", "css", "cu", "dart", "el", "ex", "exs",
    "fs", "go", "gradle", "groovy", "h", "hh", "hpp", "hs", "ini", "java", "jl", "js", "json",
    "jsx", "kt", "lisp", "lua", "m", "mjs", "ml", "mm", "nix", "php", "pl", "pm", "proto", "ps1",
    "py", "pyi", "r", "rb", "rs", "scala", "scss", "sh", "sql", "swift", "tf", "toml", "ts", "tsx",
    "v", "vue", "xml", "yaml", "yml", "zig", "zsh",
];

/// Outer lines that are told of a chunk that begins inside of them.
const LEVELS: usize = 2;

/// Whether a file with this ending is cut by its indentation.
pub(super) fn is_code(ending: &str) -> bool {
    ENDINGS.binary_search(&ending).is_ok()
}

struct Line<'t> {
    at: usize,
    text: &'t str,
    size: usize,
}

impl Line<'_> {
    fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start().len()
    }

    fn end(&self) -> usize {
        self.at + self.text.len()
    }
}

/// The chunks of a source file; each says inside of which lines it begins.
pub(super) fn chunks(text: &str, cutter: &Cutter<'_>) -> Result<Vec<Chunk>, Fault> {
    let lines = lines(text, cutter)?;
    let numbers = Lines::of(text);
    let mut outer = Outer::default();
    let (mut chunks, mut start) = (Vec::new(), 0);
    while start < lines.len() {
        cutter.check()?;
        let end = cut(&lines, start, cutter);
        let here = &lines[start..end];
        let bytes = trimmed(text, here[0].at..here[here.len() - 1].end());
        let heading = outer.around(here);
        for bytes in fitting(text, bytes, cutter)? {
            chunks.push(Chunk {
                heading: heading.clone(),
                text: text[bytes.clone()].to_owned(),
                lines: numbers.over(&bytes),
                bytes,
                ..Chunk::default()
            });
        }
        start = end;
    }
    Ok(chunks)
}

fn lines<'t>(text: &'t str, cutter: &Cutter<'_>) -> Result<Vec<Line<'t>>, Cancelled> {
    // What begins and ends a text is counted once, not in each line.
    let (mut at, frame) = (0, cutter.size(""));
    let mut lines = Vec::new();
    for line in text.split_inclusive('\n') {
        cutter.check()?;
        lines.push(Line { at, text: line, size: cutter.size(line).saturating_sub(frame) });
        at += line.len();
    }
    Ok(lines)
}

/// Where the chunk that begins at a line ends: at the last of the best places
/// that leave it at least half full.
fn cut(lines: &[Line<'_>], start: usize, cutter: &Cutter<'_>) -> usize {
    let mut sum = cutter.size("");
    let full = lines[start..].iter().position(|line| {
        sum += line.size;
        sum > cutter.room()
    });
    let Some(full) = full.map(|n| start + n.max(1)) else { return lines.len() };
    let half = start + (full - start).div_ceil(2);
    (half..=full).max_by_key(|end| (rank(lines, *end), *end)).unwrap_or(full)
}

/// How good a place before a line is to cut.
fn rank(lines: &[Line<'_>], at: usize) -> u8 {
    let (Some(next), Some(last)) = (lines.get(at), at.checked_sub(1).map(|i| &lines[i])) else {
        return 3;
    };
    match () {
        () if next.is_blank() => 0,
        () if last.is_blank() && next.indent() == 0 => 3,
        () if last.is_blank() => 2,
        () if next.indent() < last.indent() => 1,
        () => 0,
    }
}

/// Bytes without the empty lines and spaces around them; indentation stays.
fn trimmed(text: &str, bytes: Range<usize>) -> Range<usize> {
    let part = &text[bytes.clone()];
    let first = part.len() - part.trim_start().len();
    let line = part[..first].rfind('\n').map_or(0, |at| at + 1);
    bytes.start + line..bytes.start + part.trim_end().len().max(line)
}

/// A chunk, in pieces where a line is too long for one.
fn fitting(
    text: &str,
    bytes: Range<usize>,
    cutter: &Cutter<'_>,
) -> Result<Vec<Range<usize>>, Fault> {
    let part = &text[bytes.clone()];
    match part {
        "" => Ok(Vec::new()),
        part if cutter.size(part) <= cutter.room() => Ok(vec![bytes]),
        part => {
            let pieces = cutter.pieces(part, Structure::Prose)?;
            Ok(pieces.into_iter().map(|p| bytes.start + p.start..bytes.start + p.end).collect())
        }
    }
}

/// The lines that a place is inside of, by indentation, outermost first.
#[derive(Default)]
struct Outer<'t>(Vec<(usize, &'t str)>);

impl<'t> Outer<'t> {
    /// What the first of `lines` is inside of; goes on to their end.
    fn around(&mut self, lines: &[Line<'t>]) -> String {
        let mut found = None;
        for line in lines.iter().filter(|line| !line.is_blank()) {
            let (indent, text) = (line.indent(), line.text.trim());
            let closes = text.starts_with([')', ']', '}', '{']);
            self.0.retain(|(outer, _)| *outer < indent || closes && *outer == indent);
            found.get_or_insert_with(|| self.path(indent));
            if !closes {
                self.0.push((indent, text));
            }
        }
        found.unwrap_or_default()
    }

    fn path(&self, indent: usize) -> String {
        const MOST: usize = 80;
        let outer = self.0.iter().filter(|(outer, _)| *outer < indent).take(LEVELS);
        let short = |(_, text): &(usize, &'t str)| &text[..text.floor_char_boundary(MOST)];
        outer.map(short).collect::<Vec<_>>().join(" > ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::chunk::Chunking;
    use crate::ingest::headings::Headings;
    use smallmind_abstractions::CancellationToken;

    fn cut(text: &str) -> Vec<Chunk> {
        let (chunking, never) = (Chunking::default(), CancellationToken::new());
        chunks(text, &Cutter::new(&chunking, "", &Headings::default(), &never)).unwrap()
    }

    #[test]
    fn endings_are_in_order() {
        assert!(ENDINGS.is_sorted());
        assert!(is_code("rs") && !is_code("txt"));
    }

    #[test]
    fn definitions_stay_whole() {
        let body = "    let x = compute(1);\n".repeat(15);
        let text: String =
            (0..6).map(|n| format!("/// Number {n}.\nfn f{n}() {{\n{body}}}\n\n")).collect();
        let found = cut(&text);
        assert!(found.len() > 2);
        for chunk in &found {
            assert!(chunk.text.starts_with("/// Number") && chunk.text.ends_with('}'), "{chunk:?}");
            assert_eq!(text[chunk.bytes.clone()], chunk.text);
            assert_eq!(text.lines().nth(chunk.lines.start - 1), chunk.text.lines().next());
            assert_eq!(text.lines().nth(chunk.lines.end - 2), Some("}"));
        }
    }

    #[test]
    fn a_part_says_what_it_is_part_of() {
        let body = "        if here {\n            work();\n        }\n".repeat(60);
        let text =
            format!("impl Wing {{\n    fn sweep(\n        &self,\n    ) {{\n{body}    }}\n}}\n");
        let found = cut(&text);
        assert!(found.len() > 2);
        assert_eq!(found[0].heading, "");
        assert_eq!(found[1].heading, "impl Wing { > fn sweep(");
        assert!(found[1].text.starts_with("        "), "indentation is kept");
        let long = format!("x = \"{}\"\n", "word ".repeat(500));
        let pieces = cut(&long);
        assert!(pieces.len() > 2 && pieces.iter().all(|p| p.lines == (1..2)));
    }
}
