//! What a sequence of tokens leaves behind: the KV cache and the buffers.

use super::config::ModelConfig;
use super::experts::Routing;
use super::rope::RopeTable;
use crate::Error;
use crate::kernels::attention::{Attention, Span};
use crate::kernels::cache::{KvCache, SharedBlock};
use crate::kernels::matmul::Activations;
use crate::kernels::{BLOCK, CacheType, Precision};
use crate::pool::Buffer;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::Mutex;

/// The state of one sequence: the keys and values of its tokens, and the
/// buffers of the forward pass. Made by [`Model::new_context`](super::Model::new_context),
/// and of use only to that model.
#[derive(Debug)]
pub struct Context {
    pub(super) len: usize,
    pub(super) capacity: usize,
    pub(super) cache: KvCache,
    pub(super) rope: RopeTable,
    /// The angles of layers with a sliding window.
    pub(super) rope_local: Option<RopeTable>,
    pub(super) buffers: Buffers,
    /// Of which model this is.
    pub(super) model: u64,
}

/// The buffers of a forward pass, a row for each token of a chunk: the arena of
/// a session, which grows to what its largest chunk needs and no further.
#[derive(Debug)]
pub(super) struct Buffers {
    pub(super) hidden: Buffer<f32>,
    pub(super) queries: Buffer<f32>,
    pub(super) keys: Buffer<f32>,
    pub(super) values: Buffer<f32>,
    pub(super) attended: Buffer<f32>,
    pub(super) inner: Buffer<f32>,
    pub(super) outputs: Buffer<f32>,
    pub(super) logits: Buffer<f32>,
    pub(super) activations: Activations,
    /// Of the output matrix: what is rounded there shows in the logits at
    /// once, and few rows are computed.
    pub(super) output_activations: Activations,
    pub(super) attention: Attention,
    pub(super) routing: Routing,
    pub(super) rows: Scratch,
}

/// A row of each thread.
pub(super) type Scratch = Vec<Mutex<Buffer<f32>>>;

impl Buffers {
    pub(super) fn new(
        config: &ModelConfig,
        precision: Precision,
        threads: usize,
        capacity: usize,
    ) -> Self {
        let heads = config.heads();
        let widest = config.embedding_length.max(config.feed_forward_length);
        let shared = config.experts.and_then(|e| e.shared_length).unwrap_or(0);
        let widest = widest.max(heads.query * heads.dim).max(shared);
        let row = || {
            let mut row = Buffer::default();
            row.reserve(widest);
            Mutex::new(row)
        };
        Self {
            hidden: Buffer::default(),
            queries: Buffer::default(),
            keys: Buffer::default(),
            values: Buffer::default(),
            attended: Buffer::default(),
            inner: Buffer::default(),
            outputs: Buffer::default(),
            logits: Buffer::default(),
            activations: Activations::new(precision, threads, widest),
            output_activations: Activations::new(
                Precision::Int16,
                threads,
                config.embedding_length,
            ),
            attention: Attention::new(threads, heads, capacity),
            routing: Routing::default(),
            rows: (0..threads).map(|_| row()).collect(),
        }
    }
}

/// The keys and values of [`SharedPage::TOKENS`] neighbouring tokens of a
/// context. Clones share them; a context that goes on differently takes a copy.
#[derive(Debug, Clone)]
pub struct SharedPage {
    block: SharedBlock,
    index: usize,
    capacity: usize,
    model: u64,
}

impl SharedPage {
    /// Tokens of a page.
    pub const TOKENS: usize = BLOCK;

    /// What it takes in memory.
    pub fn bytes(&self) -> usize {
        self.block.bytes()
    }
}

impl Context {
    /// The pages of its first `len` tokens, of those it holds; the last may be
    /// filled in part.
    pub fn pages(&self, len: usize) -> impl Iterator<Item = SharedPage> {
        let (capacity, model) = (self.capacity, self.model);
        let blocks = self.cache.shared(len.min(self.len)).enumerate();
        blocks.map(move |(index, block)| SharedPage { block, index, capacity, model })
    }

    /// Takes the pages of the first tokens of another context of the same
    /// model, capacity and type, in place of what it holds; the first `len` of
    /// their tokens count.
    ///
    /// # Errors
    /// [`Error::ContextOfAnotherModel`] where they do not fit; the context is
    /// then empty.
    pub fn adopt<'p>(
        &mut self,
        pages: impl IntoIterator<Item = &'p SharedPage>,
        len: usize,
    ) -> Result<(), Error> {
        self.clear();
        let mut held = 0;
        for page in pages {
            let fits = page.model == self.model
                && page.capacity == self.capacity
                && page.index * BLOCK == held;
            if !fits || !self.cache.adopt(page.index, &page.block) {
                return Err(Error::ContextOfAnotherModel);
            }
            held += BLOCK;
        }
        self.len = len.min(held).min(self.capacity);
        Ok(())
    }

    /// The next rows of a batch, and the buffers of its own.
    pub(super) fn span(&mut self, rows: Range<usize>, wanted: usize) -> (Span<'_>, &mut Buffers) {
        let end = self.len + rows.len();
        self.rope.extend_to(end);
        if let Some(rope) = &mut self.rope_local {
            rope.extend_to(end);
        }
        let global = self.rope.rotation();
        let local = self.rope_local.as_ref().map_or(global, RopeTable::rotation);
        let rotations = [global, local];
        let span = Span { cache: &mut self.cache, rotations, start: self.len, rows, wanted };
        (span, &mut self.buffers)
    }

    /// The number of tokens it holds.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True where it holds no tokens.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most tokens it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The rows of logits that the last forward pass was asked for.
    pub fn logits(&self) -> &[f32] {
        &self.buffers.logits
    }

    /// Forgets all tokens after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// How keys and values are held.
    pub fn cache_type(&self) -> CacheType {
        self.cache.cache_type()
    }

    /// Writes the keys and values of all tokens, for
    /// [`restore`](Self::restore): the same number of bytes for the same
    /// number of tokens.
    ///
    /// # Errors
    /// What `to` says.
    pub fn save(&self, to: &mut (impl Write + ?Sized)) -> io::Result<()> {
        self.cache.pieces(self.len).try_for_each(|piece| to.write_all(piece))
    }

    /// Takes the keys and values of `len` tokens from what
    /// [`save`](Self::save) wrote, in place of those it holds. What they mean
    /// is not checked: they have to be of the same model and type. After an
    /// error it holds no tokens.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] where it cannot hold that many, and what
    /// `from` says.
    pub fn restore(&mut self, len: usize, from: &mut (impl Read + ?Sized)) -> io::Result<()> {
        self.clear();
        if len > self.capacity {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut pieces = self.cache.pieces_mut(len).map_err(io::Error::other)?;
        pieces.try_for_each(|piece| from.read_exact(piece))?;
        self.len = len;
        Ok(())
    }

    /// Forgets all tokens.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}
