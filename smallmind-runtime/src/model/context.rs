//! What a sequence of tokens leaves behind: the KV cache and the buffers.

use super::rope::RopeTable;
use crate::kernels::attention::Attention;
use crate::kernels::cache::KvCache;
use crate::kernels::matmul::Activations;
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

/// The buffers of a forward pass, a row for each token of a chunk.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    pub(super) hidden: Vec<f32>,
    pub(super) queries: Vec<f32>,
    pub(super) keys: Vec<f32>,
    pub(super) values: Vec<f32>,
    pub(super) attended: Vec<f32>,
    pub(super) inner: Vec<f32>,
    pub(super) outputs: Vec<f32>,
    pub(super) logits: Vec<f32>,
    pub(super) activations: Activations,
    /// Of the output matrix: what is rounded there shows in the logits at
    /// once, and few rows are computed.
    pub(super) output_activations: Activations,
    pub(super) attention: Attention,
    pub(super) rows: Vec<Mutex<Vec<f32>>>,
}

impl Context {
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

    /// Forgets all tokens after the first `len`.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Forgets all tokens.
    pub fn clear(&mut self) {
        self.len = 0;
    }
}
