//! `smallmind rag add`.

use super::embedder;
use super::eval::language;
use crate::error::Error;
use crate::output::{self, note};
use indicatif::{ProgressBar, ProgressDrawTarget};
use smallmind_abstractions::CancellationToken;
use smallmind_rag::ingest::{Event, Ingest};
use smallmind_rag::{Language, Store};
use std::io::{Write, stdin, stdout};
use std::path::PathBuf;
use std::time::Instant;

/// Brings a store up to date with files and folders.
///
/// Reads text, Markdown, HTML, PDF, source code, CSV, TSV and JSON lines, by
/// the endings of their names. Unchanged files cost a stat; what is gone from
/// the folders is removed. Chunks are as large as the embedder reads.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Files and folders; ignore files are respected. '-' is standard input.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// What standard input is called; the ending says what it is.
    #[arg(long, default_value = "stdin")]
    name: String,
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
    let model = match args.words_only {
        true => None,
        false => Some(args.embedder.load(cancel)?),
    };
    let mut ingest = Ingest::new(&store);
    if let Some(model) = &model {
        ingest = ingest.with_chunking(model.clone().into()).with_embedder(&**model);
    }
    let mut progress = Progress::new();
    let result = args.add(&ingest, &mut |event| progress.take(event), cancel);
    progress.bar.finish_and_clear();
    result?;
    writeln!(stdout(), "{}", progress.summary())?;
    Ok(())
}

impl Args {
    fn add(
        &self,
        ingest: &Ingest<'_>,
        progress: &mut dyn FnMut(Event),
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let (input, paths): (Vec<_>, Vec<_>) =
            self.paths.iter().cloned().partition(|path| path.as_os_str() == "-");
        if !input.is_empty() {
            ingest.text(&self.name, stdin(), progress, cancel)?;
        }
        // Without files, chunks that have no vectors have been embedded already.
        if !paths.is_empty() {
            ingest.files(&paths, progress, cancel)?;
        }
        Ok(())
    }
}

/// What has been done, counted and shown.
struct Progress {
    bar: ProgressBar,
    start: Instant,
    added: usize,
    chunks: usize,
    embedded: usize,
    unchanged: usize,
    removed: usize,
    skipped: usize,
}

impl Progress {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        bar.set_style(output::files());
        let [added, chunks, embedded, unchanged, removed, skipped] = [0; 6];
        Self { bar, start: Instant::now(), added, chunks, embedded, unchanged, removed, skipped }
    }

    fn take(&mut self, event: Event) {
        let is_file = !matches!(event, Event::Found(_) | Event::Removed(_) | Event::Embedded(_));
        match event {
            Event::Found(files) => self.bar.set_length(files as u64),
            Event::Added(_, chunks) => {
                self.added += 1;
                self.chunks += chunks;
            }
            Event::Unchanged(_) => self.unchanged += 1,
            Event::Removed(_) => self.removed += 1,
            Event::Skipped(path, reason) => {
                self.skipped += 1;
                self.bar.suspend(|| note(&format!("skipped {}: {reason}", path.display())));
            }
            Event::Embedded(chunks) => self.embedded += chunks,
            _ => {}
        }
        let seconds = self.start.elapsed().as_secs_f64();
        let done = if self.embedded > 0 { self.embedded } else { self.chunks };
        let Self { chunks, embedded, .. } = self;
        let rate = done as f64 / seconds;
        self.bar.set_message(format!("{chunks} chunks, {embedded} embedded, {rate:.0}/s"));
        self.bar.inc(u64::from(is_file));
    }

    fn summary(&self) -> String {
        let Self { added, chunks, unchanged, removed, skipped, .. } = self;
        format!(
            "{added} files added as {chunks} chunks, {unchanged} unchanged, {removed} removed, \
             {skipped} skipped"
        )
    }
}
