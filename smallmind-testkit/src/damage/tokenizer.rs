//! Vocabularies that contradict themselves or the model.

use super::Damages;
use crate::Value;

const TOKENS: &str = "tokenizer.ggml.tokens";

pub(super) fn add(all: &mut Damages) {
    all.llama("no tokenizer.ggml.tokens", &["'tokenizer.ggml.tokens'", "missing"], |f| {
        f.remove(TOKENS);
    });
    // Without the tokens the algorithm cannot be guessed, either.
    all.llama("no tokenizer", &["'tokenizer.ggml.model'", "missing"], |f| {
        f.remove("tokenizer.ggml.model");
        f.remove(TOKENS);
    });
    all.model("gemma3", "no tokenizer.ggml.scores", &["'tokenizer.ggml.scores'", "missing"], |f| {
        f.remove("tokenizer.ggml.scores");
    });
    names(all);
    arrays(all);
    sizes(all);
    for (name, key) in
        [("bos", "tokenizer.ggml.bos_token_id"), ("eos", "tokenizer.ggml.eos_token_id")]
    {
        let quoted = format!("'{key}'");
        all.llama(&format!("{name} out of range"), &[&quoted, "1000000", "below 283"], |f| {
            f.set(key, 1_000_000u32.into());
        });
    }
}

fn names(all: &mut Damages) {
    let (model, pre) = ("tokenizer.ggml.model", "tokenizer.ggml.pre");
    all.llama("tokenizer unknown", &["'nonesuch'", "supported", "gpt2"], |f| {
        f.set(model, "nonesuch".into());
    });
    all.llama("pre-tokenizer unknown", &[r"'none\nsuch'", "known", "llama-bpe"], |f| {
        f.set(pre, "none\nsuch".into());
    });
}

/// Arrays of another type or length than they are read as.
fn arrays(all: &mut Damages) {
    let bytes = |f: &crate::Gguf| Value::array(0, tokens(f), &vec![1; tokens(f) as usize]);
    let says = ["'tokenizer.ggml.scores'", "expected array of f32"];
    all.model("gemma3", "scores as bytes", &says, |f| f.set("tokenizer.ggml.scores", bytes(f)));
    let says = ["'tokenizer.ggml.token_type'", "u8", "array of i32"];
    all.llama("token types as bytes", &says, |f| f.set("tokenizer.ggml.token_type", bytes(f)));
    let says = ["'tokenizer.ggml.token_type'", "2 elements", "283"];
    all.llama("two token types", &says, |f| {
        f.set("tokenizer.ggml.token_type", (&[1i32, 1][..]).into());
    });
    let says = ["'tokenizer.ggml.scores'", "1 elements", "378"];
    all.model("gemma3", "one score", &says, |f| {
        f.set("tokenizer.ggml.scores", (&[0f32][..]).into());
    });
    let says = ["'tokenizer.ggml.tokens'", "expected array of string"];
    all.llama("tokens as bytes", &says, |f| f.set(TOKENS, bytes(f)));
    let says = ["'tokenizer.ggml.merges'", "two tokens parted by a space", "merge 0"];
    let merge = ["th".to_owned()];
    all.llama("merge of one token", &says, |f| f.set("tokenizer.ggml.merges", (&merge[..]).into()));
    all.llama("no tokens", &["'tokenizer.ggml.tokens'", "at least one"], |f| {
        f.set(TOKENS, (&[][..] as &[String]).into());
    });
}

/// Vocabularies and embeddings of two sizes.
fn sizes(all: &mut Damages) {
    for (name, says, rows) in [
        ("vocabulary larger than embeddings", "the model 280", 280),
        ("vocabulary smaller than embeddings", "the model 290", 290),
    ] {
        all.llama(name, &["tokenizer has 283 tokens", says], |f| {
            for tensor in ["token_embd.weight", "output.weight"] {
                let tensor = f.tensor(tensor);
                tensor.dims[1] = rows;
                tensor.data.resize((rows * tensor.dims[0] * 4) as usize, 0);
            }
        });
    }
}

/// How many tokens the vocabulary has.
fn tokens(file: &crate::Gguf) -> u64 {
    let (_, value) = file.keys.iter().find(|(k, _)| k == TOKENS).expect("a vocabulary");
    u64::from_le_bytes(*value.bytes[4..].first_chunk().expect("a count"))
}
