//! Threads that log where those who start them do.

use crate::Error;
use smallmind_runtime::Error as RuntimeError;
use std::thread::{Builder, JoinHandle};

/// Starts a thread. What it logs belongs to who starts it.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    let log = tracing::dispatcher::get_default(Clone::clone);
    let work = move || tracing::dispatcher::with_default(&log, work);
    let thread = Builder::new().name(name.to_owned()).spawn(work);
    Ok(thread.map_err(|source| RuntimeError::Threads { threads: 1, source })?)
}
