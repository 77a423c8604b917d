//! A tiny model as an engine.

use smallmind_abstractions::{CancellationToken, GenerationOptions, GenerationRequest, TokenId};
use smallmind_engine::{Engine, EngineOptions};
use smallmind_testkit::tiny_model;

/// An engine of one thread with a tiny random model.
pub(crate) fn engine() -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, tiny_model("llama").bytes()).unwrap();
    let options = EngineOptions { threads: Some(1), ..Default::default() };
    Engine::load(&path, options, &CancellationToken::new()).unwrap()
}

/// A greedy request for up to `max_tokens`.
pub(crate) fn request(prompt: Vec<TokenId>, max_tokens: usize) -> GenerationRequest {
    let options = GenerationOptions { max_tokens: Some(max_tokens), ..Default::default() };
    GenerationRequest::new(prompt).with_options(options)
}
