//! BM25 of a store, held to its formula over the texts themselves.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod common;

use common::Random;
use rusqlite::Connection;
use smallmind_abstractions::{Access, CancellationToken, Condition, Retriever, SearchRequest};
use smallmind_rag::{Bm25, Chunk, Document, Language, Store};
use std::collections::BTreeMap;

/// Words that no rule of a language changes.
fn words(random: &mut Random, most: u64) -> String {
    let length = 1 + random.below(most);
    // Some words are in nearly all texts, most are in few.
    let word = |random: &mut Random| {
        let rare = random.below(1000);
        format!("w{}", rare * rare / 4000)
    };
    (0..length).map(|_| word(random)).collect::<Vec<_>>().join(" ")
}

fn document(random: &mut Random, source: &str) -> Document {
    let chunks = (0..random.below(4)).map(|_| {
        let labels: &[&str] = [&[][..], &["a"], &["b"], &["a", "b"]][random.below(4) as usize];
        Chunk {
            heading: words(random, 2),
            text: words(random, 60),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            ..Chunk::default()
        }
    });
    let chunks = chunks.collect();
    let kind = ["x", "y"][random.below(2) as usize].to_owned();
    let metadata = vec![("kind".to_owned(), kind)];
    Document {
        source: source.to_owned(),
        title: words(random, 3),
        chunks,
        metadata,
        ..Document::default()
    }
}

/// The scores of all chunks that `access` allows, of documents of one kind: by
/// its text, each chunk that has a score.
fn expected<'d>(
    documents: &'d BTreeMap<String, Document>,
    question: &str,
    title_weight: f64,
    access: &Access,
    kind: Option<&str>,
) -> Vec<(&'d str, f64)> {
    let seen: Vec<_> = documents
        .values()
        .flat_map(|d| d.chunks.iter().map(move |c| (d, c)))
        .filter(|(_, chunk)| chunk.labels.is_empty() || access.allows(&chunk.labels))
        .collect();
    let above = |(d, c): &(&Document, &Chunk)| format!("{} {}", d.title, c.heading);
    let count = |text: &str, word| text.split(' ').filter(|w| *w == word).count() as f64;
    let length = |at: &(&Document, &Chunk)| {
        (above(at).split(' ').count() + at.1.text.split(' ').count()) as f64
    };
    let mean = seen.iter().map(length).sum::<f64>() / seen.len() as f64;
    let holds =
        |at: &(&Document, &Chunk), word| count(&above(at), word) + count(&at.1.text, word) > 0.0;
    let score = |at: &(&Document, &Chunk)| {
        question
            .split(' ')
            .map(|word| {
                let found = seen.iter().filter(|at| holds(at, word)).count() as f64;
                let idf = (1.0 + (seen.len() as f64 - found + 0.5) / (found + 0.5)).ln();
                let tf = title_weight * count(&above(at), word) + count(&at.1.text, word);
                idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length(at) / mean))
            })
            .sum::<f64>()
    };
    let wanted = seen.iter().filter(|(d, _)| kind.is_none_or(|kind| d.metadata[0].1 == kind));
    let mut scores: Vec<_> = wanted.map(|at| (at.1.text.as_str(), score(at))).collect();
    scores.retain(|(_, score)| *score > 0.0);
    scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    scores
}

#[test]
fn scores_are_those_of_what_the_asker_may_see() {
    let (folder, never) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let path = folder.path().join("kb");
    let store = Store::open(&path, Language::Any, &never).unwrap();
    let mut random = Random(3);
    let mut documents = BTreeMap::new();
    for round in 0..60 {
        let changed: Vec<_> = (0..1 + random.below(12)).map(|_| random.below(150)).collect();
        store
            .update(&never, |update| {
                for source in changed {
                    let source = source.to_string();
                    if random.below(4) == 0 {
                        assert_eq!(update.remove(&source)?, documents.remove(&source).is_some());
                    } else {
                        let document = document(&mut random, &source);
                        update.put(&document)?;
                        documents.insert(source, document);
                    }
                }
                Ok(())
            })
            .unwrap();
        let question = words(&mut random, 6);
        let access = [Access::default(), Access::labels(["a"]), Access::labels(["b"])];
        for (access, kind) in access.iter().zip([None, Some("x"), None]) {
            let mut bm25 = Bm25::new(store.clone());
            bm25.title_weight = [1.0, 2.5][round % 2];
            let mut request =
                SearchRequest::new(&question).with_access(access.clone()).with_limit(1000);
            request.conditions.extend(kind.map(|kind| Condition::Metadata {
                key: "kind".to_owned(),
                one_of: vec![kind.to_owned()],
            }));
            let hits = bm25.retrieve(&request, &never).unwrap();
            let weight = f64::from(bm25.title_weight);
            let expected = expected(&documents, &question, weight, access, kind);
            let chunks: Vec<_> = hits.iter().map(|hit| hit.chunk).collect();
            let passages = store.passages(&chunks, access, &never).unwrap();
            assert_eq!(passages.len(), expected.len(), "round {round}: {question}");
            let mut found: Vec<_> =
                passages.iter().zip(&hits).map(|(p, hit)| (p.text.as_str(), hit.score)).collect();
            found.sort_by(|a, b| a.0.cmp(b.0).then(a.1.total_cmp(&b.1)));
            let mut by_text = expected.clone();
            by_text.sort_by(|a, b| a.0.cmp(b.0).then(a.1.total_cmp(&b.1)));
            for ((text, score), (expected_text, expected)) in found.iter().zip(&by_text) {
                assert_eq!(text, expected_text);
                assert!(
                    (f64::from(*score) - expected).abs() < 1e-4 * expected,
                    "{score} {expected}"
                );
            }
            assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
            let few = bm25.retrieve(&request.clone().with_limit(3), &never).unwrap();
            assert_eq!(few, hits[..few.len()]);
            assert_eq!(few.len(), hits.len().min(3));
        }
    }
    store
        .update(&never, |u| documents.keys().try_for_each(|source| u.remove(source).map(drop)))
        .unwrap();
    let left = Connection::open(&path).unwrap();
    let left = left.query_row("SELECT count(*) FROM postings", [], |row| row.get(0));
    assert_eq!(left, Ok(0i64), "what is removed leaves nothing");
}
