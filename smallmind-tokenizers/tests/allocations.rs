//! Encoding allocates no more for a long text than for a short one.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{EncodeOptions, TokenId, Tokenizer};
use smallmind_runtime::container::ModelFile;
use smallmind_testkit::{Recorder, model_path};
use smallmind_tokenizers::GgufTokenizerFactory;

#[global_allocator]
static ALLOCATOR: Recorder = Recorder;

/// Allocations of one call: lists of fragments that double in size.
const FEW: usize = 24;

fn allocations(tokenizer: &dyn Tokenizer, text: &str, ids: &mut Vec<TokenId>) -> usize {
    ids.clear();
    Recorder::take();
    tokenizer.encode_into(text.as_bytes(), EncodeOptions::default(), ids).unwrap();
    Recorder::take().count
}

#[test]
fn pieces_are_not_allocated_for() {
    let text = include_str!("../src/factory.rs").repeat(4);
    for name in ["smollm2-135m", "gemma3-270m"] {
        let file = ModelFile::open(&model_path(name)).unwrap();
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
