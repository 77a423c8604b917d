//! Logits of tiny random models of every architecture and quantization,
//! against those that llama.cpp computes (`smallmind-testkit/reference/tiny_models.py`).

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use smallmind_abstractions::{CancellationToken, TokenId};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{Level, LoadOptions, Logits, Model};
use smallmind_testkit::{Gguf, QUANTIZED, Value, floats_of_hex, tiny_model, tiny_model_names};

/// What llama.cpp computed for one model.
struct Expected {
    tokens: Vec<TokenId>,
    positions: Vec<usize>,
    logits: Vec<f32>,
}

fn expected(name: &str) -> Expected {
    let lines = include_str!("data/tiny_logits.txt").lines();
    let parts: Vec<_> = lines
        .map(|line| line.split(' ').collect::<Vec<_>>())
        .find(|parts| parts[0] == name)
        .expect("a line for every model");
    Expected {
        tokens: parts[1].split(',').map(|n| n.parse().unwrap()).collect(),
        positions: parts[2].split(',').map(|n| n.parse().unwrap()).collect(),
        logits: floats_of_hex(parts[3]),
    }
}

/// The differences of all logits from the expected, of a model that `change`
/// has changed first, and the size of the expected.
fn differences(name: &str, change: impl FnOnce(&mut Gguf)) -> (Vec<f32>, f32) {
    let mut gguf = tiny_model(name);
    change(&mut gguf);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, gguf.bytes()).unwrap();
    let never = CancellationToken::new();
    let file = ModelFile::open(file.path()).unwrap();
    let model = Model::load(&file, &LoadOptions::default(), &never).unwrap();
    let expected = expected(name);
    let mut context = model.new_context(expected.tokens.len()).unwrap();
    let logits = model.forward(&mut context, &expected.tokens, Logits::All, &never).unwrap();
    let vocab = model.config().vocab_size;
    assert_eq!(expected.logits.len(), expected.positions.len() * vocab);
    let ours = expected.positions.iter().flat_map(|p| &logits[p * vocab..(p + 1) * vocab]);
    let differences = ours.zip(&expected.logits).map(|(a, b)| (a - b).abs()).collect();
    let squares: f32 = expected.logits.iter().map(|l| l * l).sum();
    (differences, (squares / expected.logits.len() as f32).sqrt())
}

fn worst(differences: &[f32]) -> f32 {
    // NaN is worse than any number.
    differences.iter().fold(0.0, |worst, d| if *d <= worst { worst } else { *d })
}

#[test]
fn logits_in_f32_are_those_of_the_reference() {
    for name in tiny_model_names() {
        let worst = worst(&differences(name, |_| {}).0);
        assert!(worst <= 1e-3, "{name}: {worst}");
    }
}

#[test]
fn every_architecture_gives_the_same_bits_however_it_is_run() {
    let never = CancellationToken::new();
    for name in tiny_model_names().iter().chain(&["llama-q4_k-experts"]) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, tiny_model(name).bytes()).unwrap();
        let file = ModelFile::open(file.path()).unwrap();
        let tokens: Vec<TokenId> = (0..60).map(|i| (i * 37 + 11) % 280).collect();
        let run = |threads, kernels, piece: usize| {
            let options = LoadOptions { threads: Some(threads), kernels, ..Default::default() };
            let model = Model::load(&file, &options, &never).unwrap();
            let mut context = model.new_context(tokens.len()).unwrap();
            let rows = tokens.chunks(piece).flat_map(|piece| {
                let rows = model.forward(&mut context, piece, Logits::All, &never).unwrap();
                rows.iter().map(|v| v.to_bits()).collect::<Vec<_>>()
            });
            rows.collect::<Vec<u32>>()
        };
        let expected = run(1, None, tokens.len());
        for (threads, piece) in [(1, 1), (2, 7), (3, 64)] {
            assert!(run(threads, None, piece) == expected, "{name}: {threads} threads, {piece}");
        }
        for level in Level::ALL.into_iter().filter(|l| l.is_available()) {
            assert!(run(1, Some(level), 60) == expected, "{name} at {level}");
        }
    }
}

#[test]
fn contexts_of_phi3_end_at_its_window() {
    let mut gguf = tiny_model("phi3");
    gguf.set("phi3.attention.sliding_window", 40u32.into());
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, gguf.bytes()).unwrap();
    let file = ModelFile::open(file.path()).unwrap();
    let never = CancellationToken::new();
    let model = Model::load(&file, &LoadOptions::default(), &never).unwrap();
    assert!(model.new_context(40).is_ok());
    let error = model.new_context(41).unwrap_err().to_string();
    assert!(error.contains("40") && error.contains("41"), "{error}");
}

#[test]
fn logits_of_quantized_models_are_near_those_of_their_weights() {
    let experts = "llama-q4_k-experts".to_owned();
    for kind in QUANTIZED.iter().map(|kind| format!("llama-{kind}")).chain([experts]) {
        let (differences, size) = differences(&kind, |_| {});
        let mean = differences.iter().sum::<f32>() / differences.len() as f32;
        // Activations have 8 bits.
        assert!(mean <= 0.04 * size, "{kind}: {mean} of {size}");
        assert!(worst(&differences) <= 0.15 * size, "{kind}: {} of {size}", worst(&differences));
    }
}

/// What each number in the metadata does is seen in the logits: with another
/// one, they are far from the reference.
#[test]
fn every_number_of_the_metadata_counts() {
    let numbers: [(&str, &str, Value); 49] = [
        ("llama", "llama.attention.layer_norm_rms_epsilon", 2e-4f32.into()),
        ("llama", "llama.rope.freq_base", 20_000f32.into()),
        ("llama-linear-rope", "llama.rope.scaling.factor", 5f32.into()),
        ("llama-linear-rope", "llama.rope.scaling.type", "none".into()),
        ("llama-rope-factors", "llama.rope.freq_base", 400_000f32.into()),
        ("qwen2", "qwen2.rope.freq_base", 1e5f32.into()),
        ("qwen3", "qwen3.rope.freq_base", 1e5f32.into()),
        ("gemma3", "gemma3.attention.sliding_window", 15u32.into()),
        ("gemma3", "gemma3.attention.sliding_window", 17u32.into()),
        ("gemma3", "gemma3.attention.sliding_window_pattern", 7u32.into()),
        ("gemma3", "gemma3.rope.freq_base", 1e4f32.into()),
        ("gemma3", "gemma3.rope.freq_base_swa", 2e4f32.into()),
        ("gemma3-pattern", "gemma3.attention.sliding_window_pattern", 3u32.into()),
        ("gemma3-pattern", "gemma3.rope.freq_base_swa", 1e4f32.into()),
        ("gemma3-pattern", "gemma3.rope.scaling.factor", 4f32.into()),
        ("gemma3-no-window", "gemma3.attention.sliding_window", 16u32.into()),
        ("llama-yarn", "llama.rope.scaling.factor", 8f32.into()),
        ("llama-yarn", "llama.rope.scaling.type", "linear".into()),
        ("llama-yarn", "llama.rope.scaling.original_context_length", 400u32.into()),
        ("llama-yarn", "llama.rope.scaling.attn_factor", 1f32.into()),
        ("llama-yarn", "llama.rope.scaling.yarn_beta_fast", 2f32.into()),
        ("llama-yarn", "llama.rope.scaling.yarn_log_multiplier", 1f32.into()),
        ("gemma2", "gemma2.attention.sliding_window", 12u32.into()),
        ("gemma2", "gemma2.attn_logit_softcapping", 50f32.into()),
        ("gemma2", "gemma2.final_logit_softcapping", 0f32.into()),
        ("olmo2", "olmo2.rope.freq_base", 1e4f32.into()),
        ("olmo2-window", "olmo2.attention.sliding_window", 12u32.into()),
        ("granite", "granite.attention.scale", 0.25f32.into()),
        ("granite", "granite.embedding_scale", 2f32.into()),
        ("granite", "granite.residual_scale", 1f32.into()),
        ("granite", "granite.logit_scale", 1f32.into()),
        ("granite-untrained-rope", "granite.rope.scaling.finetuned", true.into()),
        ("smollm3", "smollm3.rope.freq_base", 1e4f32.into()),
        ("phi3", "phi3.rope.dimension_count", 14u32.into()),
        ("phi3-partial-rope", "phi3.rope.dimension_count", 16u32.into()),
        ("phi3-long-factors", "phi3.rope.scaling.original_context_length", 60u32.into()),
        ("phi3-long-factors", "phi3.rope.scaling.attn_factor", 1f32.into()),
        ("phi3-short-factors", "phi3.rope.scaling.original_context_length", 59u32.into()),
        ("gemma3-logit-cap", "gemma3.final_logit_softcapping", 3f32.into()),
        ("stablelm", "stablelm.attention.layer_norm_epsilon", 1e-2f32.into()),
        ("stablelm", "stablelm.rope.dimension_count", 8u32.into()),
        ("stablelm-parallel", "stablelm.rope.freq_base", 1e5f32.into()),
        ("llama-experts", "llama.expert_used_count", 3u32.into()),
        ("qwen2moe", "qwen2moe.expert_used_count", 2u32.into()),
        ("qwen3moe", "qwen3moe.rope.freq_base", 1e6f32.into()),
        ("gpt2", "gpt2.attention.layer_norm_epsilon", 1e-2f32.into()),
        ("starcoder2", "starcoder2.rope.freq_base", 1e4f32.into()),
        ("falcon", "falcon.rope.freq_base", 1e5f32.into()),
        ("falcon-two-norms", "falcon.attention.layer_norm_epsilon", 1e-2f32.into()),
    ];
    for (name, key, value) in numbers {
        let worst = worst(&differences(name, |gguf| gguf.set(key, value)).0);
        assert!(worst > 0.03, "{name}: {key} moves no logit by more than {worst}");
    }
    let parts = [
        ("llama-rope-factors", "rope_freqs.weight"),
        ("qwen2", "blk.0.attn_q.bias"),
        ("qwen2", "blk.1.attn_v.bias"),
        ("llama", "output.weight"),
        ("phi3-long-factors", "rope_factors_long.weight"),
        ("phi3-short-factors", "rope_factors_short.weight"),
        ("stablelm-parallel", "blk.0.attn_q_norm.weight"),
        ("stablelm-parallel", "blk.1.attn_k_norm.weight"),
        ("gpt2", "blk.1.attn_qkv.bias"),
        ("gpt2", "blk.0.attn_output.bias"),
        ("starcoder2", "blk.1.ffn_up.bias"),
        ("starcoder2", "blk.2.ffn_down.bias"),
    ];
    for (name, part) in parts {
        let worst = worst(&differences(name, |gguf| gguf.remove(part)).0);
        assert!(worst > 0.03, "{name}: {part} moves no logit by more than {worst}");
    }
}
