//! `smallmind rag search`.

use super::embedder;
use crate::error::Error;
use crate::models;
use serde_json::{Value, json};
use smallmind_abstractions::{Access, CancellationToken, Condition, Retriever, SearchRequest};
use smallmind_engine::{Engine, EngineOptions};
use smallmind_rag::{LanguageModel, LikelihoodReranker, Passage, Reranked, Store};
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::sync::Arc;

/// What is searched in, and on whose behalf.
#[derive(clap::Args)]
pub(super) struct Scope {
    /// The file of the store.
    #[arg(long)]
    store: PathBuf,
    /// At most this many passages.
    #[arg(long, default_value_t = 5)]
    limit: usize,
    /// Search on behalf of one who holds this label (may be repeated); without
    /// any, everything is searched.
    #[arg(long = "label")]
    labels: Vec<String>,
    /// Only documents whose source starts so.
    #[arg(long, value_name = "PREFIX")]
    source: Option<String>,
    /// Only documents with this in their metadata (may be repeated; all must
    /// hold).
    #[arg(long = "where", value_name = "KEY=VALUE", value_parser = condition)]
    conditions: Vec<Condition>,
    #[command(flatten)]
    embedder: embedder::Choice,
    /// Order what is found by how probable this language model thinks the
    /// question is after each passage: a file, a name, or
    /// hf:OWNER/REPOSITORY/FILE.gguf.
    #[arg(long, value_name = "MODEL")]
    rerank: Option<String>,
}

fn condition(text: &str) -> Result<Condition, String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok(Condition::Metadata { key: key.to_owned(), one_of: vec![value.to_owned()] })
}

impl Scope {
    pub(super) fn open(&self, cancel: &CancellationToken) -> Result<Arc<Store>, Error> {
        Ok(Store::open_existing(&self.store, cancel)?)
    }

    /// What searches. `loaded` is a model that is there already, under its name.
    pub(super) fn retriever(
        &self,
        store: &Arc<Store>,
        loaded: Option<(&str, &LanguageModel)>,
        cancel: &CancellationToken,
    ) -> Result<Arc<dyn Retriever>, Error> {
        let first = self.embedder.retriever(store, cancel)?;
        let Some(name) = &self.rerank else { return Ok(first) };
        let model = match loaded.filter(|(loaded, _)| loaded == name) {
            Some((_, model)) => model.clone(),
            None => load(name, cancel)?,
        };
        let reranker = Arc::new(LikelihoodReranker::new(model));
        Ok(Arc::new(Reranked::new(store.clone(), first, reranker)))
    }

    pub(super) fn request(&self, question: &str) -> SearchRequest {
        let access = match &self.labels[..] {
            [] => Access::Everything,
            labels => Access::labels(labels),
        };
        let source = self.source.clone().map(Condition::SourceStartsWith);
        let conditions = self.conditions.iter().cloned().chain(source).collect();
        let request = SearchRequest::new(question).with_limit(self.limit).with_access(access);
        SearchRequest { conditions, ..request }
    }
}

/// Loads a language model.
pub(super) fn load(model: &str, cancel: &CancellationToken) -> Result<LanguageModel, Error> {
    let file = models::file(model, cancel)?;
    Ok(LanguageModel::new(Engine::load(file, EngineOptions::default(), cancel)?)?)
}

/// Finds passages, best first.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is searched for.
    question: String,
    #[command(flatten)]
    scope: Scope,
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, cancel: &CancellationToken) -> Result<(), Error> {
    let store = args.scope.open(cancel)?;
    let request = args.scope.request(&args.question);
    let retriever = args.scope.retriever(&store, None, cancel)?;
    let hits = retriever.retrieve(&request, cancel).map_err(smallmind_rag::Error::from)?;
    let chunks: Vec<_> = hits.iter().map(|h| h.chunk).collect();
    let passages = store.passages(&chunks, &request.access, cancel)?;
    let mut out = stdout().lock();
    if args.json {
        let scored = |p: &Passage| {
            let mut object = object(p);
            object["score"] = json!(hits.iter().find(|h| h.chunk == p.chunk).map(|h| h.score));
            object
        };
        writeln!(out, "{:#}", passages.iter().map(scored).collect::<Value>())?;
        return Ok(());
    }
    for (n, passage) in (1..).zip(&passages) {
        writeln!(out, "[{n}] {}", passage.place())?;
        passage.text.lines().try_for_each(|line| writeln!(out, "    {line}"))?;
    }
    Ok(())
}

pub(super) fn object(passage: &Passage) -> Value {
    let (bytes, lines) = (&passage.bytes, &passage.lines);
    json!({
        "source": passage.source, "title": passage.title, "text": passage.text,
        "heading": passage.heading, "place": passage.place(),
        "bytes": [bytes.start, bytes.end], "lines": [lines.start, lines.end],
    })
}
