//! The keys and values of a sequence, by block of positions, layer and head.
//!
//! ```text
//! block = layer, layer, …     layer = head, head, …     head = keys, values
//! ```
//!
//! A block is a page that sequences which begin alike share: whoever writes
//! into one that another holds too takes a copy of it first.
//!
//! Keys are held by dimension, `k[dim][position]`, values by position,
//! `v[position][dim]`: see [`Block`](super::Block). What a block of one head
//! takes lies in one piece, so attention reads memory from front to back.

use super::attention::Heads;
use super::memory::Page;
use super::{BLOCK, Block, Kernels};
use crate::Error;
use crate::pool::Buffer;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

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
    /// A page for each block of positions.
    pages: Vec<Arc<Page>>,
}

/// What a page looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shape {
    kind: CacheType,
    heads: Heads,
    layers: usize,
}

impl Shape {
    /// Bytes of the keys and values of one head of one layer.
    fn head_bytes(self) -> usize {
        2 * self.kind.half_bytes(self.heads.padded())
    }

    fn page_bytes(self) -> usize {
        self.head_bytes() * self.heads.kv * self.layers
    }

    /// Where they lie in a page.
    fn range(self, layer: usize, head: usize) -> Range<usize> {
        let bytes = self.head_bytes();
        let at = (layer * self.heads.kv + head) * bytes;
        at..at + bytes
    }
}

/// The keys and values of a block of positions, which sequences may share.
#[derive(Debug, Clone)]
pub(crate) struct SharedBlock {
    shape: Shape,
    page: Arc<Page>,
}

impl SharedBlock {
    pub(crate) fn bytes(&self) -> usize {
        self.page.len()
    }
}

impl KvCache {
    /// Bytes of a cache for `capacity` positions; `None` where that is more than
    /// any memory.
    pub(crate) fn bytes(
        kind: CacheType,
        heads: Heads,
        layers: usize,
        capacity: usize,
    ) -> Option<usize> {
        let page = Shape { kind, heads, layers }.page_bytes();
        page.checked_mul(capacity.div_ceil(BLOCK)).filter(|b| *b <= isize::MAX as usize)
    }

    /// An empty cache for `capacity` positions; `None` where that is more than
    /// any memory.
    pub(crate) fn new(
        kind: CacheType,
        heads: Heads,
        layers: usize,
        capacity: usize,
    ) -> Option<Result<Self, Error>> {
        Self::bytes(kind, heads, layers, capacity)?;
        let shape = Shape { kind, heads, layers };
        Some(Self { shape, pages: Vec::new() }.with(&[], capacity.div_ceil(BLOCK)))
    }

    /// How keys and values are held.
    pub(crate) fn cache_type(&self) -> CacheType {
        self.shape.kind
    }

    /// What the first `len` positions are held in, a piece for each block.
    pub(crate) fn pieces(&self, len: usize) -> impl Iterator<Item = &[u8]> {
        self.pages[..len.div_ceil(BLOCK)].iter().map(|page| &***page)
    }

    /// As [`pieces`](Self::pieces), to be written whole.
    pub(crate) fn pieces_mut(
        &mut self,
        len: usize,
    ) -> Result<impl Iterator<Item = &mut [u8]>, Error> {
        self.own(0..len)?;
        let pages = self.pages[..len.div_ceil(BLOCK)].iter_mut();
        Ok(pages.filter_map(|page| Arc::get_mut(page).map(|page| &mut **page)))
    }

    /// A cache of the same shape and size that shares the pages of the first
    /// `len` positions.
    pub(crate) fn fork(&self, len: usize) -> Result<Self, Error> {
        self.with(&self.pages[..len.div_ceil(BLOCK)], self.pages.len())
    }

    fn with(&self, shared: &[Arc<Page>], pages: usize) -> Result<Self, Error> {
        let new = Page::several(self.shape.page_bytes(), pages - shared.len())?;
        let pages = shared.iter().cloned().chain(new.into_iter().map(Arc::new)).collect();
        Ok(Self { shape: self.shape, pages })
    }

    /// The pages of the first `len` positions.
    pub(crate) fn shared(&self, len: usize) -> impl Iterator<Item = SharedBlock> {
        let (shape, pages) = (self.shape, &self.pages[..len.div_ceil(BLOCK)]);
        pages.iter().map(move |page| SharedBlock { shape, page: Arc::clone(page) })
    }

    /// Puts a shared block in the place of block `index`; whether it is of the
    /// same shape.
    pub(crate) fn adopt(&mut self, index: usize, block: &SharedBlock) -> bool {
        if block.shape != self.shape {
            return false;
        }
        self.pages[index] = Arc::clone(&block.page);
        true
    }

    /// Makes the blocks of some positions this cache's alone, so that they may
    /// be written.
    pub(crate) fn own(&mut self, positions: Range<usize>) -> Result<(), Error> {
        for block in positions.start / BLOCK..positions.end.div_ceil(BLOCK) {
            let page = &mut self.pages[block];
            if Arc::get_mut(page).is_some() {
                continue;
            }
            for mut copy in Page::several(page.len(), 1)? {
                if positions.start > block * BLOCK {
                    copy.copy_from_slice(page);
                }
                *page = Arc::new(copy);
            }
        }
        Ok(())
    }

    pub(crate) fn layer(&self, layer: usize) -> LayerCache<'_> {
        LayerCache { shape: self.shape, layer, pages: &self.pages }
    }
}

/// A layer of a cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerCache<'a> {
    shape: Shape,
    layer: usize,
    pages: &'a [Arc<Page>],
}

impl LayerCache<'_> {
    /// The bytes of one head in one block, to be written with
    /// [`put`](Self::put).
    ///
    /// # Safety
    /// The block is this cache's [own](KvCache::own), and nobody else reads or
    /// writes this head of it meanwhile.
    #[allow(clippy::mut_from_ref, reason = "that is what the safety clause is about")]
    pub(crate) unsafe fn head(&self, block: usize, head: usize) -> &mut [u8] {
        // SAFETY: by the caller's word.
        unsafe { self.pages[block].part(self.shape.range(self.layer, head)) }
    }

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
        let Shape { kind, heads, .. } = self.shape;
        let dim = heads.padded();
        let data = &self.pages[block][self.shape.range(self.layer, head)];
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
