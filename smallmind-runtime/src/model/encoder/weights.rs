//! The tensors of encoders to the layout that kernels read.

use super::EncoderConfig;
use crate::Error;
use crate::container::ModelFile;
use crate::kernels::NormKind;
use crate::kernels::pack::PackedMatrix;
use crate::model::weights::{Linear, Loader, NormWeights};
use smallmind_abstractions::CancellationToken;

/// The weights of an encoder.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) tokens: PackedMatrix,
    /// A row for each position, where positions are learned.
    pub(super) positions: Option<PackedMatrix>,
    /// What is added to every token: the first of the token types.
    pub(super) token_type: Option<Vec<f32>>,
    pub(super) norm: NormWeights,
    pub(super) layers: Vec<Layer>,
}

/// The weights of one layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) query: Linear,
    pub(super) key: Linear,
    pub(super) value: Linear,
    pub(super) attention_output: Linear,
    pub(super) attention_norm: NormWeights,
    /// Where another matrix is gated by this one.
    pub(super) gate: Option<PackedMatrix>,
    pub(super) up: Linear,
    pub(super) down: Linear,
    pub(super) output_norm: NormWeights,
}

impl Weights {
    pub(super) fn load(
        file: &ModelFile,
        config: &EncoderConfig,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        let loader = Loader::new(file, cancel);
        let length = config.embedding_length;
        let token_type = |name: &str| -> Result<Vec<f32>, Error> {
            let types = loader.matrix(name, length, config.token_types)?;
            let mut first = vec![0.0; length];
            types.dequantize_row(0, &mut first);
            Ok(first)
        };
        let positions = || loader.matrix("position_embd.weight", length, config.context_length);
        let weights = Self {
            tokens: loader.matrix("token_embd.weight", length, config.vocab_size)?,
            positions: config.rope.is_none().then(positions).transpose()?,
            token_type: loader.optional("token_types.weight", token_type)?,
            norm: loader.norm(NormKind::Layer, "token_embd_norm", length)?,
            layers: (0..config.block_count)
                .map(|i| layer(&loader, config, i))
                .collect::<Result<_, _>>()?,
        };
        loader.refuse_unused()?;
        Ok(weights)
    }
}

fn layer(loader: &Loader<'_>, config: &EncoderConfig, layer: usize) -> Result<Layer, Error> {
    let (length, inner) = (config.embedding_length, config.feed_forward_length);
    let name = |part: &str| format!("blk.{layer}.{part}");
    let linear = |part: &str, cols, rows| loader.linear(&name(part), cols, rows, 0..rows);
    let [query, key, value] = projections(loader, &name, length)?;
    let gate = || loader.matrix(&name("ffn_gate.weight"), length, inner);
    let up = match config.gated {
        false => linear("ffn_up", length, inner)?,
        // The product of a gate has no place for a bias, and no file has one.
        true => {
            Linear { weights: loader.matrix(&name("ffn_up.weight"), length, inner)?, bias: None }
        }
    };
    Ok(Layer {
        query,
        key,
        value,
        attention_output: linear("attn_output", length, length)?,
        attention_norm: loader.norm(NormKind::Layer, &name("attn_output_norm"), length)?,
        gate: config.gated.then(gate).transpose()?,
        up,
        down: linear("ffn_down", inner, length)?,
        output_norm: loader.norm(NormKind::Layer, &name("layer_output_norm"), length)?,
    })
}

/// The matrices of queries, keys and values: three tensors, or the parts of
/// one.
fn projections(
    loader: &Loader<'_>,
    name: &impl Fn(&str) -> String,
    length: usize,
) -> Result<[Linear; 3], Error> {
    let joined = loader.optional(&name("attn_qkv.weight"), |_| {
        loader.stacked(&name("attn_qkv"), length, [length; 3])
    })?;
    let one = |part: &str| loader.linear(&name(part), length, length, 0..length);
    joined.map_or_else(|| Ok([one("attn_q")?, one("attn_k")?, one("attn_v")?]), Ok)
}
