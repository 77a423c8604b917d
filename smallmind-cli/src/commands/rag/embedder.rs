//! Which model turns passages and questions into vectors.

use crate::error::Error;
use crate::models;
use smallmind_abstractions::{CancellationToken, Retriever};
use smallmind_engine::{EmbeddingModel, EmbeddingOptions};
use smallmind_rag::{Bm25, Hybrid, Store};
use std::sync::Arc;

#[derive(clap::Args)]
pub(super) struct Choice {
    /// The model for passages and questions: a file, a name, or
    /// hf:OWNER/REPOSITORY/FILE.gguf. A store's vectors are all of one.
    #[arg(long, default_value = "all-minilm-l6-v2")]
    embedder: String,
}

impl Choice {
    pub(super) fn load(&self, cancel: &CancellationToken) -> Result<Arc<EmbeddingModel>, Error> {
        let path = models::file(&self.embedder, cancel)?;
        Ok(Arc::new(EmbeddingModel::load(path, EmbeddingOptions::default(), cancel)?))
    }

    /// By words and vectors, or by words alone where the store has no vectors.
    pub(super) fn retriever(
        &self,
        store: &Arc<Store>,
        cancel: &CancellationToken,
    ) -> Result<Arc<dyn Retriever>, Error> {
        if store.embedder(cancel)?.is_none() {
            return Ok(Arc::new(Bm25::new(store.clone())));
        }
        Ok(Arc::new(Hybrid::new(store.clone(), self.load(cancel)?)))
    }
}
