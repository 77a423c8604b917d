//! Models of every architecture with random weights, a few hundred kilobytes
//! each.

use crate::vocabulary;
use crate::{Gguf, Random, Tensor, Value};

/// A block-quantized type: name, number, weights and bytes of a block, where it
/// has float16 scales, and how large those are in a random block.
struct Quantization {
    name: &'static str,
    kind: u32,
    weights: usize,
    bytes: usize,
    scales: &'static [usize],
    /// The exponent field of the scales.
    exponent: u16,
}

macro_rules! quantizations {
    ($($name:literal $kind:literal $weights:literal $bytes:literal $scales:expr, $exponent:literal;)*) => {
        const QUANTIZATIONS: &[Quantization] = &[$(Quantization {
            name: $name, kind: $kind, weights: $weights, bytes: $bytes, scales: &$scales, exponent: $exponent,
        },)*];
        /// The types that [`tiny_model`] has a quantized model of, by the name
        /// in `llama-TYPE`.
        pub const QUANTIZED: &[&str] = &[$($name,)*];
    };
}
quantizations! {
    "q4_0" 2 32 18 [0], 8;
    "q4_1" 3 32 20 [0, 2], 7;
    "q5_0" 6 32 22 [0], 7;
    "q5_1" 7 32 24 [0, 2], 6;
    "q8_0" 8 32 34 [0], 4;
    "q2_k" 10 256 84 [80, 82], 7;
    "q3_k" 11 256 110 [108], 5;
    "q4_k" 12 256 144 [0, 2], 3;
    "q5_k" 13 256 176 [0, 2], 2;
    "q6_k" 14 256 210 [208], 1;
    "iq4_nl" 20 32 18 [0], 5;
    "iq4_xs" 23 256 136 [0], 1;
}

/// The shape of a model and what its architecture adds.
#[derive(Clone, Copy)]
struct Spec {
    architecture: &'static str,
    layers: usize,
    length: usize,
    inner: usize,
    heads: usize,
    kv_heads: usize,
    head: usize,
    tied: bool,
    bias: bool,
    qk_norm: bool,
    /// Norms of queries and keys are of whole rows.
    of_rows: bool,
    pre_norms: bool,
    post_norms: bool,
    rope_factors: bool,
    /// Queries, keys and values in one tensor, and gate and up in another.
    fused: bool,
    /// Of matrices; F32 where `None`.
    quantization: Option<&'static Quantization>,
}

const LLAMA: Spec = Spec {
    architecture: "llama",
    layers: 3,
    length: 64,
    inner: 96,
    heads: 4,
    kv_heads: 2,
    head: 16,
    tied: false,
    bias: false,
    qk_norm: false,
    of_rows: false,
    pre_norms: true,
    post_norms: false,
    rope_factors: false,
    fused: false,
    quantization: None,
};
const QWEN2: Spec = Spec { architecture: "qwen2", bias: true, tied: true, ..LLAMA };
const QWEN3: Spec = Spec { architecture: "qwen3", qk_norm: true, head: 32, ..LLAMA };
const GEMMA3: Spec = Spec {
    architecture: "gemma3",
    layers: 7,
    kv_heads: 1,
    head: 32,
    qk_norm: true,
    post_norms: true,
    tied: true,
    ..LLAMA
};
const GEMMA2: Spec = Spec { architecture: "gemma2", layers: 4, qk_norm: false, ..GEMMA3 };
const OLMO2: Spec = Spec {
    architecture: "olmo2",
    layers: 5,
    qk_norm: true,
    of_rows: true,
    pre_norms: false,
    post_norms: true,
    ..LLAMA
};
const GRANITE: Spec = Spec { architecture: "granite", tied: true, ..LLAMA };
const SMOLLM3: Spec = Spec { architecture: "smollm3", layers: 5, tied: true, ..LLAMA };
const PHI3: Spec = Spec { architecture: "phi3", fused: true, ..LLAMA };

/// The names of the models in F32, for [`tiny_model`].
pub fn tiny_model_names() -> &'static [&'static str] {
    &[
        "llama",
        "llama-linear-rope",
        "llama-rope-factors",
        "llama-yarn",
        "qwen2",
        "qwen2-untied",
        "qwen3",
        "gemma3",
        "gemma3-pattern",
        "gemma3-no-window",
        "gemma3-62-layers",
        "gemma2",
        "gemma2-46-layers",
        "olmo2",
        "olmo2-window",
        "granite",
        "granite-untrained-rope",
        "smollm3",
        "phi3",
        "phi3-partial-rope",
    ]
}

/// A model by its name: one of [`tiny_model_names`], or `llama-` and one of
/// [`QUANTIZED`].
///
/// # Panics
/// Where there is none of that name.
pub fn tiny_model(name: &str) -> Gguf {
    let window = |n: u32| ("gemma3.attention.sliding_window", Value::from(n));
    match name {
        "llama" => build(LLAMA, name, &[]),
        "llama-linear-rope" => {
            let spec = Spec { tied: true, ..LLAMA };
            let scaling = ("llama.rope.scaling.factor", Value::from(4.0f32));
            build(spec, name, &[("llama.rope.scaling.type", "linear".into()), scaling])
        }
        "llama-rope-factors" => {
            let spec = Spec { rope_factors: true, ..LLAMA };
            build(spec, name, &[("llama.rope.freq_base", Value::from(500_000.0f32))])
        }
        "llama-yarn" => build(
            LLAMA,
            name,
            &[
                ("llama.rope.scaling.type", "yarn".into()),
                ("llama.rope.scaling.factor", 4.0f32.into()),
                ("llama.rope.scaling.original_context_length", 40u32.into()),
                ("llama.rope.scaling.attn_factor", 1.25f32.into()),
            ],
        ),
        "qwen2" => build(QWEN2, name, &[("qwen2.rope.freq_base", Value::from(1e6f32))]),
        "qwen2-untied" => build(Spec { tied: false, heads: 8, head: 8, ..QWEN2 }, name, &[]),
        "qwen3" => build(QWEN3, name, &[("qwen3.rope.freq_base", Value::from(1e6f32))]),
        "gemma3" => build(GEMMA3, name, &[window(16), ("gemma3.rope.freq_base", 1e6f32.into())]),
        "gemma3-pattern" => build(
            Spec { kv_heads: 2, layers: 4, tied: false, ..GEMMA3 },
            name,
            &[
                window(7),
                ("gemma3.attention.sliding_window_pattern", 2u32.into()),
                ("gemma3.rope.freq_base", 1e6f32.into()),
                ("gemma3.rope.freq_base_swa", 20_000.0f32.into()),
                ("gemma3.rope.scaling.type", "linear".into()),
                ("gemma3.rope.scaling.factor", 8.0f32.into()),
            ],
        ),
        "gemma3-no-window" => build(Spec { layers: 3, ..GEMMA3 }, name, &[]),
        "gemma3-62-layers" => build(
            Spec { layers: 62, length: 32, inner: 32, head: 16, ..GEMMA3 },
            name,
            &[window(9)],
        ),
        "gemma2" => {
            let cap = ("gemma2.attn_logit_softcapping", 3.0f32.into());
            let window = ("gemma2.attention.sliding_window", 16u32.into());
            build(GEMMA2, name, &[window, cap, ("gemma2.final_logit_softcapping", 2.0f32.into())])
        }
        "gemma2-46-layers" => {
            build(Spec { layers: 46, length: 32, inner: 32, head: 16, ..GEMMA2 }, name, &[])
        }
        "olmo2" => build(OLMO2, name, &[("olmo2.rope.freq_base", 500_000.0f32.into())]),
        "olmo2-window" => {
            let factor = ("olmo2.rope.scaling.factor", 2.0f32.into());
            let window = ("olmo2.attention.sliding_window", 9u32.into());
            build(OLMO2, name, &[window, factor, ("olmo2.rope.scaling.type", "linear".into())])
        }
        "granite" => build(
            GRANITE,
            name,
            &[
                ("granite.attention.scale", 0.125f32.into()),
                ("granite.embedding_scale", 3.0f32.into()),
                ("granite.residual_scale", 0.5f32.into()),
                ("granite.logit_scale", 0.75f32.into()),
            ],
        ),
        "granite-untrained-rope" => build(
            Spec { tied: false, ..GRANITE },
            name,
            &[
                ("granite.logit_scale", 1f32.into()),
                ("granite.rope.scaling.finetuned", false.into()),
            ],
        ),
        "smollm3" => build(SMOLLM3, name, &[("smollm3.rope.freq_base", 5e6f32.into())]),
        // llama.cpp wants more tokens of models whose name has a "phi3".
        "phi3" => build(PHI3, name, &[("general.name", "tiny".into())]),
        "phi3-partial-rope" => build(
            Spec { tied: true, ..PHI3 },
            name,
            &[("general.name", "tiny".into()), ("phi3.rope.dimension_count", 12u32.into())],
        ),
        _ => {
            let kind = name.strip_prefix("llama-").unwrap_or_default();
            let quantization = QUANTIZATIONS.iter().find(|q| q.name == kind);
            assert!(quantization.is_some(), "no tiny model '{name}'");
            let sizes = Spec { length: 256, inner: 256, head: 64, layers: 2, ..LLAMA };
            build(Spec { quantization, ..sizes }, name, &[])
        }
    }
}

fn build(spec: Spec, name: &str, more: &[(&str, Value)]) -> Gguf {
    let mut file = Gguf::new();
    let arch = spec.architecture;
    file.set("general.architecture", arch.into());
    file.set("general.name", name.into());
    for (key, number) in [
        ("context_length", 512),
        ("embedding_length", spec.length),
        ("block_count", spec.layers),
        ("feed_forward_length", spec.inner),
        ("attention.head_count", spec.heads),
        ("attention.head_count_kv", spec.kv_heads),
        ("attention.key_length", spec.head),
        ("attention.value_length", spec.head),
    ] {
        file.set(&format!("{arch}.{key}"), Value::from(number as u32));
    }
    file.set(&format!("{arch}.attention.layer_norm_rms_epsilon"), Value::from(1e-5f32));
    more.iter().for_each(|(key, value)| file.set(key, value.clone()));
    let vocab = match arch {
        "llama" => vocabulary::byte_level(&mut file, "llama-bpe"),
        "gemma2" | "gemma3" => vocabulary::sentencepiece(&mut file),
        _ => vocabulary::byte_level(&mut file, "qwen2"),
    };
    let seed = name.bytes().fold(7, |hash: u64, b| hash.wrapping_mul(31).wrapping_add(b.into()));
    Weights { spec, random: Random::new(seed), file: &mut file }.write(vocab);
    file
}

/// The size of embeddings and logits, so that the rounding of keys and values to
/// half precision is well below a thousandth of a logit.
const QUIET: f32 = 0.25;

struct Weights<'a> {
    spec: Spec,
    random: Random,
    file: &'a mut Gguf,
}

impl Weights<'_> {
    fn write(&mut self, vocab: usize) {
        let spec = self.spec;
        self.matrix("token_embd.weight", spec.length, vocab, QUIET);
        (0..spec.layers).for_each(|layer| self.layer(layer));
        self.norm("output_norm.weight", spec.length, 1.0);
        if !spec.tied {
            self.matrix("output.weight", spec.length, vocab, QUIET);
        }
        if spec.rope_factors {
            // Rising from 1, as those of Llama 3 do.
            let half = spec.head / 2;
            let factors = (0..half).map(|i| 1.0 + 7.0 * i as f32 / half as f32).collect();
            self.floats("rope_freqs.weight", vec![half], factors);
        }
    }

    fn layer(&mut self, layer: usize) {
        let Spec { length, inner, head, .. } = self.spec;
        let (queries, keys) = (self.spec.heads * head, self.spec.kv_heads * head);
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        if self.spec.pre_norms {
            self.norm(&name("attn_norm"), length, 1.0);
        }
        let parts = [("attn_q", queries), ("attn_k", keys), ("attn_v", keys)];
        let fused = [("attn_qkv", queries + 2 * keys)];
        for &(part, rows) in if self.spec.fused { &fused[..] } else { &parts } {
            self.matrix(&name(part), length, rows, 1.0);
            if self.spec.bias {
                let bias = self.random_floats(rows, 0.5);
                self.floats(&format!("blk.{layer}.{part}.bias"), vec![rows], bias);
            }
        }
        if self.spec.qk_norm {
            let [q, k] = if self.spec.of_rows { [queries, keys] } else { [head; 2] };
            self.norm(&name("attn_q_norm"), q, 1.0);
            self.norm(&name("attn_k_norm"), k, 1.0);
        }
        self.matrix(&name("attn_output"), queries, length, 1.0);
        if self.spec.pre_norms {
            self.norm(&name("ffn_norm"), length, 1.0);
        }
        if self.spec.fused {
            self.matrix(&name("ffn_up"), length, 2 * inner, 1.0);
        } else {
            self.matrix(&name("ffn_gate"), length, inner, 1.0);
            self.matrix(&name("ffn_up"), length, inner, 1.0);
        }
        self.matrix(&name("ffn_down"), inner, length, 1.0);
        if self.spec.post_norms {
            // All layers together add about as much as there was.
            let share = 1.0 / self.spec.layers as f32;
            self.norm(&name("post_attention_norm"), length, share);
            self.norm(&name("post_ffw_norm"), length, share);
        }
    }

    /// Products with it are about `size` times what they are made from; those
    /// of quantized matrices about once.
    fn matrix(&mut self, name: &str, cols: usize, rows: usize, size: f32) {
        let dims = vec![cols, rows];
        match self.spec.quantization {
            None => {
                let weights = self.random_floats(cols * rows, size * (3.0 / cols as f32).sqrt());
                self.floats(name, dims, weights);
            }
            Some(q) => {
                let mut data: Vec<u8> = (0..cols * rows / q.weights * q.bytes)
                    .map(|_| self.random.bits() as u8)
                    .collect();
                for block in data.chunks_exact_mut(q.bytes) {
                    for &at in q.scales {
                        let bits = self.random.bits() as u16 & 0x83FF | q.exponent << 10;
                        block[at..at + 2].copy_from_slice(&bits.to_le_bytes());
                    }
                }
                self.push(name, dims, q.kind, data);
            }
        }
    }

    fn norm(&mut self, name: &str, len: usize, size: f32) {
        let mut weights = self.random_floats(len, 0.25);
        weights.iter_mut().for_each(|w| *w = (*w + 1.0) * size);
        self.floats(name, vec![len], weights);
    }

    fn random_floats(&mut self, len: usize, most: f32) -> Vec<f32> {
        (0..len).map(|_| self.random.float() * most).collect()
    }

    fn floats(&mut self, name: &str, dims: Vec<usize>, values: Vec<f32>) {
        self.push(name, dims, 0, values.iter().flat_map(|v| v.to_le_bytes()).collect());
    }

    fn push(&mut self, name: &str, dims: Vec<usize>, kind: u32, data: Vec<u8>) {
        let dims = dims.into_iter().map(|d| d as u64).collect();
        self.file.tensors.push(Tensor { name: name.to_owned(), dims, kind, offset: None, data });
    }
}
