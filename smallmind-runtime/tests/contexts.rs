//! What a context keeps: cut back, forked, saved and restored it goes on as one
//! that computed everything, for layers with a sliding window too.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{CancellationToken, TokenId};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{CacheType, Context, Error, LoadOptions, Logits, Model};
use smallmind_testkit::tiny_model;
use std::io;

/// The windows of the last two are 16 and 7 tokens.
const MODELS: [&str; 3] = ["llama", "gemma3", "gemma3-pattern"];
const CAPACITY: usize = 128;

fn load(name: &str) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, tiny_model(name).bytes()).unwrap();
    let options = LoadOptions { threads: Some(1), ..Default::default() };
    Model::load(&ModelFile::open(&path).unwrap(), &options, &CancellationToken::new()).unwrap()
}

fn forward(model: &Model, context: &mut Context, tokens: &[TokenId]) -> Vec<f32> {
    model.forward(context, tokens, Logits::Last, &CancellationToken::new()).unwrap().to_vec()
}

fn tokens(range: std::ops::Range<u32>) -> Vec<TokenId> {
    range.map(|i| 5 + i * 7 % 200).collect()
}

/// For each model and type of cache: a context with 70 tokens, ten others, and
/// the logits after them.
fn for_each(check: impl Fn(&Model, Context, &[TokenId], &[f32])) {
    for name in MODELS {
        let model = load(name);
        for cache in CacheType::ALL {
            let (first, more) = (tokens(0..70), tokens(90..100));
            let mut context = model.new_context_with(CAPACITY, cache).unwrap();
            forward(&model, &mut context, &first);
            let expected = forward(&model, &mut context, &more);
            context.truncate(first.len());
            check(&model, context, &more, &expected);
        }
    }
}

#[test]
fn a_context_cut_back_holds_all_that_windows_see() {
    for_each(|model, mut context, more, expected| {
        forward(model, &mut context, &tokens(100..150));
        context.truncate(70);
        assert_eq!(forward(model, &mut context, more), expected);
    });
}

#[test]
fn a_fork_goes_its_own_way() {
    for_each(|model, mut context, more, expected| {
        let mut fork = model.fork_context(&context).unwrap();
        assert_eq!((fork.len(), fork.capacity()), (70, CAPACITY));
        assert_eq!(fork.cache_type(), context.cache_type());
        forward(model, &mut context, &tokens(100..150));
        assert_eq!(forward(model, &mut fork, more), expected);
    });
    let [one, other] = ["llama", "llama"].map(load);
    let refused = other.fork_context(&one.new_context(8).unwrap()).unwrap_err();
    assert!(matches!(refused, Error::ContextOfAnotherModel), "{refused}");
}

#[test]
fn what_is_saved_is_restored() {
    for_each(|model, context, more, expected| {
        let mut saved = Vec::new();
        context.save(&mut saved).unwrap();
        // A longer context has the same bytes for the same tokens.
        let mut other = model.new_context_with(CAPACITY * 2, context.cache_type()).unwrap();
        other.restore(70, &mut saved.as_slice()).unwrap();
        assert_eq!(forward(model, &mut other, more), expected);

        let torn = other.restore(70, &mut &saved[..saved.len() - 1]).unwrap_err();
        assert_eq!((torn.kind(), other.len()), (io::ErrorKind::UnexpectedEof, 0));
        let long = other.restore(CAPACITY * 2 + 1, &mut io::repeat(0)).unwrap_err();
        assert_eq!(long.kind(), io::ErrorKind::InvalidInput);
    });
}
