//! Folders into a store, and what has changed in them.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod common;

use smallmind_abstractions::{CancellationToken, SearchRequest};
use smallmind_rag::ingest::{Event, ingest};
use smallmind_rag::{Bm25, Language, Passage, Store};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Added, unchanged, removed, skipped.
fn sync(store: &Store, folder: &Path) -> [usize; 4] {
    let mut counts = [0; 4];
    let mut count = |event| match event {
        Event::Added(..) => counts[0] += 1,
        Event::Unchanged(_) => counts[1] += 1,
        Event::Removed(_) => counts[2] += 1,
        Event::Skipped(..) => counts[3] += 1,
        other => panic!("{other:?}"),
    };
    ingest(store, &[folder.to_owned()], &mut count, &CancellationToken::new()).unwrap();
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
