//! Messages and tools in the shape that templates know them in: that of the
//! chat templates of transformers.

use super::super::{Message, Role, ToolCall, ToolDefinition};
use serde_json::{Map, Value, json};

/// One message.
pub(super) fn message(message: &Message) -> Value {
    let mut value = Map::new();
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    value.insert("role".into(), role.into());
    value.insert("content".into(), message.content.as_str().into());
    for (key, text) in [
        ("reasoning_content", &message.reasoning),
        ("tool_call_id", &message.tool_call_id),
        ("name", &message.name),
    ] {
        if let Some(text) = text {
            value.insert(key.into(), text.as_str().into());
        }
    }
    if !message.tool_calls.is_empty() {
        value.insert("tool_calls".into(), message.tool_calls.iter().map(call).collect());
    }
    value.into()
}

fn call(call: &ToolCall) -> Value {
    let mut value = Map::new();
    if let Some(id) = &call.id {
        value.insert("id".into(), id.as_str().into());
    }
    value.insert("type".into(), "function".into());
    let function = json!({ "name": call.name, "arguments": call.arguments });
    value.insert("function".into(), function);
    value.into()
}

/// One tool.
pub(super) fn tool(tool: &ToolDefinition) -> Value {
    let ToolDefinition { name, description, parameters } = tool;
    let function = json!({ "name": name, "description": description, "parameters": parameters });
    json!({ "type": "function", "function": function })
}
