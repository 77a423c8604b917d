//! Encoding allocates no more for a long text than for a short one.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{EncodeOptions, TokenId, Tokenizer};
use smallmind_runtime::container::GgufFile;
use smallmind_testkit::model_path;
use smallmind_tokenizers::GgufTokenizerFactory;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator, which counts the requests of each thread.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has nothing left to measure.
    let _ = COUNT.try_with(|c| c.set(c.get() + 1));
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of one call: lists of fragments that double in size.
const FEW: usize = 24;

fn allocations(tokenizer: &dyn Tokenizer, text: &str, ids: &mut Vec<TokenId>) -> usize {
    ids.clear();
    let before = COUNT.get();
    tokenizer.encode_into(text.as_bytes(), EncodeOptions::default(), ids).unwrap();
    COUNT.get() - before
}

#[test]
fn pieces_are_not_allocated_for() {
    let text = include_str!("../src/factory.rs").repeat(4);
    for name in ["smollm2-135m", "gemma3-270m"] {
        let file = GgufFile::open(&model_path(name)).unwrap();
        let tokenizer = GgufTokenizerFactory::new().build(file.metadata()).unwrap();
        let mut ids = Vec::with_capacity(text.len());
        allocations(&*tokenizer, &text, &mut ids);
        assert!(ids.len() > 10_000);
        let (short, long) = (&text[..text.len() / 8], &text[..]);
        for text in [short, long] {
            let count = allocations(&*tokenizer, text, &mut ids);
            assert!(count <= FEW, "{name}: {count} allocations for {} bytes", text.len());
        }
    }
}
