//! From chunks to vectors in a store.

use crate::{Error, Passage, Stage, Store};
use smallmind_abstractions::{CancellationToken, ChunkId, Embedder, EmbeddingRole};

/// Chunks in a transaction: few enough that a stopped run loses little.
const BATCH: usize = 256;

/// What of a chunk its vector is made of: it means what it does under its
/// title and headings.
///
/// ```
/// assert_eq!(smallmind_rag::text_to_embed("Tea", "", "Three minutes."), "Tea\nThree minutes.");
/// ```
pub fn text_to_embed(title: &str, heading: &str, text: &str) -> String {
    let parts = [title, heading, text].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("\n")
}

/// Gives a vector to each chunk that has none, and says after each commit how
/// many there were. Where it is stopped, another call goes on from there.
///
/// # Errors
/// [`Error::OtherEmbedder`], or what the embedder or the store reports.
pub fn embed_missing(
    store: &Store,
    embedder: &dyn Embedder,
    progress: &mut dyn FnMut(usize),
    cancel: &CancellationToken,
) -> Result<(), Error> {
    embed_after(&mut ChunkId(0), store, embedder, progress, cancel)
}

/// The same for the chunks after `after`, which is then the last of all.
pub(crate) fn embed_after(
    after: &mut ChunkId,
    store: &Store,
    embedder: &dyn Embedder,
    progress: &mut dyn FnMut(usize),
    cancel: &CancellationToken,
) -> Result<(), Error> {
    loop {
        let batch = store.without_vectors(*after, BATCH, cancel)?;
        let Some(last) = batch.last() else { return Ok(()) };
        *after = last.chunk;
        let vectors = embed(embedder, &batch, cancel)?;
        // A chunk that was removed meanwhile needs no vector.
        let ids: Vec<_> = batch.iter().map(|p| p.chunk).collect();
        store.update(cancel, |update| update.put_vectors(embedder, &ids, &vectors))?;
        progress(ids.len());
    }
}

fn embed(
    embedder: &dyn Embedder,
    passages: &[Passage],
    cancel: &CancellationToken,
) -> Result<Vec<f32>, Error> {
    let text = |p: &Passage| text_to_embed(&p.title, &p.heading, &p.text);
    let texts: Vec<_> = passages.iter().map(text).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let vectors = embedder.embed(&texts, EmbeddingRole::Document, cancel);
    vectors.map_err(Error::at(Stage::Embedding))
}
