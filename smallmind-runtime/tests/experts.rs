//! Files that say something wrong of their experts are refused, and told what.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::CancellationToken;
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{Error, LoadOptions, Model};
use smallmind_testkit::{Gguf, Value, tiny_model};

fn load(gguf: &Gguf) -> Result<Model, Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, gguf.bytes()).unwrap();
    Model::load(&ModelFile::open(file.path())?, &LoadOptions::default(), &CancellationToken::new())
}

fn refused(name: &str, change: impl FnOnce(&mut Gguf)) -> String {
    let mut gguf = tiny_model(name);
    load(&gguf).unwrap();
    change(&mut gguf);
    load(&gguf).unwrap_err().to_string()
}

#[test]
fn numbers_that_do_not_fit_are_named() {
    for (name, key, value) in [
        ("qwen2moe", "expert_count", 0),
        ("qwen2moe", "expert_count", 1),
        ("qwen2moe", "expert_count", 1 << 20),
        ("qwen2moe", "expert_used_count", 0),
        ("qwen2moe", "expert_used_count", 7),
        ("qwen3moe", "expert_used_count", 9),
        ("llama-experts", "expert_used_count", 5),
        ("qwen2moe", "expert_feed_forward_length", u32::MAX),
        ("qwen2moe", "expert_shared_feed_forward_length", 0),
    ] {
        let architecture = name.strip_suffix("-experts").unwrap_or(name);
        let key = format!("{architecture}.{key}");
        let found = refused(name, |gguf| gguf.set(&key, Value::from(value)));
        assert!(found.contains(&key), "{key} = {value}: {found}");
    }
}

#[test]
fn tensors_of_other_numbers_of_experts_are_named() {
    for (name, count) in [("qwen2moe", 5u32), ("qwen2moe", 7), ("llama-experts", 3)] {
        let architecture = name.strip_suffix("-experts").unwrap_or(name);
        let key = format!("{architecture}.expert_count");
        let found = refused(name, |gguf| gguf.set(&key, count.into()));
        assert!(found.contains("blk.0.ffn_") && found.contains("expected"), "{count}: {found}");
    }
    for key in ["expert_feed_forward_length", "expert_shared_feed_forward_length"] {
        let key = format!("qwen2moe.{key}");
        let found = refused("qwen2moe", |gguf| gguf.set(&key, 64u32.into()));
        assert!(found.contains("blk.0.ffn_") && found.contains("expected"), "{key}: {found}");
    }
}

#[test]
fn tensors_that_are_missing_are_named() {
    for part in ["gate_inp", "gate_exps", "up_exps", "down_exps", "gate_inp_shexp", "down_shexp"] {
        let tensor = format!("blk.1.ffn_{part}.weight");
        let found = refused("qwen2moe", |gguf| gguf.remove(&tensor));
        assert!(found.contains(&tensor), "{found}");
    }
}
