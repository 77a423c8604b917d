//! What steers a generation beside its prompt.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{engine, request};
use smallmind_abstractions::{
    CancellationToken, GenerationOptions, GenerationResult, Penalties, SamplingOptions, TokenId,
};
use smallmind_engine::{Engine, SessionOptions};

const PROMPT: [TokenId; 4] = [1, 10, 20, 30];

fn generate(engine: &Engine, change: impl Fn(&mut GenerationOptions)) -> GenerationResult {
    let session = engine.session(SessionOptions::default()).unwrap();
    let mut request = request(PROMPT.to_vec(), 16);
    change(&mut request.options);
    session.generate(&request, &CancellationToken::new()).unwrap()
}

#[test]
fn penalties_look_back_on_prompt_and_answer() {
    let penalties = Penalties { frequency: 1e6, last_n: usize::MAX, ..Default::default() };
    let sampling = SamplingOptions { penalties, ..Default::default() };
    let result = generate(&engine(), |options| options.sampling = sampling.clone());
    let mut all = [&PROMPT[..], &result.tokens].concat();
    let count = all.len();
    assert!(count > PROMPT.len());
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count, "a token was repeated: {all:?}");
}
