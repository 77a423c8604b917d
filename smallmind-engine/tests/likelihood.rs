//! How probable a given text is: as computed token by token.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{engine, request};
use smallmind_abstractions::{CancellationToken, TokenId};
use smallmind_engine::{
    Engine, Error, InferenceSession, SessionBudget, SessionOptions, Speculation,
};
use smallmind_runtime::Logits;

fn session(engine: &Engine, options: SessionOptions) -> InferenceSession {
    engine.session(SessionOptions { context: Some(64), ..options }).unwrap()
}

/// By the definition, in double precision.
fn by_steps(engine: &Engine, prompt: &[TokenId], text: &[TokenId]) -> Vec<f64> {
    let never = CancellationToken::new();
    let mut context = engine.model().new_context(64).unwrap();
    let tokens = [prompt, &text[..text.len() - 1]].concat();
    let mut row = |token: &TokenId| {
        let row = engine.model().forward(&mut context, &[*token], Logits::Last, &never).unwrap();
        row.iter().map(|l| f64::from(*l)).collect::<Vec<_>>()
    };
    let rows: Vec<_> = tokens.iter().map(&mut row).collect();
    let logprob = |(row, id): (&Vec<f64>, &TokenId)| {
        row[*id as usize] - row.iter().map(|l| l.exp()).sum::<f64>().ln()
    };
    rows[prompt.len() - 1..].iter().zip(text).map(logprob).collect()
}

fn assert_close(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} {expected}");
    }
}

#[test]
fn it_is_what_steps_give_whatever_the_session_holds() {
    let (engine, never) = (engine(), CancellationToken::new());
    let text: Vec<TokenId> = (40..61).collect();
    let kept = session(&engine, SessionOptions::default());
    for prompt in [&[7, 8, 9, 10][..], &[7, 8, 30], &[7], &[7, 8, 9, 10, 40, 41]] {
        let found = kept.logprobs(prompt, &text, &never).unwrap();
        let fresh = session(&engine, SessionOptions::default());
        assert_eq!(found, fresh.logprobs(prompt, &text, &never).unwrap());
        assert_close(&found, &by_steps(&engine, prompt, &text));
        assert_eq!(kept.tokens().unwrap(), [prompt, &text[..20]].concat());
    }
    assert!(kept.logprobs(&[7], &[], &never).unwrap().is_empty());
    // A generation goes on from there, and what it guesses is not held.
    let options = SessionOptions { speculation: Speculation::Lookup, ..Default::default() };
    let guessing = session(&engine, options);
    let repeated = [7, 8, 9].repeat(6);
    let generated = guessing.generate(&request(repeated.clone(), 9), &never).unwrap().tokens;
    assert_eq!(
        guessing.logprobs(&repeated, &text, &never).unwrap(),
        kept.logprobs(&repeated, &text, &never).unwrap()
    );
    assert_eq!(guessing.generate(&request(repeated, 9), &never).unwrap().tokens, generated);
}

#[test]
fn what_is_not_possible_is_said() {
    let (engine, never) = (engine(), CancellationToken::new());
    let plain = session(&engine, SessionOptions::default());
    let of = |session: &InferenceSession, prompt: usize, text: usize| {
        session.logprobs(&vec![7; prompt], &vec![9; text], &never)
    };
    assert!(matches!(of(&plain, 0, 1), Err(Error::EmptyPrompt)));
    assert_eq!(of(&plain, 60, 5).unwrap().len(), 5);
    let long = of(&plain, 60, 6);
    assert!(matches!(long, Err(Error::PromptTooLong { tokens: 65, capacity: 64 })), "{long:?}");
    assert!(plain.logprobs(&[TokenId::MAX], &[9], &never).is_err());
    let stream = plain.stream(request(vec![7], 3), never.clone()).unwrap();
    assert!(matches!(of(&plain, 1, 1), Err(Error::SessionInUse { .. })));
    drop(stream);
    let mut budget = SessionBudget::default();
    budget.tokens.hard = Some(10);
    let poor = session(&engine, SessionOptions { budget, ..Default::default() });
    assert!(of(&poor, 3, 4).is_ok());
    assert!(matches!(of(&poor, 20, 4), Err(Error::BudgetExhausted { .. })));
}

#[test]
fn a_stopped_call_leaves_a_session_that_works() {
    let engine = engine();
    let (session, stopped) =
        (session(&engine, SessionOptions::default()), CancellationToken::new());
    stopped.cancel();
    let prompt: Vec<TokenId> = (7..40).collect();
    let error = session.logprobs(&prompt, &[50, 51], &stopped).unwrap_err();
    assert!(error.to_string().contains("cancelled"), "{error}");
    let found = session.logprobs(&prompt, &[50, 51], &CancellationToken::new()).unwrap();
    assert_close(&found, &by_steps(&engine, &prompt, &[50, 51]));
}
