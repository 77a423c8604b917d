//! HTML to text in reading order that knows where in the source it stands.

use super::chunk::{Cutter, Fault, Structure};
use super::headings::Headings;
use super::lines::Lines;
use crate::Chunk;
use html5gum::emitters::default::{DefaultEmitter, StartTag, Token};
use html5gum::{Span, Tokenizer};
use smallmind_abstractions::{CancellationToken, Cancelled};
use std::ops::Range;

/// Elements whose content is no text of the page. A page's navigation is that
/// of its site.
const SKIPPED: &[&str] = &["iframe", "nav", "noscript", "script", "style", "svg", "template"];

/// Elements that begin and end a paragraph.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "hr",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "ul",
];

/// The text of a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) headings: Headings,
    text: String,
    words: Vec<Word>,
}

/// Where a word stands in the text, and where in the source.
#[derive(Debug)]
struct Word {
    text: Range<usize>,
    source: Range<usize>,
}

impl Word {
    /// Whether each byte of the text is one of the source: none was an entity.
    fn is_verbatim(&self) -> bool {
        self.text.len() == self.source.len()
    }
}

impl Page {
    /// Reads a page. Any text is HTML; what is damaged in it is read as
    /// browsers do.
    pub(super) fn read(source: &str, cancel: &CancellationToken) -> Result<Self, Cancelled> {
        let mut emitter = DefaultEmitter::new_with_span();
        emitter.naively_switch_states(true);
        let mut reader = Reader { source, ..Reader::default() };
        for token in Tokenizer::new_with_emitter(source, emitter) {
            cancel.check()?;
            let Ok(token) = token;
            match token {
                Token::StartTag(tag) => reader.open(&tag),
                Token::EndTag(tag) => reader.close(&String::from_utf8_lossy(&tag.name)),
                Token::String(text) => {
                    reader.text(&String::from_utf8_lossy(&text.value), text.span);
                }
                _ => {}
            }
        }
        reader.end_heading();
        Ok(reader.page)
    }

    /// The chunks of the page; they say where they stand in `source`.
    pub(super) fn chunks(&self, source: &str, cutter: &Cutter<'_>) -> Result<Vec<Chunk>, Fault> {
        let lines = Lines::of(source);
        let chunk = |piece: Range<usize>| {
            let bytes = self.place(&piece);
            Chunk {
                heading: self.headings.path(piece.clone()),
                text: self.text[piece].to_owned(),
                lines: lines.over(&bytes),
                bytes,
                ..Chunk::default()
            }
        };
        let pieces = cutter.pieces(&self.text, Structure::Markdown)?;
        Ok(pieces.into_iter().map(chunk).collect())
    }

    /// Where a piece of the text stands in the source. Marks at its ends that
    /// are not in the source stand nowhere.
    fn place(&self, piece: &Range<usize>) -> Range<usize> {
        let first = self.words.partition_point(|w| w.text.end <= piece.start);
        let last = self.words.partition_point(|w| w.text.start < piece.end);
        let words = self.words.get(first..last).unwrap_or_default();
        let (Some(first), Some(last)) = (words.first(), words.last()) else { return 0..0 };
        let cut = piece.start.saturating_sub(first.text.start);
        let left = last.text.end.saturating_sub(piece.end);
        let start = if first.is_verbatim() { first.source.start + cut } else { first.source.start };
        let end = if last.is_verbatim() { last.source.end - left } else { last.source.end };
        start..end.max(start)
    }
}

#[derive(Default)]
struct Reader<'s> {
    source: &'s str,
    page: Page,
    /// The element that is skipped, and how many of its name are open.
    skipped: Option<(String, usize)>,
    in_title: bool,
    preformatted: usize,
    /// Where a heading began, and its level.
    heading: Option<(usize, usize)>,
    /// A space before the next word.
    space: bool,
}

impl Reader<'_> {
    fn open(&mut self, tag: &StartTag<usize>) {
        let name = String::from_utf8_lossy(&tag.name);
        match &mut self.skipped {
            Some((skipped, depth)) if *skipped == name => *depth += 1,
            Some(_) => {}
            None if SKIPPED.contains(&&*name) && !tag.self_closing => {
                self.skipped = Some((name.into_owned(), 1));
            }
            None => self.enter(&name),
        }
    }

    fn enter(&mut self, name: &str) {
        match name {
            "title" => self.in_title = true,
            "br" | "tr" => self.break_line(),
            "li" => {
                self.break_line();
                self.page.text.push_str("- ");
            }
            "pre" => {
                self.paragraph();
                self.page.text.push_str("```\n");
                self.preformatted += 1;
            }
            _ if level(name).is_some() => {
                self.end_heading();
                self.paragraph();
                self.heading = level(name).map(|level| (self.page.text.len(), level));
                self.page.text.extend(std::iter::repeat_n('#', level(name).unwrap_or(1)));
                self.page.text.push(' ');
            }
            _ if BLOCKS.contains(&name) => self.paragraph(),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match &mut self.skipped {
            Some((skipped, depth)) if skipped == name => {
                *depth -= 1;
                if *depth == 0 {
                    self.skipped = None;
                }
            }
            Some(_) => {}
            None => self.leave(name),
        }
    }

    fn leave(&mut self, name: &str) {
        match name {
            "title" => self.in_title = false,
            "td" | "th" => self.space = true,
            "pre" if self.preformatted > 0 => {
                self.preformatted -= 1;
                self.break_line();
                self.page.text.push_str("```");
                self.paragraph();
            }
            _ if level(name).is_some() => self.end_heading(),
            _ if BLOCKS.contains(&name) => self.paragraph(),
            _ => {}
        }
    }

    fn end_heading(&mut self) {
        let Some((at, level)) = self.heading.take() else { return };
        let title = self.page.text[at..].trim_start_matches('#').trim().to_owned();
        if title.is_empty() {
            self.page.text.truncate(at);
        } else {
            self.page.headings.push(at, level, title);
            self.paragraph();
        }
    }

    /// Ends a line, if one is begun.
    fn break_line(&mut self) {
        // A heading is one line of the text.
        self.space = self.heading.is_some();
        let text = &mut self.page.text;
        if self.heading.is_none() && !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
    }

    /// Ends a paragraph, if one is begun.
    fn paragraph(&mut self) {
        self.break_line();
        let text = &mut self.page.text;
        // What begins an item is not yet the end of one.
        if self.heading.is_none() && !text.is_empty() && !text.ends_with("\n\n") {
            text.push('\n');
        }
    }

    /// Takes text. Lines of it and of its source are the same, though their
    /// lengths may differ where characters are written as entities.
    fn text(&mut self, value: &str, span: Span<usize>) {
        if self.skipped.is_some() {
            return;
        }
        if self.in_title {
            self.page.title = value.split_whitespace().collect::<Vec<_>>().join(" ");
            return;
        }
        let source = self.source.get(span.start..span.end).unwrap_or_default();
        let mut at = span.start;
        let mut sources = source.split_inclusive('\n');
        for (n, line) in value.split('\n').enumerate() {
            if n > 0 {
                self.newline();
            }
            let written = sources.next().unwrap_or_default();
            self.line(line, at..at + written.trim_end_matches(['\n', '\r']).len());
            at += written.len();
        }
    }

    fn newline(&mut self) {
        if self.preformatted > 0 && self.heading.is_none() {
            self.page.text.push('\n');
        } else {
            self.space = true;
        }
    }

    fn line(&mut self, line: &str, source: Range<usize>) {
        let same = line.len() == source.len();
        let place = |range: Range<usize>| match same {
            true => source.start + range.start..source.start + range.end,
            false => source.clone(),
        };
        if self.preformatted > 0 && !line.trim().is_empty() {
            self.word(line, place(0..line.len()));
            return;
        }
        for word in line.split_whitespace() {
            let at = word.as_ptr() as usize - line.as_ptr() as usize;
            self.space |= at > 0;
            self.word(word, place(at..at + word.len()));
        }
        self.space |= line.ends_with(char::is_whitespace);
    }

    fn word(&mut self, word: &str, source: Range<usize>) {
        let text = &mut self.page.text;
        let begun = !text.is_empty() && !text.ends_with(char::is_whitespace);
        if std::mem::take(&mut self.space) && begun {
            text.push(' ');
        }
        let at = text.len();
        text.push_str(word);
        self.page.words.push(Word { text: at..text.len(), source });
    }
}

/// The level of a heading.
fn level(name: &str) -> Option<usize> {
    match name.as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(usize::from(digit - b'0')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::chunk::Chunking;

    fn read(source: &str, size: usize) -> (Page, Vec<Chunk>) {
        let never = CancellationToken::new();
        let page = Page::read(source, &never).unwrap();
        let chunking = Chunking::default().with_size(size).with_overlap(0);
        let chunks = page.chunks(source, &Cutter::new(&chunking, "", &Headings::default(), &never));
        (page, chunks.unwrap())
    }

    #[test]
    fn text_is_what_people_read() {
        let source = "<!doctype html><html><head><title>Wings &amp;\n tails</title>\
            <style>p { color: red }</style><script>if (a < b) \"<p>\"</script></head><body>\
            <nav><ul><li>Home</li></ul></nav><h1>Guide <a href=x>to</a> wings</h1>\
            <p>Swept <b>wings</b>\n  delay&nbsp;shock.<br>Second line.</p>\
            <ul><li>one<li>two</ul><table><tr><td>a</td><td>b</td></tr></table>\
            <pre>fn x() {\n    y\n}</pre><svg><text>no</text></svg><p>end";
        let (page, chunks) = read(source, 1000);
        assert_eq!(page.title, "Wings & tails");
        let text = "# Guide to wings\n\nSwept wings delay shock.\nSecond line.\n\n\
            - one\n- two\n\na b\n\n```\nfn x() {\n    y\n}\n```\n\nend";
        assert_eq!(page.text, text);
        assert_eq!(chunks.len(), 1);
        assert_eq!(chunks[0].heading, "Guide to wings");
    }

    #[test]
    fn chunks_stand_where_they_say() {
        let source = "<html>\n<body>\n<h1>Flight</h1>\n<h2>Wings &amp; more</h2>\n\n<p>Swept wings\n\
            delay <i>shock</i>\nwaves.</p>\n<h2>Tails</h2>\n<p>Steady &eacute; tails.</p>\n</body>\n";
        let (_, chunks) = read(source, 40);
        let found = |word: &str| chunks.iter().find(|c| c.text.contains(word)).unwrap();
        let (wings, tails) = (found("delay"), found("Steady"));
        assert_eq!(wings.heading, "Flight > Wings & more");
        assert_eq!(tails.heading, "Flight > Tails");
        assert_eq!(wings.lines.end, 9);
        assert_eq!(&source[wings.bytes.end - 6..wings.bytes.end], "waves.");
        assert!(tails.lines == (9..11) || tails.lines == (10..11), "{tails:?}");
        assert!(source[tails.bytes.clone()].contains("Steady"));
    }

    #[test]
    fn any_text_is_read() {
        for damaged in ["", "<", "<h1", "<h2></h2>", "</pre></p>", "<pre><h1>a\nb", "<script>never"]
        {
            read(damaged, 10);
        }
    }
}
