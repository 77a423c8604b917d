//! Talks, takes a word back, tries another way, and goes on later.
//!
//! `cargo run --release -p smallmind-engine --features chat --example chat -- MODEL.gguf`
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use smallmind_abstractions::{CancellationToken, GenerationOptions};
use smallmind_engine::chat::{ChatOptions, ChatSession, ContextPolicy, MemoryStore, Turn};
use smallmind_engine::{Engine, EngineOptions, Error};

fn main() -> Result<(), Error> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "model.gguf".to_owned());
    let never = CancellationToken::new();
    let engine = Engine::load(model, EngineOptions::default(), &never)?;
    let system = Some("You answer in one sentence.".to_owned());
    // When the window is full the model sees the last four turns.
    let policy = ContextPolicy::KeepTurns(4);
    let chat = ChatSession::new(&engine, ChatOptions { system, policy, ..Default::default() })?;
    let options = GenerationOptions { max_tokens: Some(64), ..Default::default() };

    for event in chat.stream("What is the capital of France?", &options, &never)? {
        print!("{}", event?.text());
    }
    // Only what is new is computed.
    let reply = chat.send("And of Italy?", &options, &never)?;
    let usage = reply.result.usage;
    println!(
        "\n{} [{} tokens, {} there]",
        reply.message.content, usage.prompt_tokens, usage.cached_tokens
    );

    // A fork goes another way without computing what both share.
    let fork = chat.fork(None)?;
    let edit = Turn::Edit { index: 2, content: "And of Spain?".to_owned() };
    println!("{}", fork.send(edit, &options, &never)?.message.content);

    // Kept with its keys and values, a chat goes on at once.
    let store = MemoryStore::new();
    chat.save(&store, "capitals", true)?;
    let later = ChatSession::open(&engine, ChatOptions::default(), &store, "capitals")?;
    println!("{}", later.send("Thank you!", &options, &never)?.message.content);
    Ok(())
}
