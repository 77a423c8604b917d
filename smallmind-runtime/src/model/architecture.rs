//! How architectures differ, as data.

use super::experts::Mixture;
use crate::kernels::{Gate, NormKind, RopePairs};

/// Which norms there are of queries and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QkNorm {
    /// None.
    None,
    /// One for all heads.
    Head,
    /// One for each head, where the file has them.
    EachHead,
    /// One of all heads together.
    Row,
}

/// What a feed-forward layer computes, and from which tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `down(f(gate) * up)`.
    Gated,
    /// The same, gate and up in one tensor.
    FusedGate,
    /// `down(f(up))`.
    Plain,
}

/// What a file may divide the frequencies of RoPE by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RopeFactors {
    /// Nothing.
    None,
    /// Factors of any context.
    One,
    /// Factors of short contexts, and others of long ones.
    ByLength,
}

/// How an architecture differs from the others; one pass computes all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Architecture {
    pub(super) name: &'static str,
    pub(super) pairs: RopePairs,
    pub(super) gate: Gate,
    pub(super) norm: NormKind,
    pub(super) qk_norm: QkNorm,
    /// Norms before attention and before the feed-forward layer.
    pub(super) pre_norms: bool,
    /// Norms after them.
    pub(super) post_norms: bool,
    /// Layers without a norm before the feed-forward layer compute it from what
    /// attention is computed from.
    pub(super) parallel: bool,
    /// Embeddings times the square root of their length.
    pub(super) scaled_embeddings: bool,
    /// Layers with a sliding window, where there are any.
    pub(super) window: Option<Window>,
    /// Embeddings of positions, added to those of tokens.
    pub(super) learned_positions: bool,
    /// Of how many layers one has no positions.
    pub(super) no_rope_step: Option<usize>,
    pub(super) feed_forward: Form,
    /// Experts in place of feed-forward layers.
    pub(super) mixture: Option<Mixture>,
    /// Whether RoPE may leave the last values of a head alone.
    pub(super) partial_rope: bool,
    /// Contexts end at the window, beyond which implementations differ.
    pub(super) ends_at_window: bool,
    pub(super) rope_factors: RopeFactors,
    /// What attention scores and logits are soft-capped at by default.
    pub(super) caps: [f32; 2],
    /// Keys that other architectures refuse.
    pub(super) reads: &'static [&'static str],
}

/// Layers that see only the positions before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Of how many layers one sees everything.
    pub(super) pattern: usize,
    /// Positions, where the file does not say.
    pub(super) default: Option<usize>,
    /// The base of their RoPE; that of the other layers where `None`.
    pub(super) rope_base: Option<f32>,
    /// Whether scaling of RoPE holds for them too.
    pub(super) rope_scaled: bool,
}

const LLAMA: Architecture = Architecture {
    name: "llama",
    pairs: RopePairs::Adjacent,
    gate: Gate::Silu,
    norm: NormKind::Rms,
    qk_norm: QkNorm::None,
    pre_norms: true,
    post_norms: false,
    parallel: false,
    scaled_embeddings: false,
    window: None,
    learned_positions: false,
    no_rope_step: None,
    feed_forward: Form::Gated,
    mixture: None,
    partial_rope: false,
    ends_at_window: false,
    rope_factors: RopeFactors::One,
    caps: [0.0; 2],
    reads: &[],
};
const QWEN2: Architecture = Architecture {
    name: "qwen2",
    pairs: RopePairs::Halves,
    rope_factors: RopeFactors::None,
    ..LLAMA
};
const GEMMA3: Architecture = Architecture {
    name: "gemma3",
    gate: Gate::Gelu,
    qk_norm: QkNorm::Head,
    post_norms: true,
    scaled_embeddings: true,
    window: Some(Window {
        pattern: 6,
        default: None,
        rope_base: Some(10_000.0),
        rope_scaled: false,
    }),
    reads: &["final_logit_softcapping"],
    ..QWEN2
};

const MIXTURE: Mixture =
    Mixture { required: true, own_length: true, normalized: true, shared: false };
const STARCODER2: Architecture = Architecture {
    name: "starcoder2",
    gate: Gate::Gelu,
    norm: NormKind::Layer,
    feed_forward: Form::Plain,
    ..QWEN2
};

/// Source: the model definitions of llama.cpp (`src/models`).
pub(super) const ARCHITECTURES: [Architecture; 15] = [
    Architecture {
        mixture: Some(Mixture { required: false, own_length: false, ..MIXTURE }),
        reads: &["expert_count"],
        ..LLAMA
    },
    QWEN2,
    Architecture {
        name: "qwen2moe",
        mixture: Some(Mixture { normalized: false, shared: true, ..MIXTURE }),
        reads: &["expert_count"],
        ..QWEN2
    },
    Architecture {
        name: "qwen3moe",
        qk_norm: QkNorm::Head,
        mixture: Some(MIXTURE),
        reads: &["expert_count"],
        ..QWEN2
    },
    Architecture { name: "qwen3", qk_norm: QkNorm::Head, ..QWEN2 },
    Architecture {
        name: "gemma2",
        qk_norm: QkNorm::None,
        window: Some(Window {
            pattern: 2,
            default: Some(4096),
            rope_base: None,
            rope_scaled: true,
        }),
        caps: [50.0, 30.0],
        reads: &["attn_logit_softcapping", "final_logit_softcapping"],
        ..GEMMA3
    },
    GEMMA3,
    Architecture {
        name: "olmo2",
        qk_norm: QkNorm::Row,
        pre_norms: false,
        post_norms: true,
        window: Some(Window { pattern: 4, default: None, rope_base: None, rope_scaled: false }),
        ..QWEN2
    },
    Architecture {
        name: "granite",
        reads: &[
            "attention.scale",
            "embedding_scale",
            "residual_scale",
            "logit_scale",
            "rope.scaling.finetuned",
        ],
        ..LLAMA
    },
    Architecture {
        name: "smollm3",
        no_rope_step: Some(4),
        rope_factors: RopeFactors::None,
        ..LLAMA
    },
    Architecture {
        name: "phi3",
        feed_forward: Form::FusedGate,
        partial_rope: true,
        rope_factors: RopeFactors::ByLength,
        ends_at_window: true,
        reads: &["attention.sliding_window"],
        ..QWEN2
    },
    Architecture {
        name: "stablelm",
        qk_norm: QkNorm::EachHead,
        parallel: true,
        partial_rope: true,
        feed_forward: Form::Gated,
        gate: Gate::Silu,
        ..STARCODER2
    },
    Architecture { name: "gpt2", learned_positions: true, no_rope_step: Some(1), ..STARCODER2 },
    STARCODER2,
    Architecture { name: "falcon", parallel: true, ..STARCODER2 },
];
