//! What a test allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which remembers the requests of each thread. A test
/// makes it the `#[global_allocator]`.
#[derive(Debug)]
pub struct Recorder;

/// Requests for memory, of one thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// How many there were.
    pub count: usize,
    /// The bytes of the largest.
    pub largest: usize,
}

thread_local! {
    static REQUESTS: Cell<Requests> = const { Cell::new(Requests { count: 0, largest: 0 }) };
}

impl Recorder {
    /// What this thread requested since the last call.
    pub fn take() -> Requests {
        REQUESTS.take()
    }

    fn remember(bytes: usize) {
        // A thread that is ending has nothing left to measure.
        let _ = REQUESTS.try_with(|cell| {
            let Requests { count, largest } = cell.get();
            cell.set(Requests { count: count + 1, largest: largest.max(bytes) });
        });
    }
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Recorder {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::remember(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::remember(size);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}
