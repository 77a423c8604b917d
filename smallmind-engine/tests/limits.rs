//! Timeouts and budgets: what ends a generation, and what is left of it.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{engine, request};
use smallmind_abstractions::{CancellationToken, FinishReason, GenerationEvent, GenerationRequest};
use smallmind_engine::{Error, InferenceSession, Limits, SessionBudget, SessionOptions, budget};
use std::time::Duration;

fn session(budget: SessionBudget) -> InferenceSession {
    engine().session(SessionOptions { budget, ..Default::default() }).unwrap()
}

fn codes(result: &smallmind_abstractions::GenerationResult) -> Vec<&str> {
    result.diagnostics.iter().map(|d| d.code.as_str()).collect()
}

fn timed(mut request: GenerationRequest, timeout: Duration) -> GenerationRequest {
    request.options.timeout = Some(timeout);
    request
}

#[test]
fn sessions_may_be_shared_by_threads_and_name_themselves() {
    fn shared<T: Send + Sync>(_: &T) {}
    fn sent<T: Send>(_: &T) {}
    let options = SessionOptions { id: Some("chat-7".into()), ..Default::default() };
    let session = engine().session(options).unwrap();
    shared(&session);
    let never = CancellationToken::new();
    let stream = session.stream(request(vec![9], 2), never.clone()).unwrap();
    sent(&stream);
    let error = session.generate(&request(vec![9], 2), &never).unwrap_err();
    assert_eq!(
        error.to_string(),
        "InferenceSession 'chat-7' is already in use. Sessions are not thread-safe and must not \
         be accessed concurrently. Create separate sessions for concurrent requests."
    );
    drop(stream);
    session.generate(&request(vec![9], 2), &never).unwrap();
}

#[test]
fn cancelled_and_timed_out_are_two_things_and_both_keep_what_there_is() {
    let session = session(SessionBudget::default());
    let never = CancellationToken::new();
    let whole = session.generate(&request(vec![30, 31], 12), &never).unwrap();
    assert_eq!(whole.tokens.len(), 12);
    for timeout in [false, true] {
        let cancel = CancellationToken::new();
        let asked = match timeout {
            true => timed(request(vec![30, 31], 12), Duration::from_millis(300)),
            false => request(vec![30, 31], 12),
        };
        let mut stream = session.stream(asked, cancel.clone()).unwrap();
        for _ in 0..4 {
            stream.next().unwrap().unwrap();
        }
        match timeout {
            true => std::thread::sleep(Duration::from_millis(310)),
            false => cancel.cancel(),
        }
        let partial = match stream.next().unwrap().unwrap_err() {
            Error::TimedOut { after, partial } if timeout => {
                assert!(after >= Duration::from_millis(300));
                assert_eq!(partial.finish_reason, FinishReason::TimedOut);
                partial
            }
            Error::Cancelled { partial } if !timeout => partial,
            other => panic!("{other}"),
        };
        assert_eq!(partial.tokens, whole.tokens[..4]);
        drop(stream);
        // The last token was chosen and not computed.
        let mut held = vec![30, 31];
        held.extend_from_slice(&whole.tokens[..3]);
        assert_eq!(session.tokens().unwrap(), held);
        let again = session.generate(&request(vec![30, 31], 12), &never).unwrap();
        assert_eq!(again.tokens, whole.tokens);
    }
}

#[test]
fn a_cancelled_prefill_reports_the_chunks_it_holds() {
    let engine = engine();
    let session = engine.session(SessionOptions::default()).unwrap();
    let cancel = CancellationToken::new();
    cancel.cancel();
    let prompt: Vec<u32> = (0..400).map(|i| 10 + i % 200).collect();
    let error = session.generate(&request(prompt.clone(), 4), &cancel).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    assert!(session.tokens().unwrap().is_empty());
    // Whatever a cancelled prefill leaves is a beginning of the prompt, and
    // going on from it gives what a fresh session gives.
    let never = CancellationToken::new();
    let fresh = engine.session(SessionOptions::default()).unwrap();
    let expected = fresh.generate(&request(prompt.clone(), 4), &never).unwrap().tokens;
    for micros in [200, 1000, 3000, 6000, 10_000] {
        let asked = timed(request(prompt.clone(), 4), Duration::from_micros(micros));
        drop(session.generate(&asked, &never));
        let held = session.tokens().unwrap();
        assert!(prompt.starts_with(&held) || held.starts_with(&prompt));
        let again = session.generate(&request(prompt.clone(), 4), &never).unwrap();
        assert_eq!(again.tokens, expected);
        session.clear().unwrap();
    }
}

#[test]
fn token_budgets_warn_end_and_refuse() {
    let limits = Limits { soft: Some(6), hard: Some(10) };
    let session = session(SessionBudget { tokens: limits, ..Default::default() });
    let never = CancellationToken::new();
    let first = session.generate(&request(vec![9, 8, 7], 2), &never).unwrap();
    assert_eq!((codes(&first), first.usage.cached_tokens), (vec![], 0));
    // Four are computed. What the session holds costs nothing.
    let second = session.generate(&request(vec![9, 8, 7], 4), &never).unwrap();
    assert_eq!(codes(&second), [budget::TOKENS_SOFT_LIMIT.as_str()]);
    assert_eq!(second.usage.cached_tokens, 2);
    assert_eq!(second.finish_reason, FinishReason::MaxTokens);
    // Eight are.
    let third = session.generate(&request(vec![9, 8, 7], 9), &never).unwrap();
    assert_eq!(third.finish_reason, FinishReason::BudgetExhausted);
    let both = [budget::TOKENS_HARD_LIMIT.as_str(), budget::TOKENS_SOFT_LIMIT.as_str()];
    assert_eq!(codes(&third), both);
    assert_eq!(third.tokens, second.tokens[..2]);
    let error = session.generate(&request(vec![9, 8, 7], 1), &never).unwrap_err();
    assert!(
        matches!(error, Error::BudgetExhausted { code, .. } if code == budget::TOKENS_HARD_LIMIT)
    );
    assert_eq!(
        error.to_string(),
        "SESSION_TOKENS_HARD_LIMIT: 10 tokens of 10 are used, and 1 tokens more are needed"
    );
}

#[test]
fn time_budgets_end_and_refuse() {
    let limits = Limits { soft: Some(Duration::ZERO), hard: Some(Duration::from_millis(30)) };
    let session = session(SessionBudget { time: limits, ..Default::default() });
    let never = CancellationToken::new();
    let mut stream = session.stream(request(vec![9; 200], 300), never.clone()).unwrap();
    let result = loop {
        match stream.next().unwrap().unwrap() {
            GenerationEvent::Finished(result) => break result,
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    drop(stream);
    let both = [budget::TIME_HARD_LIMIT.as_str(), budget::TIME_SOFT_LIMIT.as_str()];
    assert_eq!(result.finish_reason, FinishReason::BudgetExhausted);
    assert_eq!(codes(&result), both);
    // A request's own deadline that comes first is its own.
    let asked = timed(request(vec![9], 300), Duration::ZERO);
    match session.generate(&asked, &never).unwrap_err() {
        Error::TimedOut { .. } => {}
        Error::BudgetExhausted { code, .. } => assert_eq!(code, budget::TIME_HARD_LIMIT),
        other => panic!("{other}"),
    }
}

#[test]
fn memory_budgets_are_checked_before_the_memory_is_taken() {
    let engine = engine();
    let bytes = engine.model().context_bytes(64, Default::default()) as u64;
    let open = |soft, hard| {
        let budget = SessionBudget { memory: Limits { soft, hard }, ..Default::default() };
        engine.session(SessionOptions { context: Some(64), budget, ..Default::default() })
    };
    assert!(open(Some(bytes), Some(bytes)).unwrap().diagnostics().is_empty());
    let warned = open(Some(bytes - 1), Some(bytes)).unwrap();
    assert_eq!(warned.diagnostics()[0].code, budget::MEMORY_SOFT_LIMIT);
    let error = open(None, Some(bytes - 1)).unwrap_err();
    assert!(
        matches!(error, Error::BudgetExhausted { code, .. } if code == budget::MEMORY_HARD_LIMIT)
    );
}
