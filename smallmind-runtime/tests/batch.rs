//! Sequences that are computed together, or that share pages, give what each
//! gives alone, to the bit.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{CancellationToken, TokenId};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{
    BatchEntry, CacheType, Context, Error, Level, LoadOptions, Logits, Model, SharedPage,
};
use smallmind_testkit::{Random, model_path, tiny_model};
use std::path::Path;

fn load(path: &Path, threads: usize, kernels: Option<Level>) -> Model {
    let options = LoadOptions { threads: Some(threads), kernels, ..Default::default() };
    let file = ModelFile::open(path).unwrap();
    Model::load(&file, &options, &CancellationToken::new()).unwrap()
}

fn real(name: &str) -> Model {
    load(&model_path(name), 2, None)
}

fn tokens(model: &Model, seed: u64, count: usize) -> Vec<TokenId> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.below(model.config().vocab_size) as TokenId).collect()
}

fn bits(logits: &[f32]) -> Vec<u32> {
    assert!(logits.iter().all(|l| l.is_finite()));
    logits.iter().map(|l| l.to_bits()).collect()
}

fn forward(model: &Model, context: &mut Context, tokens: &[TokenId], want: Logits) -> Vec<u32> {
    bits(model.forward(context, tokens, want, &CancellationToken::new()).unwrap())
}

/// How many tokens each sequence adds in each step: prompts whole and in
/// parts, beside tokens that are decoded.
fn plan(longest: usize) -> [[usize; 4]; 5] {
    let [a, b] = [longest / 2, longest / 3];
    [[1, 1, 7, 0], [a, 1, 1, 1], [1, b, 1, a], [2, 1, 0, 1], [1, 1, 1, 1]]
}

/// Compares steps of batches with the same steps alone, by `alone`.
fn compare(alone: &Model, model: &Model, cache: CacheType, longest: usize) {
    let new = |m: &Model| [0; 4].map(|_| m.new_context_with(longest + 12, cache).unwrap());
    let (mut apart, mut together) = (new(alone), new(model));
    let texts = [1, 2, 3, 4].map(|seed| tokens(model, seed, longest + 12));
    let wants = [Logits::Last, Logits::All, Logits::Last, Logits::None];
    let mut batch = model.new_batch();
    for counts in plan(longest) {
        let mut expected = Vec::new();
        let mut entries = Vec::new();
        let contexts = apart.iter_mut().zip(&mut together);
        for (i, ((one, context), count)) in contexts.zip(counts).enumerate() {
            let tokens = &texts[i][one.len()..one.len() + count];
            expected.extend(forward(alone, one, tokens, wants[i]));
            entries.push(BatchEntry { context, tokens, logits: wants[i] });
        }
        let never = CancellationToken::new();
        let found = bits(model.forward_batch(&mut batch, &mut entries, &never).unwrap());
        assert!(found == expected, "{cache}, {counts:?}, {} threads", model.threads());
    }
}

#[test]
fn a_batch_gives_what_its_sequences_give_alone_on_every_level_and_any_threads() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["llama", "gemma3"] {
        let path = folder.path().join(name);
        std::fs::write(&path, tiny_model(name).bytes()).unwrap();
        let alone = load(&path, 1, None);
        let longest = alone.config().context_length - 12;
        for level in Level::ALL.into_iter().filter(|l| l.is_available()) {
            for threads in [1, 2, 3] {
                compare(&alone, &load(&path, threads, Some(level)), CacheType::F16, longest);
            }
        }
    }
}

#[test]
fn real_models_give_the_same_in_batches_of_more_than_a_chunk() {
    // Long enough for the sliding window of gemma3.
    for name in ["smollm2-135m", "gemma3-270m"] {
        let (alone, model) = (load(&model_path(name), 1, None), real(name));
        compare(&alone, &model, CacheType::F16, 560);
        compare(&alone, &model, CacheType::Q8_0, 90);
    }
}

#[test]
fn forks_go_on_by_themselves() {
    let model = real("smollm2-135m");
    let text = tokens(&model, 5, 300);
    // Inside a page, at its end, and in the first one.
    for at in [150, 128, 3] {
        let mut context = model.new_context(320).unwrap();
        forward(&model, &mut context, &text[..at], Logits::None);
        let mut fork = model.fork_context(&context).unwrap();
        let other = tokens(&model, 6, 80);
        let mut fresh = model.new_context(320).unwrap();
        forward(&model, &mut fresh, &text[..at], Logits::None);
        let expected = forward(&model, &mut fresh, &other, Logits::Last);
        assert!(forward(&model, &mut fork, &other, Logits::Last) == expected);
        fresh.truncate(at);
        let expected = forward(&model, &mut fresh, &text[at..], Logits::Last);
        assert!(forward(&model, &mut context, &text[at..], Logits::Last) == expected);
        // A change of what is shared is a change of one alone.
        let mut changed = model.fork_context(&context).unwrap();
        changed.truncate(1);
        forward(&model, &mut changed, &other, Logits::None);
        context.truncate(299);
        assert!(forward(&model, &mut context, &text[299..], Logits::Last) == expected);
    }
}

#[test]
fn pages_outlive_their_context_and_fit_their_place_alone() {
    let model = real("smollm2-135m");
    let text = tokens(&model, 7, 200);
    let mut context = model.new_context(256).unwrap();
    let expected = forward(&model, &mut context, &text, Logits::Last);
    let pages: Vec<SharedPage> = context.pages(170).collect();
    assert_eq!(pages.len(), 3);
    assert_eq!(pages[0].bytes() * 4, model.context_bytes(256, CacheType::F16));
    drop(context);
    let mut context = model.new_context(256).unwrap();
    for len in [170, 128, 1] {
        context.adopt(&pages, len).unwrap();
        assert_eq!(context.len(), len);
        assert!(forward(&model, &mut context, &text[len..], Logits::Last) == expected, "{len}");
    }
    let refused = [
        (model.new_context(256), &pages[1..]),
        (model.new_context(128), &pages[..1]),
        (model.new_context_with(256, CacheType::F32), &pages[..1]),
        (real("smollm2-135m").new_context(256), &pages[..1]),
    ];
    for (context, pages) in refused {
        let mut context = context.unwrap();
        let error = context.adopt(pages, 1).unwrap_err();
        assert!(matches!(error, Error::ContextOfAnotherModel) && context.is_empty());
    }
}

#[test]
fn a_batch_is_checked_before_any_of_it_is_computed() {
    let model = real("smollm2-135m");
    let (mut a, mut b) = (model.new_context(8).unwrap(), model.new_context(2).unwrap());
    let mut batch = model.new_batch();
    let mut entries = [
        BatchEntry { context: &mut a, tokens: &[1, 2], logits: Logits::Last },
        BatchEntry { context: &mut b, tokens: &[1, 2, 3], logits: Logits::Last },
    ];
    let cancel = CancellationToken::new();
    let error = model.forward_batch(&mut batch, &mut entries, &cancel).unwrap_err();
    assert!(matches!(error, Error::ContextFull { capacity: 2, .. }), "{error}");
    assert!(entries.iter().all(|entry| entry.context.is_empty()));
    entries[1].tokens = &[1];
    cancel.cancel();
    let error = model.forward_batch(&mut batch, &mut entries, &cancel).unwrap_err();
    assert!(matches!(error, Error::Cancelled(_)), "{error}");
    assert!(entries.iter().all(|entry| entry.context.is_empty()));
}
