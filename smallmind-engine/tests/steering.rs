//! What steers a generation beside its prompt.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{engine, request};
use smallmind_abstractions::{
    CancellationToken, DecodeOptions, FinishReason, GenerationEvent, GenerationOptions,
    GenerationResult, Penalties, SamplingOptions, TokenId,
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

fn warm(options: &mut GenerationOptions) {
    options.sampling = SamplingOptions { temperature: 1.2, seed: 5, ..Default::default() };
}

#[test]
fn an_ignored_end_is_never_chosen() {
    let engine = engine();
    let end = engine.tokenizer().special().end_of_generation[0];
    // An end that comes at once, and the same without ends.
    let ends = |options: &mut GenerationOptions| options.sampling.logit_bias = vec![(end, 1e6)];
    let ended = generate(&engine, ends);
    assert_eq!((ended.finish_reason, ended.tokens.len()), (FinishReason::EndOfGeneration, 0));
    let ignored = generate(&engine, |options| {
        ends(options);
        options.ignore_eos = true;
    });
    assert_eq!((ignored.finish_reason, ignored.tokens.len()), (FinishReason::MaxTokens, 16));
}

#[test]
fn an_echo_comes_first_and_changes_nothing_else() {
    let engine = engine();
    let plain = generate(&engine, |_| ());
    let prompt = engine.tokenizer().decode(&PROMPT, Default::default()).unwrap();
    let prompt = String::from_utf8_lossy(&prompt);
    assert!(!prompt.is_empty());
    let session = engine.session(SessionOptions::default()).unwrap();
    let mut request = request(PROMPT.to_vec(), 16);
    request.options.echo = true;
    // A stop text in the prompt is none.
    request.options.stop = vec![prompt.clone().into_owned()];
    let events: Vec<_> =
        session.stream(request, CancellationToken::new()).unwrap().map(Result::unwrap).collect();
    assert_eq!(events[0], GenerationEvent::Text(prompt.clone().into_owned()));
    let shown: String = events.iter().map(GenerationEvent::text).collect();
    let Some(GenerationEvent::Finished(result)) = events.last() else { panic!("no result") };
    assert_eq!(result.text, format!("{prompt}{}", plain.text));
    assert_eq!(shown, result.text);
    assert_eq!(result.tokens, plain.tokens);
}

#[test]
fn logprobs_come_with_events_and_results() {
    let engine = engine();
    let plain = generate(&engine, warm);
    assert!(plain.logprobs.is_empty());
    let told = generate(&engine, |options| {
        warm(options);
        options.logprobs = Some(5);
    });
    assert_eq!(told.tokens, plain.tokens);
    assert_eq!(told.logprobs.len(), told.tokens.len());
    for (id, logprobs) in told.tokens.iter().zip(&told.logprobs) {
        assert!(logprobs.logprob <= 0.0 && logprobs.top.len() == 5);
        assert!(logprobs.top.is_sorted_by(|a, b| a.1 >= b.1));
        for (other, logprob) in &logprobs.top {
            assert!(other != id || *logprob == logprobs.logprob);
        }
    }
    let session = engine.session(SessionOptions::default()).unwrap();
    let mut request = request(PROMPT.to_vec(), 16);
    warm(&mut request.options);
    request.options.logprobs = Some(5);
    let events = session.stream(request.clone(), CancellationToken::new()).unwrap();
    let streamed: Vec<_> = events
        .filter_map(|event| match event.unwrap() {
            GenerationEvent::Token { logprobs, .. } => logprobs,
            _ => None,
        })
        .collect();
    assert_eq!(streamed, told.logprobs);
    request.options.logprobs = Some(21);
    let error = session.generate(&request, &CancellationToken::new()).unwrap_err();
    assert!(error.to_string().contains("logprobs"), "{error}");
}

#[test]
fn completions_of_one_prompt_are_those_of_their_seeds() {
    let engine = engine();
    let session = engine.session(SessionOptions::default()).unwrap();
    let mut request = request(PROMPT.to_vec(), 16);
    warm(&mut request.options);
    let results = session.generate_n(&request, 3, &CancellationToken::new()).unwrap();
    assert_eq!(results.len(), 3);
    for (seed, result) in (5..).zip(&results) {
        let alone = generate(&engine, |options| {
            warm(options);
            options.sampling.seed = seed;
        });
        assert_eq!(result.tokens, alone.tokens, "seed {seed}");
    }
    assert_ne!(results[0].tokens, results[1].tokens);
    let cached: Vec<_> = results.iter().map(|result| result.usage.cached_tokens).collect();
    assert_eq!(cached, [0, PROMPT.len() - 1, PROMPT.len() - 1]);
}

#[test]
fn breakers_are_the_tokens_with_the_text() {
    let engine = engine();
    let text = |id: TokenId| {
        let options = DecodeOptions { continuation: true, ..Default::default() };
        engine.tokenizer().decode(&[id], options).unwrap()
    };
    let found = engine.tokens_containing(&["a", "\n"]);
    let expected = (0..engine.tokenizer().vocab_size() as TokenId)
        .filter(|&id| text(id).iter().any(|byte| b"a\n".contains(byte)));
    assert_eq!(found, expected.collect::<Vec<_>>());
    assert!(!found.is_empty() && engine.tokens_containing(&[]).is_empty());
}
