//! A retriever over all questions of a collection.

use super::{Dataset, Metrics, TestDocument};
use crate::{Document, Error, Store};
use smallmind_abstractions::{Access, CancellationToken, Retriever, SearchRequest};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// How deep a ranking is measured: as deep as TREC's runs.
const DEPTH: usize = 1000;

/// What a retriever does on a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The name of the retriever.
    pub retriever: String,
    /// Means over all questions that have judgements.
    pub metrics: Metrics,
    /// The time of each question, rising.
    pub latencies: Vec<Duration>,
}

impl Measurement {
    /// The time that `share` (0 to 1) of the questions need at most, by the
    /// nearest rank; nothing where there were no questions.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let rank = (self.latencies.len() as f64 * share.clamp(0.0, 1.0)).ceil() as usize;
        self.latencies.get(rank.saturating_sub(1)).copied()
    }
}

impl Dataset {
    /// Puts all documents into a store, each as one chunk.
    ///
    /// # Errors
    /// What the store reports, or that `cancel` was stopped.
    pub fn fill(&self, store: &Store, cancel: &CancellationToken) -> Result<(), Error> {
        store.update(cancel, |update| {
            let document = |d: &TestDocument| Document::from_text(&d.id, &d.title, &d.text);
            self.documents.iter().try_for_each(|d| update.put(&document(d)).map(drop))
        })
    }
}

/// Asks a retriever all questions of a collection that [fills](Dataset::fill)
/// the store.
///
/// # Errors
/// What the retriever or the store reports, or that `cancel` was stopped.
pub fn measure(
    dataset: &Dataset,
    store: &Store,
    retriever: &dyn Retriever,
    cancel: &CancellationToken,
) -> Result<Measurement, Error> {
    let mut metrics = Vec::with_capacity(dataset.queries.len());
    let mut latencies = Vec::with_capacity(dataset.queries.len());
    for query in &dataset.queries {
        let request =
            SearchRequest::new(&*query.text).with_limit(DEPTH).with_access(Access::Everything);
        let start = Instant::now();
        let hits = retriever.retrieve(&request, cancel)?;
        latencies.push(start.elapsed());
        let chunks: Vec<_> = hits.iter().map(|h| h.chunk).collect();
        let passages = store.passages(&chunks, &request.access, cancel)?;
        let ranking = passages.into_iter().zip(&hits).map(|(p, hit)| (p.source, hit.score));
        // A document counts once, where its best chunk stands.
        let mut seen = HashSet::new();
        let ranking: Vec<_> = ranking.filter(|(source, _)| seen.insert(source.clone())).collect();
        metrics.push(Metrics::of(&query.judgements, &ranking));
    }
    latencies.sort_unstable();
    let retriever = retriever.name().to_owned();
    Ok(Measurement { retriever, metrics: Metrics::mean(&metrics), latencies })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Query;
    use crate::{Bm25, Language};
    use smallmind_abstractions::CancellationToken;

    #[test]
    fn a_small_collection_is_measured_as_by_hand() {
        let never = CancellationToken::new();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kb");
        let store = Store::open(&path, Language::English, &never).unwrap();
        let document = |id: &str, text: &str| TestDocument {
            id: id.to_owned(),
            title: String::new(),
            text: text.to_owned(),
        };
        let judgements = [("b".to_owned(), 1), ("c".to_owned(), 1)].into();
        let query = Query { id: "q".to_owned(), text: "swept wings".to_owned(), judgements };
        let documents = vec![
            document("a", "swept wings"),
            document("b", "wings of birds"),
            document("c", "tea"),
        ];
        let dataset = Dataset { documents, queries: vec![query] };
        dataset.fill(&store, &never).unwrap();
        let bm25 = Bm25::new(store.clone());
        let measured = measure(&dataset, &store, &bm25, &never).unwrap();
        let expected = Metrics {
            ndcg_10: (1.0 / 3f64.log2()) / (1.0 + 1.0 / 3f64.log2()),
            recall_10: 0.5,
            recall_100: 0.5,
            mrr: 0.5,
            map: 0.25,
        };
        assert_eq!(measured.metrics, expected);
        assert_eq!(measured.percentile(0.99), measured.latencies.first().copied());
    }
}
