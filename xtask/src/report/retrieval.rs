//! How well and how fast retrieval finds.

use super::markdown::table;
use crate::command::{cargo, output, root, say};
use crate::endtoend::{self, json};
use serde::Deserialize;
use std::collections::BTreeMap;

/// What the program `retrieval` fills a store with.
const CHUNKS: &str = "100000";

const METRICS: [&str; 5] = ["ndcg@10", "recall@10", "recall@100", "mrr", "map"];

/// What `smallmind rag eval` says.
#[derive(Debug, Deserialize)]
struct Evaluation {
    documents: usize,
    queries: usize,
    index_seconds: f64,
    embed_seconds: f64,
    runs: Vec<Run>,
}

#[derive(Debug, Deserialize)]
struct Run {
    retriever: String,
    metrics: BTreeMap<String, f64>,
    latency_ms: BTreeMap<String, f64>,
}

/// What the program `retrieval` says.
#[derive(Debug, Deserialize)]
struct Speeds {
    chunks: usize,
    indexing: f64,
    bytes: f64,
    retrievers: Vec<Search>,
}

/// Milliseconds of a search.
#[derive(Debug, Deserialize)]
struct Search {
    retriever: String,
    first: f64,
    p50: f64,
    p95: f64,
    p99: f64,
}

/// Measures a collection in BEIR's layout, and writes `reports/RETRIEVAL.md`.
pub(super) fn write(dataset: &str) -> Result<(), String> {
    let binary = endtoend::binary()?;
    let evaluation: Evaluation = json(&binary, &format!("rag eval --json --dataset {dataset}"))?;
    let run = "run --quiet --release -p smallmind-benches --bin retrieval --";
    let speeds = output(cargo(run).arg(CHUNKS))?;
    let speeds: Speeds = serde_json::from_str(&speeds).map_err(|e| format!("retrieval: {e}"))?;
    let heads = [
        &["retriever", "nDCG@10", "recall@10", "recall@100", "MRR", "MAP", "p50 ms", "p95 ms"][..],
        &["retriever", "first ms", "p50 ms", "p95 ms", "p99 ms"],
    ];
    let sections = [
        "# Retrieval".to_owned(),
        "Written by `cargo xtask report retrieval DATASET`.".to_owned(),
        evaluation.says(),
        table(heads[0], evaluation.runs.iter().map(Run::row)),
        include_str!("retrieval.md").trim().to_owned(),
        format!("## {} chunks", speeds.chunks),
        speeds.says(),
        table(heads[1], speeds.retrievers.iter().map(Search::row)),
    ];
    endtoend::write(&root().join("reports/RETRIEVAL.md"), &(sections.join("\n\n") + "\n"))?;
    say("wrote reports/RETRIEVAL.md");
    Ok(())
}

impl Evaluation {
    fn says(&self) -> String {
        let Self { documents, queries, index_seconds, embed_seconds, .. } = self;
        format!(
            "{documents} documents and {queries} questions with judgements, each document one \
             chunk, rankings 1,000 deep, measures by trec_eval's definitions, with our own \
             `all-minilm-l6-v2`. Milliseconds are those of a whole question, its embedding \
             included. Indexing took {index_seconds:.2} s and embedding {embed_seconds:.1} s (F32)."
        )
    }
}

impl Run {
    fn row(&self) -> Vec<String> {
        let number = |from: &BTreeMap<String, f64>, key: &str, digits| {
            from.get(key).map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"))
        };
        let metrics = METRICS.map(|key| number(&self.metrics, key, 4));
        let latency = ["p50", "p95"].map(|key| number(&self.latency_ms, key, 2));
        [vec![self.retriever.clone()], metrics.to_vec(), latency.to_vec()].concat()
    }
}

impl Speeds {
    fn says(&self) -> String {
        format!(
            "Of 150 words by Zipf's law without the most common ones, with vectors of 384 \
             dimensions: {:.0} MB, written in {:.0} s. Ten hits of 200 questions of ten words, \
             whose vectors are there already. The first search reads what is then kept in memory.",
            self.bytes / 1e6,
            self.indexing
        )
    }
}

impl Search {
    fn row(&self) -> Vec<String> {
        let times = [self.first, self.p50, self.p95, self.p99].map(|t| format!("{t:.1}"));
        [vec![self.retriever.clone()], times.to_vec()].concat()
    }
}
