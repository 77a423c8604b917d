//! Metadata to numbers, validated once.

use super::architecture::{ARCHITECTURES, Architecture, Form, QkNorm, RopeFactors};
use super::experts::ExpertConfig;
use super::weights::NormWeights;
use crate::Error;
use crate::kernels::attention::Heads;
use crate::kernels::{Gate, Norm, NormKind, RopePairs};
use smallmind_abstractions::{Error as MetadataError, Metadata, MetadataValue};

const WINDOW: &str = "attention.sliding_window";
const ROPE_TRAINED: &str = "rope.scaling.original_context_length";

/// Larger numbers are damage: no model comes near them, and memory is taken by
/// them before all tensors have been seen.
pub(super) const MAX_BLOCKS: usize = 1024;
pub(super) const MAX_LENGTH: usize = 1 << 24;

/// The angles of rotary position embedding (RoPE).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rope {
    pub(crate) base: f32,
    /// What positions are multiplied by.
    pub(crate) scale: f32,
    /// Which frequencies keep their own scale.
    pub(crate) yarn: Option<Yarn>,
    /// What cosines and sines are multiplied by.
    pub(crate) magnitude: f32,
}

impl Rope {
    /// Angles as they were trained.
    pub(super) fn plain(base: f32) -> Self {
        Self { base, scale: 1.0, yarn: None, magnitude: 1.0 }
    }
}

/// How YaRN scales (Peng et al. 2023).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Yarn {
    /// Positions before the scaling.
    pub(crate) trained_context: usize,
    /// Turns in that context from which a frequency is kept.
    pub(crate) beta_fast: f32,
    /// Turns up to which it is scaled.
    pub(crate) beta_slow: f32,
}

/// The numbers that describe a model.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ModelConfig {
    /// The architecture's name, as `general.architecture` has it.
    pub architecture: &'static str,
    /// The longest sequence the model was trained for, in tokens.
    pub context_length: usize,
    /// Tokens in the vocabulary: logits in a row.
    pub vocab_size: usize,
    /// Values of a token's hidden state.
    pub embedding_length: usize,
    /// Layers.
    pub block_count: usize,
    /// Values inside a feed-forward layer, or inside each expert.
    pub feed_forward_length: usize,
    /// Query heads.
    pub head_count: usize,
    /// Key-value heads; fewer than query heads in grouped-query attention.
    pub head_count_kv: usize,
    /// Values of a head.
    pub head_dim: usize,
    /// Added to the mean square, or the variance, in norms.
    pub norm_epsilon: f32,
    /// How many positions a token sees in the layers with a sliding window.
    pub sliding_window: Option<usize>,
    pub(crate) pairs: RopePairs,
    pub(crate) rope_dims: usize,
    pub(crate) rope_factors: RopeFactors,
    /// The longest context that has the factors of short ones.
    pub(crate) rope_short: usize,
    pub(crate) rope: Rope,
    pub(crate) rope_local: Rope,
    pub(crate) gate: Gate,
    pub(crate) norm: NormKind,
    pub(crate) qk_norm: QkNorm,
    pub(crate) pre_norms: bool,
    pub(crate) feed_forward: Form,
    pub(crate) experts: Option<ExpertConfig>,
    pub(crate) post_norms: bool,
    pub(crate) parallel: bool,
    pub(crate) learned_positions: bool,
    pub(crate) embedding_scale: f32,
    /// What is added to the hidden state is multiplied by it.
    pub(crate) residual_scale: f32,
    /// Logits are divided by it.
    pub(crate) logit_scale: f32,
    /// What attention scores are soft-capped at; nothing where zero.
    pub(crate) attention_cap: f32,
    /// What logits are soft-capped at; nothing where zero.
    pub(crate) logit_cap: f32,
    no_rope_step: Option<usize>,
    pub(crate) attention_scale: f32,
    /// Of how many layers one sees everything.
    pub(crate) window_pattern: usize,
}

/// Reads keys that begin with the architecture's name.
pub(super) struct Keys<'a> {
    pub(super) metadata: &'a Metadata,
    pub(super) architecture: &'static str,
}

impl Keys<'_> {
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture)
    }

    /// A number from 1 to `most`.
    pub(super) fn length(&self, name: &str, most: usize) -> Result<usize, Error> {
        self.checked(name, self.metadata.get(&self.key(name))?, most)
    }

    pub(super) fn optional_length(&self, name: &str, most: usize) -> Result<Option<usize>, Error> {
        let found = self.metadata.get_optional(&self.key(name))?;
        found.map(|n| self.checked(name, n, most)).transpose()
    }

    fn checked(&self, name: &str, found: usize, most: usize) -> Result<usize, Error> {
        if (1..=most).contains(&found) {
            return Ok(found);
        }
        Err(self.wrong(name, format!("a number from 1 to {most}"), found))
    }

    /// A finite number above zero.
    pub(super) fn positive(&self, name: &str, default: Option<f32>) -> Result<f32, Error> {
        let found = match (self.metadata.get_optional::<f32>(&self.key(name))?, default) {
            (Some(found), _) | (None, Some(found)) => found,
            (None, None) => self.metadata.get(&self.key(name))?,
        };
        if found > 0.0 && found.is_finite() {
            return Ok(found);
        }
        Err(self.wrong(name, "a finite number above 0".to_owned(), found))
    }

    /// A factor; none where it is zero, as the converters of files write it.
    fn scale(&self, name: &str) -> Result<Option<f32>, Error> {
        let found: Option<f32> = self.metadata.get_optional(&self.key(name))?;
        match found {
            None | Some(0.0) => Ok(None),
            Some(found) if found.is_finite() => Ok(Some(found)),
            Some(found) => Err(self.wrong(name, "a finite number".to_owned(), found)),
        }
    }

    /// A bound of values, from zero, which is none, on.
    fn cap(&self, name: &str, default: f32) -> Result<f32, Error> {
        let found: Option<f32> = self.metadata.get_optional(&self.key(name))?;
        match found.unwrap_or(default) {
            cap if cap >= 0.0 && cap.is_finite() => Ok(cap),
            cap => Err(self.wrong(name, "a finite number from 0 on".to_owned(), cap)),
        }
    }

    pub(super) fn wrong(&self, name: &str, expected: String, found: impl ToString) -> Error {
        let (key, found) = (self.key(name), found.to_string());
        MetadataError::MetadataValue { key, expected, found }.into()
    }
}

impl ModelConfig {
    /// Reads and checks the metadata of a model.
    ///
    /// `vocab_size` is not in all metadata; it comes from the embeddings.
    pub(crate) fn read(metadata: &Metadata, vocab_size: usize) -> Result<Self, Error> {
        let architecture = architecture(metadata, &ARCHITECTURES, |a| a.name)?;
        let keys = Keys { metadata, architecture: architecture.name };
        let harmless: [Harmless; 2] = [("attention.causal", &[1.0]), (WINDOW, &[0.0])];
        let windows = usize::from(architecture.window.is_some());
        refuse_unsupported(&keys, architecture.reads, &harmless[..2 - windows])?;
        let embedding_length = keys.length("embedding_length", MAX_LENGTH)?;
        let heads = heads(&keys, embedding_length)?;
        let rope_dims = rope_dims(&keys, architecture, heads.dim)?;
        let trained_length = keys.length("context_length", usize::MAX / 2)?;
        let most = match architecture.ends_at_window {
            true => keys.optional_length(WINDOW, usize::MAX)?.unwrap_or(usize::MAX),
            false => usize::MAX,
        };
        let rope = rope(&keys, architecture, trained_length)?;
        let (sliding_window, rope_local) = window(&keys, architecture, rope)?;
        let block_count = keys.length("block_count", MAX_BLOCKS)?;
        let experts = ExpertConfig::read(&keys, architecture.mixture)?;
        // The ones that scale by another length than the head's.
        let scale_by = match (architecture.name, block_count) {
            ("gemma3", 62) | ("gemma2", 46) => embedding_length / heads.query,
            _ => heads.dim,
        };
        Ok(Self {
            architecture: architecture.name,
            context_length: trained_length.min(most),
            vocab_size,
            embedding_length,
            block_count,
            feed_forward_length: match experts {
                Some(experts) => experts.length,
                None => keys.length("feed_forward_length", MAX_LENGTH)?,
            },
            head_count: heads.query,
            head_count_kv: heads.kv,
            head_dim: heads.dim,
            norm_epsilon: keys.positive(epsilon_key(architecture.norm), None)?,
            sliding_window,
            pairs: architecture.pairs,
            rope_dims,
            rope_factors: architecture.rope_factors,
            rope_short: keys
                .optional_length(ROPE_TRAINED, usize::MAX / 2)?
                .unwrap_or(trained_length),
            rope,
            rope_local,
            gate: architecture.gate,
            norm: architecture.norm,
            qk_norm: architecture.qk_norm,
            post_norms: architecture.post_norms,
            pre_norms: architecture.pre_norms,
            parallel: architecture.parallel,
            learned_positions: architecture.learned_positions,
            embedding_scale: if architecture.scaled_embeddings {
                (embedding_length as f32).sqrt()
            } else {
                keys.scale("embedding_scale")?.unwrap_or(1.0)
            },
            residual_scale: keys.scale("residual_scale")?.unwrap_or(1.0),
            logit_scale: keys.scale("logit_scale")?.unwrap_or(1.0),
            attention_cap: keys.cap("attn_logit_softcapping", architecture.caps[0])?,
            logit_cap: keys.cap("final_logit_softcapping", architecture.caps[1])?,
            attention_scale: keys
                .scale("attention.scale")?
                .unwrap_or_else(|| 1.0 / (scale_by as f32).sqrt()),
            no_rope_step: no_rope_step(&keys, architecture)?,
            feed_forward: architecture.feed_forward,
            experts,
            window_pattern: window_pattern(&keys, architecture)?,
        })
    }

    /// A norm of hidden states, or of queries and keys.
    pub(crate) fn norm_of<'a>(&self, weights: &'a NormWeights) -> Norm<'a> {
        let NormWeights { weight, bias } = weights;
        Norm { kind: self.norm, weight, bias, epsilon: self.norm_epsilon }
    }

    pub(crate) fn heads(&self) -> Heads {
        Heads { query: self.head_count, kv: self.head_count_kv, dim: self.head_dim }
    }

    /// Whether a layer has positions.
    pub(crate) fn has_rope(&self, layer: usize) -> bool {
        self.no_rope_step.is_none_or(|step| !(layer + 1).is_multiple_of(step))
    }

    /// Whether a layer sees only the sliding window.
    pub(crate) fn is_local(&self, layer: usize) -> bool {
        self.sliding_window.is_some() && layer % self.window_pattern != self.window_pattern - 1
    }
}

fn epsilon_key(norm: NormKind) -> &'static str {
    match norm {
        NormKind::Rms => "attention.layer_norm_rms_epsilon",
        NormKind::Layer => "attention.layer_norm_epsilon",
    }
}

/// The one of some architectures that a file names.
pub(super) fn architecture<A: Copy>(
    metadata: &Metadata,
    known: &[A],
    name_of: fn(&A) -> &'static str,
) -> Result<A, Error> {
    const KEY: &str = "general.architecture";
    let name: &str = metadata.get(KEY)?;
    known.iter().copied().find(|a| name_of(a) == name).ok_or_else(|| {
        let known: Vec<_> = known.iter().map(name_of).collect();
        let expected = format!("a supported architecture ({})", known.join(", "));
        MetadataError::MetadataValue {
            key: KEY.into(),
            expected,
            found: format!("'{}'", name.escape_debug()),
        }
        .into()
    })
}

pub(super) fn heads(keys: &Keys<'_>, embedding_length: usize) -> Result<Heads, Error> {
    const KV: &str = "attention.head_count_kv";
    let query = keys.length("attention.head_count", embedding_length)?;
    let kv = keys.optional_length(KV, query)?.unwrap_or(query);
    if !query.is_multiple_of(kv) {
        return Err(keys.wrong(KV, format!("a divisor of the {query} query heads"), kv));
    }
    let dim = keys.optional_length("attention.key_length", MAX_LENGTH / query)?;
    let dim = dim.unwrap_or(embedding_length / query);
    for name in [
        "attention.value_length",
        "attention.key_length_swa",
        "attention.value_length_swa",
        "rope.dimension_count_swa",
    ] {
        match keys.optional_length(name, MAX_LENGTH)? {
            Some(found) if found != dim => {
                return Err(keys.wrong(name, format!("{dim}, the size of a head"), found));
            }
            _ => {}
        }
    }
    Ok(Heads { query, kv, dim })
}

/// How many values of a head RoPE rotates.
fn rope_dims(keys: &Keys<'_>, architecture: Architecture, head: usize) -> Result<usize, Error> {
    const NAME: &str = "rope.dimension_count";
    let dims = keys.optional_length(NAME, MAX_LENGTH)?.unwrap_or(head);
    if dims > head || (dims < head && !architecture.partial_rope) {
        return Err(keys.wrong(NAME, format!("{head}, the size of a head"), dims));
    }
    if !dims.is_multiple_of(2) {
        let name = if dims == head { "attention.key_length" } else { NAME };
        let expected = "an even number, for RoPE turns pairs".to_owned();
        return Err(keys.wrong(name, expected, dims));
    }
    Ok(dims)
}

/// Of how many layers one has no positions: each, where a file says that none
/// were trained.
fn no_rope_step(keys: &Keys<'_>, architecture: Architecture) -> Result<Option<usize>, Error> {
    const NAME: &str = "rope.scaling.finetuned";
    if architecture.reads.contains(&NAME) {
        let trained: Option<bool> = keys.metadata.get_optional(&keys.key(NAME))?;
        return Ok((trained == Some(false)).then_some(1));
    }
    Ok(architecture.no_rope_step)
}

/// A key and the values under which it changes nothing.
pub(super) type Harmless = (&'static str, &'static [f64]);

/// Keys of llama.cpp that change what a model computes, in ways that few of
/// these architectures do, and the values under which they change nothing.
const WITHOUT_EFFECT: [Harmless; 20] = [
    ("expert_count", &[0.0]),
    ("expert_group_count", &[0.0, 1.0]),
    ("expert_weights_scale", &[0.0, 1.0]),
    // The softmax.
    ("expert_gating_func", &[0.0, 1.0]),
    ("leading_dense_block_count", &[0.0]),
    ("interleave_moe_layer_step", &[0.0, 1.0]),
    ("nextn_predict_layers", &[0.0]),
    ("attention.scale", &[0.0]),
    ("attention.output_scale", &[0.0, 1.0]),
    ("attention.value_scale", &[0.0, 1.0]),
    ("attention.temperature_scale", &[0.0]),
    ("attention.clamp_kqv", &[0.0]),
    ("attention.max_alibi_bias", &[0.0]),
    ("attention.shared_kv_layers", &[0.0]),
    ("attn_logit_softcapping", &[0.0]),
    ("final_logit_softcapping", &[0.0]),
    ("logit_scale", &[0.0, 1.0]),
    ("residual_scale", &[0.0, 1.0]),
    ("embedding_scale", &[0.0, 1.0]),
    ("rope.scaling.alpha", &[0.0]),
];

/// Refuses a file whose metadata calls for what is not computed: by
/// [`WITHOUT_EFFECT`], but for what the architecture reads, and by `more` keys
/// of the architecture.
pub(super) fn refuse_unsupported(
    keys: &Keys<'_>,
    reads: &[&str],
    more: &[Harmless],
) -> Result<(), Error> {
    for &(name, harmless) in WITHOUT_EFFECT.iter().chain(more) {
        if reads.contains(&name) {
            continue;
        }
        let Some(value) = keys.metadata.value(&keys.key(name)) else { continue };
        let number = match *value {
            MetadataValue::F32(v) => Some(f64::from(v)),
            MetadataValue::F64(v) => Some(v),
            MetadataValue::Bool(v) => Some(f64::from(u8::from(v))),
            ref other => other.as_u64().map(|v| v as f64),
        };
        if number.is_some_and(|n| harmless.contains(&n)) {
            continue;
        }
        let found = number.map_or_else(|| value.value_type().to_string(), |n| n.to_string());
        let expected = format!("{}, as anything else is not supported", harmless[0]);
        return Err(keys.wrong(name, expected, found));
    }
    Ok(())
}

/// The angles of the layers that see everything. Linear scaling (Chen et al.
/// 2023) divides positions by a factor, YaRN those of slow frequencies.
fn rope(keys: &Keys<'_>, architecture: Architecture, context_length: usize) -> Result<Rope, Error> {
    let base = keys.positive("rope.freq_base", Some(10_000.0))?;
    let kind: Option<&str> = keys.metadata.get_optional(&keys.key("rope.scaling.type"))?;
    let old = keys.metadata.get_optional::<f32>(&keys.key("rope.scale_linear"))?;
    let old = old.filter(|f| *f > 0.0 && f.is_finite()).unwrap_or(1.0);
    let factor = keys.positive("rope.scaling.factor", Some(old))?;
    let magnitude = keys.scale("rope.scaling.attn_factor")?.unwrap_or(1.0);
    let plain = Rope { base, scale: 1.0, yarn: None, magnitude };
    match kind {
        None | Some("linear") => Ok(Rope { scale: 1.0 / factor, ..plain }),
        Some("longrope") if architecture.rope_factors == RopeFactors::ByLength => {
            Ok(Rope { scale: 1.0 / factor, ..plain })
        }
        Some("none") => Ok(plain),
        Some("yarn") => {
            let trained = keys.optional_length(ROPE_TRAINED, usize::MAX / 2)?;
            let yarn = Yarn {
                trained_context: trained.unwrap_or(context_length),
                beta_fast: keys.positive("rope.scaling.yarn_beta_fast", Some(32.0))?,
                beta_slow: keys.positive("rope.scaling.yarn_beta_slow", Some(1.0))?,
            };
            // The temperature of attention grows with the context.
            let grown = |by: f32| if factor > 1.0 { 0.1 * by * factor.ln() + 1.0 } else { 1.0 };
            let divided = keys.scale("rope.scaling.yarn_log_multiplier")?.map_or(1.0, grown);
            let magnitude = magnitude * grown(1.0) / divided;
            Ok(Rope { base, scale: 1.0 / factor, yarn: Some(yarn), magnitude })
        }
        Some(other) => {
            let found = format!("'{}'", other.escape_debug());
            Err(keys.wrong("rope.scaling.type", "'none', 'linear' or 'yarn'".into(), found))
        }
    }
}

/// The sliding window, and the angles of the layers that have it.
fn window(
    keys: &Keys<'_>,
    architecture: Architecture,
    rope: Rope,
) -> Result<(Option<usize>, Rope), Error> {
    let Some(window) = architecture.window else { return Ok((None, rope)) };
    let found: Option<usize> = keys.metadata.get_optional(&keys.key(WINDOW))?;
    let base = window.rope_base.unwrap_or(rope.base);
    let base = keys.positive("rope.freq_base_swa", Some(base))?;
    let plain = Rope::plain(base);
    let local = if window.rope_scaled { Rope { base, ..rope } } else { plain };
    Ok((found.or(window.default).filter(|w| *w > 0), local))
}

fn window_pattern(keys: &Keys<'_>, architecture: Architecture) -> Result<usize, Error> {
    const NAME: &str = "attention.sliding_window_pattern";
    let Some(window) = architecture.window else { return Ok(1) };
    Ok(keys.optional_length(NAME, MAX_BLOCKS)?.unwrap_or(window.pattern))
}
