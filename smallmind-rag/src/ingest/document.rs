//! From the bytes of a file to a document.

use super::chunk::{Chunking, Cutter, Fault, Structure};
use super::headings::Headings;
use super::html::Page;
#[cfg(feature = "pdf")]
use super::pdf;
use super::{code, rows};
use crate::{Chunk, Document, Fingerprint, Unit};
use smallmind_abstractions::CancellationToken;
use std::path::Path;

/// Makes a document of bytes. The ending of its name says what they are.
pub(super) fn document(
    source: &str,
    bytes: Vec<u8>,
    fingerprint: Fingerprint,
    chunking: &Chunking,
    cancel: &CancellationToken,
) -> Result<Document, Fault> {
    let path = Path::new(source);
    let title = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ending = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let parts = Parts { title, chunking, cancel };
    let (title, chunks, unit) = match &*ending {
        #[cfg(feature = "pdf")]
        "pdf" => (parts.title.clone(), parts.pdf(bytes)?, Unit::Pages),
        #[cfg(not(feature = "pdf"))]
        "pdf" => return Err(Fault::Bad("it is PDF, which this build cannot read".to_owned())),
        "htm" | "html" | "xhtml" => {
            let (title, chunks) = parts.html(&text(bytes)?)?;
            (title, chunks, Unit::Lines)
        }
        ending => (parts.title.clone(), parts.plain(ending, &text(bytes)?)?, Unit::Lines),
    };
    Ok(Document {
        source: source.to_owned(),
        title,
        fingerprint,
        chunks,
        unit,
        ..Document::default()
    })
}

fn text(bytes: Vec<u8>) -> Result<String, Fault> {
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| Fault::Bad("it is not UTF-8 text".to_owned()))?;
    if text.contains('\0') {
        return Err(Fault::Bad("it is not text".to_owned()));
    }
    Ok(text)
}

struct Parts<'a> {
    title: String,
    chunking: &'a Chunking,
    cancel: &'a CancellationToken,
}

impl<'a> Parts<'a> {
    fn cutter(&self, title: &str, headings: &Headings) -> Cutter<'a> {
        Cutter::new(self.chunking, title, headings, self.cancel)
    }

    fn plain(&self, ending: &str, text: &str) -> Result<Vec<Chunk>, Fault> {
        let is_markdown = matches!(ending, "md" | "markdown");
        let headings = match is_markdown {
            true => Headings::of_markdown(text, self.cancel)?,
            false => Headings::default(),
        };
        let cutter = self.cutter(&self.title, &headings);
        match ending {
            _ if is_markdown => cutter.chunks(text, Structure::Markdown, &headings),
            "csv" => rows::csv(text, b',', &cutter),
            "tsv" => rows::csv(text, b'\t', &cutter),
            "jsonl" | "ndjson" => rows::jsonl(text, &cutter),
            ending if code::is_code(ending) => code::chunks(text, &cutter),
            _ => cutter.chunks(text, Structure::Prose, &headings),
        }
    }

    /// The title of a page, and its chunks.
    fn html(&self, text: &str) -> Result<(String, Vec<Chunk>), Fault> {
        let page = Page::read(text, self.cancel)?;
        let title = if page.title.is_empty() { &self.title } else { &page.title };
        let chunks = page.chunks(text, &self.cutter(title, &page.headings))?;
        Ok((title.clone(), chunks))
    }

    /// The chunks of each page, which is its place.
    #[cfg(feature = "pdf")]
    fn pdf(&self, bytes: Vec<u8>) -> Result<Vec<Chunk>, Fault> {
        let none = Headings::default();
        let cutter = self.cutter(&self.title, &none);
        let mut chunks = Vec::new();
        for (number, page) in (1..).zip(pdf::pages(bytes, self.cancel)?) {
            for chunk in cutter.chunks(&page, Structure::Prose, &none)? {
                chunks.push(Chunk { lines: number..number + 1, ..chunk });
            }
        }
        Ok(chunks)
    }
}
