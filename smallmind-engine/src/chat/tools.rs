//! Functions that a model may call.

use super::message::{map_strings, strings};
use super::{ChatReply, ChatSession, Message, ToolCall, Turn};
use crate::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use smallmind_abstractions::{CancellationToken, GenerationOptions};
use std::fmt;

/// A function that a model may call.
///
/// ```
/// use serde_json::json;
/// use smallmind_engine::chat::ToolDefinition;
///
/// let parameters = json!({
///     "type": "object",
///     "properties": { "city": { "type": "string" } },
///     "required": ["city"],
/// });
/// let weather = ToolDefinition::new("weather", "The weather in a city, now", parameters);
/// assert_eq!(weather.name, "weather");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolDefinition {
    /// What the model calls it by.
    pub name: String,
    /// What it does, for the model to know when.
    pub description: String,
    /// The JSON Schema of its arguments.
    pub parameters: Value,
}

impl ToolDefinition {
    /// A function.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self { name: name.into(), description: description.into(), parameters }
    }

    /// All texts of it, which are data to the model as messages are.
    pub(super) fn texts(&self) -> Vec<&str> {
        let mut texts = vec![self.name.as_str(), &self.description];
        strings(&self.parameters, &mut texts);
        texts
    }

    /// The same with all of [`texts`](Self::texts) changed.
    pub(super) fn map_texts(self, map: &impl Fn(&str) -> String) -> Self {
        Self {
            name: map(&self.name),
            description: map(&self.description),
            parameters: map_strings(self.parameters, map),
        }
    }
}

type Function<'f> = Box<dyn FnMut(&Value) -> Result<String, String> + 'f>;

/// Functions, and what runs when the model calls them.
///
/// ```no_run
/// use serde_json::json;
/// use smallmind_abstractions::{CancellationToken, GenerationOptions};
/// use smallmind_engine::chat::{ChatOptions, ChatSession, ToolDefinition, Toolbox};
/// use smallmind_engine::{Engine, EngineOptions};
///
/// let never = CancellationToken::new();
/// let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
/// let parameters = json!({ "type": "object", "properties": {} });
/// let mut tools = Toolbox::new();
/// tools.add(ToolDefinition::new("uptime", "Since when this runs", parameters), |_| {
///     std::fs::read_to_string("/proc/uptime").map_err(|e| e.to_string())
/// });
/// let options = ChatOptions { tools: tools.definitions(), ..Default::default() };
/// let chat = ChatSession::new(&engine, options)?;
/// let reply = tools.send(&chat, "How long is this up?", &GenerationOptions::default(), &never)?;
/// println!("{}", reply.message.content);
/// # Ok::<(), smallmind_engine::Error>(())
/// ```
#[derive(Default)]
pub struct Toolbox<'f> {
    functions: Vec<(ToolDefinition, Function<'f>)>,
}

/// Replies with calls that may follow one another: a model can go round in
/// circles.
const MAX_ROUNDS: usize = 16;

impl<'f> Toolbox<'f> {
    /// No functions yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function. What it returns is told to the model, an error too.
    pub fn add(
        &mut self,
        definition: ToolDefinition,
        run: impl FnMut(&Value) -> Result<String, String> + 'f,
    ) {
        self.functions.push((definition, Box::new(run)));
    }

    /// What a chat is to be opened with.
    pub fn definitions(&self) -> Vec<ToolDefinition> {
        self.functions.iter().map(|(definition, _)| definition.clone()).collect()
    }

    /// Takes a turn, runs what the model calls, tells it the results, and so on
    /// until it replies without a call.
    ///
    /// # Errors
    /// As [`ChatSession::send`], and [`Error::TooManyCalls`] where it goes on
    /// calling; what was said until then is in the chat.
    pub fn send(
        &mut self,
        chat: &ChatSession,
        turn: impl Into<Turn>,
        options: &GenerationOptions,
        cancel: &CancellationToken,
    ) -> Result<ChatReply, Error> {
        let mut turn = turn.into();
        for _ in 0..MAX_ROUNDS {
            let reply = chat.send(turn, options, cancel)?;
            if reply.message.tool_calls.is_empty() {
                return Ok(reply);
            }
            let calls = reply.message.tool_calls.iter();
            turn = calls.map(|call| Message::tool(call, self.run(call))).collect::<Vec<_>>().into();
        }
        Err(Error::TooManyCalls { rounds: MAX_ROUNDS })
    }

    /// What the model is told of a call.
    fn run(&mut self, call: &ToolCall) -> String {
        let found = self.functions.iter_mut().find(|(tool, _)| tool.name == call.name);
        match found.map(|(_, run)| run(&call.arguments)) {
            Some(Ok(result)) => result,
            Some(Err(reason)) => format!("error: {reason}"),
            None => format!("error: there is no function '{}'", call.name),
        }
    }
}

impl fmt::Debug for Toolbox<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.functions.iter().map(|(tool, _)| &tool.name)).finish()
    }
}
