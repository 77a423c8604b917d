//! Sessions: generation and streams, what ends them, and what they keep.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{
    CancellationToken, FinishReason, GenerationEvent, GenerationOptions, GenerationRequest,
    GenerationResult, SamplingOptions,
};
use smallmind_engine::{Engine, EngineOptions, Error, InferenceSession, SessionOptions};
use smallmind_testkit::model_path;
use std::time::Duration;

const PROMPT: &str = "Once upon a time there was a";

fn engine() -> Engine {
    let path = model_path("smollm2-135m");
    Engine::load(path, EngineOptions::default(), &CancellationToken::new()).unwrap()
}

fn session(context: usize) -> InferenceSession {
    let options = SessionOptions { context: Some(context), ..Default::default() };
    engine().session(options).unwrap()
}

fn request(max_tokens: Option<usize>, sampling: SamplingOptions) -> GenerationRequest {
    let options = GenerationOptions { max_tokens, sampling, ..Default::default() };
    GenerationRequest::new(PROMPT).with_options(options)
}

fn greedy(max_tokens: usize) -> GenerationRequest {
    request(Some(max_tokens), SamplingOptions::default())
}

fn generate(session: &InferenceSession, request: &GenerationRequest) -> GenerationResult {
    session.generate(request, &CancellationToken::new()).unwrap()
}

#[test]
fn streams_give_what_generate_gives_token_by_token() {
    let session = session(128);
    let whole = generate(&session, &greedy(24));
    assert_eq!(whole.finish_reason, FinishReason::MaxTokens);
    assert_eq!((whole.tokens.len(), whole.usage.completion_tokens), (24, 24));
    let (mut text, mut tokens, mut end) = (String::new(), Vec::new(), None);
    for event in session.stream(greedy(24), CancellationToken::new()).unwrap() {
        match event.unwrap() {
            GenerationEvent::Token { id, text: piece, .. } => {
                tokens.push(id);
                text += &piece;
            }
            GenerationEvent::Finished(result) => end = Some(result),
            other => panic!("{other:?}"),
        }
    }
    let end = end.unwrap();
    assert_eq!((&text, &tokens), (&whole.text, &whole.tokens));
    assert_eq!((end.text, end.tokens), (whole.text, whole.tokens));
}

#[test]
fn no_tokens_are_generated_where_none_are_asked_for() {
    let result = generate(&session(64), &greedy(0));
    assert_eq!((result.text.as_str(), result.tokens.len()), ("", 0));
    assert_eq!(result.finish_reason, FinishReason::MaxTokens);
}

#[test]
fn a_full_context_ends_the_generation() {
    let session = session(20);
    let result = generate(&session, &request(None, SamplingOptions::default()));
    assert_eq!(result.finish_reason, FinishReason::ContextFull);
    // The last token chosen needs no room: nothing is computed from it.
    assert_eq!(result.usage.prompt_tokens + result.tokens.len(), 21);
    let long = GenerationRequest::new(vec![5; 20]);
    let error = session.generate(&long, &CancellationToken::new()).unwrap_err();
    assert!(matches!(error, Error::PromptTooLong { tokens: 20, capacity: 20 }), "{error}");
    let empty = GenerationRequest::new(Vec::new());
    let error = session.generate(&empty, &CancellationToken::new()).unwrap_err();
    assert!(matches!(error, Error::EmptyPrompt), "{error}");
}

#[test]
fn what_a_session_holds_changes_no_answer() {
    let (fresh, used) = (session(256), session(256));
    let expected = generate(&fresh, &greedy(16));
    generate(&used, &greedy(40));
    let other = GenerationRequest::new("Once upon a midnight dreary, while I pondered");
    let options = GenerationOptions { max_tokens: Some(9), ..Default::default() };
    generate(&used, &other.with_options(options));
    assert_eq!(generate(&used, &greedy(16)).tokens, expected.tokens);
    used.clear().unwrap();
    assert_eq!(generate(&used, &greedy(16)).tokens, expected.tokens);
}

#[test]
fn one_generation_at_a_time() {
    let session = session(128);
    let mut stream = session.stream(greedy(8), CancellationToken::new()).unwrap();
    stream.next().unwrap().unwrap();
    let error = session.generate(&greedy(8), &CancellationToken::new()).unwrap_err();
    assert!(matches!(error, Error::SessionInUse { .. }), "{error}");
    assert!(matches!(session.clear(), Err(Error::SessionInUse { .. })));
    drop(stream);
    assert_eq!(generate(&session, &greedy(8)).tokens.len(), 8);
}

#[test]
fn cancelling_between_tokens_gives_what_there_is() {
    let (session, cancel) = (session(256), CancellationToken::new());
    let expected = generate(&session, &greedy(10)).tokens;
    let mut stream = session.stream(greedy(200), cancel.clone()).unwrap();
    for _ in 0..5 {
        stream.next().unwrap().unwrap();
    }
    cancel.cancel();
    let Some(Err(Error::Cancelled { partial })) = stream.next() else { panic!("not cancelled") };
    assert_eq!(partial.tokens, expected[..5]);
    assert_eq!(partial.finish_reason, FinishReason::Cancelled);
    assert!(stream.next().is_none());
    drop(stream);
    assert_eq!(generate(&session, &greedy(10)).tokens, expected);
}

#[test]
fn cancelling_a_prefill_leaves_a_session_that_works() {
    let (session, cancel) = (session(4096), CancellationToken::new());
    let expected = generate(&session, &greedy(10)).tokens;
    let long = GenerationRequest::new(vec![5; 4000]);
    let result = std::thread::scope(|scope| {
        let run = scope.spawn(|| session.generate(&long, &cancel));
        std::thread::sleep(Duration::from_millis(20));
        cancel.cancel();
        run.join().unwrap()
    });
    let Err(Error::Cancelled { partial }) = result else { panic!("{result:?}") };
    assert!(partial.tokens.is_empty());
    assert_eq!(generate(&session, &greedy(10)).tokens, expected);
}

#[test]
fn deadlines_end_generations_and_say_so() {
    let session = session(4096);
    let deadline = CancellationToken::with_timeout(Duration::from_millis(50));
    let options = GenerationOptions { max_tokens: Some(4000), ..Default::default() };
    let long = GenerationRequest::new(vec![5; 3000]).with_options(options);
    let result = session.generate(&long, &deadline);
    let Err(Error::TimedOut { after, partial }) = result else { panic!("{result:?}") };
    assert!(after >= Duration::from_millis(50));
    assert_eq!(partial.finish_reason, FinishReason::TimedOut);
}

#[test]
fn seeds_decide_samples_and_filters_narrow_them() {
    let session = session(128);
    let warm = SamplingOptions { temperature: 1.5, seed: 1, ..Default::default() };
    let tokens = |sampling| generate(&session, &request(Some(16), sampling)).tokens;
    let first = tokens(warm.clone());
    assert_eq!(tokens(warm.clone()), first);
    assert_ne!(tokens(SamplingOptions { seed: 2, ..warm.clone() }), first);
    let greedy = tokens(SamplingOptions::default());
    assert_ne!(first, greedy);
    for narrow in [
        SamplingOptions { top_k: 1, ..warm.clone() },
        SamplingOptions { top_p: 1e-6, ..warm.clone() },
        SamplingOptions { min_p: 1.0, ..warm.clone() },
        SamplingOptions { temperature: 1e-4, ..warm.clone() },
    ] {
        assert_eq!(tokens(narrow.clone()), greedy, "{narrow:?}");
    }
}

#[test]
fn sessions_of_one_engine_run_at_once() {
    let engine = engine();
    let expected = generate(&engine.session(SessionOptions::default()).unwrap(), &greedy(12));
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let session = engine.session(SessionOptions::default()).unwrap();
                    generate(&session, &greedy(12)).tokens
                })
            })
            .collect();
        for run in runs {
            assert_eq!(run.join().unwrap(), expected.tokens);
        }
    });
}

#[test]
fn stop_sequences_end_the_text_before_them() {
    let session = session(128);
    let whole = generate(&session, &greedy(24)).text;
    // Some characters from the middle, which no token boundary respects.
    let middle = whole.char_indices().nth(whole.chars().count() / 2).unwrap().0;
    let stop = whole[middle..].chars().take(7).collect::<String>();
    let mut request = greedy(24);
    request.options.stop = vec!["never to be seen".into(), stop.clone()];
    let (mut streamed, mut end) = (String::new(), None);
    for event in session.stream(request, CancellationToken::new()).unwrap() {
        match event.unwrap() {
            GenerationEvent::Finished(result) => end = Some(result),
            event => streamed += event.text(),
        }
    }
    let end = end.unwrap();
    let expected = &whole[..whole.find(&stop).unwrap()];
    assert_eq!((end.text.as_str(), streamed.as_str()), (expected, expected));
    assert_eq!((end.finish_reason, end.stop), (FinishReason::StopSequence, Some(stop)));
    // One that only begins is text after all, and streamed at the end.
    let mut request = greedy(24);
    let tail = whole.char_indices().nth_back(2).unwrap().0;
    request.options.stop = vec![format!("{}and more", &whole[tail..])];
    let events: Vec<_> = session.stream(request, CancellationToken::new()).unwrap().collect();
    let texts = events.iter().map(|event| event.as_ref().unwrap().text());
    assert_eq!(texts.collect::<String>(), whole);
}
