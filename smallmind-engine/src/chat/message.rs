//! What is said in a chat, and by whom.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Who sets the rules.
    System,
    /// Who asks.
    User,
    /// The model.
    Assistant,
    /// The result of a call.
    Tool,
}

/// A function that the model calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// What tells the call from others, where the model says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The function.
    pub name: String,
    /// Its arguments, by name.
    pub arguments: Value,
}

/// Something said in a chat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// What the model thought before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// What the model calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// Which call this is the result of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Which function this is the result of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Message {
    fn new(role: Role, content: impl Into<String>) -> Self {
        let content = content.into();
        Self {
            role,
            content,
            reasoning: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
        }
    }

    /// Something that the model is told first.
    pub fn system(content: impl Into<String>) -> Self {
        Self::new(Role::System, content)
    }

    /// Something that the user says.
    pub fn user(content: impl Into<String>) -> Self {
        Self::new(Role::User, content)
    }

    /// Something that the model says.
    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new(Role::Assistant, content)
    }

    /// What a function returned that the model called.
    pub fn tool(call: &ToolCall, result: impl Into<String>) -> Self {
        let (tool_call_id, name) = (call.id.clone(), Some(call.name.clone()));
        Self { tool_call_id, name, ..Self::new(Role::Tool, result) }
    }

    /// All that somebody said in it.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let optional = [&self.reasoning, &self.tool_call_id, &self.name];
        let optional = optional.into_iter().filter_map(Option::as_deref);
        let calls = self.tool_calls.iter().flat_map(|call| {
            let mut texts = vec![call.name.as_str()];
            texts.extend(call.id.as_deref());
            strings(&call.arguments, &mut texts);
            texts
        });
        std::iter::once(self.content.as_str()).chain(optional).chain(calls)
    }

    /// The same message with all of [`texts`](Self::texts) changed.
    pub(super) fn map_texts(self, map: impl Fn(&str) -> String) -> Self {
        let optional = |text: Option<String>| text.map(|text| map(&text));
        let call = |call: ToolCall| ToolCall {
            id: optional(call.id),
            name: map(&call.name),
            arguments: map_strings(call.arguments, &map),
        };
        Self {
            role: self.role,
            content: map(&self.content),
            reasoning: optional(self.reasoning),
            tool_calls: self.tool_calls.into_iter().map(call).collect(),
            tool_call_id: optional(self.tool_call_id),
            name: optional(self.name),
        }
    }
}

/// All strings of a value, keys too.
pub(super) fn strings<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(values) => values.iter().for_each(|value| strings(value, out)),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            out.push(key);
            strings(value, out);
        }),
        _ => {}
    }
}

pub(super) fn map_strings(value: Value, map: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(map(&text)),
        Value::Array(values) => values.into_iter().map(|value| map_strings(value, map)).collect(),
        Value::Object(object) => {
            object.into_iter().map(|(key, value)| (map(&key), map_strings(value, map))).collect()
        }
        other => other,
    }
}
