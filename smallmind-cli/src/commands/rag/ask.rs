//! `smallmind rag ask`.

use super::search::{self, Scope};
use crate::error::Error;
use crate::output;
use serde_json::{Value, json};
use smallmind_abstractions::CancellationToken;
use smallmind_rag::{Answer, AnswerEvent, Answerer, Passage};
use std::io::{Write, stdout};
use std::sync::Arc;

/// Answers a question from documents, with the passages it rests on.
///
/// Says so where the documents do not answer.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The question.
    question: String,
    #[command(flatten)]
    scope: Scope,
    /// The model that writes: a file, a name, or hf:OWNER/REPOSITORY/FILE.gguf.
    #[arg(long, default_value = "smollm2-135m")]
    model: String,
    /// The most tokens of the answer.
    #[arg(short, default_value_t = 256)]
    n: usize,
    /// Print a JSON object.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, cancel: &CancellationToken) -> Result<(), Error> {
    let store = args.scope.open(cancel)?;
    let model = search::load(&args.model, cancel)?;
    let retriever = args.scope.retriever(&store, Some((&args.model, &model)), cancel)?;
    let mut answerer = Answerer::new(store, retriever, Arc::new(model));
    answerer.max_tokens = args.n;
    let mut out = stdout().lock();
    let mut written = Ok(());
    let mut show = |event: AnswerEvent<'_>| {
        if !args.json && written.is_ok() {
            written = match event {
                AnswerEvent::Sources(sources) => list(&mut out, sources),
                AnswerEvent::Text(text) => {
                    out.write_all(text.as_bytes()).and_then(|()| out.flush())
                }
            };
            // Nobody reads any more.
            if written.is_err() {
                cancel.cancel();
            }
        }
    };
    let answer = answerer.answer(&args.scope.request(&args.question), &mut show, cancel);
    written?;
    let answer = answer?;
    if args.json {
        writeln!(out, "{:#}", object(&answer))?;
        return Ok(());
    }
    match answer {
        Answer::Answered { removed, .. } => {
            writeln!(out)?;
            if !removed.is_empty() {
                output::note(&format!(
                    "taken out, since no such passage was given: {}",
                    removed.join(" ")
                ));
            }
        }
        Answer::InsufficientEvidence { sources } => {
            writeln!(out, "\nNot in these documents.")?;
            if !sources.is_empty() {
                output::note(&format!(
                    "{} passages were found, and do not answer it",
                    sources.len()
                ));
            }
        }
    }
    Ok(())
}

fn list(out: &mut impl Write, sources: &[Passage]) -> std::io::Result<()> {
    for (n, source) in (1..).zip(sources) {
        writeln!(out, "[{n}] {}", source.place())?;
    }
    writeln!(out)
}

fn object(answer: &Answer) -> Value {
    let all = |sources: &[Passage]| sources.iter().map(search::object).collect::<Value>();
    match answer {
        Answer::Answered { text, sources, cited, removed } => json!({
            "answer": text, "cited": cited, "removed": removed, "sources": all(sources),
        }),
        Answer::InsufficientEvidence { sources } => json!({
            "answer": null, "reason": "insufficient evidence", "sources": all(sources),
        }),
    }
}
