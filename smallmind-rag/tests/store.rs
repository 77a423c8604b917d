//! What a store promises: all or nothing, readers during writes, and that
//! nobody sees what they may not.

#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is a test that fails")]
#![allow(dead_code, unreachable_pub, reason = "tests share a module of helpers")]

mod common;

use common::Random;
use smallmind_abstractions::{Access, CancellationToken, Retriever, SearchRequest};
use smallmind_rag::{Bm25, Chunk, Document, Error, Language, Stage, Status, Store};
use std::sync::Arc;

fn store(folder: &tempfile::TempDir) -> Arc<Store> {
    let path = folder.path().join("kb");
    Store::open(&path, Language::English, &CancellationToken::new()).unwrap()
}

fn text(source: &str, text: &str) -> Document {
    Document::from_text(source, "", text)
}

fn found(store: &Arc<Store>, question: &str, access: &Access) -> Vec<String> {
    let request = SearchRequest::new(question).with_access(access.clone());
    common::found(store, &Bm25::new(store.clone()), &request)
        .into_iter()
        .map(|p| p.source)
        .collect()
}

#[test]
fn an_update_is_there_as_a_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let (store, never) = (store(&folder), CancellationToken::new());
    let status = |store: &Store| store.status(&Access::default(), &never).unwrap();
    store.update(&never, |u| u.put(&text("a", "old wings"))).unwrap();

    let failed = store.update(&never, |update| {
        update.put(&text("a", "new wings"))?;
        update.put(&text("b", "more wings"))?;
        // A reader sees the last commit meanwhile.
        assert_eq!(found(&store, "wings", &Access::default()), ["a"]);
        Err::<(), _>(Error::NotAStore { path: "refused".into() })
    });
    assert!(failed.is_err());
    assert_eq!(found(&store, "old", &Access::default()), ["a"]);
    assert_eq!(status(&store), Status { documents: 1, chunks: 1, vectors: 0 });

    store.update(&never, |u| u.put(&text("a", "new wings"))).unwrap();
    assert_eq!(found(&store, "new", &Access::default()), ["a"]);
    assert!(found(&store, "old", &Access::default()).is_empty(), "what is replaced is forgotten");
    assert!(store.update(&never, |u| u.remove("a")).unwrap());
    assert!(!store.update(&never, |u| u.remove("a")).unwrap());
    assert_eq!(status(&store), Status::default());
}

#[test]
fn a_stopped_update_names_its_stage_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, cancel) = (store(&folder), CancellationToken::new());
    let stopped = store.update(&cancel, |update| {
        update.put(&text("a", "wings"))?;
        cancel.cancel();
        Ok(())
    });
    assert!(matches!(stopped, Err(Error::Cancelled { stage: Stage::Indexing, .. })));
    assert!(found(&store, "wings", &Access::Everything).is_empty());
    let request = SearchRequest::new("wings");
    assert!(Bm25::new(store.clone()).retrieve(&request, &cancel).is_err());
}

#[test]
fn a_store_that_is_closed_opens_with_what_was_committed() {
    let folder = tempfile::tempdir().unwrap();
    let never = CancellationToken::new();
    store(&folder).update(&never, |u| u.put(&text("a", "wings"))).unwrap();
    let again = Store::open_existing(&folder.path().join("kb"), &never).unwrap();
    assert_eq!(found(&again, "wing", &Access::default()), ["a"]);
}

#[test]
fn words_of_a_question_are_never_operators() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    store.update(&CancellationToken::new(), |u| u.put(&text("a", "near wings"))).unwrap();
    for question in
        ["wings NEAR(\"x", "title:wings*", "wings' OR ''", "\"wings\" NOT near", "-wings^2"]
    {
        assert_eq!(found(&store, question, &Access::default()), ["a"], "{question}");
    }
    for nothing in ["", "the of and", "\0", "?!"] {
        assert!(found(&store, nothing, &Access::default()).is_empty(), "{nothing:?}");
    }
}

fn labels(random: &mut Random) -> Vec<String> {
    // Some of them try to leave the query they are put into.
    const LABELS: [&str; 8] =
        ["staff", "user:ann", "user:bob", "a\"b", "'", "[\"staff\"]", "null", "\u{1F512}"];
    let n = random.below(4);
    (0..n).map(|_| LABELS[random.below(8) as usize].to_owned()).collect()
}

#[test]
fn nobody_sees_what_they_may_not() {
    let folder = tempfile::tempdir().unwrap();
    let (store, never) = (store(&folder), CancellationToken::new());
    let mut random = Random(7);
    let documents: Vec<_> = (0..300)
        .map(|i| {
            let mut chunk = |text| Chunk { text, labels: labels(&mut random), ..Chunk::default() };
            let words = format!("wings number {i}");
            Document { source: i.to_string(), chunks: vec![chunk(words)], ..Document::default() }
        })
        .collect();
    store.update(&never, |u| documents.iter().try_for_each(|d| u.put(d).map(drop))).unwrap();
    for round in 0..300 {
        let access = Access::labels(labels(&mut random));
        let allowed = |d: &&Document| access.allows(&d.chunks[0].labels);
        let mut expected: Vec<_> = documents.iter().filter(allowed).map(|d| &d.source).collect();
        let request = SearchRequest::new("wings").with_access(access.clone()).with_limit(1000);
        let hits = Bm25::new(store.clone()).retrieve(&request, &never).unwrap();
        let chunks: Vec<_> = hits.iter().map(|h| h.chunk).collect();
        let passages = store.passages(&chunks, &access, &never).unwrap();
        let mut sources: Vec<_> = passages.iter().map(|p| &p.source).collect();
        sources.sort();
        expected.sort();
        assert_eq!(sources, expected, "round {round}: {access:?}");
        assert_eq!(hits.len(), expected.len());
        let status = store.status(&access, &never).unwrap();
        assert_eq!(status.chunks as usize, expected.len(), "counts show no more");
        // Knowing the number of a chunk is of no use.
        let all = Bm25::new(store.clone())
            .retrieve(&request.clone().with_access(Access::Everything), &never)
            .unwrap();
        let all: Vec<_> = all.iter().map(|h| h.chunk).collect();
        assert_eq!(all.len(), 300);
        assert_eq!(store.passages(&all, &access, &never).unwrap().len(), expected.len());
    }
}
