//! How architectures differ, as data.

use crate::kernels::{Gate, RopePairs};

/// Which RMS norms there are of queries and keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QkNorm {
    /// None.
    None,
    /// One of each head.
    Head,
    /// One of all heads together.
    Row,
}

/// How an architecture differs from the others; one pass computes all of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Architecture {
    pub(super) name: &'static str,
    pub(super) pairs: RopePairs,
    pub(super) gate: Gate,
    pub(super) qk_norm: QkNorm,
    /// Norms before attention and before the feed-forward layer.
    pub(super) pre_norms: bool,
    /// Norms after them.
    pub(super) post_norms: bool,
    /// Embeddings times the square root of their length.
    pub(super) scaled_embeddings: bool,
    /// Layers with a sliding window, where there are any.
    pub(super) window: Option<Window>,
    /// Of how many layers one has no positions.
    pub(super) no_rope_step: Option<usize>,
    /// Gate and up of the feed-forward layer in one tensor.
    pub(super) fused_gate: bool,
    /// Whether RoPE may leave the last values of a head alone.
    pub(super) partial_rope: bool,
    /// Contexts end at the window, beyond which implementations differ.
    pub(super) ends_at_window: bool,
    /// Whether a file may divide the frequencies of RoPE by factors.
    pub(super) rope_factors: bool,
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
    qk_norm: QkNorm::None,
    pre_norms: true,
    post_norms: false,
    scaled_embeddings: false,
    window: None,
    no_rope_step: None,
    fused_gate: false,
    partial_rope: false,
    ends_at_window: false,
    rope_factors: true,
    caps: [0.0; 2],
    reads: &[],
};
const QWEN2: Architecture =
    Architecture { name: "qwen2", pairs: RopePairs::Halves, rope_factors: false, ..LLAMA };
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
    ..QWEN2
};

/// Source: the model definitions of llama.cpp (`src/models`).
pub(super) const ARCHITECTURES: [Architecture; 9] = [
    LLAMA,
    QWEN2,
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
    Architecture { name: "smollm3", no_rope_step: Some(4), rope_factors: false, ..LLAMA },
    Architecture {
        name: "phi3",
        fused_gate: true,
        partial_rope: true,
        ends_at_window: true,
        reads: &["attention.sliding_window"],
        ..QWEN2
    },
];
