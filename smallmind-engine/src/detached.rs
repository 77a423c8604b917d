//! Work that cannot be stopped in the middle, and who need not wait for it.

use crate::Error;
use crate::thread::spawn;
use smallmind_abstractions::CancellationToken;
use smallmind_runtime::Error as RuntimeError;
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

/// How often a token is looked at.
const INTERVAL: Duration = Duration::from_millis(5);

/// Runs `work` on a thread of its own until it is done or `cancel` is
/// cancelled. Then nobody waits: the work ends by itself, for nothing.
pub(crate) fn detached<T: Send + 'static>(
    cancel: &CancellationToken,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    cancel.check().map_err(RuntimeError::from)?;
    let (sender, receiver) = sync_channel(1);
    // Where nobody waits any longer, nobody wants what was done.
    let thread = spawn("smallmind-detached", move || drop(sender.send(work())))?;
    loop {
        match receiver.recv_timeout(INTERVAL) {
            Ok(done) => return done,
            Err(RecvTimeoutError::Timeout) => cancel.check().map_err(RuntimeError::from)?,
            // It panicked, and so does who called it.
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => resume_unwind(panic),
                Ok(()) => unreachable!("a thread that ends has sent what it did"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_once_cancelled() {
        let cancel = CancellationToken::new();
        let (end, until) = sync_channel::<()>(0);
        let stop = cancel.clone();
        let outcome = detached(&cancel, move || {
            stop.cancel();
            // Does not end before the caller has returned.
            let _ = until.recv();
            Ok(())
        });
        assert!(matches!(outcome, Err(Error::Runtime(RuntimeError::Cancelled(_)))), "{outcome:?}");
        drop(end);
    }

    #[test]
    fn what_is_done_comes_back_and_panics_do_too() {
        let never = CancellationToken::new();
        assert_eq!(detached(&never, || Ok(7)).ok(), Some(7));
        assert!(matches!(
            detached::<()>(&never, || Err(Error::EmptyPrompt)),
            Err(Error::EmptyPrompt)
        ));
        let panicked = std::panic::catch_unwind(|| detached::<()>(&never, || panic!("odd")));
        assert_eq!(panicked.err().and_then(|p| p.downcast_ref::<&str>().copied()), Some("odd"));
    }
}
