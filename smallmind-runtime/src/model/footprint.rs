//! What a model takes in memory, by its header alone.

use super::config::ModelConfig;
use super::{CHUNK, weights};
use crate::Error;
use crate::container::{ModelFile, Storage, TensorInfo};
use crate::kernels::CacheType;
use crate::kernels::cache::KvCache;
use crate::kernels::pack::PackedMatrix;

/// The memory that a model needs, before anything of it is taken.
///
/// ```no_run
/// use smallmind_runtime::container::ModelFile;
/// use smallmind_runtime::{CacheType, Footprint};
///
/// let footprint = Footprint::of(&ModelFile::open("model.gguf".as_ref())?)?;
/// let context = footprint.context(4096, CacheType::F16);
/// println!("{} and {context} bytes a context", footprint.weights());
/// # Ok::<(), smallmind_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct Footprint {
    config: ModelConfig,
    weights: u64,
}

impl Footprint {
    /// Of the model in a file.
    ///
    /// # Errors
    /// [`Error::Metadata`], [`Error::TensorMissing`], [`Error::TensorShape`],
    /// [`Error::Unsupported`].
    pub fn of(file: &ModelFile) -> Result<Self, Error> {
        let config = ModelConfig::read(file.metadata(), weights::vocab_size(file)?)?;
        let weights = file.tensors().map(packed).fold(0, u64::saturating_add);
        Ok(Self { config, weights })
    }

    /// Tokens that a context may hold.
    pub fn context_length(&self) -> usize {
        self.config.context_length
    }

    /// Bytes of the weights; those that are read where they lie in the file
    /// are the system's to drop, and not counted.
    pub fn weights(&self) -> u64 {
        self.weights
    }

    /// Bytes of a context of `capacity` tokens: keys and values, and the
    /// buffers of a forward pass.
    pub fn context(&self, capacity: usize, cache: CacheType) -> u64 {
        let (config, heads) = (&self.config, self.config.heads());
        let cache = KvCache::bytes(cache, heads, config.block_count, capacity);
        let row = 2 * config.embedding_length
            + 2 * (heads.query + heads.kv) * heads.dim
            + config.feed_forward_length;
        let rows = row.saturating_mul(CHUNK.min(capacity));
        let angles = capacity.saturating_mul(heads.dim);
        let floats = rows.saturating_add(angles).saturating_add(config.vocab_size);
        cache.unwrap_or(usize::MAX).saturating_add(floats.saturating_mul(4)) as u64
    }
}

/// Bytes of a tensor once it is loaded.
fn packed(tensor: &TensorInfo) -> u64 {
    let dims = tensor.shape.dims();
    let rows = dims[1..].iter().product();
    match (tensor.storage, weights::format(tensor.tensor_type)) {
        (Storage::Panels, _) => 0,
        (Storage::Blocks, Some(format)) => {
            PackedMatrix::byte_len(format, rows, dims[0]).unwrap_or(u64::MAX)
        }
        // Nothing reads it, and loading says so.
        (Storage::Blocks, None) => tensor.byte_len,
    }
}
