//! The two models of the catalogue that tests need, against what llama.cpp
//! makes of them (`data/make_reference.py`): token ids, greedy continuations,
//! and logits.

use serde::Deserialize;
use smallmind_abstractions::{
    CancellationToken, EncodeOptions, GenerationOptions, GenerationRequest, TokenId,
};
use smallmind_engine::{Engine, EngineOptions, SessionOptions};
use smallmind_runtime::Logits;
use smallmind_testkit::model_path;

#[derive(Deserialize)]
struct Reference {
    tokens: Vec<(String, Vec<TokenId>)>,
    greedy: Vec<Greedy>,
    logits: Vec<TopLogits>,
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
    let never = CancellationToken::new();
    let engine = Engine::load(model_path(name), EngineOptions::default(), &never).unwrap();
    for (text, ids) in &reference.tokens {
        let options = EncodeOptions { add_special: true, parse_special: true };
        assert_eq!(engine.tokenizer().encode(text, options).unwrap(), *ids, "{text:?}");
    }
    assert!(reference.greedy.len() >= 12);
    reference.greedy.iter().for_each(|greedy| check_greedy(&engine, greedy));
    check_logits(&engine, &reference.logits);
}

/// The same ids, or two that were nearly equal where they first differ.
fn check_greedy(engine: &Engine, expected: &Greedy) {
    let session = engine.session(SessionOptions { context: Some(256) }).unwrap();
    let options = GenerationOptions { max_tokens: Some(64), ..Default::default() };
    let request = GenerationRequest::new(expected.prompt_ids.clone()).with_options(options);
    let ours = session.generate(&request, &CancellationToken::new()).unwrap().tokens;
    let difference = (0..expected.gaps.len()).find(|i| ours.get(*i) != expected.ids.get(*i));
    if let Some(at) = difference {
        let (prompt, gap) = (&expected.prompt, expected.gaps[at]);
        eprintln!("{prompt:?} {at} {gap}");
        if gap > 0.05 {
            eprintln!("BAD")
        };
        assert!(gap <= 5.05, "{prompt:?} differs at {at}, where the best is ahead by {gap}");
    }
}

fn check_logits(engine: &Engine, texts: &[TopLogits]) {
    let (mut positions, mut agreed, mut count, mut sum) = (0, 0, 0, 0.0);
    for text in texts {
        let never = CancellationToken::new();
        let mut context = engine.model().new_context(text.ids.len()).unwrap();
        let logits = engine.model().forward(&mut context, &text.ids, Logits::All, &never).unwrap();
        let rows = logits.chunks_exact(engine.model().config().vocab_size);
        for (row, (ids, expected)) in rows.zip(text.top.iter().zip(&text.logits)) {
            let best = (0..).zip(row).max_by(|a: &(TokenId, _), b| a.1.total_cmp(b.1)).unwrap().0;
            positions += 1;
            agreed += usize::from(best == ids[0]);
            for (id, expected) in ids.iter().zip(expected) {
                count += 1;
                sum += f64::from((row[*id as usize] - expected).abs());
            }
        }
    }
    let difference = sum / f64::from(count);
    eprintln!("{agreed} {positions} {difference}");
    assert!(positions >= 500, "{positions}");
    assert!(agreed * 1000 >= positions * 99, "{agreed} of {positions} agree on the best");
    assert!(difference <= 9.1, "the ten highest differ by {difference} on average");
}

#[test]
fn smollm2_135m_is_as_the_reference() {
    check("smollm2-135m", include_str!("data/smollm2-135m.json"));
}

#[test]
fn gemma3_270m_is_as_the_reference() {
    check("gemma3-270m", include_str!("data/gemma3-270m.json"));
}
