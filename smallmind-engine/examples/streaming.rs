//! Prints a text while it comes, sampled with a seed.
//!
//! `cargo run --release -p smallmind-engine --example streaming -- MODEL.gguf "Once upon"`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use smallmind_abstractions::{
    CancellationToken, GenerationEvent, GenerationOptions, GenerationRequest, SamplingOptions,
};
use smallmind_engine::{Engine, EngineOptions, Error, SessionOptions};
use std::io::Write;

fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let model = args.next().unwrap_or_else(|| "model.gguf".to_owned());
    let prompt = args.next().unwrap_or_else(|| "Once upon a time".to_owned());
    let never = CancellationToken::new();
    let engine = Engine::load(model, EngineOptions::default(), &never)?;
    let session = engine.session(SessionOptions { context: Some(1024), ..Default::default() })?;

    // The same seed gives the same text, whatever the number of threads.
    let sampling = SamplingOptions { temperature: 0.8, top_p: 0.95, seed: 7, ..Default::default() };
    let options = GenerationOptions { max_tokens: Some(200), sampling, ..Default::default() };
    let request = GenerationRequest::new(prompt).with_options(options);
    for event in session.stream(request, never)? {
        match event? {
            GenerationEvent::Finished(result) => {
                println!("\n[{} tokens, {}]", result.tokens.len(), result.finish_reason.as_str());
            }
            event => {
                print!("{}", event.text());
                // A terminal that is gone is noticed by the next print.
                drop(std::io::stdout().flush());
            }
        }
    }
    Ok(())
}
