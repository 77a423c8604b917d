//! The keys and values of a sequence, by layer, block of positions and head.
//!
//! ```text
//! layer = block, block, …     block = head, head, …     head = keys, values
//! ```
//!
//! Keys are held by dimension, `k[dim][position]`, values by position,
//! `v[position][dim]`: see [`Block`](super::Block). What a block of one head
//! takes lies in one piece, so attention reads memory from front to back.

use super::attention::Heads;
use super::memory::anonymous;
use super::{BLOCK, Block, Kernels};
use crate::Error;
use crate::pool::Buffer;
use memmap2::MmapMut;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// How keys and values are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
#[allow(non_camel_case_types, reason = "the names of ggml's types")]
pub enum CacheType {
    /// Single precision.
    F32,
    /// Half precision.
    #[default]
    F16,
    /// Signed bytes with a scale in half precision for 32 of them.
    Q8_0,
}

impl CacheType {
    /// All types.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Q8_0];

    /// The name, in lower case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Q8_0 => "q8_0",
        }
    }

    /// Bytes of the keys, or the values, of one head in a block.
    fn half_bytes(self, dim: usize) -> usize {
        match self {
            Self::F32 => dim * BLOCK * 4,
            Self::F16 => dim * BLOCK * 2,
            Self::Q8_0 => dim * BLOCK + dim.div_ceil(SCALED) * BLOCK * 2,
        }
    }
}

impl fmt::Display for CacheType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for CacheType {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|t| t.as_str() == name);
        found.ok_or_else(|| format!("'{name}' is none of {names}"))
    }
}

/// Values that share a scale in [`CacheType::Q8_0`].
pub(super) const SCALED: usize = 32;

/// The keys and values of a sequence.
#[derive(Debug)]
pub(crate) struct KvCache {
    shape: Shape,
    layer_bytes: usize,
    data: MmapMut,
}

/// What the parts of a layer look like.
#[derive(Debug, Clone, Copy)]
struct Shape {
    kind: CacheType,
    heads: Heads,
}

impl Shape {
    /// Bytes of the keys and values of one head in one block.
    fn head_bytes(self) -> usize {
        2 * self.kind.half_bytes(self.heads.padded())
    }

    /// Where they lie in a layer.
    fn range(self, block: usize, head: usize) -> Range<usize> {
        let bytes = self.head_bytes();
        let at = (block * self.heads.kv + head) * bytes;
        at..at + bytes
    }
}

impl KvCache {
    /// Bytes of a layer for `capacity` positions.
    fn layer_bytes(shape: Shape, capacity: usize) -> Option<usize> {
        let blocks = capacity.div_ceil(BLOCK);
        shape.head_bytes().checked_mul(shape.heads.kv)?.checked_mul(blocks)
    }

    /// Bytes of a cache for `capacity` positions; `None` where that is more than
    /// any memory.
    pub(crate) fn bytes(
        kind: CacheType,
        heads: Heads,
        layers: usize,
        capacity: usize,
    ) -> Option<usize> {
        let layer = Self::layer_bytes(Shape { kind, heads }, capacity)?;
        layer.checked_mul(layers).filter(|b| *b <= isize::MAX as usize)
    }

    /// An empty cache for `capacity` positions; `None` where that is more than
    /// any memory.
    pub(crate) fn new(
        kind: CacheType,
        heads: Heads,
        layers: usize,
        capacity: usize,
    ) -> Option<Result<Self, Error>> {
        let shape = Shape { kind, heads };
        let layer_bytes = Self::layer_bytes(shape, capacity)?;
        let bytes = Self::bytes(kind, heads, layers, capacity)?;
        Some(anonymous(bytes).map(|data| Self { shape, layer_bytes, data }))
    }

    /// How keys and values are held.
    pub(crate) fn cache_type(&self) -> CacheType {
        self.shape.kind
    }

    /// Bytes of a layer that the first `len` positions lie in.
    fn used(&self, len: usize) -> usize {
        len.div_ceil(BLOCK) * self.shape.heads.kv * self.shape.head_bytes()
    }

    /// What the first `len` positions are held in, a piece for each layer.
    pub(crate) fn pieces(&self, len: usize) -> impl Iterator<Item = &[u8]> {
        let used = self.used(len);
        self.data.chunks_exact(self.layer_bytes.max(1)).map(move |layer| &layer[..used])
    }

    /// As [`pieces`](Self::pieces), to be written.
    pub(crate) fn pieces_mut(&mut self, len: usize) -> impl Iterator<Item = &mut [u8]> {
        let used = self.used(len);
        self.data.chunks_exact_mut(self.layer_bytes.max(1)).map(move |layer| &mut layer[..used])
    }

    pub(crate) fn layer(&self, index: usize) -> LayerCache<'_> {
        let data = &self.data[index * self.layer_bytes..][..self.layer_bytes];
        LayerCache { shape: self.shape, data }
    }

    /// The bytes of a layer, and how to write a block of one head of them.
    pub(crate) fn layer_mut(&mut self, index: usize) -> (&mut [u8], HeadWriter) {
        let data = &mut self.data[index * self.layer_bytes..][..self.layer_bytes];
        (data, HeadWriter { shape: self.shape })
    }
}

/// A layer, to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerCache<'a> {
    shape: Shape,
    data: &'a [u8],
}

impl LayerCache<'_> {
    /// The keys and values of one head in one block; `keys` and `values` are
    /// room for them.
    pub(crate) fn read<'r>(
        &'r self,
        kernels: &Kernels,
        block: usize,
        head: usize,
        keys: &'r mut Buffer<f32>,
        values: &'r mut Buffer<f32>,
    ) -> Block<'r> {
        let Shape { kind, heads } = self.shape;
        let dim = heads.padded();
        let data = &self.data[self.shape.range(block, head)];
        let (k, v) = data.split_at(data.len() / 2);
        if kind == CacheType::F32 {
            return Block {
                keys: bytemuck::cast_slice(k),
                values: bytemuck::cast_slice(v),
                dim,
                cap: 0.0,
            };
        }
        keys.resize(dim * BLOCK, 0.0);
        values.resize(dim * BLOCK, 0.0);
        if kind == CacheType::F16 {
            kernels.widen_f16(bytemuck::cast_slice(k), keys);
            kernels.widen_f16(bytemuck::cast_slice(v), values);
        } else {
            let parts = |half| {
                let (codes, scales) = <[u8]>::split_at(half, dim * BLOCK);
                (codes, bytemuck::cast_slice::<u8, u16>(scales))
            };
            let ((k, k_scales), (v, v_scales)) = (parts(k), parts(v));
            kernels.widen_q8_by_position(k, k_scales, keys);
            kernels.widen_q8_by_dim(v, v_scales, values);
        }
        Block { keys, values, dim, cap: 0.0 }
    }
}

/// Writes keys and values of single positions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadWriter {
    shape: Shape,
}

impl HeadWriter {
    /// Where the keys and values of one head in one block lie in a layer.
    pub(crate) fn range(self, block: usize, head: usize) -> Range<usize> {
        self.shape.range(block, head)
    }

    /// Puts the key and the value of a position into its block of one head.
    pub(crate) fn put(
        self,
        kernels: &Kernels,
        head: &mut [u8],
        position: usize,
        [key, value]: [&[f32]; 2],
        halves: &mut Buffer<u16>,
    ) {
        let (lane, dim) = (position % BLOCK, key.len());
        let middle = head.len() / 2;
        let (keys, values) = head.split_at_mut(middle);
        match self.shape.kind {
            CacheType::F32 => {
                column(bytemuck::cast_slice_mut(keys), lane, key);
                bytemuck::cast_slice_mut::<u8, f32>(values)[lane * dim..(lane + 1) * dim]
                    .copy_from_slice(value);
            }
            CacheType::F16 => {
                halves.resize(dim, 0);
                kernels.narrow_f16(key, halves);
                column(bytemuck::cast_slice_mut(keys), lane, halves);
                let values: &mut [u16] = bytemuck::cast_slice_mut(values);
                kernels.narrow_f16(value, &mut values[lane * dim..(lane + 1) * dim]);
            }
            CacheType::Q8_0 => {
                for (half, x, by_position) in [(keys, key, true), (values, value, false)] {
                    let (codes, scales) = half.split_at_mut(dim * BLOCK);
                    let scales: &mut [u16] = bytemuck::cast_slice_mut(scales);
                    for (i, x) in x.chunks(SCALED).enumerate() {
                        let mut bytes = [0i8; SCALED];
                        scales[i * BLOCK + lane] = kernels.narrow_q8(x, &mut bytes);
                        let bytes: &[u8] = bytemuck::cast_slice(&bytes[..x.len()]);
                        if by_position {
                            column(&mut codes[i * SCALED * BLOCK..], lane, bytes);
                        } else {
                            let at = lane * dim + i * SCALED;
                            codes[at..at + bytes.len()].copy_from_slice(bytes);
                        }
                    }
                }
            }
        }
    }
}

/// Writes one position of values that are held by dimension.
fn column<T: Copy>(to: &mut [T], lane: usize, from: &[T]) {
    for (row, value) in to.chunks_exact_mut(BLOCK).zip(from) {
        row[lane] = *value;
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
