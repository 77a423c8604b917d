//! Long chats with real models.

use super::*;
use smallmind_testkit::model_path;

/// The second turn of a chat of about 2,000 tokens; the windows of gemma3 see
/// 512 of them.
fn second_turn_is_short(name: &str) {
    let never = CancellationToken::new();
    let engine = Engine::load(model_path(name), EngineOptions::default(), &never).unwrap();
    let chat = chat(&engine);
    let long = "The rain in the town fell on the roofs of the houses. ".repeat(160);
    let first = send(&chat, long).result.usage;
    assert!(first.prompt_tokens >= 1900, "{name}: {first:?}");
    let second = send(&chat, "What fell?").result.usage;
    let computed = second.prompt_tokens - second.cached_tokens;
    assert!(computed * 20 <= second.prompt_tokens, "{name}: {second:?}");
}

#[test]
fn smollm2_computes_a_twentieth_of_the_second_turn() {
    second_turn_is_short("smollm2-135m");
}

#[test]
fn gemma3_computes_a_twentieth_of_the_second_turn() {
    second_turn_is_short("gemma3-270m");
}
