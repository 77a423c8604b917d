//! Several answers at once from one model, a thread each.
//!
//! `cargo run --release -p smallmind-engine --example concurrent -- MODEL.gguf`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use smallmind_abstractions::{CancellationToken, GenerationOptions, GenerationRequest};
use smallmind_engine::scheduler::{Priority, Scheduler, SchedulerOptions};
use smallmind_engine::{Engine, EngineOptions, Error};

const PROMPTS: [&str; 3] = ["Once upon a time", "The capital of France is", "To bake bread, "];

fn main() -> Result<(), Error> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "model.gguf".to_owned());
    let never = CancellationToken::new();
    let engine = Engine::load(model, EngineOptions::default(), &never)?;
    let scheduler = Scheduler::new(engine, SchedulerOptions::default())?;
    let answer = |prompt: &str| {
        let options = GenerationOptions { max_tokens: Some(32), ..Default::default() };
        let request = GenerationRequest::new(prompt).with_options(options);
        scheduler.submit(&request, Priority::Normal, &never)?.finish()
    };
    std::thread::scope(|scope| {
        let answers = PROMPTS.map(|prompt| scope.spawn(move || answer(prompt)));
        for (prompt, answer) in PROMPTS.iter().zip(answers) {
            match answer.join() {
                Ok(answer) => println!("{prompt}{}\n", answer?.text),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(())
    })
}
