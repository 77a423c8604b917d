//! The metadata of encoders to numbers.

use crate::Error;
use crate::kernels::attention::Heads;
use crate::model::config::{
    Harmless, Keys, MAX_BLOCKS, MAX_LENGTH, Rope, architecture, heads, refuse_unsupported,
};
use smallmind_abstractions::Metadata;

/// How an encoder differs from the others.
#[derive(Debug, Clone, Copy)]
struct Architecture {
    name: &'static str,
    /// Whether positions are turns of queries and keys; learned where not.
    rope: bool,
    /// Whether one matrix gates the other, by SiLU; one matrix and GELU where
    /// not.
    gated: bool,
}

/// Source: `src/models/bert.cpp` and `nomic-bert.cpp` of llama.cpp.
const ARCHITECTURES: [Architecture; 2] = [
    Architecture { name: "bert", rope: false, gated: false },
    Architecture { name: "nomic-bert", rope: true, gated: true },
];

/// How the vectors of a text's tokens become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first: that of the token `[CLS]`.
    First,
    /// The last.
    Last,
}

impl Pooling {
    /// What the key `pooling_type` of a file's architecture asks for; `None`
    /// where it asks for no pooling or is not there.
    ///
    /// # Errors
    /// A number that is no way of pooling known here.
    pub fn read(metadata: &Metadata) -> Result<Option<Self>, Error> {
        const NAME: &str = "pooling_type";
        let architecture: &str = metadata.get("general.architecture")?;
        let key = format!("{architecture}.{NAME}");
        Ok(match metadata.get_optional::<u32>(&key)? {
            None | Some(0) => None,
            Some(1) => Some(Self::Mean),
            Some(2) => Some(Self::First),
            Some(3) => Some(Self::Last),
            Some(found) => {
                let expected = "0 (none), 1 (mean), 2 (first) or 3 (last)".to_owned();
                let found = found.to_string();
                return Err(
                    smallmind_abstractions::Error::MetadataValue { key, expected, found }.into()
                );
            }
        })
    }

    /// The vector of a text from those of its tokens, `out.len()` values each.
    /// Zeros where there are no tokens.
    ///
    /// ```
    /// let mut mean = [0.0; 2];
    /// smallmind_runtime::Pooling::Mean.pool(&[1.0, 2.0, 3.0, 6.0], &mut mean);
    /// assert_eq!(mean, [2.0, 4.0]);
    /// ```
    pub fn pool(self, rows: &[f32], out: &mut [f32]) {
        out.fill(0.0);
        let mut rows = rows.chunks_exact(out.len().max(1));
        let one = match self {
            Self::First => rows.next(),
            Self::Last => rows.next_back(),
            Self::Mean => {
                let count = rows.len().max(1) as f32;
                for row in rows {
                    out.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
                }
                out.iter_mut().for_each(|sum| *sum /= count);
                None
            }
        };
        if let Some(row) = one {
            out.copy_from_slice(row);
        }
    }
}

/// The numbers that describe an encoder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EncoderConfig {
    /// The architecture's name, as `general.architecture` has it.
    pub architecture: &'static str,
    /// The longest text the encoder was trained for, in tokens.
    pub context_length: usize,
    /// Tokens in the vocabulary.
    pub vocab_size: usize,
    /// Values of a token's vector.
    pub embedding_length: usize,
    /// Layers.
    pub block_count: usize,
    /// Values inside a feed-forward layer.
    pub feed_forward_length: usize,
    /// Attention heads.
    pub head_count: usize,
    /// Added to the variance in layer norms.
    pub norm_epsilon: f32,
    /// How the file asks for tokens' vectors to become one.
    pub pooling: Option<Pooling>,
    pub(super) heads: Heads,
    /// Kinds of text that a token can be of; all are of the first.
    pub(super) token_types: usize,
    pub(super) rope: Option<Rope>,
    pub(super) gated: bool,
}

impl EncoderConfig {
    /// Whether a file's architecture is an encoder's.
    pub fn describes(metadata: &Metadata) -> bool {
        let name = metadata.get::<&str>("general.architecture");
        name.is_ok_and(|name| ARCHITECTURES.iter().any(|a| a.name == name))
    }

    /// Reads and checks the metadata of an encoder.
    pub(super) fn read(metadata: &Metadata, vocab_size: usize) -> Result<Self, Error> {
        let architecture = architecture(metadata, &ARCHITECTURES, |a| a.name)?;
        let keys = Keys { metadata, architecture: architecture.name };
        const HARMLESS: [Harmless; 3] = [
            ("attention.causal", &[0.0]),
            ("attention.sliding_window", &[0.0]),
            ("moe_every_n_layers", &[0.0]),
        ];
        refuse_unsupported(&keys, &[], &HARMLESS)?;
        let embedding_length = keys.length("embedding_length", MAX_LENGTH)?;
        let heads = heads(&keys, embedding_length)?;
        let expected = |what: &str| format!("a number that {what}");
        if heads.query * heads.dim != embedding_length {
            let expected = expected("parts the embedding");
            return Err(keys.wrong("attention.head_count", expected, heads.query));
        }
        if heads.kv != heads.query {
            let expected = format!("{}, as the heads of queries", heads.query);
            return Err(keys.wrong("attention.head_count_kv", expected, heads.kv));
        }
        if architecture.rope && !heads.dim.is_multiple_of(2) {
            let expected = expected("makes heads of pairs, for RoPE turns them");
            return Err(keys.wrong("attention.head_count", expected, heads.query));
        }
        let rope = || -> Result<Rope, Error> {
            refuse_unsupported(&keys, &[], &[("rope.scaling.factor", &[0.0, 1.0])])?;
            Ok(Rope::plain(keys.positive("rope.freq_base", Some(10_000.0))?))
        };
        Ok(Self {
            architecture: architecture.name,
            context_length: keys.length("context_length", MAX_LENGTH)?,
            vocab_size,
            embedding_length,
            block_count: keys.length("block_count", MAX_BLOCKS)?,
            feed_forward_length: keys.length("feed_forward_length", MAX_LENGTH)?,
            head_count: heads.query,
            norm_epsilon: keys.positive("attention.layer_norm_epsilon", None)?,
            pooling: Pooling::read(metadata)?,
            heads,
            token_types: metadata.get_optional("tokenizer.ggml.token_type_count")?.unwrap_or(1),
            rope: architecture.rope.then(rope).transpose()?,
            gated: architecture.gated,
        })
    }
}
