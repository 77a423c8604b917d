//! Prints how long searches take in a store of many chunks, as JSON.
//!
//!     cargo run --release -p smallmind-benches --bin retrieval -- CHUNKS
//!
//! Chunks are 150 words of a vocabulary by Zipf's law, without its most common
//! words, as an analyzer leaves a text, and vectors of 384 dimensions about
//! common middles. Questions are nine words of a chunk and a vector near its
//! own; embedding them is not part of the time.

use serde_json::{Value, json};
use smallmind_abstractions::{
    CancellationToken, Embedder, EmbeddingRole, Error as Failure, Retriever, SearchRequest,
};
use smallmind_rag::{Bm25, Chunk, Dense, Document, Error, Hybrid, Language, Store};
use smallmind_testkit::Random;
use std::io::Write;
use std::sync::Arc;
use std::time::Instant;

const WORDS: usize = 150;
const ASKED: usize = 9;
const DIMENSIONS: usize = 384;
const MIDDLES: u64 = 500;
const QUESTIONS: u64 = 200;

/// Documents of a transaction, of ten chunks each.
const BATCH: u64 = 100;

/// Words by how common they are: from the one after the stop words on.
const RANKS: std::ops::Range<f64> = 100.0..100_000.0;

struct Corpus;

impl Corpus {
    /// The words of a chunk.
    fn words(&self, chunk: u64) -> Vec<String> {
        let mut random = Random::new(chunk);
        // The inverse of the distribution of ranks by Zipf's law.
        let word = || {
            let even = f64::from(random.float() + 1.0) / 2.0;
            RANKS.start * (RANKS.end / RANKS.start).powf(even)
        };
        std::iter::repeat_with(word).take(WORDS).map(|rank| format!("w{rank:.0}")).collect()
    }

    /// A vector of length 1 near one of the middles.
    fn vector(&self, chunk: u64, noise: u64) -> Vec<f32> {
        let normal = |seed| {
            let mut random = Random::new(seed);
            let mut even = move || random.float() / 2.0;
            std::iter::repeat_with(move || even() + even() + even()).take(DIMENSIONS)
        };
        let parts = [(chunk % MIDDLES, 1.0), (MIDDLES + chunk, 0.7), (noise, 0.3)];
        let mut sum = vec![0.0; DIMENSIONS];
        for (seed, share) in parts {
            sum.iter_mut().zip(normal(seed)).for_each(|(sum, v)| *sum += share * v);
        }
        let length = sum.iter().map(|v| v * v).sum::<f32>().sqrt();
        sum.iter().map(|v| v / length).collect()
    }
}

/// Finds the vector of a text in its first word, the number of a chunk.
impl Embedder for Corpus {
    fn id(&self) -> &str {
        "corpus"
    }

    fn dimensions(&self) -> usize {
        DIMENSIONS
    }

    fn embed(
        &self,
        texts: &[&str],
        _role: EmbeddingRole,
        _cancel: &CancellationToken,
    ) -> Result<Vec<f32>, Failure> {
        let number = |text: &&str| text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0);
        Ok(texts.iter().flat_map(|text| self.vector(number(text), u64::MAX)).collect())
    }
}

fn main() -> Result<(), Error> {
    let chunks = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let never = CancellationToken::new();
    let path = std::env::temp_dir().join(format!("retrieval-{}", std::process::id()));
    let file = |source| Error::File { path: path.clone(), source };
    std::fs::create_dir(&path).map_err(file)?;
    let report = measure(&Store::open(&path.join("kb"), Language::Any, &never)?, chunks);
    std::fs::remove_dir_all(&path).map_err(file)?;
    // Nobody is left to tell where standard output is gone.
    let _ = writeln!(std::io::stdout(), "{}", report?);
    Ok(())
}

fn measure(store: &Arc<Store>, chunks: u64) -> Result<Value, Error> {
    let start = Instant::now();
    fill(store, chunks)?;
    let indexing = start.elapsed().as_secs_f64();
    let corpus: Arc<dyn Embedder> = Arc::new(Corpus);
    let hybrid = Hybrid::new(store.clone(), corpus.clone());
    let retrievers: [&dyn Retriever; 4] = [
        &Bm25::new(store.clone()),
        &Dense::new(store.clone(), corpus),
        &hybrid,
        &hybrid.clone().with_feedback(5),
    ];
    let rows = retrievers.iter().map(|retriever| row(*retriever, chunks));
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    let bytes = std::fs::metadata(store.path()).map_or(0, |m| m.len());
    Ok(json!({ "chunks": chunks, "indexing": indexing, "bytes": bytes, "retrievers": rows }))
}

fn fill(store: &Store, chunks: u64) -> Result<(), Error> {
    let never = CancellationToken::new();
    for batch in 0..chunks.div_ceil(BATCH * 10) {
        store.update(&never, |update| {
            for number in batch * BATCH..(batch + 1) * BATCH {
                let of_document = number * 10..(number * 10 + 10).min(chunks);
                let text =
                    |chunk| Chunk { text: Corpus.words(chunk).join(" "), ..Chunk::default() };
                let vectors: Vec<_> =
                    of_document.clone().flat_map(|c| Corpus.vector(c, c)).collect();
                let source = number.to_string();
                let chunks = of_document.map(text).collect();
                let ids = update.put(&Document { source, chunks, ..Document::default() })?;
                update.put_vectors(&Corpus, &ids, &vectors)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// The first search, which reads what is kept in memory, and those after it.
fn row(retriever: &dyn Retriever, chunks: u64) -> Result<Value, Error> {
    let mut times = Vec::new();
    for question in 0..=QUESTIONS {
        let chunk = question * 7919 % chunks;
        let text = format!("{chunk} {}", Corpus.words(chunk)[..ASKED].join(" "));
        let start = Instant::now();
        retriever.retrieve(&SearchRequest::new(text), &CancellationToken::new())?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let first = times.remove(0);
    times.sort_by(f64::total_cmp);
    let [p50, p95, p99] = [50, 95, 99].map(|share| times[times.len() * share / 100]);
    let name = retriever.name();
    Ok(json!({ "retriever": name, "first": first, "p50": p50, "p95": p95, "p99": p99 }))
}
