//! Retrieval by words and by meaning at once.

use crate::{Bm25, Fusion, Store};
use smallmind_abstractions::{
    CancellationToken, Embedder, Embedding, EmbeddingRole, Error, Hit, Retriever, SearchRequest,
    VectorStore,
};
use std::fmt;
use std::sync::Arc;

/// How deep the rankings are that are fused, at least.
const DEPTH: usize = 100;

/// Fuses BM25 and the nearest vectors of a store. Chunks that have no vector
/// yet are found by their words.
#[derive(Clone)]
pub struct Hybrid {
    store: Arc<Store>,
    words: Bm25,
    embedder: Arc<dyn Embedder>,
    /// How the two rankings become one.
    pub fusion: Fusion,
    /// Where it is not 0, the question's vector is moved to the middle of the
    /// so many best, and asked once more (Rocchio 1971): it finds more where
    /// much is relevant, at the price of a second scan. 5 is usual.
    pub feedback: usize,
}

impl Hybrid {
    /// Searches a store whose vectors this embedder has made.
    pub fn new(store: Arc<Store>, embedder: Arc<dyn Embedder>) -> Self {
        let words = Bm25::new(store.clone());
        Self { store, words, embedder, fusion: Fusion::default(), feedback: 0 }
    }

    /// The same with another [fusion](Self::fusion).
    #[must_use]
    pub fn with_fusion(self, fusion: Fusion) -> Self {
        Self { fusion, ..self }
    }

    /// The same with [feedback](Self::feedback) of so many.
    #[must_use]
    pub fn with_feedback(self, feedback: usize) -> Self {
        Self { feedback, ..self }
    }

    /// `question`, moved as far again towards the middle of the best hits.
    fn moved(
        &self,
        question: &[f32],
        best: &[Hit],
        request: &SearchRequest,
        cancel: &CancellationToken,
    ) -> Result<Vec<f32>, Error> {
        let best: Vec<_> = best.iter().take(self.feedback).map(|h| h.chunk).collect();
        let mut sum = vec![0.0; question.len()];
        for vector in self.store.vectors(&best, &request.access, cancel)?.into_iter().flatten() {
            sum.iter_mut().zip(vector).for_each(|(sum, v)| *sum += v);
        }
        unit(&mut sum);
        sum.iter_mut().zip(question).for_each(|(sum, q)| *sum += q);
        unit(&mut sum);
        Ok(sum)
    }
}

/// Brings a vector to length 1, unless it has none.
fn unit(vector: &mut [f32]) {
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|v| *v /= length);
    }
}

impl fmt::Debug for Hybrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Hybrid");
        debug.field("embedder", &self.embedder.id()).field("fusion", &self.fusion);
        debug.field("feedback", &self.feedback).finish_non_exhaustive()
    }
}

impl Retriever for Hybrid {
    fn name(&self) -> &str {
        match (self.feedback, self.fusion) {
            (0, Fusion::Convex { .. }) => "hybrid",
            (0, Fusion::ReciprocalRank { .. }) => "hybrid-rrf",
            (_, Fusion::Convex { .. }) => "hybrid+feedback",
            (_, Fusion::ReciprocalRank { .. }) => "hybrid-rrf+feedback",
        }
    }

    fn retrieve(
        &self,
        request: &SearchRequest,
        cancel: &CancellationToken,
    ) -> Result<Vec<Hit>, Error> {
        let deep = request.clone().with_limit(request.limit.max(DEPTH));
        let words = self.words.retrieve(&deep, cancel)?;
        let question = self.embedder.embed(&[&request.text], EmbeddingRole::Query, cancel)?;
        let nearest = |values: &[f32]| {
            let query = Embedding { embedder: self.embedder.id(), values };
            self.store.nearest(query, &deep, cancel)
        };
        let mut rankings = [words, nearest(&question)?];
        let mut hits = self.fusion.fuse(&rankings);
        if self.feedback > 0 {
            rankings[1] = nearest(&self.moved(&question, &hits, request, cancel)?)?;
            hits = self.fusion.fuse(&rankings);
        }
        hits.truncate(request.limit);
        Ok(hits)
    }
}
