//! Folders into a store, and what has changed in them.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod common;

use common::Words;
use smallmind_abstractions::{
    Access, CancellationToken, Embedder, EmbeddingRole, Error as AbstractError, SearchRequest,
};
use smallmind_rag::ingest::{Event, Ingest};
use smallmind_rag::{Bm25, Language, Passage, Store};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Added, unchanged, removed, skipped.
fn sync(store: &Store, folder: &Path) -> [usize; 4] {
    let (mut counts, mut found) = ([0; 4], 0);
    let mut count = |event| match event {
        Event::Added(..) => counts[0] += 1,
        Event::Unchanged(_) => counts[1] += 1,
        Event::Removed(_) => counts[2] += 1,
        Event::Skipped(..) => counts[3] += 1,
        Event::Found(n) => found = n,
        other => panic!("{other:?}"),
    };
    Ingest::new(store).files(&[folder.to_owned()], &mut count, &CancellationToken::new()).unwrap();
    assert_eq!(found, counts[0] + counts[1] + counts[3]);
    counts
}

fn search(store: &Arc<Store>, question: &str) -> Vec<Passage> {
    common::found(store, &Bm25::new(store.clone()), &SearchRequest::new(question))
}

#[test]
fn a_folder_is_followed_through_its_changes() {
    let (folder, kb) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let never = CancellationToken::new();
    let store = Store::open(&kb.path().join("kb"), Language::English, &never).unwrap();
    let docs = folder.path();
    let filler = "Something else entirely. ".repeat(30);
    let guide =
        format!("# Guide\n\n{filler}\n\n## Wings\n\nÄrger: swept wings\nstall.\n\n{filler}\n");
    fs::write(docs.join("guide.md"), &guide).unwrap();
    fs::write(docs.join("tea.txt"), "Steep the leaves.\n").unwrap();
    fs::write(docs.join("image.png"), [0xff, 0xd8, 0, 1]).unwrap();
    fs::write(docs.join(".ignore"), "secret.txt\n").unwrap();
    fs::write(docs.join("secret.txt"), "wings").unwrap();
    assert_eq!(sync(&store, docs), [2, 0, 0, 1]);

    let found = search(&store, "swept wings");
    assert_eq!(found.len(), 1, "what is ignored is not there");
    assert_eq!(found[0].heading, "Guide > Wings");
    assert_eq!(&guide[found[0].bytes.clone()], found[0].text);
    let lines: Vec<_> = guide.lines().collect();
    let cited = lines[found[0].lines.start - 1..found[0].lines.end - 1].join("\n");
    assert_eq!(cited.trim(), found[0].text.trim());

    assert_eq!(sync(&store, docs), [0, 2, 0, 1], "nothing has changed");
    fs::remove_file(docs.join("guide.md")).unwrap();
    fs::write(docs.join("tea.txt"), "Boil the leaves for long.\n").unwrap();
    assert_eq!(sync(&store, docs), [1, 0, 1, 1]);
    assert!(search(&store, "swept wings steep").is_empty());
    assert_eq!(search(&store, "boil").len(), 1);
}

#[test]
fn each_format_says_where_a_passage_stands() {
    let (folder, kb) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let never = CancellationToken::new();
    let store = Store::open(&kb.path().join("kb"), Language::English, &never).unwrap();
    for (name, text) in [
        ("page.html", "<title>All of flight</title>\n<h1>Wings</h1>\n<p>Swept &amp;\nthin.</p>"),
        ("table.csv", "name,colour\nrobin,red\njackdaw,grey\n"),
        ("rows.jsonl", "{\"name\": \"heron\"}\n{\"name\": \"stork\"}\n"),
        ("code.py", "import os\n\n\ndef kestrel():\n    return 1\n"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    assert_eq!(sync(&store, folder.path()), [4, 0, 0, 0]);
    for (question, place, heading) in [
        ("thin", "page.html:2", "Wings"),
        ("jackdaw", "table.csv:3", ""),
        ("stork", "rows.jsonl:2", ""),
        ("kestrel", "code.py:1", ""),
    ] {
        let found = &search(&store, question)[0];
        assert!(found.place().ends_with(place), "{}", found.place());
        assert_eq!(found.heading, heading);
    }
    assert_eq!(search(&store, "thin")[0].title, "All of flight");
}

#[test]
fn a_text_has_a_name_and_can_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let never = CancellationToken::new();
    let store = Store::open(&folder.path().join("kb"), Language::English, &never).unwrap();
    let put = |text: &str| {
        let mut events = Vec::new();
        let ingest = Ingest::new(&store);
        ingest.text("note.md", text.as_bytes(), &mut |e| events.push(e), &never).unwrap();
        events
    };
    assert!(matches!(&put("# Tea\n\nSteep it.")[..], [Event::Added(_, 1)]));
    assert!(matches!(&put("# Tea\n\nSteep it.")[..], [Event::Unchanged(_)]));
    assert!(matches!(&put("# Tea\n\nBoil it.")[..], [Event::Added(_, 1)]));
    assert!(matches!(&put("\0")[..], [Event::Skipped(..)]));
    assert!(search(&store, "steep").is_empty());
    assert_eq!(search(&store, "boil")[0].heading, "Tea");
}

#[test]
fn what_is_read_is_embedded_meanwhile() {
    let (folder, kb) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let never = CancellationToken::new();
    let store = Store::open(&kb.path().join("kb"), Language::English, &never).unwrap();
    for n in 0..200 {
        fs::write(folder.path().join(format!("{n}.txt")), format!("Note number {n}.")).unwrap();
    }
    let words = Words(8);
    let mut embedded = 0;
    let mut count = |event| {
        if let Event::Embedded(n) = event {
            embedded += n;
        }
    };
    let ingest = Ingest::new(&store).with_embedder(&words);
    ingest.files(&[folder.path().to_owned()], &mut count, &never).unwrap();
    let status = store.status(&Access::Everything, &never).unwrap();
    assert_eq!((status.documents, status.vectors, embedded), (200, 200, 200));
}

/// Fails at its second call.
struct Failing(AtomicUsize);

impl Embedder for Failing {
    fn id(&self) -> &str {
        "failing"
    }

    fn dimensions(&self) -> usize {
        1
    }

    fn embed(
        &self,
        texts: &[&str],
        _role: EmbeddingRole,
        _cancel: &CancellationToken,
    ) -> Result<Vec<f32>, AbstractError> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(vec![1.0; texts.len()]),
            _ => Err(AbstractError::Part { part: "embedder".into(), reason: "broken".into() }),
        }
    }
}

#[test]
fn an_embedder_that_fails_ends_the_work_with_its_reason() {
    let (folder, kb) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let never = CancellationToken::new();
    let store = Store::open(&kb.path().join("kb"), Language::English, &never).unwrap();
    for n in 0..600 {
        fs::write(folder.path().join(format!("{n}.txt")), format!("Note number {n}.")).unwrap();
    }
    let failing = Failing(AtomicUsize::new(0));
    let ingest = Ingest::new(&store).with_embedder(&failing);
    let error = ingest.files(&[folder.path().to_owned()], &mut |_| {}, &never).unwrap_err();
    assert!(error.to_string().contains("broken"), "{error}");
    // What was written before stays, and another call goes on from there.
    let status = || store.status(&Access::Everything, &never).unwrap();
    assert!(status().vectors > 0);
    sync(&store, folder.path());
    assert_eq!(status().documents, 600);
}
