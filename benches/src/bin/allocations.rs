//! Prints what a session takes from the allocator, as JSON: for its first
//! prompt, and for each token and each chunk of a prompt once it is warm.
//!
//!     cargo run --release -p smallmind-benches --bin allocations -- MODEL.gguf

use smallmind_abstractions::{CancellationToken, GenerationRequest, Prompt};
use smallmind_engine::{Engine, EngineOptions, Error, InferenceSession, SessionOptions};
use smallmind_testkit::{Recorder, Requests};
use std::io::Write;

#[global_allocator]
static ALLOCATOR: Recorder = Recorder;

/// Tokens of a long prompt, and the chunks that they are computed in.
const PROMPT: u32 = 1024;
const CHUNKS: usize = 4;
const TOKENS: usize = 128;

fn main() -> Result<(), Error> {
    let never = CancellationToken::new();
    let model = std::env::args().nth(1).unwrap_or_default();
    let engine = Engine::load(model, EngineOptions::default(), &never)?;
    let session = engine.session(SessionOptions { context: Some(2048), ..Default::default() })?;
    let first = measure(&session, 0, 1)?;
    let prompt = measure(&session, 1, 1)?;
    let (short, long) = (measure(&session, 2, TOKENS)?, measure(&session, 3, 2 * TOKENS)?);
    let each = |name: &str, r: Requests, count: usize| {
        let [requests, bytes] = [r.count, r.bytes].map(|n| n as f64 / count as f64);
        format!("\"{name}\": {{\"requests\": {requests:.2}, \"bytes\": {bytes:.1}}}")
    };
    let json = [
        each("first_prompt", first, 1),
        each("warm_chunk", prompt, CHUNKS),
        each("warm_token", less(long, short), TOKENS),
    ];
    let text = format!("{{{}}}\n", json.join(", "));
    // Nobody is left to tell where standard output is gone.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(())
}

/// What all threads request for a prompt and some tokens after it.
fn measure(session: &InferenceSession, seed: u32, tokens: usize) -> Result<Requests, Error> {
    let ids = (0..PROMPT).map(|i| 1000 + (i * 7919 + seed * 31) % 20_000).collect();
    let mut request = GenerationRequest::new("");
    request.prompt = Prompt::Tokens(ids);
    request.options.max_tokens = Some(tokens);
    let stream = session.stream(request, CancellationToken::new())?;
    let before = Recorder::total();
    for event in stream.take(tokens) {
        drop(event?);
    }
    Ok(less(Recorder::total(), before))
}

fn less(after: Requests, before: Requests) -> Requests {
    let (count, bytes) = (after.count - before.count, after.bytes - before.bytes);
    Requests { count, bytes, largest: 0 }
}
