//! Encoders of every architecture with random weights.

use crate::tiny::Weights;
use crate::vocabulary;
use crate::{Gguf, Value};

/// The shape of an encoder and what its architecture adds.
#[derive(Clone, Copy)]
struct Spec {
    architecture: &'static str,
    layers: usize,
    length: usize,
    inner: usize,
    heads: usize,
    positions: usize,
    learned_positions: bool,
    token_types: bool,
    bias: bool,
    gate: bool,
    /// One matrix for queries, keys and values.
    joined: bool,
}

const BERT: Spec = Spec {
    architecture: "bert",
    layers: 3,
    length: 64,
    inner: 160,
    heads: 4,
    positions: 128,
    learned_positions: true,
    token_types: true,
    bias: true,
    gate: false,
    joined: false,
};
const NOMIC: Spec = Spec {
    architecture: "nomic-bert",
    learned_positions: false,
    bias: false,
    gate: true,
    joined: true,
    ..BERT
};

/// The names of the encoders, for [`tiny_encoder`].
pub fn tiny_encoder_names() -> &'static [&'static str] {
    &["bert", "bert-narrow-heads", "nomic-bert", "nomic-bert-parted"]
}

/// An encoder by its name: one of [`tiny_encoder_names`].
///
/// # Panics
/// Where there is none of that name.
pub fn tiny_encoder(name: &str) -> Gguf {
    match name {
        "bert" => build(BERT, name, 1),
        "bert-narrow-heads" => {
            build(Spec { heads: 8, token_types: false, joined: true, ..BERT }, name, 2)
        }
        "nomic-bert" => build(NOMIC, name, 1),
        "nomic-bert-parted" => build(Spec { joined: false, bias: true, ..NOMIC }, name, 3),
        _ => panic!("no tiny encoder '{name}'"),
    }
}

fn build(spec: Spec, name: &str, pooling: u32) -> Gguf {
    let mut file = Gguf::new();
    let arch = spec.architecture;
    file.set("general.architecture", arch.into());
    file.set("general.name", name.into());
    for (key, number) in [
        ("context_length", spec.positions),
        ("embedding_length", spec.length),
        ("block_count", spec.layers),
        ("feed_forward_length", spec.inner),
        ("attention.head_count", spec.heads),
    ] {
        file.set(&format!("{arch}.{key}"), Value::from(number as u32));
    }
    file.set(&format!("{arch}.attention.layer_norm_epsilon"), Value::from(1e-3f32));
    file.set(&format!("{arch}.attention.causal"), Value::from(false));
    file.set(&format!("{arch}.pooling_type"), Value::from(pooling));
    if spec.gate {
        file.set(&format!("{arch}.rope.freq_base"), Value::from(1000.0f32));
    }
    let vocab = vocabulary::wordpiece(&mut file);
    write(spec, Weights::plain(name, &mut file), vocab);
    file
}

fn write(spec: Spec, mut weights: Weights<'_>, vocab: usize) {
    let Spec { length, inner, .. } = spec;
    weights.matrix("token_embd.weight", length, vocab, 1.0);
    if spec.learned_positions {
        weights.matrix("position_embd.weight", length, spec.positions, 1.0);
    }
    if spec.token_types {
        weights.matrix("token_types.weight", length, vocabulary::TOKEN_TYPES, 1.0);
    }
    norm(&mut weights, "token_embd_norm", length);
    for layer in 0..spec.layers {
        let name = |part: &str| format!("blk.{layer}.{part}");
        let mut linear = |part: &str, cols, rows, bias| {
            weights.matrix(&name(&format!("{part}.weight")), cols, rows, 1.5);
            if bias {
                let bias = weights.random_floats(rows, 0.5);
                weights.floats(&name(&format!("{part}.bias")), vec![rows], bias);
            }
        };
        if spec.joined {
            linear("attn_qkv", length, 3 * length, spec.bias);
        } else {
            for part in ["attn_q", "attn_k", "attn_v"] {
                linear(part, length, length, spec.bias);
            }
        }
        linear("attn_output", length, length, spec.bias);
        if spec.gate {
            linear("ffn_gate", length, inner, false);
        }
        linear("ffn_up", length, inner, spec.bias && !spec.gate);
        linear("ffn_down", inner, length, spec.bias && !spec.gate);
        norm(&mut weights, &name("attn_output_norm"), length);
        norm(&mut weights, &name("layer_output_norm"), length);
    }
}

fn norm(weights: &mut Weights<'_>, name: &str, len: usize) {
    weights.scales(&format!("{name}.weight"), vec![len], 1.0);
    let bias = weights.random_floats(len, 0.5);
    weights.floats(&format!("{name}.bias"), vec![len], bias);
}
