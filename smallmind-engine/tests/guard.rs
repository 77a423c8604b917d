//! The guard of sessions under every interleaving of its threads, by loom.

/// In the place of the crate's own.
mod sync {
    pub(crate) use loom::sync::atomic::{AtomicBool, Ordering};
}
#[path = "../src/guard.rs"]
mod guard;

use guard::Guard;
use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::thread;
use sync::Ordering;

/// A count that only the holder touches. It is read and written apart and
/// without order, so a second holder, or one that does not see what the last
/// one wrote, loses an increment.
struct Shared {
    guard: Guard,
    count: AtomicUsize,
}

impl Shared {
    fn increment(&self) {
        self.count.store(self.count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Tries once; whether it was let in.
    fn enter(&self) -> bool {
        let held = self.guard.acquire();
        if held.is_some() {
            self.increment();
        }
        held.is_some()
    }

    /// The count when all are done.
    fn finish(&self) -> usize {
        let _held = self.guard.acquire().expect("a release was lost");
        self.count.load(Ordering::Relaxed)
    }
}

fn shared() -> Arc<Shared> {
    Arc::new(Shared { guard: Guard::new(), count: AtomicUsize::new(0) })
}

#[test]
fn one_holder_at_a_time_and_no_lost_release() {
    loom::model(|| {
        let shared = shared();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || usize::from(shared.enter()) + usize::from(shared.enter()))
            })
            .collect();
        let mine = usize::from(shared.enter());
        let entered = others.into_iter().map(|other| other.join().unwrap()).sum::<usize>() + mine;
        assert!(entered > 0, "nobody was let in");
        assert_eq!(shared.finish(), entered);
    });
}

#[test]
fn a_panic_releases() {
    loom::model(|| {
        let shared = shared();
        let other = Arc::clone(&shared);
        let panicking = thread::spawn(move || {
            let entered = std::cell::Cell::new(0);
            let inside = std::panic::AssertUnwindSafe(|| {
                let Some(_held) = other.guard.acquire() else { return };
                other.increment();
                entered.set(1);
                std::panic::resume_unwind(Box::new("in a callback"));
            });
            let panicked = std::panic::catch_unwind(inside).is_err();
            assert_eq!(panicked, entered.get() == 1);
            entered.get()
        });
        let entered = usize::from(shared.enter()) + panicking.join().unwrap();
        assert_eq!(shared.finish(), entered);
    });
}
