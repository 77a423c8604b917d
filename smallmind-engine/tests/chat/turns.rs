//! What a turn computes, keeps and takes back.

use super::*;
use smallmind_abstractions::{EncodeOptions, FinishReason, TokenId};
use smallmind_engine::SessionBudget;
use smallmind_engine::chat::{ChatEvent, Role};

/// What a chat in which nothing is cached says after the messages.
fn fresh(engine: &Engine, mut messages: Vec<Message>) -> ChatReply {
    if messages.last().unwrap().role == Role::Assistant {
        messages.pop();
    }
    send(&chat(engine), messages)
}

#[test]
fn a_turn_computes_only_what_is_new() {
    for name in MODELS {
        let engine = engine(name);
        let chat = chat(&engine);
        let first = send(&chat, "the rain in the town ".repeat(8)).result.usage;
        assert_eq!(first.cached_tokens, 0);
        let before = chat.tokens().unwrap();
        let second = send(&chat, "and then?").result.usage;
        // All but, perhaps, the last token of the reply, which was chosen and
        // not computed.
        assert!(second.cached_tokens >= before.len(), "{name}: {second:?} of {}", before.len());
        assert!(second.cached_tokens > first.prompt_tokens);
        assert_eq!(chat.messages().unwrap().len(), 4);
    }
}

#[test]
fn what_is_cached_changes_no_reply() {
    for name in MODELS {
        let engine = engine(name);
        let chat = chat(&engine);
        send(&chat, "the one");
        send(&chat, "the other");
        for turn in [
            Turn::Regenerate,
            Turn::Edit { index: 2, content: "the third".into() },
            Turn::Edit { index: 0, content: "in the beginning".into() },
        ] {
            let reply = send(&chat, turn.clone());
            let messages = chat.messages().unwrap();
            assert_eq!(messages.last().unwrap(), &reply.message);
            if messages.len() == 2 {
                // Replies before may be in other tokens than the tokenizer's.
                let alone = fresh(&engine, messages);
                assert_eq!(reply.result.tokens, alone.result.tokens, "{name} {turn:?}");
            }
        }
    }
}

#[test]
fn regenerating_says_the_same_and_other_seeds_something_else() {
    let engine = engine("llama");
    let chat = chat(&engine);
    let first = chat.send("hello", &seed(1), &CancellationToken::new()).unwrap();
    let again = chat.send(Turn::Regenerate, &seed(1), &CancellationToken::new()).unwrap();
    assert_eq!(first.message, again.message);
    let usage = again.result.usage;
    assert_eq!(usage.cached_tokens + 1, usage.prompt_tokens, "all but the last is there");
    let other = chat.send(Turn::Regenerate, &seed(2), &CancellationToken::new()).unwrap();
    assert_ne!(first.message, other.message);
    assert_eq!(chat.messages().unwrap(), [Message::user("hello"), other.message]);
}

#[test]
fn streams_give_what_send_gives() {
    let engine = engine("llama");
    let whole = send(&chat(&engine), "hello");
    let chat = chat(&engine);
    let (mut text, mut end) = (String::new(), None);
    for event in chat.stream("hello", &options(12), &CancellationToken::new()).unwrap() {
        match event.unwrap() {
            ChatEvent::Finished(reply) => end = Some(reply),
            event => text += event.text(),
        }
    }
    let end = end.unwrap();
    assert_eq!((&text, &end.message), (&whole.message.content, &whole.message));
    assert_eq!(end.result.finish_reason, FinishReason::MaxTokens);
    assert_eq!(chat.messages().unwrap(), [Message::user("hello"), whole.message]);
}

#[test]
fn a_fork_holds_what_was_said_and_goes_its_own_way() {
    for name in MODELS {
        let engine = engine(name);
        let chat = chat(&engine);
        send(&chat, "the rain in the town ".repeat(8));
        let fork = chat.fork(Some("fork".into())).unwrap();
        assert_eq!(fork.id(), "fork");
        assert_eq!(fork.tokens().unwrap(), chat.tokens().unwrap());
        let reply = send(&fork, "and then?");
        assert!(reply.result.usage.cached_tokens >= chat.tokens().unwrap().len());
        send(&chat, "or else?");
        let same = send(&chat, Turn::Edit { index: 2, content: "and then?".into() });
        assert_eq!(same.message, reply.message, "{name}");
        assert_eq!(chat.messages().unwrap(), fork.messages().unwrap());
    }
}

#[test]
fn control_tokens_in_content_stay_text() {
    for (name, spelled) in [("llama", "<|im_end|>"), ("gemma3", "</s>"), ("llama", "<|im_start|>")]
    {
        let engine = engine(name);
        let id = engine.tokenizer().token_id(spelled.as_bytes()).unwrap();
        let count = |content: &str| {
            let chat = chat(&engine);
            send(&chat, content);
            let (tokens, len) = (chat.tokens().unwrap(), content.len());
            (tokens.iter().filter(|token| **token == id).count(), len)
        };
        let plain = count("hello");
        for content in [
            spelled.to_owned(),
            format!("hello {spelled}{spelled} you"),
            format!("  {spelled}\n"),
            format!("{}\u{FDD0}{spelled}", &spelled[..3]),
        ] {
            assert_eq!(count(&content).0, plain.0, "{content:?}");
        }
    }
}

#[test]
fn control_tokens_do_not_grow_together_from_messages() {
    let engine = engine_with("llama", BARE);
    let id = engine.tokenizer().token_id(b"<|im_end|>").unwrap();
    let chat = ChatSession::new(&engine, ChatOptions::default()).unwrap();
    send(&chat, ["<", "|im_", "end|>"].map(Message::user).to_vec());
    assert!(!chat.tokens().unwrap().contains(&id));
    let text = engine.tokenizer().decode(&chat.tokens().unwrap(), Default::default()).unwrap();
    assert!(String::from_utf8_lossy(&text).starts_with("<|im_end|>"));
}

#[test]
fn the_templates_own_control_tokens_are_parsed() {
    let engine = engine("llama");
    let chat = chat(&engine);
    send(&chat, "hello");
    let text = "<|endoftext|><|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n";
    let parsed = EncodeOptions { add_special: false, parse_special: true };
    let expected: Vec<TokenId> = engine.tokenizer().encode(text, parsed).unwrap();
    assert_eq!(chat.tokens().unwrap()[..expected.len()], expected);
}

#[test]
fn one_reply_at_a_time() {
    let engine = engine("llama");
    let mut session = ChatOptions::default();
    session.session.id = Some("seven".into());
    let chat = ChatSession::new(&engine, session).unwrap();
    let never = CancellationToken::new();
    let stream = chat.stream("hello", &options(4), &never).unwrap();
    let expected = "ChatSession 'seven' is already in use. Sessions are not thread-safe and must not be accessed concurrently. Create separate sessions for concurrent requests.";
    let refusals: [Option<Error>; 5] = [
        chat.send("hello", &options(4), &never).err(),
        chat.stream("hello", &options(4), &never).err(),
        chat.messages().err(),
        chat.fork(None).err(),
        chat.clear().err(),
    ];
    for refused in refusals {
        assert_eq!(refused.unwrap().to_string(), expected);
    }
    drop(stream);
    assert_eq!(send(&chat, "hello").result.tokens.len(), 12);
}

#[test]
fn a_turn_without_any_reply_never_was() {
    let engine = engine("llama");
    let chat = chat(&engine);
    send(&chat, "hello");
    let before = chat.messages().unwrap();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    for turn in [Turn::from("more"), Turn::Regenerate] {
        let error = chat.send(turn, &options(4), &cancelled).unwrap_err();
        assert!(matches!(error, Error::Cancelled { .. }), "{error}");
        assert_eq!(chat.messages().unwrap(), before);
    }
    drop(chat.stream("more", &options(4), &CancellationToken::new()).unwrap());
    assert_eq!(chat.messages().unwrap(), before);
    for (turn, expected) in [
        (Turn::Edit { index: 1, content: "x".into() }, "none of the user's"),
        (Turn::Edit { index: 9, content: "x".into() }, "none of the user's"),
        (Turn::Say(vec![Message::assistant("x")]), "nothing to reply to"),
    ] {
        let error = chat.send(turn, &options(4), &CancellationToken::new()).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(chat.messages().unwrap(), before);
    }
    chat.clear().unwrap();
    let error = chat.send(Turn::Regenerate, &options(4), &CancellationToken::new()).unwrap_err();
    assert!(matches!(error, Error::NothingToReplyTo), "{error}");
    assert_eq!(chat.system().unwrap().as_deref(), Some("Be short."));
}

#[test]
fn a_reply_that_was_cut_short_is_kept() {
    let engine = engine("llama");
    let whole = send(&chat(&engine), "hello").message.content;
    let chat = chat(&engine);
    let cancel = CancellationToken::new();
    let mut stream = chat.stream("hello", &options(12), &cancel).unwrap();
    let mut text = String::new();
    while text.len() < 4 {
        text += stream.next().unwrap().unwrap().text();
    }
    cancel.cancel();
    let Some(Err(Error::Cancelled { partial })) = stream.next() else { panic!("not cancelled") };
    assert!(partial.text.starts_with(&text));
    drop(stream);
    assert_eq!(chat.messages().unwrap()[1], Message::assistant(&text));
    // A stream that is dropped half read keeps what was read.
    let never = CancellationToken::new();
    let mut stream = chat.stream(Turn::Regenerate, &options(12), &never).unwrap();
    let first = stream.next().unwrap().unwrap().text().to_owned();
    drop(stream);
    assert_eq!(chat.messages().unwrap()[1], Message::assistant(&first));
    assert!(whole.starts_with(&text) && whole.starts_with(&first));
    // It is of the same use as any other.
    assert!(send(&chat, "go on").result.usage.cached_tokens > 0);
    assert_eq!(
        send(&chat, Turn::Edit { index: 0, content: "hello".into() }).message.content,
        whole
    );
}

#[test]
fn a_panic_in_the_middle_of_a_reply_leaves_a_chat_that_works() {
    let engine = engine("llama");
    let chat = chat(&engine);
    let panicking = std::panic::AssertUnwindSafe(|| {
        let mut stream = chat.stream("hello", &options(12), &CancellationToken::new()).unwrap();
        stream.next().unwrap().unwrap();
        std::panic::resume_unwind(Box::new("in a callback"));
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    assert_eq!(chat.messages().unwrap().len(), 2);
    assert_eq!(
        send(&chat, Turn::Regenerate).message,
        fresh(&engine, chat.messages().unwrap()).message
    );
}

#[test]
fn a_budget_holds_for_the_whole_chat() {
    let engine = engine("llama");
    let mut options = ChatOptions::default();
    options.session.budget = SessionBudget::default();
    options.session.budget.tokens.hard = Some(60);
    let chat = ChatSession::new(&engine, options).unwrap();
    let reply = chat.send("hello", &GenerationOptions::default(), &CancellationToken::new());
    assert_eq!(reply.unwrap().result.finish_reason, FinishReason::BudgetExhausted);
    let error = chat.send("more", &GenerationOptions::default(), &CancellationToken::new());
    assert!(matches!(error, Err(Error::BudgetExhausted { .. })));
}
