//! What is found, in a better order.

use crate::hits::best;
use crate::{Store, text_to_embed};
use smallmind_abstractions::{
    Access, CancellationToken, Error, Hit, Reranker, Retriever, SearchRequest,
};
use std::fmt;
use std::sync::Arc;

/// Lets a [`Reranker`] order the best of another retriever.
#[derive(Clone)]
pub struct Reranked {
    store: Arc<Store>,
    first: Arc<dyn Retriever>,
    reranker: Arc<dyn Reranker>,
    /// So many of the first retriever's hits are read again.
    pub depth: usize,
}

impl Reranked {
    /// Orders the thirty best that `first` finds in `store`.
    pub fn new(store: Arc<Store>, first: Arc<dyn Retriever>, reranker: Arc<dyn Reranker>) -> Self {
        Self { store, first, reranker, depth: 30 }
    }
}

impl fmt::Debug for Reranked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Reranked");
        debug.field("first", &self.first.name()).field("depth", &self.depth);
        debug.finish_non_exhaustive()
    }
}

impl Retriever for Reranked {
    fn name(&self) -> &str {
        "reranked"
    }

    fn retrieve(
        &self,
        request: &SearchRequest,
        cancel: &CancellationToken,
    ) -> Result<Vec<Hit>, Error> {
        let deep = request.clone().with_limit(self.depth);
        let chunks: Vec<_> = self.first.retrieve(&deep, cancel)?.iter().map(|h| h.chunk).collect();
        let passages = self.store.passages(&chunks, &request.access, cancel)?;
        let texts: Vec<_> =
            passages.iter().map(|p| text_to_embed(&p.title, &p.heading, &p.text)).collect();
        let texts: Vec<_> = texts.iter().map(String::as_str).collect();
        let scores = self.reranker.score(&request.text, &texts, cancel)?;
        let scored = passages.iter().zip(scores);
        let hits = scored.map(|(p, score)| Hit { chunk: p.chunk, score }).collect();
        Ok(best(hits, request.limit))
    }
}

impl Store {
    /// `limit` of `hits`, each as good as it can be while unlike those before
    /// it: maximal marginal relevance (Carbonell and Goldstein 1998). `share`
    /// is what relevance counts, from 0 to 1; likeness counts the rest.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`], or what SQLite reports.
    pub fn diverse(
        &self,
        hits: &[Hit],
        share: f32,
        limit: usize,
        access: &Access,
        cancel: &CancellationToken,
    ) -> Result<Vec<Hit>, crate::Error> {
        let chunks: Vec<_> = hits.iter().map(|h| h.chunk).collect();
        let vectors = self.vectors(&chunks, access, cancel)?;
        let best = hits.first().map_or(1.0, |h| h.score).abs().max(f32::MIN_POSITIVE);
        let mut left: Vec<_> = hits.iter().zip(vectors).map(|(h, v)| (*h, v, 0.0)).collect();
        let mut chosen = Vec::new();
        while chosen.len() < limit && !left.is_empty() {
            cancel.check().map_err(crate::Error::cancelled(crate::Stage::Retrieval))?;
            let value =
                |(h, _, like): &(Hit, _, f32)| share * h.score / best - (1.0 - share) * like;
            // Of equals the first, which is the better one.
            let next =
                (0..left.len()).rev().max_by(|a, b| value(&left[*a]).total_cmp(&value(&left[*b])));
            let (hit, vector, _) = left.remove(next.unwrap_or(0));
            for (_, other, like) in &mut left {
                *like = like.max(cosine(&vector, other));
            }
            chosen.push(hit);
        }
        Ok(chosen)
    }
}

/// The likeness of vectors of length 1; none where one is missing.
fn cosine(a: &Option<Vec<f32>>, b: &Option<Vec<f32>>) -> f32 {
    match (a, b) {
        (Some(a), Some(b)) => a.iter().zip(b).map(|(a, b)| a * b).sum(),
        _ => 0.0,
    }
}
