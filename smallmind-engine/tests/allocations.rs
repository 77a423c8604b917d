//! What a session takes from the allocator once it is warm: nothing.

use smallmind_abstractions::{CancellationToken, GenerationRequest, Prompt, SamplingOptions};
use smallmind_engine::{Engine, EngineOptions, InferenceSession, SessionOptions};
use smallmind_testkit::{Recorder, Requests, model_path};

#[global_allocator]
static ALLOCATOR: Recorder = Recorder;

fn session(model: &str, threads: usize) -> InferenceSession {
    let options = EngineOptions { threads: Some(threads), ..Default::default() };
    let engine = Engine::load(model_path(model), options, &CancellationToken::new());
    let options = SessionOptions { context: Some(2048), ..Default::default() };
    engine.and_then(|engine| engine.session(options)).expect("a model that was fetched")
}

/// A request of some prompt tokens that differ from those of another `seed`.
fn request(seed: u32, prompt: u32, tokens: usize, sampling: SamplingOptions) -> GenerationRequest {
    let prompt = (0..prompt).map(|i| 1000 + (i * 7919 + seed * 31) % 20000).collect();
    let mut request = GenerationRequest::new("");
    request.prompt = Prompt::Tokens(prompt);
    request.options.max_tokens = Some(tokens);
    request.options.sampling = sampling;
    request
}

/// What is requested while a stream goes on from token `from` to token `to`.
/// The test harness allocates too, once: when it says that a test is slow. So
/// what is there is looked for again, with another prompt.
fn between(
    session: &InferenceSession,
    request: impl Fn(u32) -> GenerationRequest,
    from: usize,
    to: usize,
) -> Requests {
    let first = between_once(session, request(0), from, to);
    if first.count == 0 { first } else { between_once(session, request(100), from, to) }
}

fn between_once(
    session: &InferenceSession,
    request: GenerationRequest,
    from: usize,
    to: usize,
) -> Requests {
    let mut stream = session.stream(request, CancellationToken::new()).expect("a free session");
    let mut step = || drop(stream.next().expect("an event").expect("no error"));
    (0..from).for_each(|_| step());
    let before = Recorder::total();
    (from..to).for_each(|_| step());
    let after = Recorder::total();
    Requests { count: after.count - before.count, bytes: after.bytes - before.bytes, largest: 0 }
}

// One test, since all threads are counted.
#[test]
fn warm_sessions_allocate_neither_in_decode_nor_in_prefill() {
    let sampled = SamplingOptions {
        temperature: 0.8,
        top_k: 40,
        top_p: 0.95,
        min_p: 0.05,
        ..Default::default()
    };
    for (model, threads) in [("smollm2-135m", 1), ("smollm2-135m", 2), ("gemma3-270m", 2)] {
        let session = session(model, threads);
        for sampling in [SamplingOptions::default(), sampled.clone()] {
            let request = |seed| request(1 + seed, 8, 300, sampling.clone());
            let decode = between(&session, request, 20, 220);
            assert_eq!(decode.count, 0, "{model}, {threads} threads: {decode:?}");
        }
        // The first token comes with the prompt, in one chunk or in four.
        let greedy = SamplingOptions::default;
        let prefill = |seed, tokens| {
            between(&session, |more| request(seed + more, tokens, 4, greedy()), 0, 1)
        };
        prefill(2, 1024);
        let (short, long) = (prefill(3, 256), prefill(4, 1024));
        assert_eq!((short.count, long.count), (0, 0), "{model}: {short:?} {long:?}");
    }
}
