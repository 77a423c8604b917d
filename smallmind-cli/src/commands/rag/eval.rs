//! `smallmind rag eval`.

use super::embedder;
use crate::error::Error;
use crate::output;
use serde_json::{Value, json};
use smallmind_abstractions::{CancellationToken, Retriever};
use smallmind_rag::eval::{Dataset, Measurement, measure};
use smallmind_rag::{Bm25, Dense, Fusion, Hybrid, Language, Store, embed_missing};
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::time::Instant;

/// Measures retrievers on a collection with judgements.
///
/// Prints nDCG@10, recall, MRR and MAP as trec_eval defines them, and the
/// time of a question, for each retriever.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder in BEIR's layout: corpus.jsonl, queries.jsonl, qrels/test.tsv.
    #[arg(long)]
    dataset: PathBuf,
    /// The language of the documents, as an ISO 639-1 code, or 'any'.
    #[arg(long, default_value = "en", value_parser = language)]
    language: Language,
    #[command(flatten)]
    embedder: embedder::Choice,
    /// Measure BM25 only.
    #[arg(long)]
    words_only: bool,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

/// Hits that a question is moved towards.
const FEEDBACK: usize = 5;
const PERCENTILES: [(&str, f64); 3] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99)];

pub(crate) fn run(args: &Args, cancel: &CancellationToken) -> Result<(), Error> {
    let dataset = Dataset::load(&args.dataset)?;
    let folder = tempfile::tempdir()?;
    let store = Store::open(&folder.path().join("store"), args.language, cancel)?;
    let start = Instant::now();
    dataset.fill(&store, cancel)?;
    let seconds = start.elapsed().as_secs_f64();
    let mut embedding = None;
    let mut retrievers: Vec<Box<dyn Retriever>> = vec![Box::new(Bm25::new(store.clone()))];
    if !args.words_only {
        let model = args.embedder.load(cancel)?;
        let start = Instant::now();
        embed_missing(&store, &*model, &mut |_| (), cancel)?;
        embedding = Some(start.elapsed().as_secs_f64());
        let hybrid = || Hybrid::new(store.clone(), model.clone());
        let ranks = || hybrid().with_fusion(Fusion::ReciprocalRank { k: 60.0 });
        retrievers.push(Box::new(Dense::new(store.clone(), model.clone())));
        retrievers.push(Box::new(ranks()));
        retrievers.push(Box::new(hybrid()));
        retrievers.push(Box::new(ranks().with_feedback(FEEDBACK)));
        retrievers.push(Box::new(hybrid().with_feedback(FEEDBACK)));
    }
    let measured = retrievers.iter().map(|r| measure(&dataset, &store, &**r, cancel));
    let measurements: Vec<_> = measured.collect::<Result<_, _>>()?;
    let mut out = stdout().lock();
    if args.json {
        let runs: Vec<_> = measurements.iter().map(object).collect();
        let (documents, queries) = (dataset.documents.len(), dataset.queries.len());
        let report = json!({
            "documents": documents, "queries": queries, "index_seconds": seconds,
            "embed_seconds": embedding, "runs": runs
        });
        writeln!(out, "{report:#}")?;
        return Ok(());
    }
    const HEAD: [&str; 9] = [
        "retriever",
        "nDCG@10",
        "recall@10",
        "recall@100",
        "MRR",
        "MAP",
        "p50 ms",
        "p95 ms",
        "p99 ms",
    ];
    let rows: Vec<_> = measurements.iter().map(row).collect();
    output::table(&mut out, &HEAD, &rows)?;
    let (documents, queries) = (dataset.documents.len(), dataset.queries.len());
    writeln!(out, "{documents} documents indexed in {seconds:.2} s; {queries} questions")?;
    if let Some(seconds) = embedding {
        writeln!(out, "embedded in {seconds:.2} s")?;
    }
    Ok(())
}

fn milliseconds(measurement: &Measurement, share: f64) -> f64 {
    measurement.percentile(share).unwrap_or_default().as_secs_f64() * 1e3
}

fn object(measurement: &Measurement) -> Value {
    let latency = PERCENTILES.map(|(name, share)| (name, milliseconds(measurement, share)));
    json!({
        "retriever": measurement.retriever,
        "metrics": measurement.metrics.named(),
        "latency_ms": latency.into_iter().collect::<std::collections::BTreeMap<_, _>>(),
    })
}

fn row(measurement: &Measurement) -> Vec<String> {
    let m = &measurement.metrics;
    let metrics = [m.ndcg_10, m.recall_10, m.recall_100, m.mrr, m.map].map(|v| format!("{v:.4}"));
    let latency = PERCENTILES.map(|(_, share)| format!("{:.2}", milliseconds(measurement, share)));
    [vec![measurement.retriever.clone()], metrics.to_vec(), latency.to_vec()].concat()
}

pub(super) fn language(code: &str) -> Result<Language, String> {
    let codes = || Language::ALL.iter().map(|l| l.code()).collect::<Vec<_>>().join(", ");
    Language::from_code(code).ok_or_else(|| format!("known are {}", codes()))
}
