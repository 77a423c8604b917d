//! Chats, on tiny models.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod real;
mod saved;
#[cfg(feature = "constrained")]
mod tools;
mod turns;
mod window;

use smallmind_abstractions::{CancellationToken, GenerationOptions, SamplingOptions};
use smallmind_engine::chat::{ChatOptions, ChatReply, ChatSession, Message, Turn};
use smallmind_engine::{Engine, EngineOptions, Error};
use smallmind_testkit::tiny_model;

/// The second has layers with a sliding window of 16 tokens.
const MODELS: [&str; 2] = ["llama", "gemma3"];

const CHATML: &str = "{{ bos_token }}{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' \
+ message.content + '<|im_end|>\n' }}{% endfor %}\
{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// In the control tokens of the tiny SentencePiece vocabulary.
const TURNS: &str = "{% for message in messages %}{{ '<s>' + message.role + ': ' + message.content \
+ '</s>' }}{% endfor %}{% if add_generation_prompt %}{{ '<s>assistant: ' }}{% endif %}";

/// Nothing but what is said.
const BARE: &str = "{% for message in messages %}{{ message.content }}{% endfor %}";

fn engine_with(name: &str, template: &str) -> Engine {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let mut file = tiny_model(name);
    file.set("tokenizer.chat_template", template.into());
    std::fs::write(&path, file.bytes()).unwrap();
    let options = EngineOptions { threads: Some(1), ..Default::default() };
    Engine::load(&path, options, &CancellationToken::new()).unwrap()
}

fn engine(name: &str) -> Engine {
    engine_with(name, if name == "gemma3" { TURNS } else { CHATML })
}

fn chat(engine: &Engine) -> ChatSession {
    let system = Some("Be short.".to_owned());
    ChatSession::new(engine, ChatOptions { system, ..Default::default() }).unwrap()
}

/// Greedy, and never the end of the text: random models are fond of it.
fn options(max_tokens: usize) -> GenerationOptions {
    GenerationOptions { max_tokens: Some(max_tokens), ignore_eos: true, ..Default::default() }
}

fn seed(seed: u64) -> GenerationOptions {
    let sampling = SamplingOptions { temperature: 1.5, seed, ..Default::default() };
    GenerationOptions { sampling, ..options(12) }
}

fn send(chat: &ChatSession, turn: impl Into<Turn>) -> ChatReply {
    chat.send(turn, &options(12), &CancellationToken::new()).unwrap()
}
