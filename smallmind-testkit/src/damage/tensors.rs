//! Tensors that are missing, of another shape, or elsewhere.

use super::Damages;
use crate::{Gguf, Tensor};

const DOWN: &str = "blk.1.ffn_down.weight";
const QUOTED: &str = "'blk.1.ffn_down.weight'";

pub(super) fn add(all: &mut Damages) {
    for name in ["token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight", DOWN] {
        let quoted = format!("'{name}'");
        all.llama(&format!("no {name}"), &["has no tensor", &quoted], |f| f.remove(name));
    }
    for part in ["blk.2.attn_q_norm.weight", "blk.4.post_ffw_norm.weight"] {
        let quoted = format!("'{part}'");
        all.model("gemma3", &format!("no {part}"), &["has no tensor", &quoted], |f| f.remove(part));
    }
    all.model("qwen2", "rope factors of qwen2", &["'rope_freqs.weight'", "no place"], |f| {
        f.tensors.push(floats("rope_freqs.weight", 8));
    });
    all.llama("a fourth layer", &["'blk.3.attn_q.weight'", "no place"], |f| {
        f.tensors.push(floats("blk.3.attn_q.weight", 32));
    });
    all.llama("duplicate tensor", &["'output_norm.weight'", "once", "second"], |f| {
        f.tensors.push(floats("output_norm.weight", 64));
    });
    all.llama("unknown tensor of two lines", &[r"'a\nb'", "no place"], |f| {
        f.tensors.push(floats("a\nb", 32));
    });
    shapes(all);
    types(all);
    places(all);
}

fn floats(name: &str, len: usize) -> Tensor {
    Tensor {
        name: name.to_owned(),
        dims: vec![len as u64],
        kind: 0,
        offset: None,
        data: vec![0; len * 4],
    }
}

fn shaped(all: &mut Damages, name: &str, dims: &[u64], says: &[&str]) {
    let says = [&[QUOTED], says].concat();
    all.llama(name, &says, |f: &mut Gguf| f.tensor(DOWN).dims = dims.to_vec());
}

fn shapes(all: &mut Damages) {
    let expected = "expected [96, 64]";
    shaped(all, "shape transposed", &[64, 96], &["[64, 96]", expected]);
    shaped(all, "shape flat", &[96 * 64], &["[6144]", expected]);
    shaped(all, "shape in three dimensions", &[96, 32, 2], &["[96, 32, 2]", expected]);
    shaped(all, "shape smaller", &[96, 63], &["[96, 63]", expected]);
    shaped(all, "no dimensions", &[], &["at byte", "dimensions"]);
    shaped(
        all,
        "five dimensions",
        &[96, 64, 1, 1, 1],
        &["at byte", "1 to 4 dimensions", "found 5"],
    );
    shaped(all, "dimension 0", &[96, 0], &["at byte", "[96, 0]"]);
    let wrapping = ["at byte", "[4398046511105, 4194304]", "product"];
    shaped(all, "dimension of 2^42+1 whose product wraps", &[(1 << 42) + 1, 1 << 22], &wrapping);
    shaped(all, "dimensions beyond 2^63", &[1 << 62, 4], &["at byte", "product"]);
    shaped(all, "bytes beyond 2^64", &[1 << 62], &["at byte", "4611686018427387904"]);
    all.llama("norm too short", &["'output_norm.weight'", "[63]", "expected [64]"], |f| {
        f.tensor("output_norm.weight").dims = vec![63];
    });
    all.llama("embeddings in one dimension", &["'token_embd.weight'", "vocab_size"], |f| {
        f.tensor("token_embd.weight").dims = vec![64];
    });
    all.llama(
        "embeddings of another length",
        &["'token_embd.weight'", "[32, 283]", "[64, 283]"],
        |f| {
            f.tensor("token_embd.weight").dims[0] = 32;
        },
    );
}

fn types(all: &mut Damages) {
    for (name, kind, says) in [
        ("type unknown", 200, "type 200"),
        ("type removed", 4, "Q4_2, removed"),
        ("rows of half blocks", 12, "whole Q4_K blocks of 256"),
        ("type without kernels", 24, "has type I8"),
    ] {
        all.llama(name, &[QUOTED, says], |f| f.tensor(DOWN).kind = kind);
    }
}

fn places(all: &mut Damages) {
    let data = "data of tensor 'blk.1.ffn_down.weight'";
    for (name, offset, says) in [
        ("offset misaligned", 1, ["multiple of 32", "offset 1"]),
        ("offset past the end", 1 << 40, ["within the file's", "1099511627776"]),
        ("offset that wraps", u64::MAX - 31, ["within the file's", "18446744073709551584"]),
        ("overlapping tensors", 0, ["bytes of its own", "shared with tensor"]),
    ] {
        let says = match name {
            // Which of the two is named is not said.
            "overlapping tensors" => ["data of tensor", says[0], says[1]],
            _ => [data, says[0], says[1]],
        };
        all.llama(name, &says, |f| f.tensor(DOWN).offset = Some(offset));
    }
}
