//! `smallmind rag add`.

use super::embedder;
use super::eval::language;
use crate::error::Error;
use crate::output::{self, note};
use indicatif::{ProgressBar, ProgressDrawTarget};
use smallmind_abstractions::CancellationToken;
use smallmind_rag::ingest::{Event, ingest};
use smallmind_rag::{Language, Store, embed_missing};
use std::io::{Write, stdout};
use std::path::PathBuf;

/// Brings a store up to date with files and folders.
///
/// Unchanged files cost a stat; what is gone from the folders is removed.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files and folders of text; ignore files are respected.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The file of the store; made where there is none.
    #[arg(long)]
    store: PathBuf,
    /// The language of the documents, as an ISO 639-1 code, or 'any'.
    #[arg(long, default_value = "en", value_parser = language)]
    language: Language,
    #[command(flatten)]
    embedder: embedder::Choice,
    /// Index words only, without vectors; search is then by words.
    #[arg(long)]
    words_only: bool,
}

pub(crate) fn run(args: &Args, cancel: &CancellationToken) -> Result<(), Error> {
    let store = Store::open(&args.store, args.language, cancel)?;
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let [mut added, mut chunks, mut unchanged, mut removed, mut skipped] = [0; 5];
    let mut progress = |event| {
        bar.inc(1);
        match event {
            Event::Added(_, n) => (added, chunks) = (added + 1, chunks + n),
            Event::Unchanged(_) => unchanged += 1,
            Event::Removed(_) => removed += 1,
            Event::Skipped(path, reason) => {
                skipped += 1;
                bar.suspend(|| note(&format!("skipped {}: {reason}", path.display())));
            }
            _ => {}
        }
    };
    let result = ingest(&store, &args.paths, &mut progress, cancel);
    bar.finish_and_clear();
    result?;
    if !args.words_only {
        embed(&store, &args.embedder, cancel)?;
    }
    writeln!(
        stdout(),
        "{added} files added as {chunks} chunks, {unchanged} unchanged, {removed} removed, {skipped} skipped"
    )?;
    Ok(())
}

/// Gives vectors to the chunks that have none.
fn embed(
    store: &Store,
    embedder: &embedder::Choice,
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let model = embedder.load(cancel)?;
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(output::counter("chunks embedded"));
    let result = embed_missing(store, &*model, &mut |chunks| bar.inc(chunks as u64), cancel);
    bar.finish_and_clear();
    Ok(result?)
}
