//! What long work leaves when it is stopped in the middle.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{engine, request};
use smallmind_abstractions::{CancellationToken, Cancelled};
use smallmind_engine::{Engine, EngineOptions, Error};
use smallmind_runtime::Error as RuntimeError;
use smallmind_runtime::container::{ModelFile, convert};
use smallmind_testkit::tiny_model;
use std::time::Duration;
#[cfg(feature = "constrained")]
use {
    serde_json::{Map, json},
    smallmind_abstractions::{Constraint, FinishReason, GenerationRequest},
    smallmind_engine::SessionOptions,
};

#[test]
fn a_load_is_cancelled_or_times_out_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (gguf, smq) = (folder.path().join("tiny.gguf"), folder.path().join("tiny.smq"));
    std::fs::write(&gguf, tiny_model("llama").bytes()).unwrap();
    let never = CancellationToken::new();
    convert(&ModelFile::open(&gguf).unwrap(), &smq, &mut |_| (), &never).unwrap();
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    for path in [&gguf, &smq] {
        let load =
            |cancel: &CancellationToken| Engine::load(path, EngineOptions::default(), cancel);
        let error = load(&cancelled).unwrap_err();
        let by_caller = RuntimeError::Cancelled(Cancelled::Cancelled);
        assert_eq!(error.to_string(), by_caller.to_string());
        let (mut stopped, mut done) = (0, 0);
        for micros in (0..2000).step_by(50).chain([10_000_000]) {
            let timeout = Duration::from_micros(micros);
            match load(&CancellationToken::with_timeout(timeout)) {
                Ok(_) => done += 1,
                Err(Error::Runtime(RuntimeError::Cancelled(Cancelled::TimedOut { after }))) => {
                    assert_eq!(after, timeout);
                    stopped += 1;
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert!(stopped > 0 && done > 0);
    }
}

#[test]
fn checksums_are_left_when_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    let (gguf, smq) = (folder.path().join("tiny.gguf"), folder.path().join("tiny.smq"));
    std::fs::write(&gguf, tiny_model("llama").bytes()).unwrap();
    let cancel = CancellationToken::new();
    convert(&ModelFile::open(&gguf).unwrap(), &smq, &mut |_| (), &cancel).unwrap();
    let file = ModelFile::open(&smq).unwrap();
    let tensor = file.tensor("token_embd.weight").unwrap();
    assert!(file.verify(&tensor, &cancel).unwrap());
    cancel.cancel();
    let error = file.verify(&tensor, &cancel).unwrap_err();
    assert!(matches!(error, RuntimeError::Cancelled(Cancelled::Cancelled)), "{error}");
}

#[test]
fn a_long_prefill_times_out_and_the_session_goes_on_from_there() {
    let engine = engine();
    let (prompt, never) = ((0..250).map(|i| 10 + i % 200).collect(), CancellationToken::new());
    let asked = request(prompt, 5);
    let expected = engine.session(Default::default()).unwrap().generate(&asked, &never).unwrap();
    let session = engine.session(Default::default()).unwrap();
    let mut timed = asked.clone();
    timed.options.timeout = Some(Duration::ZERO);
    let error = session.generate(&timed, &never).unwrap_err();
    let Error::TimedOut { partial, .. } = error else { panic!("{error}") };
    assert_eq!((partial.usage.prompt_tokens, partial.tokens.len()), (250, 0));
    assert_eq!(session.generate(&asked, &never).unwrap().tokens, expected.tokens);
}

/// A request that takes a large grammar.
#[cfg(feature = "constrained")]
fn constrained() -> GenerationRequest {
    let property = |i| (format!("property_{i}"), json!({ "type": "string", "maxLength": 3 }));
    let properties: Map<_, _> = (0..300).map(property).collect();
    let schema = json!({ "type": "object", "properties": properties }).to_string();
    let mut request = request(vec![1, 10, 20], 12);
    request.options.constraint = Some(Constraint::JsonSchema(schema));
    request
}

#[cfg(feature = "constrained")]
#[test]
fn building_a_grammar_is_cancelled_with_a_partial_result() {
    let never = CancellationToken::new();
    let expected = {
        let session = engine().session(SessionOptions::default()).unwrap();
        session.generate(&constrained(), &never).unwrap()
    };
    assert!(expected.text.starts_with('{'), "{}", expected.text);
    let session = engine().session(SessionOptions::default()).unwrap();
    let mut timed = constrained();
    // Less than the vocabulary and the grammar take in any case.
    timed.options.timeout = Some(Duration::from_micros(200));
    for _ in 0..3 {
        let error = session.generate(&timed, &never).unwrap_err();
        let Error::TimedOut { partial, .. } = error else { panic!("{error}") };
        assert_eq!(partial.finish_reason, FinishReason::TimedOut);
        assert_eq!((partial.usage.prompt_tokens, partial.tokens.len()), (3, 0));
    }
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let mut stream = session.stream(constrained(), cancelled).unwrap();
    let Some(Err(Error::Cancelled { partial })) = stream.next() else { panic!("not cancelled") };
    assert_eq!(partial.finish_reason, FinishReason::Cancelled);
    drop(stream);
    assert!(session.tokens().unwrap().is_empty());
    assert_eq!(session.generate(&constrained(), &never).unwrap().tokens, expected.tokens);
}
