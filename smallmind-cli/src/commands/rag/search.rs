//! `smallmind rag search`.

use super::embedder;
use crate::error::Error;
use serde_json::{Value, json};
use smallmind_abstractions::{Access, CancellationToken, Condition, SearchRequest};
use smallmind_rag::{Passage, Store};
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
    pub(super) embedder: embedder::Choice,
}

fn condition(text: &str) -> Result<Condition, String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok(Condition::Metadata { key: key.to_owned(), one_of: vec![value.to_owned()] })
}

impl Scope {
    pub(super) fn open(&self, cancel: &CancellationToken) -> Result<Arc<Store>, Error> {
        Ok(Store::open_existing(&self.store, cancel)?)
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
    let hits = args.scope.embedder.retriever(&store, cancel)?;
    let hits = hits.retrieve(&request, cancel).map_err(smallmind_rag::Error::from)?;
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
