//! Tensors to the layout that kernels read.

use super::architecture::{Form, QkNorm, RopeFactors};
use super::config::ModelConfig;
use super::experts::Experts;
use crate::Error;
use crate::container::{ModelFile, Storage, TensorType, TensorView};
use crate::kernels::memory::Arena;
use crate::kernels::pack::{PackedMatrix, Packing};
use crate::kernels::{Format, NormKind};
use smallmind_abstractions::CancellationToken;
use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::Range;

/// The weights of a model.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) embeddings: PackedMatrix,
    pub(super) layers: Vec<Layer>,
    /// Of positions, where they are learned.
    pub(super) positions: Option<PackedMatrix>,
    pub(super) output_norm: NormWeights,
    /// `None` where the embeddings serve as output too.
    output: Option<PackedMatrix>,
    pub(super) output_bias: Option<Vec<f32>>,
    /// What the frequencies of RoPE are divided by, and in long contexts.
    rope_factors: [Option<Vec<f32>>; 2],
}

impl Weights {
    /// The matrix that makes logits.
    pub(super) fn output(&self) -> &PackedMatrix {
        self.output.as_ref().unwrap_or(&self.embeddings)
    }

    /// What the frequencies of RoPE are divided by in a context of `capacity`
    /// tokens.
    pub(super) fn rope_factors(&self, config: &ModelConfig, capacity: usize) -> Option<&[f32]> {
        let by_length = config.rope_factors == RopeFactors::ByLength;
        let long = by_length && capacity > config.rope_short;
        self.rope_factors[usize::from(long)].as_deref()
    }
}

/// A matrix and what is added to its products.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weights: PackedMatrix,
    pub(super) bias: Option<Vec<f32>>,
}

/// The weights of a norm.
#[derive(Debug, Clone)]
pub(crate) struct NormWeights {
    pub(crate) weight: Vec<f32>,
    /// Empty where there is none.
    pub(crate) bias: Vec<f32>,
}

/// A feed-forward layer.
#[derive(Debug)]
pub(super) enum FeedForward {
    /// One that all tokens take.
    Dense { expansion: Expansion, down: Linear },
    /// Several, of which each token takes some.
    Mixture(Experts),
}

/// What a feed-forward layer is computed with, from its input on.
#[derive(Debug)]
pub(super) enum Expansion {
    /// `f(gate) * up`.
    Gated { gate: PackedMatrix, up: PackedMatrix },
    /// `f(up)`.
    Plain(Linear),
}

/// The weights of one layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attention_norm: Option<NormWeights>,
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) query_norm: Option<NormWeights>,
    pub(super) key_norm: Option<NormWeights>,
    pub(super) attention_output: Linear,
    pub(super) attention_post_norm: Option<NormWeights>,
    /// Whether the feed-forward layer takes what attention takes.
    pub(super) parallel: bool,
    pub(super) feed_forward_norm: Option<NormWeights>,
    pub(super) feed_forward: FeedForward,
    pub(super) feed_forward_post_norm: Option<NormWeights>,
}

/// The number of tokens in a file's vocabulary, by its embeddings.
pub(super) fn vocab_size(file: &ModelFile) -> Result<usize, Error> {
    let view = file.tensor("token_embd.weight")?;
    let dims = view.info.shape.dims();
    match dims {
        [_, rows] if u32::try_from(*rows).is_ok() => Ok(*rows as usize),
        _ => Err(wrong_shape(file, &view, "[embedding_length, vocab_size]".to_owned())),
    }
}

impl Weights {
    pub(super) fn load(
        file: &ModelFile,
        config: &ModelConfig,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        let loader = Loader::new(file, cancel);
        let (length, vocab) = (config.embedding_length, config.vocab_size);
        let embeddings = loader.matrix("token_embd.weight", length, vocab)?;
        let layers =
            (0..config.block_count).map(|i| loader.layer(config, i)).collect::<Result<_, _>>()?;
        let weights = Self {
            embeddings,
            layers,
            positions: config.learned_positions.then(|| loader.positions(config)).transpose()?,
            output_norm: loader.norm(config.norm, "output_norm", length)?,
            output: loader.optional("output.weight", |n| loader.matrix(n, length, vocab))?,
            output_bias: loader.optional("output.bias", |n| loader.vector(n, vocab))?,
            rope_factors: loader.rope_factors(config)?,
        };
        loader.refuse_unused()?;
        Ok(weights)
    }
}

/// Takes tensors out of a file and remembers which.
pub(super) struct Loader<'a> {
    file: &'a ModelFile,
    cancel: &'a CancellationToken,
    used: RefCell<HashSet<String>>,
    memory: Arena,
}

impl<'a> Loader<'a> {
    pub(super) fn new(file: &'a ModelFile, cancel: &'a CancellationToken) -> Self {
        Self { file, cancel, used: RefCell::default(), memory: Arena::default() }
    }
}

impl Loader<'_> {
    fn layer(&self, config: &ModelConfig, layer: usize) -> Result<Layer, Error> {
        let (length, inner) = (config.embedding_length, config.feed_forward_length);
        let heads = config.heads();
        let (queries, keys) = (heads.query * heads.dim, heads.kv * heads.dim);
        let name = |part: &str| format!("blk.{layer}.{part}");
        let has = |part: &str| self.file.find_tensor(&name(part)).is_some();
        let norm = |part: &str| self.norm(config.norm, &name(part), length);
        let when = |wanted: bool, part: &str| wanted.then(|| norm(part)).transpose();
        let linear = |part: &str, cols, rows| self.linear(&name(part), cols, rows, 0..rows);
        let [query, key, value] = if has("attn_qkv.weight") {
            self.stacked(&name("attn_qkv"), length, [queries, keys, keys])?
        } else {
            [
                linear("attn_q", length, queries)?,
                linear("attn_k", length, keys)?,
                linear("attn_v", length, keys)?,
            ]
        };
        let parallel = config.parallel && !has("ffn_norm.weight");
        let first_norm = if has("attn_norm_2.weight") { "attn_norm_2" } else { "attn_norm" };
        let second_norm = if parallel { "attn_norm" } else { "ffn_norm" };
        Ok(Layer {
            attention_norm: when(
                config.pre_norms,
                if parallel { first_norm } else { "attn_norm" },
            )?,
            query,
            key,
            value,
            query_norm: self.head_norm(config, &name("attn_q_norm.weight"), heads.query)?,
            key_norm: self.head_norm(config, &name("attn_k_norm.weight"), heads.kv)?,
            attention_output: linear("attn_output", queries, length)?,
            attention_post_norm: when(config.post_norms, "post_attention_norm")?,
            parallel,
            feed_forward_norm: when(config.pre_norms, second_norm)?,
            feed_forward: match config.experts {
                Some(experts) => FeedForward::Mixture(self.experts(config, experts, &name)?),
                None => FeedForward::Dense {
                    expansion: self.expansion(config, &name)?,
                    down: linear("ffn_down", inner, length)?,
                },
            },
            feed_forward_post_norm: when(config.post_norms, "post_ffw_norm")?,
        })
    }

    fn expansion(
        &self,
        config: &ModelConfig,
        name: &dyn Fn(&str) -> String,
    ) -> Result<Expansion, Error> {
        let (length, inner) = (config.embedding_length, config.feed_forward_length);
        let matrix = |part: &str| self.matrix(&name(part), length, inner);
        Ok(match config.feed_forward {
            Form::Gated => {
                Expansion::Gated { gate: matrix("ffn_gate.weight")?, up: matrix("ffn_up.weight")? }
            }
            Form::FusedGate => {
                let (part, total) = (name("ffn_up.weight"), 2 * inner);
                let shape = format!("[{length}, {total}]");
                let half = |rows| self.pack(&part, length, total, rows, &shape);
                Expansion::Gated { gate: half(0..inner)?, up: half(inner..total)? }
            }
            Form::Plain => {
                Expansion::Plain(self.linear(&name("ffn_up"), length, inner, 0..inner)?)
            }
        })
    }

    pub(super) fn norm(
        &self,
        kind: NormKind,
        name: &str,
        len: usize,
    ) -> Result<NormWeights, Error> {
        let bias = match kind {
            NormKind::Rms => Vec::new(),
            NormKind::Layer => self.vector(&format!("{name}.bias"), len)?,
        };
        Ok(NormWeights { weight: self.vector(&format!("{name}.weight"), len)?, bias })
    }

    /// The norm of queries or keys, which has no bias.
    fn head_norm(
        &self,
        config: &ModelConfig,
        name: &str,
        heads: usize,
    ) -> Result<Option<NormWeights>, Error> {
        let dim = config.head_dim;
        let weight = match config.qk_norm {
            QkNorm::None => None,
            QkNorm::Head => Some(self.vector(name, dim)?),
            QkNorm::EachHead => self.optional(name, |n| self.rows(n, dim, heads))?,
            QkNorm::Row => Some(self.vector(name, heads * dim)?),
        };
        Ok(weight.map(|weight| NormWeights { weight, bias: Vec::new() }))
    }

    fn positions(&self, config: &ModelConfig) -> Result<PackedMatrix, Error> {
        self.matrix("position_embd.weight", config.embedding_length, config.context_length)
    }

    fn rope_factors(&self, config: &ModelConfig) -> Result<[Option<Vec<f32>>; 2], Error> {
        let factors = |name| self.optional(name, |n| self.vector(n, config.rope_dims / 2));
        Ok(match config.rope_factors {
            RopeFactors::None => [None, None],
            RopeFactors::One => [factors("rope_freqs.weight")?, None],
            RopeFactors::ByLength => {
                [factors("rope_factors_short.weight")?, factors("rope_factors_long.weight")?]
            }
        })
    }

    pub(super) fn optional<T>(
        &self,
        name: &str,
        load: impl FnOnce(&str) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.file.find_tensor(name).map(|_| load(name)).transpose()
    }

    /// Some of the `total` rows of a matrix, and their bias where there is one.
    pub(super) fn linear(
        &self,
        name: &str,
        cols: usize,
        total: usize,
        rows: Range<usize>,
    ) -> Result<Linear, Error> {
        let shape = format!("[{cols}, {total}]");
        let bias = format!("{name}.bias");
        Ok(Linear {
            weights: self.pack(&format!("{name}.weight"), cols, total, rows.clone(), &shape)?,
            bias: self.optional(&bias, |n| Ok(self.vector(n, total)?[rows].to_vec()))?,
        })
    }

    /// The parts of a matrix that holds several, one above the other.
    pub(super) fn stacked<const N: usize>(
        &self,
        name: &str,
        cols: usize,
        rows: [usize; N],
    ) -> Result<[Linear; N], Error> {
        let total = rows.iter().sum();
        let mut parts = Vec::with_capacity(N);
        let mut from = 0;
        for count in rows {
            parts.push(self.linear(name, cols, total, from..from + count)?);
            from += count;
        }
        Ok(parts.try_into().unwrap_or_else(|_| unreachable!("a part for each count")))
    }

    pub(super) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>, Error> {
        let packed = self.pack(name, len, 1, 0..1, &format!("[{len}]"))?;
        let mut out = vec![0.0; len];
        packed.dequantize_row(0, &mut out);
        Ok(out)
    }

    /// A matrix as floats, row by row.
    fn rows(&self, name: &str, cols: usize, rows: usize) -> Result<Vec<f32>, Error> {
        let packed = self.matrix(name, cols, rows)?;
        let mut out = vec![0.0; cols * rows];
        for (row, values) in out.chunks_exact_mut(cols).enumerate() {
            packed.dequantize_row(row, values);
        }
        Ok(out)
    }

    pub(super) fn matrix(
        &self,
        name: &str,
        cols: usize,
        rows: usize,
    ) -> Result<PackedMatrix, Error> {
        self.pack(name, cols, rows, 0..rows, &format!("[{cols}, {rows}]"))
    }

    /// Some of the `total` rows of a tensor.
    pub(super) fn pack(
        &self,
        name: &str,
        cols: usize,
        total: usize,
        rows: Range<usize>,
        shape: &str,
    ) -> Result<PackedMatrix, Error> {
        self.cancel.check()?;
        let view = self.file.tensor(name)?;
        let found = view.info.shape;
        let right =
            found.dims()[0] == cols as u64 && found.elements() == Some((cols * total) as u64);
        if !right || format!("{found}") != shape {
            return Err(wrong_shape(self.file, &view, shape.to_owned()));
        }
        let format = format(view.info.tensor_type).ok_or_else(|| Error::Unsupported {
            file: self.file.path().to_owned(),
            what: format!("tensor '{name}' has type {}", view.info.tensor_type),
            advice: "use a file of Q1_0 to Q8_0, Q2_K to Q6_K, IQ1_S to IQ4_XS, TQ1_0, TQ2_0, \
                     MXFP4, NVFP4, F16, BF16 or F32"
                .into(),
        })?;
        // Of a tensor with several parts, the checksum is of all.
        if self.used.borrow_mut().insert(name.to_owned()) {
            self.file.verify(&view, self.cancel)?;
        }
        if view.info.storage == Storage::Panels {
            let (map, offset) = (self.file.map_of(view.info), view.info.offset as usize);
            let mapped = PackedMatrix::mapped(format, rows, cols, map, offset);
            return mapped.ok_or_else(|| Error::Unsupported {
                file: self.file.path().to_owned(),
                what: format!("panels of tensor '{name}' hold rows of two parts"),
                advice: "use the GGUF file".to_owned(),
            });
        }
        let done = |source: &[u8]| self.file.release(source);
        let packing = Packing { memory: &self.memory, done: &done, cancel: self.cancel };
        let row = view.data.len() / total;
        let data = &view.data[rows.start * row..rows.end * row];
        PackedMatrix::pack(format, rows.len(), cols, data, packing)
    }

    /// A tensor that nothing reads means that the model is more than what is
    /// computed here.
    pub(super) fn refuse_unused(&self) -> Result<(), Error> {
        let used = self.used.borrow();
        match self.file.tensors().find(|t| !used.contains(&t.name)) {
            None => Ok(()),
            Some(t) => Err(Error::Unsupported {
                file: self.file.path().to_owned(),
                what: format!(
                    "tensor '{}' has no place in this architecture",
                    t.name.escape_debug()
                ),
                advice: "use a file of a supported architecture without further parts".to_owned(),
            }),
        }
    }
}

fn wrong_shape(file: &ModelFile, view: &TensorView<'_>, expected: String) -> Error {
    Error::TensorShape {
        file: file.path().to_owned(),
        name: view.info.name.clone(),
        expected,
        found: view.info.shape.to_string(),
    }
}

/// The kernels' format of a type of ggml, where there is one.
pub(crate) fn format(tensor_type: TensorType) -> Option<Format> {
    Some(match tensor_type {
        TensorType::F32 => Format::F32,
        TensorType::F16 => Format::F16,
        TensorType::BF16 => Format::BF16,
        TensorType::Q4_0 => Format::Q4_0,
        TensorType::Q4_1 => Format::Q4_1,
        TensorType::Q5_0 => Format::Q5_0,
        TensorType::Q5_1 => Format::Q5_1,
        TensorType::Q8_0 => Format::Q8_0,
        TensorType::Q2_K => Format::Q2_K,
        TensorType::Q3_K => Format::Q3_K,
        TensorType::Q4_K => Format::Q4_K,
        TensorType::Q5_K => Format::Q5_K,
        TensorType::Q6_K => Format::Q6_K,
        TensorType::IQ4_NL => Format::IQ4_NL,
        TensorType::IQ4_XS => Format::IQ4_XS,
        TensorType::IQ2_XXS => Format::IQ2_XXS,
        TensorType::IQ2_XS => Format::IQ2_XS,
        TensorType::IQ2_S => Format::IQ2_S,
        TensorType::IQ3_XXS => Format::IQ3_XXS,
        TensorType::IQ3_S => Format::IQ3_S,
        TensorType::IQ1_S => Format::IQ1_S,
        TensorType::IQ1_M => Format::IQ1_M,
        TensorType::TQ1_0 => Format::TQ1_0,
        TensorType::TQ2_0 => Format::TQ2_0,
        TensorType::MXFP4 => Format::MXFP4,
        TensorType::NVFP4 => Format::NVFP4,
        TensorType::Q1_0 => Format::Q1_0,
        TensorType::Q2_0 => Format::Q2_0,
        _ => return None,
    })
}
