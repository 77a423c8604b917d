//! The guard of sessions: one holder at a time, the others turned away at once.

use crate::sync::{AtomicBool, Ordering};

/// Whether anybody uses a session.
///
/// Unlike a lock's, its guard may be kept between calls and sent to another
/// thread, as streams are.
#[derive(Debug)]
pub(crate) struct Guard {
    held: AtomicBool,
}

impl Guard {
    pub(crate) fn new() -> Self {
        Self { held: AtomicBool::new(false) }
    }

    /// Takes the guard, or gives `None` at once where it is taken.
    pub(crate) fn acquire(&self) -> Option<Held<'_>> {
        // Acquire pairs with the release in `drop`: the next holder sees all
        // that the last one did.
        self.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).ok()?;
        Some(Held { guard: self })
    }
}

/// The use of a session, which ends when this is dropped: on return, on error
/// and in a panic alike.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    guard: &'a Guard,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.guard.held.store(false, Ordering::Release);
    }
}
