//! What a model will take is known before it is taken.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::CancellationToken;
use smallmind_engine::{CacheType, Engine, EngineOptions, Error, SessionOptions, plan};
use smallmind_testkit::{Value, tiny_model};

#[test]
fn a_plan_counts_weights_and_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tiny.gguf");
    let bytes = tiny_model("llama").bytes();
    std::fs::write(&path, &bytes).unwrap();
    let [none, one, eight] = [0, 1, 8].map(|sessions| plan(&path, 256, sessions).unwrap());
    assert_eq!(none.total(), none.weights);
    assert_eq!(eight.total() - none.total(), 8 * (one.total() - none.total()));
    // All of its tensors are F32, of which panels are as large.
    let file = bytes.len() as u64;
    assert!(none.weights > file / 2 && none.weights < file * 5 / 4, "{} of {file}", none.weights);
    let engine = Engine::load(&path, EngineOptions::default(), &CancellationToken::new()).unwrap();
    assert!(one.session > engine.model().context_bytes(256, CacheType::F16) as u64);
    one.check().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn what_no_machine_has_is_refused_before_it_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.gguf");
    let mut gguf = tiny_model("llama");
    let length = 1u32 << 31;
    gguf.remove("llama.context_length");
    gguf.set("llama.context_length", Value::from(length));
    std::fs::write(&path, gguf.bytes()).unwrap();
    let engine = Engine::load(&path, EngineOptions::default(), &CancellationToken::new()).unwrap();
    let context = Some(length as usize);
    let planned = plan(&path, length as usize, 1).unwrap().check().unwrap_err();
    let opened = engine.session(SessionOptions { context, ..Default::default() }).unwrap_err();
    for error in [planned, opened] {
        let Error::InsufficientMemory { needed, available, .. } = error else { panic!("{error}") };
        assert!(needed > available && available > 0);
    }
    engine.session(SessionOptions::default()).unwrap();
}
