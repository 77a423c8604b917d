//! The two models of the catalogue that tests need, against what llama.cpp
//! makes of them (`smallmind-testkit/reference/real_models.py`): token ids, greedy continuations,
//! and logits.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use serde::Deserialize;
use smallmind_abstractions::{
    CancellationToken, EncodeOptions, GenerationOptions, GenerationRequest, TokenId,
};
use smallmind_engine::{CacheType, Engine, EngineOptions, Precision, SessionOptions};
use smallmind_runtime::Logits;
use smallmind_testkit::model_path;

#[derive(Deserialize)]
struct Reference {
    tokens: Vec<(String, Vec<TokenId>)>,
    greedy: Vec<Greedy>,
    logits: Vec<TopLogits>,
    quantized: Quantized,
}

/// How far the reference is from itself when it rounds activations to 8 bits.
#[derive(Debug, Deserialize)]
struct Quantized {
    difference: f64,
    agreement: f64,
    divergence: f64,
}

/// A continuation, and how far each of its tokens was ahead of the second.
#[derive(Deserialize)]
struct Greedy {
    prompt: String,
    prompt_ids: Vec<TokenId>,
    ids: Vec<TokenId>,
    gaps: Vec<f32>,
}

/// The ten highest logits after each token of a text.
#[derive(Deserialize)]
struct TopLogits {
    ids: Vec<TokenId>,
    top: Vec<[TokenId; 10]>,
    logits: Vec<[f32; 10]>,
}

fn check(name: &str, reference: &str) {
    let reference: Reference = serde_json::from_str(reference).unwrap();
    let load = |precision| {
        let options = EngineOptions { precision, ..Default::default() };
        Engine::load(model_path(name), options, &CancellationToken::new()).unwrap()
    };
    let engine = load(Precision::Int16);
    for (text, ids) in &reference.tokens {
        let options = EncodeOptions { add_special: true, parse_special: true };
        assert_eq!(engine.tokenizer().encode(text, options).unwrap(), *ids, "{text:?}");
    }
    assert!(reference.greedy.len() >= 12);
    reference.greedy.iter().for_each(|greedy| check_greedy(&engine, greedy));

    let fast_engine = load(Precision::Int8);
    let exact = Deviation::of(&engine, CacheType::F32, &reference.logits);
    assert!(exact.positions >= 500, "{exact:?}");
    assert!(exact.agreement >= 0.99 && exact.difference <= 0.1, "{exact:?}");
    let fast = Deviation::of(&fast_engine, CacheType::F16, &reference.logits);
    let theirs = &reference.quantized;
    assert!(fast.difference <= theirs.difference, "{fast:?} {theirs:?}");
    assert!(fast.agreement >= theirs.agreement - 0.01, "{fast:?} {theirs:?}");
    let divergence = divergence(&engine, &fast_engine, &reference.logits);
    assert!(divergence > 0.0 && divergence <= theirs.divergence, "{divergence} {theirs:?}");
}

/// The same ids, or two that were nearly equal where they first differ.
fn check_greedy(engine: &Engine, expected: &Greedy) {
    let session =
        engine.session(SessionOptions { context: Some(256), ..Default::default() }).unwrap();
    let options = GenerationOptions { max_tokens: Some(64), ..Default::default() };
    let request = GenerationRequest::new(expected.prompt_ids.clone()).with_options(options);
    let ours = session.generate(&request, &CancellationToken::new()).unwrap().tokens;
    let difference = (0..expected.gaps.len()).find(|i| ours.get(*i) != expected.ids.get(*i));
    if let Some(at) = difference {
        let (prompt, gap) = (&expected.prompt, expected.gaps[at]);
        assert!(gap <= 0.05, "{prompt:?} differs at {at}, where the best is ahead by {gap}");
    }
}

/// How far logits are from the reference's: the ten highest on average, and
/// how often the highest is of the same token.
#[derive(Debug)]
struct Deviation {
    positions: u32,
    difference: f64,
    agreement: f64,
}

impl Deviation {
    fn of(engine: &Engine, cache: CacheType, texts: &[TopLogits]) -> Self {
        let (mut positions, mut agreed, mut sum) = (0, 0, 0.0);
        let vocab_size = engine.model().config().vocab_size;
        for text in texts {
            let logits = logits(engine, cache, &text.ids);
            let rows = logits.chunks_exact(vocab_size);
            for (row, (ids, expected)) in rows.zip(text.top.iter().zip(&text.logits)) {
                let best = (0..).zip(row).max_by(|a: &(TokenId, _), b| a.1.total_cmp(b.1));
                positions += 1;
                agreed += u32::from(best.unwrap().0 == ids[0]);
                let pairs = ids.iter().zip(expected);
                let off = pairs.map(|(id, expected)| (row[*id as usize] - expected).abs());
                sum += f64::from(off.sum::<f32>()) / ids.len() as f64;
            }
        }
        let count = f64::from(positions);
        Self { positions, difference: sum / count, agreement: f64::from(agreed) / count }
    }
}

fn logits(engine: &Engine, cache: CacheType, ids: &[TokenId]) -> Vec<f32> {
    let mut context = engine.model().new_context_with(ids.len(), cache).unwrap();
    let never = CancellationToken::new();
    engine.model().forward(&mut context, ids, Logits::All, &never).unwrap().to_vec()
}

/// The mean Kullback-Leibler divergence of what 8-bit activations predict from
/// what exact ones do, in nats a token.
fn divergence(exact: &Engine, fast: &Engine, texts: &[TopLogits]) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for text in texts {
        let exact_logits = logits(exact, CacheType::F32, &text.ids);
        let fast_logits = logits(fast, CacheType::F16, &text.ids);
        let vocab_size = exact.model().config().vocab_size;
        let rows = exact_logits.chunks_exact(vocab_size).zip(fast_logits.chunks_exact(vocab_size));
        for (exact, fast) in rows {
            let (all, others) = (log_sum(exact), log_sum(fast));
            let terms = exact.iter().zip(fast).map(|(p, q)| {
                let (p, q) = (f64::from(*p) - all, f64::from(*q) - others);
                p.exp() * (p - q)
            });
            sum += terms.sum::<f64>();
            count += 1;
        }
    }
    sum / f64::from(count)
}

/// `ln Σ exp(logit)`.
fn log_sum(logits: &[f32]) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|l| f64::from(l - most).exp()).sum();
    f64::from(most) + sum.ln()
}

#[test]
fn smollm2_135m_is_as_the_reference() {
    check("smollm2-135m", include_str!("data/smollm2-135m.json"));
}

#[test]
fn gemma3_270m_is_as_the_reference() {
    check("gemma3-270m", include_str!("data/gemma3-270m.json"));
}
