//! Asks for a Rust value, and gets one.
//!
//! `cargo run --release -p smallmind-engine --features constrained --example json -- MODEL.gguf`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use schemars::JsonSchema;
use serde::Deserialize;
use smallmind_abstractions::{CancellationToken, GenerationRequest};
use smallmind_engine::{Engine, EngineOptions, Error, SessionOptions};

#[derive(Debug, Deserialize, JsonSchema)]
#[allow(dead_code, reason = "it is only shown")]
struct City {
    name: String,
    country: String,
    inhabitants: u32,
}

fn main() -> Result<(), Error> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "model.gguf".to_owned());
    let never = CancellationToken::new();
    let engine = Engine::load(model, EngineOptions::default(), &never)?;
    let session = engine.session(SessionOptions::default())?;
    let mut request = GenerationRequest::new("The capital of France, as JSON: ");
    request.options.max_tokens = Some(100);
    let city: City = session.generate_as(&request, &never)?;
    println!("{city:?}");
    Ok(())
}
