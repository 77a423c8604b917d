//! What a forward pass takes from the allocator once a context is warm:
//! nothing, whichever experts tokens take.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{CancellationToken, TokenId};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{LoadOptions, Logits, Model};
use smallmind_testkit::{Recorder, tiny_model};

#[global_allocator]
static ALLOCATOR: Recorder = Recorder;

// On one thread, for others may still be starting.
#[test]
fn warm_contexts_allocate_nothing() {
    let never = CancellationToken::new();
    for name in ["gpt2", "falcon", "llama-experts", "qwen2moe", "qwen3moe", "llama-q4_k-experts"] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, tiny_model(name).bytes()).unwrap();
        let file = ModelFile::open(file.path()).unwrap();
        let options = LoadOptions { threads: Some(1), ..Default::default() };
        let model = Model::load(&file, &options, &never).unwrap();
        let mut context = model.new_context(200).unwrap();
        let mut run = |seed: TokenId, tokens: TokenId| {
            let tokens: Vec<_> = (0..tokens).map(|i| (i * 37 + seed * 101) % 280).collect();
            Recorder::take();
            model.forward(&mut context, &tokens, Logits::Last, &never).unwrap();
            let count = Recorder::take().count;
            context.clear();
            count
        };
        run(0, 70);
        for seed in 1..40 {
            assert_eq!([run(seed, 70), run(seed, 1)], [0, 0], "{name}: {seed}");
        }
    }
}
