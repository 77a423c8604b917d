//! Ctrl-C.

use smallmind_abstractions::CancellationToken;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A token that Ctrl-C cancels. A second Ctrl-C ends the process at once.
pub(crate) fn token() -> CancellationToken {
    Interrupts::new().token()
}

/// Ctrl-C in a program that goes on after what it stopped: it cancels the work
/// at hand, and ends the process where there is none or it was cancelled before.
pub(crate) struct Interrupts {
    work: Arc<Mutex<Option<CancellationToken>>>,
}

impl Interrupts {
    pub(crate) fn new() -> Self {
        let work: Arc<Mutex<Option<CancellationToken>>> = Arc::default();
        let on_signal = Arc::clone(&work);
        let handler = move || match &*locked(&on_signal) {
            Some(token) if !token.is_cancelled() => token.cancel(),
            #[allow(clippy::exit, reason = "the user has asked for it")]
            _ => std::process::exit(130),
        };
        // Without a handler Ctrl-C still ends the process, only less gently.
        drop(ctrlc::set_handler(handler));
        Self { work }
    }

    /// A token for work that begins.
    pub(crate) fn token(&self) -> CancellationToken {
        let token = CancellationToken::new();
        *locked(&self.work) = Some(token.clone());
        token
    }

    /// Takes note that the work is over.
    pub(crate) fn rest(&self) {
        *locked(&self.work) = None;
    }
}

fn locked(work: &Mutex<Option<CancellationToken>>) -> MutexGuard<'_, Option<CancellationToken>> {
    work.lock().unwrap_or_else(PoisonError::into_inner)
}
