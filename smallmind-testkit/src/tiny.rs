//! Models of every architecture with random weights, a few hundred kilobytes
//! each.

use crate::quantizations::QUANTIZATIONS;
use crate::spec::*;
use crate::vocabulary;
use crate::{Gguf, Random, Tensor, Value};

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
        "phi3-long-factors",
        "phi3-short-factors",
        "gemma3-logit-cap",
        "stablelm",
        "stablelm-parallel",
        "gpt2",
        "starcoder2",
        "falcon",
        "falcon-two-norms",
        "llama-experts",
        "qwen2moe",
        "qwen3moe",
    ]
}

/// A model by its name: one of [`tiny_model_names`], or `llama-` and one of
/// [`QUANTIZED`](crate::QUANTIZED), with `-experts` after it where it has some.
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
        "phi3-long-factors" | "phi3-short-factors" => {
            // The context of the reference is 512.
            let short = if name == "phi3-long-factors" { 40u32 } else { 512 };
            build(
                Spec { long_factors: true, ..PHI3 },
                name,
                &[
                    ("general.name", "tiny".into()),
                    ("phi3.rope.scaling.original_context_length", short.into()),
                    ("phi3.rope.scaling.attn_factor", 1.25f32.into()),
                ],
            )
        }
        "gemma3-logit-cap" => build(
            Spec { layers: 2, ..GEMMA3 },
            name,
            &[("gemma3.final_logit_softcapping", 2f32.into())],
        ),
        "stablelm" => build(STABLELM, name, &[("stablelm.rope.dimension_count", 4u32.into())]),
        "stablelm-parallel" => {
            let spec = Spec { qk_norm: true, of_heads: true, parallel: true, ..STABLELM };
            build(spec, name, &[])
        }
        "gpt2" => build(GPT2, name, &[]),
        "starcoder2" => build(STARCODER2, name, &[("starcoder2.rope.freq_base", 1e5f32.into())]),
        "falcon" => build(FALCON, name, &[]),
        "falcon-two-norms" => {
            build(Spec { kv_heads: 2, two_norms: true, tied: false, ..FALCON }, name, &[])
        }
        "llama-experts" => build(Spec { experts: 4, used: 2, ..LLAMA }, name, &[]),
        "qwen2moe" => build(
            QWEN2MOE,
            name,
            &[
                ("qwen2moe.expert_feed_forward_length", 96u32.into()),
                ("qwen2moe.expert_shared_feed_forward_length", 96u32.into()),
            ],
        ),
        // The length of an expert is this one by the experts of a token.
        "qwen3moe" => build(QWEN3MOE, name, &[("qwen3moe.feed_forward_length", 384u32.into())]),
        _ => {
            let kind = name.strip_prefix("llama-").unwrap_or_default();
            let (kind, experts) = match kind.strip_suffix("-experts") {
                // Each token takes all, as rounding may change the choice.
                Some(kind) => (kind, 4),
                None => (kind, 0),
            };
            let quantization = QUANTIZATIONS.iter().find(|q| q.name == kind);
            assert!(quantization.is_some(), "no tiny model '{name}'");
            let sizes = Spec { length: 256, inner: 256, head: 64, layers: 2, ..LLAMA };
            build(Spec { quantization, experts, used: experts, ..sizes }, name, &[])
        }
    }
}

/// Tokens that models are said to be trained for.
const CONTEXT: usize = 512;

fn build(spec: Spec, name: &str, more: &[(&str, Value)]) -> Gguf {
    let mut file = Gguf::new();
    let arch = spec.architecture;
    file.set("general.architecture", arch.into());
    file.set("general.name", name.into());
    for (key, number) in [
        ("context_length", CONTEXT),
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
    if spec.experts > 0 {
        file.set(&format!("{arch}.expert_count"), Value::from(spec.experts as u32));
        file.set(&format!("{arch}.expert_used_count"), Value::from(spec.used as u32));
    }
    let norm = if spec.layer_norm { "layer_norm" } else { "layer_norm_rms" };
    file.set(&format!("{arch}.attention.{norm}_epsilon"), Value::from(1e-5f32));
    more.iter().for_each(|(key, value)| file.set(key, value.clone()));
    let vocab = match arch {
        "llama" => vocabulary::byte_level(&mut file, "llama-bpe"),
        "gemma2" | "gemma3" => vocabulary::sentencepiece(&mut file),
        _ => vocabulary::byte_level(&mut file, "qwen2"),
    };
    Weights::new(spec, name, &mut file).write(vocab);
    file
}

/// The size of embeddings and logits, so that the rounding of keys and values to
/// half precision is well below a thousandth of a logit.
const QUIET: f32 = 0.25;

/// Writes random tensors into a file.
pub(crate) struct Weights<'a> {
    spec: Spec,
    random: Random,
    file: &'a mut Gguf,
}

impl<'a> Weights<'a> {
    /// For a file of a name, which seeds them.
    fn new(spec: Spec, name: &str, file: &'a mut Gguf) -> Self {
        let seed =
            name.bytes().fold(7, |hash: u64, b| hash.wrapping_mul(31).wrapping_add(b.into()));
        Self { spec, random: Random::new(seed), file }
    }

    /// As [`new`](Self::new), for tensors in F32 of models that this module
    /// knows nothing of.
    pub(crate) fn plain(name: &str, file: &'a mut Gguf) -> Self {
        Self::new(LLAMA, name, file)
    }
}

impl Weights<'_> {
    fn write(&mut self, vocab: usize) {
        let spec = self.spec;
        self.matrix("token_embd.weight", spec.length, vocab, QUIET);
        (0..spec.layers).for_each(|layer| self.layer(layer));
        if spec.positions {
            self.matrix("position_embd.weight", spec.length, CONTEXT, QUIET);
        }
        self.norm("output_norm", spec.length, 1.0);
        if !spec.tied {
            self.matrix("output.weight", spec.length, vocab, QUIET);
        }
        if spec.rope_factors {
            // Rising from 1, as those of Llama 3 do.
            let half = spec.head / 2;
            let factors = (0..half).map(|i| 1.0 + 7.0 * i as f32 / half as f32).collect();
            self.floats("rope_freqs.weight", vec![half], factors);
        }
        if spec.long_factors {
            for (kind, growth) in [("short", 0.25), ("long", 4.0)] {
                let factors = (0..spec.head / 2).map(|i| 1.0 + growth * i as f32).collect();
                self.floats(&format!("rope_factors_{kind}.weight"), vec![spec.head / 2], factors);
            }
        }
    }

    fn layer(&mut self, layer: usize) {
        let Spec { length, inner, head, .. } = self.spec;
        let (queries, keys) = (self.spec.heads * head, self.spec.kv_heads * head);
        let part = |part: &str| format!("blk.{layer}.{part}");
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        if self.spec.pre_norms {
            self.norm(&part("attn_norm"), length, 1.0);
        }
        if self.spec.two_norms {
            self.norm(&part("attn_norm_2"), length, 1.0);
        }
        let parts = [("attn_q", queries), ("attn_k", keys), ("attn_v", keys)];
        let fused = [("attn_qkv", queries + 2 * keys)];
        for &(part, rows) in if self.spec.fused { &fused[..] } else { &parts } {
            self.matrix(&name(part), length, rows, 1.0);
            if self.spec.bias {
                self.bias(&format!("blk.{layer}.{part}"), rows);
            }
        }
        if self.spec.qk_norm {
            let dims = |heads| match (self.spec.of_rows, self.spec.of_heads) {
                (true, _) => vec![heads * head],
                (_, true) => vec![head, heads],
                _ => vec![head],
            };
            let [q, k] = [dims(self.spec.heads), dims(self.spec.kv_heads)];
            self.scales(&name("attn_q_norm"), q, 1.0);
            self.scales(&name("attn_k_norm"), k, 1.0);
        }
        self.matrix(&name("attn_output"), queries, length, 1.0);
        if self.spec.pre_norms && !self.spec.parallel {
            self.norm(&part("ffn_norm"), length, 1.0);
        }
        if self.spec.experts > 0 {
            self.experts(layer);
        } else if self.spec.fused_gate {
            self.matrix(&name("ffn_up"), length, 2 * inner, 1.0);
        } else {
            if !self.spec.plain {
                self.matrix(&name("ffn_gate"), length, inner, 1.0);
            }
            self.matrix(&name("ffn_up"), length, inner, 1.0);
        }
        if self.spec.experts == 0 {
            self.matrix(&name("ffn_down"), inner, length, 1.0);
        }
        if self.spec.more_biases {
            self.bias(&part("attn_output"), length);
            self.bias(&part("ffn_up"), inner);
            self.bias(&part("ffn_down"), length);
        }
        if self.spec.post_norms {
            // All layers together add about as much as there was.
            let share = 1.0 / self.spec.layers as f32;
            self.norm(&part("post_attention_norm"), length, share);
            self.norm(&part("post_ffw_norm"), length, share);
        }
    }

    fn experts(&mut self, layer: usize) {
        let Spec { length, inner, experts, .. } = self.spec;
        let name = |part: &str| format!("blk.{layer}.{part}.weight");
        let router = self.random_floats(length * experts, (9.0 / length as f32).sqrt());
        self.floats(&name("ffn_gate_inp"), vec![length, experts], router);
        let shared = if self.spec.shared { "shexp" } else { "" };
        for kind in ["exps", shared].into_iter().filter(|kind| !kind.is_empty()) {
            let count = (kind == "exps").then_some(experts);
            for (part, cols, rows) in
                [("gate", length, inner), ("up", length, inner), ("down", inner, length)]
            {
                let dims = [cols, rows].into_iter().chain(count).collect();
                self.tensor(&name(&format!("ffn_{part}_{kind}")), dims, 1.0);
            }
        }
        if self.spec.shared {
            let router = self.random_floats(length, (3.0 / length as f32).sqrt());
            self.floats(&name("ffn_gate_inp_shexp"), vec![length], router);
        }
    }

    /// Products with it are about `size` times what they are made from; those
    /// of quantized matrices about once.
    pub(crate) fn matrix(&mut self, name: &str, cols: usize, rows: usize, size: f32) {
        self.tensor(name, vec![cols, rows], size);
    }

    fn tensor(&mut self, name: &str, dims: Vec<usize>, size: f32) {
        let (cols, count) = (dims[0], dims.iter().product::<usize>());
        match self.spec.quantization {
            None => {
                let weights = self.random_floats(count, size * (3.0 / cols as f32).sqrt());
                self.floats(name, dims, weights);
            }
            Some(q) => {
                let mut data: Vec<u8> =
                    (0..count / q.weights * q.bytes).map(|_| self.random.bits() as u8).collect();
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
        self.scales(&format!("{name}.weight"), vec![len], size);
        if self.spec.layer_norm {
            self.bias(name, len);
        }
    }

    pub(crate) fn scales(&mut self, name: &str, dims: Vec<usize>, size: f32) {
        let mut weights = self.random_floats(dims.iter().product(), 0.25);
        weights.iter_mut().for_each(|w| *w = (*w + 1.0) * size);
        self.floats(name, dims, weights);
    }

    fn bias(&mut self, name: &str, len: usize) {
        let bias = self.random_floats(len, 0.5);
        self.floats(&format!("{name}.bias"), vec![len], bias);
    }

    pub(crate) fn random_floats(&mut self, len: usize, most: f32) -> Vec<f32> {
        (0..len).map(|_| self.random.float() * most).collect()
    }

    pub(crate) fn floats(&mut self, name: &str, dims: Vec<usize>, values: Vec<f32>) {
        self.push(name, dims, 0, values.iter().flat_map(|v| v.to_le_bytes()).collect());
    }

    fn push(&mut self, name: &str, dims: Vec<usize>, kind: u32, data: Vec<u8>) {
        let dims = dims.into_iter().map(|d| d as u64).collect();
        self.file.tensors.push(Tensor { name: name.to_owned(), dims, kind, offset: None, data });
    }
}
