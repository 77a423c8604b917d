//! Functions that a model calls: a constraint writes the calls that a random
//! model would not.

use super::*;
use serde_json::{Value, json};
use smallmind_abstractions::Constraint;
use smallmind_engine::chat::{ChatEvent, Role, ToolDefinition, Toolbox};

/// Only what was said last, so that many rounds fit.
const LAST: &str = "{# <tool_call> #}{{ messages[-1].content }}";

const CALL: &str = r#"<tool_call>{"name": "add", "arguments": {"a": 2, "b": 3}}</tool_call>"#;

fn calling() -> GenerationOptions {
    let exactly = CALL.replace('{', "\\{").replace('}', "\\}");
    let constraint = Some(Constraint::Regex(exactly));
    GenerationOptions { constraint, ignore_eos: false, ..options(120) }
}

fn add() -> ToolDefinition {
    let number = json!({ "type": "number" });
    let parameters = json!({ "type": "object", "properties": { "a": number, "b": number } });
    ToolDefinition::new("add", "The sum of two numbers", parameters)
}

fn sum(arguments: &Value) -> Result<String, String> {
    let number = |key: &str| arguments[key].as_i64().ok_or_else(|| format!("no number '{key}'"));
    Ok((number("a")? + number("b")?).to_string())
}

fn chat_with(tools: &Toolbox<'_>) -> ChatSession {
    let options = ChatOptions { tools: tools.definitions(), ..Default::default() };
    ChatSession::new(&engine_with("llama", LAST), options).unwrap()
}

#[test]
fn a_call_is_run_and_its_result_is_told() {
    let cancel = CancellationToken::new();
    let mut calls = 0;
    let mut tools = Toolbox::new();
    tools.add(add(), |arguments| {
        calls += 1;
        if calls == 2 {
            cancel.cancel();
        }
        sum(arguments)
    });
    let chat = chat_with(&tools);
    let error = tools.send(&chat, "2 + 3?", &calling(), &cancel).unwrap_err();
    assert!(matches!(error, Error::Cancelled { .. }), "{error}");
    drop(tools);
    assert_eq!(calls, 2);
    let messages = chat.messages().unwrap();
    let roles: Vec<_> = messages.iter().map(|message| message.role).collect();
    assert_eq!(roles[..4], [Role::User, Role::Assistant, Role::Tool, Role::Assistant]);
    assert_eq!(messages[1].tool_calls[0].name, "add");
    assert_eq!(messages[1].content, "", "a call is no text");
    assert_eq!((messages[2].content.as_str(), messages[2].name.as_deref()), ("5", Some("add")));
}

#[test]
fn a_model_that_goes_on_calling_is_stopped() {
    let mut calls = 0;
    let mut tools = Toolbox::new();
    tools.add(add(), |arguments| {
        calls += 1;
        sum(arguments)
    });
    let chat = chat_with(&tools);
    let error = tools.send(&chat, "2 + 3?", &calling(), &CancellationToken::new()).unwrap_err();
    assert!(matches!(error, Error::TooManyCalls { rounds: 16 }), "{error}");
    drop(tools);
    assert_eq!(calls, 16);
}

#[test]
fn a_function_that_is_not_there_is_told_so() {
    let mut tools = Toolbox::new();
    tools.add(ToolDefinition { name: "subtract".to_owned(), ..add() }, |_| unreachable!());
    let chat = chat_with(&tools);
    tools.send(&chat, "2 + 3?", &calling(), &CancellationToken::new()).unwrap_err();
    let told = chat.messages().unwrap()[2].content.clone();
    assert_eq!(told, "error: there is no function 'add'");
}

#[test]
fn a_stream_shows_nothing_of_a_call() {
    let mut tools = Toolbox::new();
    tools.add(add(), sum);
    let chat = chat_with(&tools);
    let events: Vec<_> = chat
        .stream("2 + 3?", &calling(), &CancellationToken::new())
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(events.iter().map(ChatEvent::text).collect::<String>(), "");
    assert_eq!(chat.messages().unwrap()[1].tool_calls[0].arguments, json!({ "a": 2, "b": 3 }));
}
