//! Ctrl-C.

use smallmind_abstractions::CancellationToken;

/// A token that Ctrl-C cancels. A second Ctrl-C ends the process at once.
pub(crate) fn token() -> CancellationToken {
    let token = CancellationToken::new();
    let on_signal = token.clone();
    let handler = move || {
        if on_signal.is_cancelled() {
            #[allow(clippy::exit, reason = "the user has asked twice")]
            std::process::exit(130);
        }
        on_signal.cancel();
    };
    // Without a handler Ctrl-C still ends the process, only less gently.
    drop(ctrlc::set_handler(handler));
    token
}
