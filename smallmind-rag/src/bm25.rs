//! Retrieval by words.

use crate::Store;
use smallmind_abstractions::{CancellationToken, Error, Hit, Retriever, SearchRequest};
use std::sync::Arc;

/// Ranks chunks by Okapi BM25 (Robertson and Zaragoza 2009, k₁ = 1.2,
/// b = 0.75) over stems; a word in the title or a heading counts as often as
/// [`title_weight`](Self::title_weight) says.
///
/// Frequencies are counted over the chunks that the asker may see, so that no
/// score tells of the others.
#[derive(Debug, Clone)]
pub struct Bm25 {
    store: Arc<Store>,
    /// How much a word in the title counts against one in the text.
    pub title_weight: f32,
}

impl Bm25 {
    /// Searches a store.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store, title_weight: 1.0 }
    }
}

impl Retriever for Bm25 {
    fn name(&self) -> &str {
        "bm25"
    }

    fn retrieve(
        &self,
        request: &SearchRequest,
        cancel: &CancellationToken,
    ) -> Result<Vec<Hit>, Error> {
        let terms = self.store.analyzer().terms(&request.text);
        Ok(self.store.words(&terms, self.title_weight, request, cancel)?)
    }
}
