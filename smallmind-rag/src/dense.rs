//! Retrieval by meaning.

use smallmind_abstractions::{
    CancellationToken, Embedder, Embedding, EmbeddingRole, Error, Hit, Retriever, SearchRequest,
    VectorStore,
};
use std::fmt;
use std::sync::Arc;

/// Ranks chunks by the inner product of their vectors with the question's.
///
/// ```no_run
/// # fn model() -> std::sync::Arc<dyn smallmind_abstractions::Embedder> { unimplemented!() }
/// use smallmind_abstractions::{CancellationToken, Retriever, SearchRequest};
/// use smallmind_rag::{Dense, Store, embed_missing};
///
/// let never = CancellationToken::new();
/// let store = Store::open_existing("kb".as_ref(), &never)?;
/// let embedder = model();
/// embed_missing(&store, &*embedder, &mut |_| {}, &never)?;
/// let dense = Dense::new(store, embedder);
/// let hits = dense.retrieve(&SearchRequest::new("why do wings stall?"), &never)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Dense {
    vectors: Arc<dyn VectorStore>,
    embedder: Arc<dyn Embedder>,
}

impl Dense {
    /// Searches the vectors of a store, a [`Store`](crate::Store) or another,
    /// which this embedder has made.
    pub fn new(vectors: Arc<dyn VectorStore>, embedder: Arc<dyn Embedder>) -> Self {
        Self { vectors, embedder }
    }
}

impl fmt::Debug for Dense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Dense").field(&self.embedder.id()).finish()
    }
}

impl Retriever for Dense {
    fn name(&self) -> &str {
        "dense"
    }

    fn retrieve(
        &self,
        request: &SearchRequest,
        cancel: &CancellationToken,
    ) -> Result<Vec<Hit>, Error> {
        let values = self.embedder.embed(&[&request.text], EmbeddingRole::Query, cancel)?;
        let query = Embedding { embedder: self.embedder.id(), values: &values };
        self.vectors.nearest(query, request, cancel)
    }
}
