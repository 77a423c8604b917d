//! The pool's lists under every interleaving of two threads, by loom.

/// In the place of the crate's own.
mod sync {
    pub(crate) use loom::sync::{Mutex, MutexGuard};
    pub(crate) use std::sync::PoisonError;
}
#[path = "../src/pool/free.rs"]
mod free;

use free::{Class, Counts, FreeLists};
use loom::sync::Arc;
use loom::thread;

#[test]
fn no_buffer_is_lost_or_given_twice() {
    loom::model(|| {
        let class = Class::of(free::SMALLEST).expect("a class");
        let lists = Arc::new(FreeLists::<u32>::new(class.bytes));
        assert_eq!(lists.take(class), None);
        assert_eq!(lists.give(class, Some(1)), None);
        let turn = |new: u32| {
            let lists = Arc::clone(&lists);
            move || {
                let buffer = lists.take(class).unwrap_or(new);
                thread::yield_now();
                lists.give(class, Some(buffer)).map(|_| buffer)
            }
        };
        let (mine, theirs) = (turn(2), thread::spawn(turn(3)));
        let dropped = [mine(), theirs.join().expect("no panic")];
        let Counts { hits, misses, live, high_water, retained } = lists.counts();
        assert_eq!((hits + misses, live, retained), (3, 0, class.bytes));
        assert_eq!(high_water, class.bytes * if misses == 1 { 1 } else { 2 });
        // One buffer is left: those that were made, but for the dropped.
        let left = lists.drain();
        assert_eq!(left.len(), 1);
        assert_eq!(dropped.iter().flatten().count() as u64, misses - 1);
        assert!(!dropped.contains(&Some(left[0])));
    });
}
