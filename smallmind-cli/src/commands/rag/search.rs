//! `smallmind rag search`.

use crate::error::Error;
use serde_json::{Value, json};
use smallmind_abstractions::{Access, CancellationToken, Retriever, SearchRequest};
use smallmind_rag::{Bm25, Store};
use std::io::{Write, stdout};
use std::path::PathBuf;

/// Finds passages, best first.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// What is searched for.
    question: String,
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
    /// Print a JSON array.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, cancel: &CancellationToken) -> Result<(), Error> {
    let store = Store::open_existing(&args.store, cancel)?;
    let access = match &args.labels[..] {
        [] => Access::Everything,
        labels => Access::labels(labels),
    };
    let request = SearchRequest::new(&*args.question).with_limit(args.limit).with_access(access);
    let hits =
        Bm25::new(store.clone()).retrieve(&request, cancel).map_err(smallmind_rag::Error::from)?;
    let chunks: Vec<_> = hits.iter().map(|h| h.chunk).collect();
    let passages = store.passages(&chunks, &request.access, cancel)?;
    let mut out = stdout().lock();
    if args.json {
        let object = |p: &smallmind_rag::Passage| {
            let score = hits.iter().find(|h| h.chunk == p.chunk).map(|h| h.score);
            json!({
                "source": p.source, "score": score, "text": p.text,
                "bytes": [p.bytes.start, p.bytes.end], "lines": [p.lines.start, p.lines.end],
            })
        };
        writeln!(out, "{:#}", passages.iter().map(object).collect::<Value>())?;
        return Ok(());
    }
    for (n, passage) in (1..).zip(&passages) {
        writeln!(out, "[{n}] {}:{}", passage.source, passage.lines.start)?;
        passage.text.lines().try_for_each(|line| writeln!(out, "    {line}"))?;
    }
    Ok(())
}
