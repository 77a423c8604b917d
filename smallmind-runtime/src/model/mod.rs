//! Models: tokens in, logits out.
//!
//! `config` turns metadata into numbers, `weights` turns tensors into what
//! kernels read, `decoder` is the forward pass of every architecture that
//! writes text, `encoder` of those that read it: tokens in, a vector of each out.

mod architecture;
mod batch;
mod config;
mod context;
mod decoder;
mod encoder;
mod experts;
mod footprint;
mod rope;
mod weights;

pub use batch::{Batch, BatchEntry};
pub use config::ModelConfig;
pub use context::{Context, SharedPage};
pub use encoder::{Encoder, EncoderConfig, Pooling, Workspace};
pub use footprint::Footprint;
pub(crate) use weights::format;

use crate::Error;
use crate::container::ModelFile;
use crate::kernels::cache::KvCache;
use crate::kernels::matmul::Compute;
use crate::kernels::threads::{Pool, default_threads};
use crate::kernels::{CacheType, Kernels, Level, Precision};
use context::Buffers;
use rope::RopeTable;
use smallmind_abstractions::{CancellationToken, TokenId};
use std::sync::atomic::{AtomicU64, Ordering};
use weights::Weights;

/// Tokens that go through the layers together.
const CHUNK: usize = 256;

/// How a model is loaded.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Threads that compute; the physical cores this process may use where
    /// `None`. Results do not depend on it.
    pub threads: Option<usize>,
    /// The instruction set of the kernels; the best where `None`, or what the
    /// environment variable `SMALLMIND_KERNELS` names. Results do not depend
    /// on it.
    pub kernels: Option<Level>,
    /// How exactly products with quantized weights are computed.
    pub precision: Precision,
}

impl LoadOptions {
    /// The kernels and the threads that are asked for.
    fn machinery(&self) -> Result<(&'static Kernels, Pool), Error> {
        let kernels = match self.kernels {
            Some(level) => Kernels::of(level)?,
            None => Kernels::best()?,
        };
        let threads = self.threads.unwrap_or_else(default_threads);
        let pool = Pool::new(threads).map_err(|source| Error::Threads { threads, source })?;
        Ok((kernels, pool))
    }
}

/// A number that no other model has.
fn next_id() -> u64 {
    static NEXT_ID: AtomicU64 = AtomicU64::new(0);
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// Which rows of logits a forward pass is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Logits {
    /// None: only the context is wanted.
    None,
    /// Those after the last token.
    Last,
    /// Those after every token.
    All,
}

impl Logits {
    /// How many rows of `tokens` are wanted, the last of all or not.
    fn of(self, tokens: usize, last: bool) -> usize {
        match self {
            Self::None => 0,
            Self::Last => usize::from(last),
            Self::All => tokens,
        }
    }
}

/// A model's weights and the threads that compute with them.
///
/// ```no_run
/// use smallmind_abstractions::CancellationToken;
/// use smallmind_runtime::container::ModelFile;
/// use smallmind_runtime::{LoadOptions, Logits, Model};
///
/// let never = CancellationToken::new();
/// let file = ModelFile::open("model.gguf".as_ref())?;
/// let model = Model::load(&file, &LoadOptions::default(), &never)?;
/// let mut context = model.new_context(128)?;
/// let logits = model.forward(&mut context, &[504, 3575, 282], Logits::Last, &never)?;
/// assert_eq!(logits.len(), model.config().vocab_size);
/// # Ok::<(), smallmind_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    weights: Weights,
    kernels: &'static Kernels,
    pool: Pool,
    precision: Precision,
    /// Tells contexts of one model from those of another.
    id: u64,
}

impl Model {
    /// Loads the model of a file.
    ///
    /// # Errors
    /// What the file lacks or has wrong: [`Error::Metadata`],
    /// [`Error::TensorMissing`], [`Error::TensorShape`],
    /// [`Error::Unsupported`]; and [`Error::OutOfMemory`],
    /// [`Error::KernelsUnavailable`], [`Error::Threads`], [`Error::Cancelled`].
    pub fn load(
        file: &ModelFile,
        options: &LoadOptions,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        let (kernels, pool) = options.machinery()?;
        let config = ModelConfig::read(file.metadata(), weights::vocab_size(file)?)?;
        let weights = Weights::load(file, &config, cancel)?;
        Ok(Self { config, weights, kernels, pool, precision: options.precision, id: next_id() })
    }

    /// The numbers that describe the model.
    pub fn config(&self) -> &ModelConfig {
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

    /// An empty context for up to `capacity` tokens, with keys and values in
    /// half precision.
    ///
    /// # Errors
    /// As [`new_context_with`](Self::new_context_with).
    pub fn new_context(&self, capacity: usize) -> Result<Context, Error> {
        self.new_context_with(capacity, CacheType::default())
    }

    /// An empty context for up to `capacity` tokens, with keys and values of
    /// some type. Where a model has RoPE factors of long contexts, `capacity`
    /// says whether they hold.
    ///
    /// # Errors
    /// [`Error::ContextTooLong`] where the model was not trained for that
    /// many; [`Error::OutOfMemory`].
    pub fn new_context_with(&self, capacity: usize, cache: CacheType) -> Result<Context, Error> {
        let config = &self.config;
        let most = config.context_length;
        let too_long = Error::ContextTooLong { requested: capacity, most };
        if capacity > most {
            return Err(too_long);
        }
        let cache = KvCache::new(cache, config.heads(), config.block_count, capacity);
        let cache = cache.ok_or(too_long)??;
        Ok(self.context_of(cache, 0, capacity))
    }

    fn context_of(&self, cache: KvCache, len: usize, capacity: usize) -> Context {
        let config = &self.config;
        let factors = self.weights.rope_factors(config, capacity);
        let rope =
            |angles| RopeTable::new(config.pairs, config.rope_dims, angles, factors, capacity);
        Context {
            len,
            capacity,
            cache,
            rope: rope(config.rope),
            rope_local: config.sliding_window.map(|_| rope(config.rope_local)),
            buffers: Buffers::new(config, self.precision, self.pool.threads(), capacity),
            model: self.id,
        }
    }

    /// A context with the tokens of another one, to go on differently. What
    /// both hold is shared until one of them changes it.
    ///
    /// # Errors
    /// [`Error::ContextOfAnotherModel`], [`Error::OutOfMemory`].
    pub fn fork_context(&self, context: &Context) -> Result<Context, Error> {
        if context.model != self.id {
            return Err(Error::ContextOfAnotherModel);
        }
        let cache = context.cache.fork(context.len)?;
        Ok(self.context_of(cache, context.len, context.capacity))
    }

    /// How exactly products with quantized weights are computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Bytes of the keys and values of a context of `capacity` tokens;
    /// `usize::MAX` where that is more than any memory.
    pub fn context_bytes(&self, capacity: usize, cache: CacheType) -> usize {
        let (heads, layers) = (self.config.heads(), self.config.block_count);
        KvCache::bytes(cache, heads, layers, capacity).unwrap_or(usize::MAX)
    }

    /// Appends tokens to a context and computes the rows of logits asked for,
    /// `vocab_size` values each.
    ///
    /// Long inputs are computed in chunks. After an error the context keeps
    /// the chunks that were complete; [`Context::len`] says how many tokens.
    /// Logits do not depend on how tokens are cut into calls and chunks.
    ///
    /// # Errors
    /// [`Error::ContextFull`], [`Error::ContextOfAnotherModel`],
    /// a token outside the vocabulary, [`Error::Cancelled`].
    pub fn forward<'c>(
        &self,
        context: &'c mut Context,
        tokens: &[TokenId],
        want: Logits,
        cancel: &CancellationToken,
    ) -> Result<&'c [f32], Error> {
        self.run(context, tokens, want, decoder::logits, cancel)
    }

    /// Appends tokens to a context, as [`forward`](Self::forward) does, and
    /// computes the hidden state of each: `embedding_length` values after the
    /// last norm, of which logits would be made.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn hidden_states<'c>(
        &self,
        context: &'c mut Context,
        tokens: &[TokenId],
        cancel: &CancellationToken,
    ) -> Result<&'c [f32], Error> {
        self.run(context, tokens, Logits::All, decoder::hidden_states, cancel)
    }

    fn run<'c>(
        &self,
        context: &'c mut Context,
        tokens: &[TokenId],
        want: Logits,
        finish: decoder::Finish,
        cancel: &CancellationToken,
    ) -> Result<&'c [f32], Error> {
        self.check(context, tokens)?;
        context.buffers.logits.clear();
        let mut rest = tokens;
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(rest.len().min(CHUNK));
            let wanted = want.of(chunk.len(), later.is_empty());
            let (mut span, buffers) = context.span(0..chunk.len(), wanted);
            let spans = std::slice::from_mut(&mut span);
            decoder::batch(self, self.compute(cancel), buffers, chunk, spans, finish)?;
            context.len += chunk.len();
            rest = later;
        }
        Ok(&context.buffers.logits)
    }

    fn compute<'a>(&'a self, cancel: &'a CancellationToken) -> Compute<'a> {
        Compute { kernels: self.kernels, pool: &self.pool, cancel }
    }

    fn check(&self, context: &Context, tokens: &[TokenId]) -> Result<(), Error> {
        if context.model != self.id {
            return Err(Error::ContextOfAnotherModel);
        }
        let (len, capacity) = (context.len, context.capacity);
        if tokens.len() > capacity - len {
            return Err(Error::ContextFull { len, added: tokens.len(), capacity });
        }
        let vocab_size = self.config.vocab_size;
        match tokens.iter().find(|t| **t as usize >= vocab_size) {
            Some(&id) => {
                Err(smallmind_abstractions::Error::TokenOutOfRange { id, vocab_size }.into())
            }
            None => Ok(()),
        }
    }
}
