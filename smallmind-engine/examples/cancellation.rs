//! Stops a generation after a quarter of a second, and goes on from there.
//!
//! `cargo run --release -p smallmind-engine --example cancellation -- MODEL.gguf`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use smallmind_abstractions::{CancellationToken, GenerationOptions, GenerationRequest};
use smallmind_engine::{Engine, EngineOptions, Error, SessionOptions};
use std::time::Duration;

fn main() -> Result<(), Error> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "model.gguf".to_owned());
    let never = CancellationToken::new();
    let engine = Engine::load(model, EngineOptions::default(), &never)?;
    let session = engine.session(SessionOptions::default())?;
    let request = GenerationRequest::new("Once upon a time");

    // A token can be cancelled from any thread, or by its deadline.
    let soon = never.child_with_timeout(Duration::from_millis(250));
    match session.generate(&request, &soon) {
        Err(Error::TimedOut { partial, after }) => {
            println!("after {after:?}: {} tokens: {}", partial.tokens.len(), partial.text);
        }
        other => println!("{}", other?.text),
    }

    // The session is as good as before.
    let options = GenerationOptions { max_tokens: Some(8), ..Default::default() };
    println!("again: {}", session.generate(&request.with_options(options), &never)?.text);
    Ok(())
}
