//! Lets a model call functions of this program.
//!
//! `cargo run --release -p smallmind-engine --features chat --example tools -- MODEL.gguf`
//! with a model that was trained to, Qwen 2.5 or 3 for one.
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use serde_json::json;
use smallmind_abstractions::{CancellationToken, GenerationOptions};
use smallmind_engine::chat::{ChatOptions, ChatSession, ToolDefinition, Toolbox};
use smallmind_engine::{Engine, EngineOptions, Error};

fn main() -> Result<(), Error> {
    let model = std::env::args().nth(1).unwrap_or_else(|| "model.gguf".to_owned());
    let never = CancellationToken::new();
    let engine = Engine::load(model, EngineOptions::default(), &never)?;

    let mut tools = Toolbox::new();
    let word = json!({ "type": "string", "description": "The word" });
    let parameters =
        json!({ "type": "object", "properties": { "word": word }, "required": ["word"] });
    let length = ToolDefinition::new("length", "How many letters a word has", parameters);
    tools.add(length, |arguments| {
        let word = arguments["word"].as_str().ok_or("'word' is not a string")?;
        println!("[length of {word}]");
        Ok(word.chars().count().to_string())
    });

    let options = ChatOptions { tools: tools.definitions(), ..Default::default() };
    let chat = ChatSession::new(&engine, options)?;
    let options = GenerationOptions { max_tokens: Some(256), ..Default::default() };
    let reply = tools.send(&chat, "How long is the word 'strawberry'?", &options, &never)?;
    println!("{}", reply.message.content);
    Ok(())
}
