//! Answers a question from the files of a folder.
//!
//! `cargo run --release -p smallmind-rag --features engine --example answers -- \
//! EMBEDDER.gguf MODEL.gguf FOLDER QUESTION`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use smallmind_abstractions::{CancellationToken, SearchRequest};
use smallmind_engine::{EmbeddingModel, EmbeddingOptions, Engine, EngineOptions};
use smallmind_rag::{Answerer, Hybrid, Language, LanguageModel, Store, ingest::Ingest};
use std::{env::args, error::Error, sync::Arc};

fn main() -> Result<(), Box<dyn Error>> {
    let [embedder, model, folder, question] =
        [1, 2, 3, 4].map(|n| args().nth(n).unwrap_or_default());
    let never = CancellationToken::new();
    let store = Store::open("kb".as_ref(), Language::English, &never)?;
    let embedder = EmbeddingModel::load(embedder, EmbeddingOptions::default(), &never)?;
    let embedder = Arc::new(embedder);
    let ingest = Ingest::new(&store).with_chunking(embedder.clone().into());
    ingest.with_embedder(&*embedder).files(&[folder.into()], &mut |_| {}, &never)?;
    let model = LanguageModel::new(Engine::load(model, EngineOptions::default(), &never)?)?;
    let retriever = Arc::new(Hybrid::new(store.clone(), embedder));
    let answerer = Answerer::new(store, retriever, Arc::new(model));
    let question = SearchRequest::new(question);
    // The passages first, then the text as it is written, then the whole, its citations checked.
    println!("{:?}", answerer.answer(&question, &mut |event| println!("{event:?}"), &never)?);
    Ok(())
}
