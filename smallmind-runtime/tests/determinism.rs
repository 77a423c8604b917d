//! The same logits to the bit, however many threads compute them, however the
//! prompt is cut, whatever of it was cached, and with the kernels of any
//! instruction set.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{CancellationToken, TokenId};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{CacheType, Context, Level, LoadOptions, Logits, Model, Precision};
use smallmind_testkit::{Random, model_path};

const MODELS: [&str; 2] = ["smollm2-135m", "gemma3-270m"];
/// More than the 512 tokens of gemma3's sliding window.
const TOKENS: usize = 530;

fn load(name: &str, options: &LoadOptions) -> Model {
    let file = ModelFile::open(&model_path(name)).unwrap();
    Model::load(&file, options, &CancellationToken::new()).unwrap()
}

fn on_threads(name: &str, threads: usize) -> Model {
    load(name, &LoadOptions { threads: Some(threads), ..Default::default() })
}

fn tokens(model: &Model, count: usize) -> Vec<TokenId> {
    let mut random = Random::new(7);
    let vocab_size = model.config().vocab_size;
    (0..count).map(|_| random.below(vocab_size) as TokenId).collect()
}

fn bits(model: &Model, context: &mut Context, tokens: &[TokenId]) -> Vec<u32> {
    let never = CancellationToken::new();
    let logits = model.forward(context, tokens, Logits::Last, &never).unwrap();
    assert!(logits.iter().all(|l| l.is_finite()));
    logits.iter().map(|l| l.to_bits()).collect()
}

/// The logits after a prompt in chunks of `chunk`, and after three tokens more
/// that are decoded one by one.
fn run(model: &Model, cache: CacheType, prompt: &[TokenId], chunk: usize) -> [Vec<u32>; 2] {
    let mut context = model.new_context_with(prompt.len() + 3, cache).unwrap();
    let chunks = prompt.chunks(chunk).map(|tokens| bits(model, &mut context, tokens));
    let after = chunks.last().unwrap();
    let more = prompt[..3].iter().map(|t| bits(model, &mut context, &[*t])).last();
    [after, more.unwrap()]
}

#[test]
fn chunks_and_threads_change_no_bit() {
    for name in MODELS {
        let one = on_threads(name, 1);
        let prompt = tokens(&one, TOKENS);
        let expected = run(&one, CacheType::F16, &prompt, TOKENS);
        for threads in [2, 3, 8] {
            let model = on_threads(name, threads);
            assert!(run(&model, CacheType::F16, &prompt, TOKENS) == expected, "{name} {threads}");
        }
        let two = on_threads(name, 2);
        for chunk in [1, 7, 64, 512] {
            assert!(run(&two, CacheType::F16, &prompt, chunk) == expected, "{name} {chunk}");
        }
    }
}

#[test]
fn other_caches_and_precisions_are_as_deterministic() {
    let short = 90;
    for cache in CacheType::ALL {
        for precision in [Precision::Int8, Precision::Int16] {
            let options =
                |threads| LoadOptions { threads: Some(threads), precision, ..Default::default() };
            let (one, three) =
                (load("smollm2-135m", &options(1)), load("smollm2-135m", &options(3)));
            let prompt = tokens(&one, short);
            let expected = run(&one, cache, &prompt, short);
            for chunk in [1, 7, 64] {
                let found = run(&three, cache, &prompt, chunk);
                assert!(found == expected, "{cache} {precision} {chunk}");
            }
        }
    }
}

#[test]
fn a_cached_prefix_changes_no_bit() {
    for name in MODELS {
        let model = on_threads(name, 2);
        let prompt = tokens(&model, TOKENS);
        let mut context = model.new_context(TOKENS).unwrap();
        let expected = bits(&model, &mut context, &prompt);
        for kept in [1, 255, 300, TOKENS - 1] {
            context.truncate(kept);
            let found = bits(&model, &mut context, &prompt[kept..]);
            assert!(found == expected, "{name}: {kept} kept");
            // Other tokens in between leave nothing behind.
            context.truncate(kept);
            bits(&model, &mut context, &prompt[..(TOKENS - kept).min(20)]);
            context.truncate(kept);
            assert!(bits(&model, &mut context, &prompt[kept..]) == expected, "{name}: {kept}");
        }
    }
}

#[test]
fn the_kernels_of_every_instruction_set_agree() {
    let count = 40;
    for name in MODELS {
        let mut expected = None;
        for level in Level::ALL.into_iter().filter(|l| l.is_available()) {
            let options = LoadOptions { kernels: Some(level), ..Default::default() };
            let model = load(name, &options);
            assert_eq!(model.kernels(), level);
            let found = run(&model, CacheType::F16, &tokens(&model, count), count);
            let expected = expected.get_or_insert_with(|| found.clone());
            assert!(found == *expected, "{name} at {level}");
        }
    }
}

#[test]
fn contexts_that_compute_at_once_do_not_disturb_each_other() {
    let model = on_threads("smollm2-135m", 2);
    let prompt = tokens(&model, 200);
    let expected = run(&model, CacheType::F16, &prompt, 200);
    std::thread::scope(|scope| {
        let runs: Vec<_> = [200, 33, 200, 7]
            .map(|chunk| {
                scope.spawn({
                    let (model, prompt) = (&model, &prompt);
                    move || run(model, CacheType::F16, prompt, chunk)
                })
            })
            .into_iter()
            .collect();
        for found in runs {
            assert!(found.join().unwrap() == expected);
        }
    });
}
