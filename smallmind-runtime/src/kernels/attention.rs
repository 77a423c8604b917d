//! Attention over a KV cache, spread over threads.
//!
//! Work is cut by key-value head and by tokens; where that leaves threads
//! idle (one token, long context) by blocks of positions too, and the blocks
//! are folded afterwards. Both ways fold the same blocks in the same order, so
//! they give the same bits.

use super::cache::KvCache;
use super::matmul::Compute;
use super::parts::Parts;
use super::{BLOCK, Block, Norm, RopePairs, Softmax, Visible};
use crate::pool::Buffer;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Query rows of one task: their sums stay in the innermost cache.
const ROWS: usize = 48;

/// The heads of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Heads {
    pub(crate) query: usize,
    pub(crate) kv: usize,
    pub(crate) dim: usize,
}

impl Heads {
    /// The size of a head in the cache: whole vectors.
    pub(super) fn padded(self) -> usize {
        self.dim.next_multiple_of(super::simd::LANES)
    }

    /// Query heads that share a key-value head.
    fn group(self) -> usize {
        self.query / self.kv
    }
}

/// Cosines and sines of the angles of each position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation<'a> {
    pub(crate) pairs: RopePairs,
    /// Rotated pairs of a head.
    pub(crate) half: usize,
    /// `half` values for each position.
    pub(crate) cos: &'a [f32],
    pub(crate) sin: &'a [f32],
}

/// What is done to a head before attention: normalization, rotation, scale.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Preparation<'a> {
    pub(crate) norm: Option<Norm<'a>>,
    /// Which of the sequence's rotations.
    pub(crate) rotation: Option<usize>,
    pub(crate) scale: f32,
}

/// The rows of one sequence in a batch.
#[derive(Debug)]
pub(crate) struct Span<'a> {
    /// Its blocks from `start` on are its [own](KvCache::own).
    pub(crate) cache: &'a mut KvCache,
    /// How positions turn its heads: in most layers, and in those with a
    /// sliding window.
    pub(crate) rotations: [Rotation<'a>; 2],
    /// The position of its first row.
    pub(crate) start: usize,
    /// Its rows in the batch.
    pub(crate) rows: Range<usize>,
    /// How many of them, the last, have logits that somebody wants.
    pub(crate) wanted: usize,
}

impl Span<'_> {
    /// The blocks that its rows lie in.
    fn blocks(&self) -> Range<usize> {
        self.start / BLOCK..(self.start + self.rows.len()).div_ceil(BLOCK)
    }
}

/// Whose task it is, where each span has `count` of them, and which of its own.
fn whose<'s, 'a>(
    spans: &'s [Span<'a>],
    mut task: usize,
    count: impl Fn(&Span<'a>) -> usize,
) -> Option<(&'s Span<'a>, usize)> {
    spans.iter().find_map(|span| {
        let mine = count(span);
        if task < mine {
            return Some((span, task));
        }
        task -= mine;
        None
    })
}

impl Preparation<'_> {
    fn run(
        &self,
        compute: Compute<'_>,
        head: usize,
        from: &[f32],
        (span, position): (&Span<'_>, usize),
        to: &mut [f32],
    ) {
        let to = &mut to[..from.len()];
        match self.norm {
            Some(norm) => norm.of_head(head, from.len()).run(compute.kernels, from, to),
            None => to.copy_from_slice(from),
        }
        if let Some(which) = self.rotation {
            let Rotation { pairs, half, cos, sin } = span.rotations[which];
            let at = position * half..(position + 1) * half;
            compute.kernels.rope(pairs, to, &cos[at.clone()], &sin[at]);
        }
        if self.scale != 1.0 {
            to.iter_mut().for_each(|v| *v *= self.scale);
        }
    }
}

/// Buffers of one thread.
#[derive(Debug, Default)]
struct Scratch {
    queries: Buffer<f32>,
    keys: Buffer<f32>,
    values: Buffer<f32>,
    halves: Buffer<u16>,
    visible: Buffer<Visible>,
    block: Rows,
    total: Rows,
}

/// Softmax states and weighted values of some rows.
#[derive(Debug, Default)]
struct Rows {
    softmax: Buffer<Softmax>,
    out: Buffer<f32>,
}

impl Rows {
    fn reserve(&mut self, rows: usize, dim: usize) {
        self.softmax.reserve(rows);
        self.out.reserve(rows * dim);
    }

    fn clear(&mut self, rows: usize, dim: usize) {
        self.softmax.clear();
        self.softmax.resize(rows, Softmax::EMPTY);
        self.out.clear();
        self.out.resize(rows * dim, 0.0);
    }
}

/// The buffers of attention.
#[derive(Debug)]
pub(crate) struct Attention {
    threads: Vec<Mutex<Scratch>>,
    /// Of each key-value head and block, where work is cut by blocks.
    partial: Rows,
}

/// New keys and values, a row of `kv * dim` for each token of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewTokens<'a> {
    pub(crate) keys: &'a [f32],
    pub(crate) values: &'a [f32],
    pub(crate) prepare: Preparation<'a>,
}

/// Which positions a token sees.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sight {
    /// Its own and those before it, this many in all.
    Back(usize),
    /// The first so many, those after it too.
    All(usize),
}

impl Sight {
    fn of(self, position: usize) -> Range<usize> {
        match self {
            Self::Back(window) => (position + 1).saturating_sub(window)..position + 1,
            Self::All(positions) => 0..positions,
        }
    }
}

/// Queries, a row of `query * dim` for each token of a batch, whose keys are in
/// the caches.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queries<'a> {
    pub(crate) rows: &'a [f32],
    pub(crate) prepare: Preparation<'a>,
    pub(crate) sight: Sight,
    /// What scores are soft-capped at; nothing where zero.
    pub(crate) cap: f32,
}

impl Attention {
    /// With room for the work of some threads, and for the decode of a context
    /// of `capacity` tokens.
    pub(crate) fn new(threads: usize, heads: Heads, capacity: usize) -> Self {
        let (rows, dim) = (ROWS.max(heads.group()), heads.padded());
        let scratch = || {
            let mut s = Scratch::default();
            s.queries.reserve(rows * dim);
            s.keys.reserve(BLOCK * dim);
            s.values.reserve(BLOCK * dim);
            s.halves.reserve(BLOCK * dim);
            s.visible.reserve(rows);
            s.block.reserve(rows, dim);
            s.total.reserve(rows, dim);
            Mutex::new(s)
        };
        let mut partial = Rows::default();
        partial.reserve(heads.query * capacity.div_ceil(BLOCK), dim);
        Self { threads: (0..threads).map(|_| scratch()).collect(), partial }
    }

    /// Puts new keys and values into a layer of the caches.
    pub(crate) fn store(
        &mut self,
        compute: Compute<'_>,
        heads: Heads,
        new: NewTokens<'_>,
        spans: &mut [Span<'_>],
        layer: usize,
    ) {
        let (spans, dim) = (&*spans, heads.dim);
        let count = |span: &Span<'_>| span.blocks().len() * heads.kv;
        compute.pool.run(spans.iter().map(count).sum(), compute.cancel, |task, thread| {
            let Some((span, task)) = whose(spans, task, count) else { return };
            let (block, head) = (span.blocks().start + task / heads.kv, task % heads.kv);
            let cache = span.cache.layer(layer);
            // SAFETY: the span says that the block is the cache's own, which it
            // borrows mutably; each block and head is one task.
            let part = unsafe { cache.head(block, head) };
            let mut s = self.threads[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let Scratch { keys, values, halves, .. } = &mut *s;
            for buffer in [&mut *keys, &mut *values] {
                buffer.clear();
                buffer.resize(heads.padded(), 0.0);
            }
            let end = span.start + span.rows.len();
            for position in span.start.max(block * BLOCK)..end.min((block + 1) * BLOCK) {
                let row = span.rows.start + position - span.start;
                let from = (row * heads.kv + head) * dim;
                let key = &new.keys[from..from + dim];
                new.prepare.run(compute, head, key, (span, position), keys);
                values[..dim].copy_from_slice(&new.values[from..from + dim]);
                cache.put(compute.kernels, part, position, [keys, values], halves);
            }
        });
    }

    /// `out`, a row of `query * dim` for each token: the values each sees,
    /// weighted by the softmax of its scores.
    pub(crate) fn attend(
        &mut self,
        compute: Compute<'_>,
        heads: Heads,
        queries: Queries<'_>,
        (spans, layer): (&[Span<'_>], usize),
        out: &mut [f32],
    ) {
        let per_tile = (ROWS / heads.group()).max(1);
        let job = Job { compute, heads, queries, layer, out: Parts::new(out) };
        let count = |span: &Span<'_>| span.rows.len().div_ceil(per_tile) * heads.kv;
        let tasks = spans.iter().map(count).sum();
        let is_short = |span: &Span<'_>| span.rows.len() < per_tile;
        let is_deep = |span: &Span<'_>| job.blocks(span, 0..span.rows.len()).len() > 1;
        let is_idle = tasks < 4 * compute.pool.threads();
        if is_idle && spans.iter().all(is_short) && spans.iter().any(is_deep) {
            return self.by_blocks(&job, spans);
        }
        compute.pool.run(tasks, compute.cancel, |task, thread| {
            let Some((span, task)) = whose(spans, task, count) else { return };
            let (tile, head) = (task / heads.kv, task % heads.kv);
            let tokens = tile * per_tile..span.rows.len().min((tile + 1) * per_tile);
            let mut s = self.threads[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let s = &mut *s;
            let rows = job.prepare(span, head, tokens.clone(), s);
            s.total.clear(rows, heads.padded());
            for block in job.blocks(span, tokens.clone()) {
                job.block(span, head, block, tokens.clone(), s);
                for row in 0..rows {
                    job.fold(&mut s.total, row, &s.block, row);
                }
            }
            job.finish(span, head, tokens, &mut s.total);
        });
    }

    fn by_blocks(&mut self, job: &Job<'_>, spans: &[Span<'_>]) {
        let (compute, heads, dim) = (job.compute, job.heads, job.heads.padded());
        let all = |span: &Span<'_>| job.blocks(span, 0..span.rows.len());
        let rows = |span: &Span<'_>| span.rows.len() * heads.group();
        let count = |span: &Span<'_>| all(span).len() * heads.kv;
        let sizes = spans.iter().map(|span| rows(span) * count(span));
        self.partial.clear(sizes.sum(), dim);
        let softmax = Parts::new(&mut self.partial.softmax);
        let out = Parts::new(&mut self.partial.out);
        compute.pool.run(spans.iter().map(count).sum(), compute.cancel, |number, thread| {
            let Some((span, task)) = whose(spans, number, count) else { return };
            let before = spans.iter().take_while(|s| s.rows.start < span.rows.start);
            let first: usize = before.map(|span| rows(span) * count(span)).sum();
            let (block, head) = (all(span).start + task / heads.kv, task % heads.kv);
            let mut s = self.threads[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let s = &mut *s;
            let rows = job.prepare(span, head, 0..span.rows.len(), s);
            job.block(span, head, block, 0..span.rows.len(), s);
            let at = first + task * rows..first + (task + 1) * rows;
            // SAFETY: each task has rows of its own.
            unsafe { softmax.part(at.clone()) }.copy_from_slice(&s.block.softmax);
            // SAFETY: as above.
            unsafe { out.part(at.start * dim..at.end * dim) }.copy_from_slice(&s.block.out);
        });
        let mut s = self.threads[0].lock().unwrap_or_else(PoisonError::into_inner);
        let mut first = 0;
        for span in spans {
            let rows = rows(span);
            for head in 0..heads.kv {
                s.total.clear(rows, dim);
                for task in (head..count(span)).step_by(heads.kv) {
                    for row in 0..rows {
                        job.fold(&mut s.total, row, &self.partial, first + task * rows + row);
                    }
                }
                job.finish(span, head, 0..span.rows.len(), &mut s.total);
            }
            first += rows * count(span);
        }
    }
}

/// One call of [`Attention::attend`].
struct Job<'a> {
    compute: Compute<'a>,
    heads: Heads,
    queries: Queries<'a>,
    layer: usize,
    out: Parts<'a, f32>,
}

impl Job<'_> {
    /// The positions that a token of a span sees.
    fn seen(&self, span: &Span<'_>, token: usize) -> Range<usize> {
        self.queries.sight.of(span.start + token)
    }

    /// The blocks that some tokens of a span see.
    fn blocks(&self, span: &Span<'_>, tokens: Range<usize>) -> Range<usize> {
        if tokens.is_empty() {
            return 0..0;
        }
        let last = self.seen(span, tokens.end - 1);
        self.seen(span, tokens.start).start / BLOCK..last.end.div_ceil(BLOCK)
    }

    /// Takes the queries of one key-value head: its group's rows for each
    /// token. Returns the number of rows.
    fn prepare(
        &self,
        span: &Span<'_>,
        head: usize,
        tokens: Range<usize>,
        s: &mut Scratch,
    ) -> usize {
        let (Heads { query, dim, .. }, group) = (self.heads, self.heads.group());
        let (padded, rows) = (self.heads.padded(), tokens.len() * group);
        s.queries.clear();
        s.queries.resize(rows * padded, 0.0);
        for (row, to) in s.queries.chunks_exact_mut(padded).enumerate() {
            let token = tokens.start + row / group;
            let head = head * group + row % group;
            let from = ((span.rows.start + token) * query + head) * dim;
            let from = &self.queries.rows[from..from + dim];
            self.queries.prepare.run(self.compute, head, from, (span, span.start + token), to);
        }
        rows
    }

    /// Computes one block for the prepared rows.
    fn block(
        &self,
        span: &Span<'_>,
        head: usize,
        block: usize,
        tokens: Range<usize>,
        s: &mut Scratch,
    ) {
        let within = |p: usize| p.saturating_sub(block * BLOCK).min(BLOCK) as u32;
        s.visible.clear();
        for token in tokens {
            let seen = self.seen(span, token);
            let seen = Visible { from: within(seen.start), to: within(seen.end) };
            s.visible.resize(s.visible.len() + self.heads.group(), seen);
        }
        s.block.clear(s.visible.len(), self.heads.padded());
        let (kernels, cache) = (self.compute.kernels, span.cache.layer(self.layer));
        let block = cache.read(kernels, block, head, &mut s.keys, &mut s.values);
        let block = Block { cap: self.queries.cap, ..block };
        let Rows { softmax, out } = &mut s.block;
        kernels.attend_block(block, &s.queries, &s.visible, softmax, out);
    }

    fn fold(&self, total: &mut Rows, row: usize, block: &Rows, from: usize) {
        let dim = self.heads.padded();
        let out = &mut total.out[row * dim..(row + 1) * dim];
        let part = &block.out[from * dim..(from + 1) * dim];
        self.compute.kernels.fold(&mut total.softmax[row], out, block.softmax[from], part);
    }

    fn finish(&self, span: &Span<'_>, head: usize, tokens: Range<usize>, total: &mut Rows) {
        let (Heads { query, dim, .. }, group) = (self.heads, self.heads.group());
        let rows = total.out.chunks_exact_mut(self.heads.padded());
        for (row, (from, softmax)) in rows.zip(total.softmax.iter()).enumerate() {
            self.compute.kernels.finish(*softmax, from);
            let token = span.rows.start + tokens.start + row / group;
            let at = (token * query + head * group + row % group) * dim;
            // SAFETY: each token and head belongs to one task.
            unsafe { self.out.part(at..at + dim) }.copy_from_slice(&from[..dim]);
        }
    }
}
