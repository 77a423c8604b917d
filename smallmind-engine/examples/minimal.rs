//! Continues a text.
//!
//! `cargo run --release -p smallmind-engine --example minimal -- MODEL.gguf`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use smallmind_abstractions::{CancellationToken, GenerationRequest};
use smallmind_engine::{Engine, EngineOptions, Error, SessionOptions};

fn main() -> Result<(), Error> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "model.gguf".to_owned());
    let never = CancellationToken::new();
    let engine = Engine::load(model, EngineOptions::default(), &never)?;
    let session = engine.session(SessionOptions::default())?;
    let request = GenerationRequest::new("The capital of France is");
    println!("{}", session.generate(&request, &never)?.text);
    Ok(())
}
