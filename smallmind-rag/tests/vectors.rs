//! The nearest vectors: exactly those, of what may be seen, as of the last
//! commit.

#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is a test that fails")]
#![allow(clippy::redundant_closure_for_method_calls, reason = "lifetimes need the closure")]
#![allow(unreachable_pub, reason = "tests share a module of helpers")]

mod common;

use common::{Random, Words};
use smallmind_abstractions::{
    Access, CancellationToken, ChunkId, Condition, Embedder, Embedding, Hit, Retriever,
    SearchRequest, VectorStore,
};
use smallmind_rag::{Bm25, Chunk, Dense, Document, Error, Language, Stage, Store, embed_missing};
use std::sync::Arc;

fn store(folder: &tempfile::TempDir) -> Arc<Store> {
    let path = folder.path().join("kb");
    Store::open(&path, Language::English, &CancellationToken::new()).unwrap()
}

fn document(source: &str, text: &str, labels: &[&str]) -> Document {
    let labels = labels.iter().map(ToString::to_string).collect();
    let chunk = Chunk { text: text.to_owned(), labels, ..Chunk::default() };
    Document { source: source.to_owned(), chunks: vec![chunk], ..Document::default() }
}

/// Puts one chunk a vector; returns the chunks.
fn fill(store: &Store, vectors: &[Vec<f32>], labels: &[Vec<&str>]) -> Vec<ChunkId> {
    let embedder = Words(vectors[0].len());
    let put = store.update(&CancellationToken::new(), |update| {
        let mut chunks = Vec::new();
        for (i, labels) in (0..vectors.len()).zip(labels.iter().cycle()) {
            chunks.extend(update.put(&document(&i.to_string(), "text", labels))?);
        }
        update.put_vectors(&embedder, &chunks, &vectors.concat())?;
        Ok(chunks)
    });
    put.unwrap()
}

fn nearest(store: &Store, values: &[f32], request: &SearchRequest) -> Vec<Hit> {
    let query = Embedding { embedder: "words", values };
    store.nearest(query, request, &CancellationToken::new()).unwrap()
}

fn exact(chunks: &[ChunkId], vectors: &[Vec<f32>], query: &[f32], limit: usize) -> Vec<ChunkId> {
    let product = |v: &Vec<f32>| v.iter().zip(query).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let mut all: Vec<_> = chunks.iter().zip(vectors.iter().map(product)).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.into_iter().take(limit).map(|(chunk, _)| *chunk).collect()
}

#[test]
fn what_is_found_is_what_an_exact_search_finds() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let mut random = Random(3);
    let vectors: Vec<_> = (0..3000).map(|_| random.direction(48)).collect();
    let chunks = fill(&store, &vectors, &[vec![]]);
    for _ in 0..50 {
        let query = random.direction(48);
        let hits = nearest(&store, &query, &SearchRequest::new(""));
        let found: Vec<_> = hits.iter().map(|h| h.chunk).collect();
        assert_eq!(found, exact(&chunks, &vectors, &query, 10));
        assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
    }
}

#[test]
fn nobody_is_near_to_what_they_may_not_see() {
    const LABELS: [&str; 4] = ["staff", "user:ann", "a\"b", "[]"];
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder);
    let mut random = Random(5);
    let vectors: Vec<_> = (0..400).map(|_| random.direction(8)).collect();
    let mut some = || {
        let n = random.below(3);
        (0..n).map(|_| LABELS[random.below(4) as usize]).collect::<Vec<_>>()
    };
    let labels: Vec<_> = (0..400).map(|_| some()).collect();
    let chunks = fill(&store, &vectors, &labels);
    for query in &vectors[..100] {
        let access = Access::labels(some());
        let request = SearchRequest::new("").with_limit(400).with_access(access.clone());
        let mut found: Vec<_> = nearest(&store, query, &request).iter().map(|h| h.chunk).collect();
        found.sort();
        let allowed = chunks.iter().zip(&labels).filter(|(_, labels)| access.allows(labels));
        assert_eq!(found, allowed.map(|(c, _)| *c).collect::<Vec<_>>(), "{access:?}");
    }
}

#[test]
fn a_search_sees_the_last_commit_of_any_process() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs, never) = (store(&folder), store(&folder), CancellationToken::new());
    let found = |question: &str| -> Vec<String> {
        let dense = Dense::new(ours.clone(), Arc::new(Words(16)));
        let request = SearchRequest::new(question).with_limit(2);
        common::found(&ours, &dense, &request).into_iter().map(|p| p.source).collect()
    };
    assert!(found("swept wings").is_empty(), "a store without vectors finds nothing");
    let put = |source: &str, text: &str| {
        theirs.update(&never, |u| u.put(&document(source, text, &[]))).unwrap();
        embed_missing(&theirs, &Words(16), &mut |_| {}, &never).unwrap();
    };
    put("a", "swept wings");
    put("b", "green tea");
    assert_eq!(found("swept wings"), ["a", "b"]);
    put("a", "black coffee");
    put("c", "old swept wings");
    assert_eq!(found("swept wings")[0], "c");
    theirs.update(&never, |u| u.remove("c")).unwrap();
    assert_eq!(found("green tea"), ["b", "a"]);
}

#[test]
fn vectors_of_another_embedder_are_refused_until_the_old_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let (store, never) = (store(&folder), CancellationToken::new());
    store.update(&never, |u| u.put(&document("a", "wings", &[]))).unwrap();
    embed_missing(&store, &Words(16), &mut |_| {}, &never).unwrap();
    let status = store.status(&Access::default(), &never).unwrap();
    assert_eq!((status.vectors, store.embedder(&never).unwrap().as_deref()), (1, Some("words")));

    store.update(&never, |u| u.put(&document("b", "tea", &[]))).unwrap();
    let other = embed_missing(&store, &Words(8), &mut |_| {}, &never);
    assert!(matches!(other, Err(Error::OtherEmbedder { .. })));
    let dense = Dense::new(store.clone(), Arc::new(Words(8)));
    let asked = dense.retrieve(&SearchRequest::new("tea"), &never).unwrap_err();
    assert!(asked.to_string().contains("words (16 dimensions)"), "{asked}");
    let wrong = store.update(&never, |u| u.put_vectors(&Words(16), &[ChunkId(1)], &[0.0; 15]));
    assert!(matches!(wrong, Err(Error::Vectors { found: 15, expected: 16 })));

    store.update(&never, |u| u.forget_vectors()).unwrap();
    embed_missing(&store, &Words(8), &mut |_| {}, &never).unwrap();
    assert_eq!(dense.retrieve(&SearchRequest::new("tea"), &never).unwrap().len(), 2);
}

#[test]
fn conditions_hold_for_words_and_for_vectors() {
    let folder = tempfile::tempdir().unwrap();
    let (store, never) = (store(&folder), CancellationToken::new());
    let with = |source: &str, pairs: &[(&str, &str)]| Document {
        metadata: pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect(),
        ..document(source, "wings", &[])
    };
    let documents = [
        with("/a/1", &[("year", "1958"), ("tag", "it's"), ("tag", "x")]),
        with("/a/2", &[("year", "1960")]),
        with("/b%/3", &[("year", "1958")]),
    ];
    store.update(&never, |u| documents.iter().try_for_each(|d| u.put(d).map(drop))).unwrap();
    embed_missing(&store, &Words(8), &mut |_| {}, &never).unwrap();
    let retrievers: [Box<dyn Retriever>; 2] = [
        Box::new(Bm25::new(store.clone())),
        Box::new(Dense::new(store.clone(), Arc::new(Words(8)))),
    ];
    let source = |prefix: &str| Condition::SourceStartsWith(prefix.to_owned());
    let metadata = |key: &str, values: &[&str]| Condition::Metadata {
        key: key.to_owned(),
        one_of: values.iter().map(ToString::to_string).collect(),
    };
    let year = metadata("year", &["1958"]);
    let cases: [(Vec<Condition>, &[i64]); 7] = [
        (vec![], &[1, 2, 3]),
        (vec![source("/a/")], &[1, 2]),
        (vec![source("/b%/")], &[3]),
        (vec![year.clone()], &[1, 3]),
        (vec![year, source("/a")], &[1]),
        (vec![metadata("tag", &["y", "it's"])], &[1]),
        (vec![metadata("year", &[])], &[]),
    ];
    for (conditions, expected) in cases {
        for retriever in &retrievers {
            let request =
                SearchRequest { conditions: conditions.clone(), ..SearchRequest::new("wings") };
            let hits = retriever.retrieve(&request, &never).unwrap();
            let mut found: Vec<_> = hits.iter().map(|h| h.chunk.0).collect();
            found.sort_unstable();
            assert_eq!(found, expected, "{} {conditions:?}", retriever.name());
        }
    }
}

#[test]
fn a_stopped_run_keeps_what_was_committed_and_names_its_stage() {
    let folder = tempfile::tempdir().unwrap();
    let (store, cancel) = (store(&folder), CancellationToken::new());
    let put = |i: usize| document(&i.to_string(), "wings", &[]);
    store.update(&cancel, |u| (0..600).try_for_each(|i| u.put(&put(i)).map(drop))).unwrap();
    let stopped = embed_missing(&store, &Words(4), &mut |_| cancel.cancel(), &cancel);
    assert!(matches!(stopped, Err(Error::Cancelled { .. })));
    let never = CancellationToken::new();
    let vectors = |store: &Store| store.status(&Access::default(), &never).unwrap().vectors;
    assert_eq!(vectors(&store), 256);
    embed_missing(&store, &Words(4), &mut |_| {}, &never).unwrap();
    assert_eq!(vectors(&store), 600);

    let stopped = store
        .update(&never, |u| u.forget_vectors())
        .and_then(|()| embed_missing(&store, &Stopping(cancel.clone()), &mut |_| {}, &never));
    assert!(matches!(stopped, Err(Error::Cancelled { stage: Stage::Embedding, .. })));
}

/// An embedder that finds itself stopped.
struct Stopping(CancellationToken);

impl Embedder for Stopping {
    fn id(&self) -> &str {
        "stopping"
    }
    fn dimensions(&self) -> usize {
        1
    }
    fn embed(
        &self,
        _texts: &[&str],
        _role: smallmind_abstractions::EmbeddingRole,
        _cancel: &CancellationToken,
    ) -> Result<Vec<f32>, smallmind_abstractions::Error> {
        Err(self.0.check().unwrap_err().into())
    }
}
