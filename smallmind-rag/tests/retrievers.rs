//! Rankings fused, ordered again, made diverse and widened.

#![allow(clippy::unwrap_used, reason = "a helper of tests that fails is a test that fails")]
#![allow(dead_code, unreachable_pub, reason = "tests share a module of helpers")]

mod common;

use common::Words;
use smallmind_abstractions::{
    Access, CancellationToken, Error, Hit, Reranker, Retriever, SearchRequest,
};
use smallmind_rag::{
    Bm25, Chunk, Dense, Document, Fusion, Hybrid, Language, Reranked, Store, embed_missing,
};
use std::sync::Arc;

fn store(folder: &tempfile::TempDir, texts: &[&str]) -> Arc<Store> {
    let never = CancellationToken::new();
    let store = Store::open(&folder.path().join("kb"), Language::English, &never).unwrap();
    let chunk = |text: &&str| Chunk { text: (*text).to_owned(), ..Chunk::default() };
    let chunks = texts.iter().map(chunk).collect();
    let document = Document { source: "all".to_owned(), chunks, ..Document::default() };
    store.update(&never, |u| u.put(&document)).unwrap();
    embed_missing(&store, &Words(32), &mut |_| {}, &never).unwrap();
    store
}

fn texts(store: &Store, hits: &[Hit]) -> Vec<String> {
    let chunks: Vec<_> = hits.iter().map(|h| h.chunk).collect();
    let passages = store.passages(&chunks, &Access::default(), &CancellationToken::new());
    passages.unwrap().into_iter().map(|p| p.text).collect()
}

#[test]
fn a_hybrid_finds_what_either_finds() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, &["swept wings stall", "the the of wings", "tea"]);
    let never = CancellationToken::new();
    let embedder = Arc::new(Words(32));
    let request = SearchRequest::new("wings of the").with_limit(2);
    for fusion in [Fusion::default(), Fusion::ReciprocalRank { k: 60.0 }] {
        for feedback in [0, 1] {
            let hybrid = Hybrid::new(store.clone(), embedder.clone());
            let hybrid = hybrid.with_fusion(fusion).with_feedback(feedback);
            let hits = hybrid.retrieve(&request, &never).unwrap();
            assert_eq!(texts(&store, &hits), ["the the of wings", "swept wings stall"]);
        }
    }
}

#[test]
fn feedback_finds_what_is_like_the_best() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, &["wings flutter", "flutter flutter", "tea", "coffee", "milk"]);
    let never = CancellationToken::new();
    let request = SearchRequest::new("wings");
    let hybrid = Hybrid::new(store.clone(), Arc::new(Words(32)));
    let hits = hybrid.with_feedback(1).retrieve(&request, &never).unwrap();
    assert_eq!(texts(&store, &hits)[..2], ["wings flutter", "flutter flutter"]);
}

/// Likes short passages.
struct Short;

impl Reranker for Short {
    fn score(
        &self,
        _question: &str,
        passages: &[&str],
        cancel: &CancellationToken,
    ) -> Result<Vec<f32>, Error> {
        cancel.check()?;
        Ok(passages.iter().map(|p| -(p.len() as f32)).collect())
    }
}

#[test]
fn a_reranker_orders_only_what_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, &["wings wings are long", "wings", "tea"]);
    let never = CancellationToken::new();
    let first = Arc::new(Bm25::new(store.clone()));
    let reranked = Reranked::new(store.clone(), first, Arc::new(Short));
    let hits = reranked.retrieve(&SearchRequest::new("wings"), &never).unwrap();
    assert_eq!(texts(&store, &hits), ["wings", "wings wings are long"]);
    never.cancel();
    assert!(reranked.retrieve(&SearchRequest::new("wings"), &never).is_err());
}

#[test]
fn diverse_hits_do_not_repeat_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, &["wings stall", "wings stall", "wings flutter"]);
    let never = CancellationToken::new();
    let dense = Dense::new(store.clone(), Arc::new(Words(32)));
    let hits = dense.retrieve(&SearchRequest::new("wings stall"), &never).unwrap();
    let access = Access::default();
    let diverse = |share| {
        let hits = store.diverse(&hits, share, 2, &access, &never).unwrap();
        texts(&store, &hits)
    };
    assert_eq!(diverse(1.0), ["wings stall", "wings stall"]);
    assert_eq!(diverse(0.4), ["wings stall", "wings flutter"]);
}

#[test]
fn neighbours_stand_around_a_chunk() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(&folder, &["one", "two", "three", "four"]);
    let never = CancellationToken::new();
    let hits = Bm25::new(store.clone()).retrieve(&SearchRequest::new("three"), &never).unwrap();
    let around = store.neighbours(hits[0].chunk, 1, &Access::default(), &never).unwrap();
    let around: Vec<_> = around.iter().map(|p| p.text.as_str()).collect();
    assert_eq!(around, ["two", "three", "four"]);
}
