//! From what the user writes to a file, pulled where it is missing.

use crate::error::Error;
use crate::output::{note, size};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use smallmind_abstractions::CancellationToken;
use smallmind_engine::hub::{ModelReference, ModelStore, PullEvent};
use std::path::PathBuf;

/// The file of a model.
pub(crate) fn file(model: &str, cancel: &CancellationToken) -> Result<PathBuf, Error> {
    let model = ModelReference::parse(model)?;
    pull(&ModelStore::open_default()?, &model, cancel)
}

/// Pulls a model where it is missing, and says what happens.
pub(crate) fn pull(
    store: &ModelStore,
    model: &ModelReference,
    cancel: &CancellationToken,
) -> Result<PathBuf, Error> {
    let bar = bar();
    let mut progress = |event: PullEvent<'_>| match event {
        PullEvent::Notice(text) => bar.suspend(|| note(text)),
        PullEvent::Waiting => bar.suspend(|| note("another process is pulling it; waiting")),
        PullEvent::Trying { source } => {
            bar.set_message(source.to_owned());
            if bar.is_hidden() {
                note(&format!("pulling from {source}"));
            }
        }
        PullEvent::Failed { source, reason } => {
            bar.suspend(|| note(&format!("{source} does not answer: {reason}")));
        }
        PullEvent::Progress { done, total } => {
            total.iter().for_each(|t| bar.set_length(*t));
            bar.set_position(done);
        }
        PullEvent::Verifying => bar.set_message("checking"),
        PullEvent::Finished { sha256 } => {
            bar.finish_and_clear();
            note(&format!("pulled {} (sha256 {})", size(bar.position()), &sha256[..12]));
        }
        _ => {}
    };
    let file = store.pull(model, &mut progress, cancel);
    bar.finish_and_clear();
    Ok(file?)
}

fn bar() -> ProgressBar {
    const TEMPLATE: &str =
        "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    match ProgressStyle::with_template(TEMPLATE) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
