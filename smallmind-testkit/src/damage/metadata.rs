//! Numbers of the model that are missing or cannot be.

use super::Damages;
use crate::{Gguf, Value};

pub(super) fn add(all: &mut Damages) {
    for key in [
        "general.architecture",
        "llama.context_length",
        "llama.embedding_length",
        "llama.block_count",
        "llama.feed_forward_length",
        "llama.attention.head_count",
        "llama.attention.layer_norm_rms_epsilon",
    ] {
        let quoted = format!("'{key}'");
        all.llama(&format!("no {key}"), &[&quoted, "missing", "expected"], |f| f.remove(key));
    }
    numbers(all);
    alignments(all);
    unsupported(all);
}

fn wrong(all: &mut Damages, name: &str, key: &str, value: impl Into<Value>, says: &[&str]) {
    let quoted = format!("'{key}'");
    let says = [&[quoted.as_str(), "expected"], says].concat();
    all.llama(name, &says, |f: &mut Gguf| f.set(key, value.into()));
}

fn numbers(all: &mut Damages) {
    let (blocks, heads) = ("llama.block_count", "llama.attention.head_count");
    wrong(all, "block count 2^31", blocks, 1u32 << 31, &["2147483648", "from 1 to"]);
    wrong(all, "block count 0", blocks, 0u32, &["is 0", "from 1 to"]);
    wrong(all, "block count negative", blocks, -1i32, &["is -1", "unsigned"]);
    wrong(all, "block count a string", blocks, "three", &["type string", "integer"]);
    wrong(all, "embedding length 2^40", "llama.embedding_length", 1u64 << 40, &["1099511627776"]);
    wrong(all, "feed forward length 0", "llama.feed_forward_length", 0u32, &["is 0"]);
    wrong(all, "context length 0", "llama.context_length", 0u32, &["is 0"]);
    wrong(all, "head count 0", heads, 0u32, &["is 0", "from 1 to 64"]);
    wrong(all, "head count beyond embedding", heads, 65u32, &["is 65", "from 1 to 64"]);
    let kv = "llama.attention.head_count_kv";
    wrong(all, "kv heads not dividing", kv, 3u32, &["is 3", "divisor of the 4"]);
    wrong(all, "kv heads by layer", kv, &[2u32, 2, 2][..], &["type array", "integer"]);
    let epsilon = "llama.attention.layer_norm_rms_epsilon";
    wrong(all, "epsilon NaN", epsilon, f32::NAN, &["NaN", "finite"]);
    wrong(all, "epsilon negative", epsilon, -1e-5f32, &["-0.00001", "above 0"]);
    wrong(all, "epsilon an integer", epsilon, 1u32, &["type u32", "f32"]);
    all.llama("head size odd", &["'llama.attention.key_length'", "15", "even"], |f| {
        f.set("llama.attention.key_length", 15u32.into());
        f.set("llama.attention.value_length", 15u32.into());
    });
    wrong(all, "value length other", "llama.attention.value_length", 8u32, &["is 8", "16"]);
    wrong(all, "rope dimensions fewer", "llama.rope.dimension_count", 7u32, &["is 7", "16"]);
    wrong(all, "rope base 0", "llama.rope.freq_base", 0f32, &["is 0", "above 0"]);
    wrong(all, "rope base infinite", "llama.rope.freq_base", f32::INFINITY, &["inf", "finite"]);
}

fn alignments(all: &mut Damages) {
    let key = "general.alignment";
    wrong(all, "alignment signed", key, 32i32, &["at byte", "u32", "i32"]);
    wrong(all, "alignment 0", key, 0u32, &["at byte", "power of two", "found 0"]);
    wrong(all, "alignment 24", key, 24u32, &["at byte", "power of two", "found 24"]);
    let says = ["data of tensor 'token_embd.weight'", "within the file's"];
    all.llama("alignment 2^31", &says, |f| f.set(key, (1u32 << 31).into()));
}

/// Sound models that compute something else.
fn unsupported(all: &mut Damages) {
    let says = ["supported architecture", "llama", "gemma3"];
    wrong(
        all,
        "architecture unknown",
        "general.architecture",
        "mamba",
        &[&says[..], &["'mamba'"]].concat(),
    );
    wrong(
        all,
        "architecture of two lines",
        "general.architecture",
        "a\nb",
        &[&says[..], &[r"'a\nb'"]].concat(),
    );
    wrong(all, "architecture a number", "general.architecture", 3u32, &["type u32", "string"]);
    wrong(all, "rope scaling", "llama.rope.scaling.type", "longrope", &["longrope", "yarn"]);
    wrong(
        all,
        "rope scaling infinite",
        "llama.rope.scaling.factor",
        f32::INFINITY,
        &["inf", "finite"],
    );
    all.llama("experts", &["'llama.expert_used_count'", "is missing"], |f| {
        f.set("llama.expert_count", 8u32.into());
    });
    wrong(all, "not causal", "llama.attention.causal", false, &["is 0", "not supported"]);
    wrong(all, "logit scale", "llama.logit_scale", 0.5f32, &["is 0.5", "not supported"]);
    wrong(all, "attention scale", "llama.attention.scale", 0.5f32, &["is 0.5", "not supported"]);
    wrong(
        all,
        "window of llama",
        "llama.attention.sliding_window",
        64u32,
        &["is 64", "not supported"],
    );
}
