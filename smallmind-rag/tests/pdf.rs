//! PDF files: pages are places, and damage is reported.

#![cfg(feature = "pdf")]
#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod common;

use common::Random;
use smallmind_abstractions::{Access, CancellationToken, Retriever, SearchRequest};
use smallmind_rag::ingest::{Event, Ingest};
use smallmind_rag::{Bm25, Language, Store};
use std::fmt::Write;
use std::sync::Arc;

/// A PDF file with a content stream for each page.
fn pdf(pages: &[&str]) -> Vec<u8> {
    let kids: String = (0..pages.len()).map(|n| format!("{} 0 R ", 4 + 2 * n)).collect();
    let mut objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Kids [{kids}] /Count {} >>", pages.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    for (n, content) in pages.iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {} 0 R \
             /Resources << /Font << /F 3 0 R >> >> >>",
            5 + 2 * n
        ));
        objects.push(format!("<< /Length {} >>\nstream\n{content}\nendstream", content.len()));
    }
    let (mut file, mut places) = ("%PDF-1.7\n".to_owned(), String::new());
    for (n, object) in (1..).zip(&objects) {
        writeln!(places, "{:010} 00000 n ", file.len()).unwrap();
        writeln!(file, "{n} 0 obj\n{object}\nendobj").unwrap();
    }
    let (start, count) = (file.len(), objects.len() + 1);
    write!(file, "xref\n0 {count}\n0000000000 65535 f \n{places}").unwrap();
    write!(file, "trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n").unwrap();
    file.into_bytes()
}

/// What becomes of a file.
fn add(store: &Store, bytes: &[u8]) -> Event {
    let mut events = Vec::new();
    let never = CancellationToken::new();
    Ingest::new(store).text("file.pdf", bytes, &mut |e| events.push(e), &never).unwrap();
    events.pop().unwrap()
}

fn store(folder: &tempfile::TempDir) -> Arc<Store> {
    let never = CancellationToken::new();
    Store::open(&folder.path().join("kb"), Language::English, &never).unwrap()
}

const FIRST: &str = "BT /F 12 Tf 50 700 Td (Swept wings) Tj 0 -14 Td [(del) -5 (ay) -400 (shock)] TJ \
    0 -40 Td (Another paragraph.) Tj ET /Artifact BMC BT /F 9 Tf 50 50 Td (Page 1) Tj ET EMC";
const SECOND: &str = "BT /F 12 Tf 0 1 -1 0 300 100 Tm (Turned) Tj ( text) Tj ET";

#[test]
fn a_page_is_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    assert!(matches!(add(&store, &pdf(&[FIRST, SECOND])), Event::Added(_, 2)));
    let never = CancellationToken::new();
    let search = |question: &str| {
        let hits = Bm25::new(store.clone()).retrieve(&SearchRequest::new(question), &never);
        let chunks: Vec<_> = hits.unwrap().iter().map(|h| h.chunk).collect();
        store.passages(&chunks, &Access::default(), &never).unwrap().remove(0)
    };
    let (first, second) = (search("shock"), search("turned"));
    assert_eq!(first.text, "Swept wings\ndelay shock\n\nAnother paragraph.");
    assert_eq!(
        (first.place(), second.place()),
        ("file.pdf#page=1".into(), "file.pdf#page=2".into())
    );
    assert_eq!(second.text, "Turned text");
}

#[test]
fn damage_is_reported_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let (whole, mut random) = (pdf(&[FIRST, SECOND]), Random(5));
    let mut skipped = 0;
    for _ in 0..400 {
        let mut bytes = whole.clone();
        for _ in 0..1 + random.below(20) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = random.next() as u8;
        }
        if random.below(4) == 0 {
            bytes.truncate(random.below(bytes.len() as u64) as usize);
        }
        match add(&store, &bytes) {
            Event::Added(..) | Event::Unchanged(_) => {}
            Event::Skipped(..) => skipped += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(skipped > 0, "no damage was noticed");
    assert!(matches!(add(&store, b"no PDF"), Event::Skipped(..)));
    assert!(matches!(add(&store, &whole), Event::Added(_, 2)), "the store goes on");
}
