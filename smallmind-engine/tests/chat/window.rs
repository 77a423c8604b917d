//! What happens when the window is full.

use super::*;
use smallmind_engine::chat::{ChatEvent, ContextPolicy, ContextTruncation};

const CONTEXT: usize = 400;

fn full(engine: &Engine, policy: ContextPolicy) -> ChatSession {
    let mut options =
        ChatOptions { system: Some("Be short.".into()), policy, ..Default::default() };
    options.session.context = Some(CONTEXT);
    ChatSession::new(engine, options).unwrap()
}

/// Says one thing after the other until something has to go; what that was,
/// and the turns taken.
fn fill(chat: &ChatSession) -> (ContextTruncation, usize) {
    for turn in 1..20 {
        if let Some(truncation) = send(chat, format!("number {turn}")).truncation {
            return (truncation, turn);
        }
    }
    panic!("the window does not fill");
}

/// The prompt that the chat holds, without the control tokens.
fn prompt(chat: &ChatSession) -> String {
    let tokens = chat.tokens().unwrap();
    let text = chat.engine().tokenizer().decode(&tokens, Default::default()).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn without_a_policy_a_prompt_that_is_too_long_is_refused() {
    let engine = engine("llama");
    let chat = full(&engine, ContextPolicy::default());
    send(&chat, "hello");
    let before = chat.messages().unwrap();
    let error = chat.send("x".repeat(500), &options(4), &CancellationToken::new()).unwrap_err();
    let Error::PromptTooLong { tokens, capacity: CONTEXT } = error else { panic!("{error}") };
    assert!(tokens > 500);
    assert!(error.to_string().contains(&format!("{tokens} tokens and the context holds 400")));
    assert_eq!(chat.messages().unwrap(), before);
    assert!(send(&chat, "more").truncation.is_none());
}

#[test]
fn the_system_prompt_and_the_last_turns_are_kept() {
    for name in MODELS {
        let engine = engine(name);
        let chat = full(&engine, ContextPolicy::KeepTurns(2));
        let (truncation, turns) = fill(&chat);
        assert_eq!(truncation.messages, 2 * (turns - 2), "{name}");
        assert_eq!((truncation.capacity, truncation.summary), (CONTEXT, None));
        let text = prompt(&chat);
        assert!(text.contains("Be short.") && !text.contains(&format!("number {}", turns - 2)));
        assert!(text.contains(&format!("number {}", turns - 1)));
        // The messages are all there, and the next turns lose nothing.
        assert_eq!(chat.messages().unwrap().len(), 2 * turns);
        let next = send(&chat, "and now");
        assert!(next.truncation.is_none(), "{name}: {:?}", next.truncation);
        assert!(next.result.usage.cached_tokens > next.result.usage.prompt_tokens / 2);
        // What it counts is what the prompts have.
        let usage = next.result.usage;
        assert!(truncation.prompt_tokens - truncation.tokens < usage.prompt_tokens);
        // Going back to what it does not see any more shows it again.
        send(&chat, Turn::Edit { index: 0, content: "once more".into() });
        assert!(prompt(&chat).contains("once more"));
    }
}

#[test]
fn one_turn_that_is_too_long_is_refused_by_every_policy_that_keeps_it_whole() {
    let engine = engine("llama");
    for policy in
        [ContextPolicy::KeepTurns(1), ContextPolicy::Summarise { keep_turns: 1, max_tokens: 20 }]
    {
        let chat = full(&engine, policy);
        let long = "x".repeat(500);
        let error = chat.send(long, &options(4), &CancellationToken::new()).unwrap_err();
        assert!(matches!(error, Error::PromptTooLong { capacity: CONTEXT, .. }), "{error}");
    }
}

#[test]
fn the_first_and_the_last_tokens_are_kept() {
    for name in MODELS {
        let engine = engine(name);
        let chat = full(&engine, ContextPolicy::KeepTokens { sinks: 4, recent: 60 });
        let first = {
            send(&chat, "number 0");
            chat.tokens().unwrap()[..4].to_vec()
        };
        let (truncation, _) = fill(&chat);
        assert_eq!(truncation.prompt_tokens - truncation.tokens, 64, "{name}");
        assert_eq!(chat.tokens().unwrap()[..4], first);
        assert_eq!(truncation.messages, 0);
        let next = send(&chat, "and now");
        assert!(next.truncation.is_none());
        assert!(next.result.usage.cached_tokens >= 64, "{:?}", next.result.usage);
        // However long.
        let long = send(&chat, "x".repeat(500));
        assert_eq!(long.result.usage.prompt_tokens, 64);
        assert!(long.truncation.unwrap().tokens > 200);
    }
}

#[test]
fn the_model_summarises_what_goes() {
    for name in MODELS {
        let engine = engine(name);
        let policy = ContextPolicy::Summarise { keep_turns: 1, max_tokens: 16 };
        let chat = full(&engine, policy);
        let (truncation, turns) = fill(&chat);
        let summary = truncation.summary.unwrap();
        assert_eq!(truncation.messages, 2 * (turns - 1), "{name}");
        let text = prompt(&chat);
        let lead = "Be short.\n\nSummary of the conversation so far:\n";
        assert!(text.contains(&format!("{lead}{summary}")), "{name}: {text:?} {summary:?}");
        assert!(text.contains(&format!("number {turns}")));
        assert!(!text.contains(&format!("number {}", turns - 1)));
    }
}

#[test]
fn truncation_is_the_first_thing_that_a_stream_tells() {
    let engine = engine("llama");
    let chat = full(&engine, ContextPolicy::KeepTurns(1));
    let (_, turns) = fill(&full(&engine, ContextPolicy::KeepTurns(1)));
    (1..turns).for_each(|turn| drop(send(&chat, format!("number {turn}"))));
    let never = CancellationToken::new();
    let mut stream = chat.stream(format!("number {turns}"), &options(12), &never).unwrap();
    let Some(Ok(ChatEvent::Truncated(told))) = stream.next() else { panic!("nothing was told") };
    let end = stream.last().unwrap().unwrap();
    let ChatEvent::Finished(reply) = end else { panic!("{end:?}") };
    assert_eq!(reply.truncation, Some(told));
}
