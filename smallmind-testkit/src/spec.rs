//! The shapes of the tiny models, and what each architecture adds.

use crate::quantizations::Quantization;

/// The shape of a model and what its architecture adds.
#[derive(Clone, Copy)]
pub(crate) struct Spec {
    pub(crate) architecture: &'static str,
    pub(crate) layers: usize,
    pub(crate) length: usize,
    pub(crate) inner: usize,
    pub(crate) heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head: usize,
    pub(crate) tied: bool,
    pub(crate) bias: bool,
    pub(crate) qk_norm: bool,
    /// Norms of queries and keys are of whole rows.
    pub(crate) of_rows: bool,
    pub(crate) pre_norms: bool,
    pub(crate) post_norms: bool,
    pub(crate) rope_factors: bool,
    /// Queries, keys and values in one tensor.
    pub(crate) fused: bool,
    /// Gate and up in one tensor.
    pub(crate) fused_gate: bool,
    /// LayerNorm, with biases, in place of RMS norms.
    pub(crate) layer_norm: bool,
    /// No gate in the feed-forward layer.
    pub(crate) plain: bool,
    /// Biases of the outputs of attention and of the feed-forward layer.
    pub(crate) more_biases: bool,
    /// A norm for each head of queries and keys.
    pub(crate) of_heads: bool,
    /// No norm before the feed-forward layer.
    pub(crate) parallel: bool,
    /// Another norm before attention.
    pub(crate) two_norms: bool,
    /// Embeddings of positions.
    pub(crate) positions: bool,
    /// RoPE factors of short and of long contexts.
    pub(crate) long_factors: bool,
    /// Experts in place of a feed-forward layer, how many of them a token takes,
    /// and whether it takes a shared one too.
    pub(crate) experts: usize,
    pub(crate) used: usize,
    pub(crate) shared: bool,
    /// Of matrices; F32 where `None`.
    pub(crate) quantization: Option<&'static Quantization>,
}

pub(crate) const LLAMA: Spec = Spec {
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
    fused_gate: false,
    layer_norm: false,
    plain: false,
    more_biases: false,
    of_heads: false,
    parallel: false,
    two_norms: false,
    positions: false,
    long_factors: false,
    experts: 0,
    used: 0,
    shared: false,
    quantization: None,
};
pub(crate) const QWEN2: Spec = Spec { architecture: "qwen2", bias: true, tied: true, ..LLAMA };
pub(crate) const QWEN3: Spec = Spec { architecture: "qwen3", qk_norm: true, head: 32, ..LLAMA };
pub(crate) const QWEN2MOE: Spec =
    Spec { architecture: "qwen2moe", tied: false, experts: 6, used: 3, shared: true, ..QWEN2 };
pub(crate) const QWEN3MOE: Spec = Spec { architecture: "qwen3moe", experts: 8, used: 4, ..QWEN3 };
pub(crate) const GEMMA3: Spec = Spec {
    architecture: "gemma3",
    layers: 7,
    kv_heads: 1,
    head: 32,
    qk_norm: true,
    post_norms: true,
    tied: true,
    ..LLAMA
};
pub(crate) const GEMMA2: Spec =
    Spec { architecture: "gemma2", layers: 4, qk_norm: false, ..GEMMA3 };
pub(crate) const OLMO2: Spec = Spec {
    architecture: "olmo2",
    layers: 5,
    qk_norm: true,
    of_rows: true,
    pre_norms: false,
    post_norms: true,
    ..LLAMA
};
pub(crate) const GRANITE: Spec = Spec { architecture: "granite", tied: true, ..LLAMA };
pub(crate) const SMOLLM3: Spec = Spec { architecture: "smollm3", layers: 5, tied: true, ..LLAMA };
pub(crate) const PHI3: Spec = Spec { architecture: "phi3", fused: true, fused_gate: true, ..LLAMA };
pub(crate) const STABLELM: Spec =
    Spec { architecture: "stablelm", layer_norm: true, bias: true, ..LLAMA };
pub(crate) const STARCODER2: Spec =
    Spec { architecture: "starcoder2", plain: true, more_biases: true, ..STABLELM };
pub(crate) const GPT2: Spec = Spec {
    architecture: "gpt2",
    kv_heads: 4,
    fused: true,
    positions: true,
    tied: true,
    ..STARCODER2
};
pub(crate) const FALCON: Spec = Spec {
    architecture: "falcon",
    kv_heads: 1,
    fused: true,
    layer_norm: true,
    plain: true,
    parallel: true,
    tied: true,
    ..LLAMA
};
