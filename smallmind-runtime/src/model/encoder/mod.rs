//! Encoders: tokens in, a vector of each out, which both sides of it shape.
//!
//! `config` turns metadata into numbers, `weights` turns tensors into what
//! kernels read, `pass` computes.

mod config;
mod pass;
mod weights;

pub use config::{EncoderConfig, Pooling};

use super::rope::RopeTable;
use super::weights::vocab_size;
use super::{LoadOptions, config::Rope, next_id};
use crate::Error;
use crate::container::ModelFile;
use crate::kernels::attention::Attention;
use crate::kernels::cache::KvCache;
use crate::kernels::matmul::{Activations, Compute};
use crate::kernels::threads::Pool;
use crate::kernels::{CacheType, Kernels, Level, Precision, RopePairs};
use crate::pool::Buffer;
use smallmind_abstractions::{CancellationToken, TokenId};
use std::sync::Mutex;
use weights::Weights;

/// An encoder's weights and the threads that compute with them.
///
/// ```no_run
/// use smallmind_abstractions::CancellationToken;
/// use smallmind_runtime::container::ModelFile;
/// use smallmind_runtime::{Encoder, LoadOptions};
///
/// let never = CancellationToken::new();
/// let file = ModelFile::open("all-MiniLM-L6-v2.gguf".as_ref())?;
/// let encoder = Encoder::load(&file, &LoadOptions::default(), &never)?;
/// let mut workspace = encoder.new_workspace()?;
/// let texts: [&[u32]; 2] = [&[101, 7592, 102], &[101, 102]];
/// let vectors = encoder.encode(&mut workspace, &texts, &never)?;
/// assert_eq!(vectors.len(), 5 * encoder.config().embedding_length);
/// # Ok::<(), smallmind_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Encoder {
    config: EncoderConfig,
    weights: Weights,
    kernels: &'static Kernels,
    pool: Pool,
    precision: Precision,
    /// Tells workspaces of one encoder from those of another.
    id: u64,
}

/// The buffers of [`Encoder::encode`], for use again. They grow to what the
/// largest call needs.
#[derive(Debug)]
pub struct Workspace {
    tokens: Vec<TokenId>,
    /// Of each token in its sequence.
    positions: Vec<usize>,
    hidden: Buffer<f32>,
    queries: Buffer<f32>,
    keys: Buffer<f32>,
    values: Buffer<f32>,
    attended: Buffer<f32>,
    inner: Buffer<f32>,
    activations: Activations,
    attention: Attention,
    /// Keys and values of one sequence in one layer.
    cache: KvCache,
    capacity: usize,
    rope: RopeTable,
    rows: Vec<Mutex<Buffer<f32>>>,
    /// Of which encoder this is.
    encoder: u64,
}

impl Encoder {
    /// Loads the encoder of a file.
    ///
    /// # Errors
    /// As [`Model::load`](super::Model::load).
    pub fn load(
        file: &ModelFile,
        options: &LoadOptions,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        let (kernels, pool) = options.machinery()?;
        let config = EncoderConfig::read(file.metadata(), vocab_size(file)?)?;
        let weights = Weights::load(file, &config, cancel)?;
        Ok(Self { config, weights, kernels, pool, precision: options.precision, id: next_id() })
    }

    /// The numbers that describe the encoder.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// Threads that compute, the caller's among them.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// The instruction set of the kernels in use.
    pub fn kernels(&self) -> Level {
        self.kernels.level()
    }

    /// Buffers for this encoder.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn new_workspace(&self) -> Result<Workspace, Error> {
        let (config, threads) = (&self.config, self.pool.threads());
        let widest = config.embedding_length.max(config.feed_forward_length);
        let (dims, angles) = match config.rope {
            Some(angles) => (config.heads.dim, angles),
            None => (0, Rope::plain(1.0)),
        };
        Ok(Workspace {
            tokens: Vec::new(),
            positions: Vec::new(),
            hidden: Buffer::default(),
            queries: Buffer::default(),
            keys: Buffer::default(),
            values: Buffer::default(),
            attended: Buffer::default(),
            inner: Buffer::default(),
            activations: Activations::new(self.precision, threads, widest),
            attention: Attention::new(threads, config.heads, 0),
            cache: self.cache(0)?,
            capacity: 0,
            rope: RopeTable::new(RopePairs::Halves, dims, angles, None, 0),
            rows: (0..threads).map(|_| Mutex::default()).collect(),
            encoder: self.id,
        })
    }

    fn cache(&self, capacity: usize) -> Result<KvCache, Error> {
        let most = self.config.context_length;
        let too_long = Error::ContextTooLong { requested: capacity, most };
        KvCache::new(CacheType::F32, self.config.heads, 1, capacity).ok_or(too_long)?
    }

    /// Computes a vector of `embedding_length` values for each token of some
    /// sequences, one after the other.
    ///
    /// A sequence's vectors do not depend, to the bit, on the sequences beside
    /// it. The products of all sequences are computed together, so a few
    /// hundred tokens a call are much faster than a few; beyond that only
    /// memory grows.
    ///
    /// # Errors
    /// [`Error::ContextTooLong`] where a sequence is, a token outside the
    /// vocabulary, [`Error::ContextOfAnotherModel`], [`Error::OutOfMemory`],
    /// [`Error::Cancelled`].
    pub fn encode<'w>(
        &self,
        workspace: &'w mut Workspace,
        sequences: &[&[TokenId]],
        cancel: &CancellationToken,
    ) -> Result<&'w [f32], Error> {
        if workspace.encoder != self.id {
            return Err(Error::ContextOfAnotherModel);
        }
        self.check(sequences)?;
        let longest = sequences.iter().map(|s| s.len()).max().unwrap_or(0);
        if longest > workspace.capacity {
            workspace.cache = self.cache(longest)?;
            workspace.capacity = longest;
        }
        let compute = Compute { kernels: self.kernels, pool: &self.pool, cancel };
        pass::run(self, compute, workspace, sequences)?;
        Ok(&workspace.hidden)
    }

    fn check(&self, sequences: &[&[TokenId]]) -> Result<(), Error> {
        let (most, vocab_size) = (self.config.context_length, self.config.vocab_size);
        for sequence in sequences {
            if sequence.len() > most {
                return Err(Error::ContextTooLong { requested: sequence.len(), most });
            }
            if let Some(&id) = sequence.iter().find(|t| **t as usize >= vocab_size) {
                let error = smallmind_abstractions::Error::TokenOutOfRange { id, vocab_size };
                return Err(error.into());
            }
        }
        Ok(())
    }
}
