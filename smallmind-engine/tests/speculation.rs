//! Guesses change when tokens come, and nothing else.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{engine, request};
use smallmind_abstractions::{
    CancellationToken, FinishReason, GenerationEvent, GenerationRequest, GenerationResult,
    Penalties, SamplingOptions,
};
use smallmind_engine::{
    Engine, EngineOptions, Error, InferenceSession, Limits, SessionBudget, SessionOptions,
    Speculation,
};
use smallmind_testkit::tiny_model;

fn session(engine: &Engine, speculation: Speculation) -> InferenceSession {
    let options = SessionOptions { context: Some(160), speculation, ..Default::default() };
    engine.session(options).unwrap()
}

/// The tiny model with other random weights in one tensor: right now and then.
fn draft() -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("draft.gguf");
    let mut gguf = tiny_model("llama");
    let norm = gguf.tensor("blk.0.attn_norm.weight");
    for value in norm.data.chunks_exact_mut(4).step_by(2) {
        value.copy_from_slice(&1.5f32.to_le_bytes());
    }
    std::fs::write(&path, gguf.bytes()).unwrap();
    let options = EngineOptions { threads: Some(1), ..Default::default() };
    Engine::load(&path, options, &CancellationToken::new()).unwrap()
}

/// Requests of all kinds, some of which repeat themselves.
fn requests() -> Vec<GenerationRequest> {
    let mut requests = Vec::new();
    for (prompt, most) in
        [(vec![1, 10, 20, 30], 40), (vec![7], 3), ([9, 8, 7, 6].repeat(8), 60), (vec![5; 20], 300)]
    {
        let greedy = request(prompt, most);
        let mut sampled = greedy.clone();
        let sampling =
            SamplingOptions { temperature: 0.7, top_k: 5, seed: 3, ..Default::default() };
        sampled.options.sampling = sampling.clone();
        let mut penalized = greedy.clone();
        penalized.options.sampling = SamplingOptions {
            penalties: Penalties { repeat: 1.2, ..Default::default() },
            ..sampling
        };
        penalized.options.logprobs = Some(3);
        requests.extend([greedy, sampled, penalized]);
    }
    requests
}

fn assert_same(plain: &GenerationResult, guessed: &GenerationResult, what: &str) {
    assert_eq!(guessed.tokens, plain.tokens, "{what}");
    assert_eq!(guessed.text, plain.text, "{what}");
    assert_eq!(guessed.logprobs, plain.logprobs, "{what}");
    assert_eq!(guessed.finish_reason, plain.finish_reason, "{what}");
    assert_eq!(plain.usage.drafted_tokens, 0);
    assert!(guessed.usage.accepted_tokens <= guessed.usage.drafted_tokens);
}

#[test]
fn tokens_are_the_same_with_every_source_of_guesses() {
    let engine = engine();
    let never = CancellationToken::new();
    let plain = session(&engine, Speculation::Off);
    let expected: Vec<_> =
        requests().iter().map(|request| plain.generate(request, &never).unwrap()).collect();
    let sources =
        [Speculation::Lookup, Speculation::Draft(engine.clone()), Speculation::Draft(draft())];
    for source in sources {
        let name = format!("{source:.10?}");
        let session = session(&engine, source);
        let (mut drafted, mut accepted) = (0, 0);
        for (request, expected) in requests().iter().zip(&expected) {
            let result = session.generate(request, &never).unwrap();
            assert_same(expected, &result, &name);
            drafted += result.usage.drafted_tokens;
            accepted += result.usage.accepted_tokens;
        }
        assert!(accepted > 0 && drafted > accepted, "{name}: {accepted} of {drafted}");
    }
}

#[test]
fn a_model_that_guesses_for_itself_is_always_right() {
    let engine = engine();
    let session = session(&engine, Speculation::Draft(engine.clone()));
    let result =
        session.generate(&request(vec![1, 10, 20, 30], 49), &CancellationToken::new()).unwrap();
    assert_eq!(result.tokens.len(), 49);
    // Only those that were guessed beyond the last token are not accepted.
    assert!(result.usage.drafted_tokens - result.usage.accepted_tokens <= 8);
    assert!(result.usage.accepted_tokens >= 40, "{:?}", result.usage);
}

#[test]
fn the_context_holds_the_tokens_reported_wherever_it_stops() {
    let engine = engine();
    let never = CancellationToken::new();
    let (plain, guessing) =
        (session(&engine, Speculation::Off), session(&engine, Speculation::Draft(engine.clone())));
    let asked = || request(vec![1, 10, 20, 30], 40);
    let whole = plain.generate(&asked(), &never).unwrap();
    for after in 0..12 {
        [&plain, &guessing].iter().for_each(|session| session.clear().unwrap());
        for (session, cancelled) in [(&plain, false), (&guessing, false), (&guessing, true)] {
            let cancel = CancellationToken::new();
            let mut stream = session.stream(asked(), cancel.clone()).unwrap();
            for expected in &whole.tokens[..after] {
                let event = stream.next().unwrap().unwrap();
                assert!(matches!(event, GenerationEvent::Token { id, .. } if id == *expected));
            }
            if cancelled {
                cancel.cancel();
                let Some(Err(Error::Cancelled { partial })) = stream.next() else { panic!() };
                assert_eq!(partial.tokens, whole.tokens[..after]);
            }
        }
        assert_eq!(guessing.tokens().unwrap(), plain.tokens().unwrap(), "after {after}");
        let other = request(vec![1, 10, 20, 30, 40], 9);
        let results = [&plain, &guessing].map(|s| s.generate(&other, &never).unwrap());
        assert_same(&results[0], &results[1], "another prompt");
    }
}

#[test]
fn guesses_cost_no_budget_and_end_no_later() {
    let engine = engine();
    let budget =
        SessionBudget { tokens: Limits { soft: None, hard: Some(30) }, ..Default::default() };
    let results = [Speculation::Off, Speculation::Draft(engine.clone())].map(|speculation| {
        let options = SessionOptions { budget, speculation, ..Default::default() };
        let session = engine.session(options).unwrap();
        let result = session.generate(&request(vec![1, 10, 20], 99), &CancellationToken::new());
        (result.unwrap(), session.tokens().unwrap())
    });
    assert_same(&results[0].0, &results[1].0, "a budget");
    assert_eq!(results[0].0.finish_reason, FinishReason::BudgetExhausted);
    assert_eq!(results[0].1, results[1].1);
}

#[test]
fn a_draft_model_of_another_vocabulary_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.gguf");
    std::fs::write(&path, tiny_model("gemma3").bytes()).unwrap();
    let never = CancellationToken::new();
    let other = Engine::load(&path, EngineOptions::default(), &never).unwrap();
    let options = SessionOptions { speculation: Speculation::Draft(other), ..Default::default() };
    let error = engine().session(options).unwrap_err();
    assert!(matches!(error, Error::DraftVocabulary { .. }), "{error}");
}
