//! What a test allocates.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The system's allocator, which remembers the requests of each thread. A test
/// makes it the `#[global_allocator]`.
#[derive(Debug)]
pub struct Recorder;

/// Requests for memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// How many there were.
    pub count: usize,
    /// Their bytes.
    pub bytes: usize,
    /// The bytes of the largest.
    pub largest: usize,
}

/// The count and the bytes of all threads' requests.
static ALL: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

thread_local! {
    static REQUESTS: Cell<Requests> = const { Cell::new(Requests { count: 0, bytes: 0, largest: 0 }) };
}

impl Recorder {
    /// What this thread requested since the last call.
    pub fn take() -> Requests {
        REQUESTS.take()
    }

    /// What all threads requested so far, but for the largest.
    pub fn total() -> Requests {
        let [count, bytes] = [0, 1].map(|i| ALL[i].load(Ordering::Relaxed));
        Requests { count, bytes, largest: 0 }
    }

    fn remember(bytes: usize) {
        ALL[0].fetch_add(1, Ordering::Relaxed);
        ALL[1].fetch_add(bytes, Ordering::Relaxed);
        // A thread that is ending has nothing left to measure.
        let _ = REQUESTS.try_with(|cell| {
            let now = cell.get();
            cell.set(Requests {
                count: now.count + 1,
                bytes: now.bytes + bytes,
                largest: now.largest.max(bytes),
            });
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
