//! Matrix products spread over threads.
//!
//! A stage is cut by panels: every thread computes other outputs, and each
//! output is one sum in a fixed order, so results do not depend on how many
//! threads there are or which does what.

use super::generic::matmul::WORDS_PER_CHUNK;
use super::generic::rows::Gate;
use super::layout::{CHUNK, PANEL};
use super::norm::Norm;
use super::pack::PackedMatrix;
use super::parts::Parts;
use super::precision::Precision;
use super::table::Kernels;
use super::threads::Pool;
use super::tiling::{SMALL_TILE, TileSpan, Tiling};
use crate::pool::Buffer;
use bytemuck::{Pod, Zeroable};
use smallmind_abstractions::CancellationToken;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// What every stage needs.
#[derive(Clone, Copy)]
pub(crate) struct Compute<'a> {
    pub(crate) kernels: &'static Kernels,
    pub(crate) pool: &'a Pool,
    pub(crate) cancel: &'a CancellationToken,
}

/// Bytes of weights that are worth handing to a thread.
const TASK_BYTES: usize = 16 * 1024;
const MAX_TILE: usize = 16;

impl Compute<'_> {
    /// Runs `f` on each `len` values of `rows`, on all threads.
    pub(crate) fn for_each_row<T: Send>(
        &self,
        rows: &mut [T],
        len: usize,
        f: impl Fn(usize, &mut [T], usize) + Sync,
    ) {
        let count = rows.len() / len;
        let parts = Parts::new(rows);
        self.pool.run(count, self.cancel, |i, thread| {
            // SAFETY: each row is one task, and no task runs twice.
            f(i, unsafe { parts.part(i * len..(i + 1) * len) }, thread);
        });
    }

    /// Replaces rows, as long as the norm's weights, by their norms. `scratch`
    /// has a row for each thread.
    pub(crate) fn normalize_rows(
        &self,
        rows: &mut [f32],
        norm: Norm<'_>,
        scratch: &[Mutex<Buffer<f32>>],
    ) {
        self.for_each_row(rows, norm.weight.len(), |_, row, thread| {
            let mut copy = scratch[thread].lock().unwrap_or_else(PoisonError::into_inner);
            copy.clear();
            copy.extend_from_slice(row);
            norm.run(self.kernels, &copy, row);
        });
    }
}

/// Tokens that take one of several matrices of the same shape and format.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Group {
    pub(crate) matrix: usize,
    pub(crate) tokens: usize,
}

/// The inputs of products for some tokens, in the forms that weights take.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    precision: Precision,
    /// Rows that a token takes, as many as its most exact reader needs: one
    /// after the other, always in one tile.
    each: usize,
    /// Of each group.
    tilings: Buffer<Tiling>,
    cols: usize,
    quantized: Buffer<u32>,
    float: Buffer<u32>,
    /// Of each thread: a row that is computed, and what quantizing left of one.
    rows: Vec<Mutex<[Buffer<f32>; 2]>>,
}

/// Rows of values that products take.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source<'a> {
    /// As they are.
    Plain(&'a [f32]),
    /// Their norms.
    Normalized { rows: &'a [f32], norm: Norm<'a> },
}

impl Source<'_> {
    pub(crate) fn rows(&self) -> &[f32] {
        match self {
            Self::Plain(rows) | Self::Normalized { rows, .. } => rows,
        }
    }

    /// One row; `buffer` is room for it where it is computed.
    fn row<'r>(
        &'r self,
        kernels: &Kernels,
        at: Range<usize>,
        buffer: &'r mut Buffer<f32>,
    ) -> &'r [f32] {
        match self {
            Self::Plain(rows) => &rows[at],
            Self::Normalized { rows, norm } => {
                buffer.resize(at.len(), 0.0);
                norm.run(kernels, &rows[at], buffer);
                buffer
            }
        }
    }
}

impl Activations {
    /// With room for the rows of some threads, of up to `cols` values.
    pub(crate) fn new(precision: Precision, threads: usize, cols: usize) -> Self {
        let row = || {
            let mut row = Buffer::default();
            row.reserve(cols);
            row
        };
        let rows = (0..threads).map(|_| Mutex::new([row(), row()])).collect();
        Self { precision, rows, ..Self::default() }
    }

    /// Takes rows in the forms that their `readers` take.
    pub(crate) fn fill(
        &mut self,
        compute: Compute<'_>,
        source: Source<'_>,
        readers: &[&PackedMatrix],
    ) {
        let tokens = source.rows().len() / readers.first().map_or(1, |m| m.cols());
        self.fill_groups(compute, source, readers, &[Group { matrix: 0, tokens }], &[]);
    }

    /// Takes rows, one group after the other: those that `picks` names, or all
    /// in their order where it is empty. `readers` are one matrix of each kind.
    pub(crate) fn fill_groups(
        &mut self,
        compute: Compute<'_>,
        source: Source<'_>,
        readers: &[&PackedMatrix],
        groups: &[Group],
        picks: &[u32],
    ) {
        let cols = readers.first().map_or(1, |m| m.cols());
        let wants = |quantized| readers.iter().any(|m| m.format().is_quantized() == quantized);
        let each = if wants(true) { self.precision.rows() } else { 1 };
        (self.each, self.cols) = (each, cols);
        let (tiles, padded) = self.lay_out(groups, compute.kernels.tile_width());
        let rows: usize = groups.iter().map(|g| g.tokens * each).sum();
        let (per_quantized, per_float) = (cols / CHUNK * WORDS_PER_CHUNK, cols);
        let [has_quantized, has_float] = [wants(true), wants(false)];
        for (words, each, want) in [
            (&mut self.quantized, per_quantized, has_quantized),
            (&mut self.float, per_float, has_float),
        ] {
            let each = if want { each } else { 0 };
            if groups.len() > 1 {
                // Groups change from call to call; they are padded to twice
                // their rows at most.
                words.reserve(2 * rows * each);
            }
            words.resize(padded * each, 0);
        }
        self.rows.resize_with(compute.pool.threads(), Mutex::default);
        let (rows, tilings) = (&self.rows, &*self.tilings);
        let quantized = Parts::new(&mut self.quantized);
        let float = Parts::new(&mut self.float);
        compute.pool.run(tiles, compute.cancel, |tile, thread| {
            let tiling = &tilings[tilings.partition_point(|t| t.tile <= tile) - 1];
            let span = tiling.get(tile - tiling.tile);
            let part = |each: usize| span.first * each..(span.first + span.width) * each;
            let mut rows = rows[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let [row, rest] = &mut *rows;
            for t in (0..span.tokens).step_by(each) {
                let token = (span.row + t) / each;
                let token = picks.get(token).map_or(token, |pick| *pick as usize);
                let at = token * cols..(token + 1) * cols;
                let values = source.row(compute.kernels, at, row);
                if has_quantized {
                    // SAFETY: tiles do not overlap, and each is one task.
                    let tile = unsafe { quantized.part(part(per_quantized)) };
                    compute.kernels.quantize(values, span.width, tile, t);
                    if each == 2 {
                        rest.clear();
                        rest.extend_from_slice(values);
                        subtract_quantized(rest, span.width, tile, t);
                        compute.kernels.quantize(rest, span.width, tile, t + 1);
                    }
                }
                if has_float {
                    // SAFETY: as above.
                    let tile = unsafe { float.part(part(per_float)) };
                    for (cell, value) in tile.chunks_exact_mut(span.width).zip(values) {
                        cell[t..t + each].fill(0);
                        cell[t] = value.to_bits();
                    }
                }
            }
        });
    }

    /// Cuts groups into tiles; how many there are, and their rows with those
    /// that pad.
    fn lay_out(&mut self, groups: &[Group], widest: usize) -> (usize, usize) {
        let (mut tile, mut first, mut row) = (0, 0, 0);
        self.tilings.clear();
        for group in groups {
            let (matrix, tokens) = (group.matrix, group.tokens * self.each);
            let tiling = Tiling { matrix, tokens, widest, tile, first, row };
            self.tilings.extend_from_slice(&[tiling]);
            (tile, first, row) = (tile + tiling.len(), first + tiling.padded(), row + tokens);
        }
        (tile, first)
    }

    fn tile(&self, span: TileSpan, quantized: bool) -> &[u32] {
        let (words, each) = if quantized {
            (&self.quantized, self.cols / CHUNK * WORDS_PER_CHUNK)
        } else {
            (&self.float, self.cols)
        };
        &words[span.first * each..(span.first + span.width) * each]
    }

    /// Whether no tile is wider than a small one.
    fn has_small_tiles_only(&self) -> bool {
        self.tilings.iter().all(|tiling| tiling.is_small())
    }

    /// The tokens whose rows a tile holds.
    fn tokens(&self, span: TileSpan) -> Range<usize> {
        span.row / self.each..(span.row + span.tokens) / self.each
    }
}

/// Takes off what row `t` of a tile holds of the values.
fn subtract_quantized(values: &mut [f32], width: usize, tile: &[u32], t: usize) {
    let chunks = tile.chunks_exact(width * WORDS_PER_CHUNK);
    for (values, chunk) in values.chunks_mut(CHUNK).zip(chunks) {
        let (codes, others) = chunk.split_at(width * CHUNK / 4);
        let codes: &[i8] = bytemuck::cast_slice(&codes[t * CHUNK / 4..(t + 1) * CHUNK / 4]);
        let scale = f32::from_bits(others[t]);
        for (value, code) in values.iter_mut().zip(codes) {
            *value -= scale * f32::from(*code);
        }
    }
}

/// A product and where it goes.
pub(crate) struct Product<'a> {
    /// A matrix for each kind of group.
    pub(crate) weights: &'a [PackedMatrix],
    /// Added to each token's outputs.
    pub(crate) bias: Option<&'a [f32]>,
    /// A row for each token, of as many values as a matrix has rows.
    pub(crate) out: &'a mut [f32],
    /// Whether products are added to what `out` holds.
    pub(crate) accumulate: bool,
}

/// Runs of panels, times all tokens of a group tile by tile: tasks.
#[derive(Clone, Copy)]
struct Panels<'a> {
    a: &'a Activations,
    /// Panels of a matrix, and of a task.
    count: usize,
    per_task: usize,
    /// Tasks of a group, and of all.
    of_group: usize,
    tasks: usize,
}

/// What a task computes with one tile of tokens.
struct Part<'a> {
    a: &'a Activations,
    matrix: usize,
    span: TileSpan,
    tokens: Range<usize>,
    panels: Range<usize>,
}

impl<'a> Panels<'a> {
    fn new(a: &'a Activations, weights: &[PackedMatrix]) -> Self {
        let weights = &weights[0];
        assert_eq!(weights.cols(), a.cols, "activations of another width");
        let count = weights.panels();
        let per_task = (TASK_BYTES / weights.panel_bytes().max(1)).max(1);
        let of_group = count.div_ceil(per_task);
        let tasks = of_group * a.tilings.len();
        Self { a, count, per_task, of_group, tasks }
    }

    /// Calls `f` with each part of a task: panels change fastest, so that a
    /// tile stays in the innermost caches.
    fn for_each(self, task: usize, mut f: impl FnMut(Part<'a>)) {
        let a = self.a;
        let (tiling, task) = match a.tilings.len() {
            1 => (&a.tilings[0], task),
            _ => (&a.tilings[task / self.of_group], task % self.of_group),
        };
        let first = task * self.per_task;
        let panels = first..self.count.min(first + self.per_task);
        for tile in 0..tiling.len() {
            let span = tiling.get(tile);
            f(Part {
                a,
                matrix: tiling.matrix,
                span,
                tokens: a.tokens(span),
                panels: panels.clone(),
            });
        }
    }
}

/// Room for what one panel makes of a tile of up to `ROWS` rows.
type Tile<const ROWS: usize> = [[f32; PANEL]; ROWS];

/// One panel times one tile of tokens: sixteen outputs a token.
fn product<'t>(
    compute: Compute<'_>,
    weights: &PackedMatrix,
    part: &Part<'_>,
    panel: usize,
    out: &'t mut [[f32; PANEL]],
) -> &'t mut [f32] {
    let (format, width) = (weights.format(), part.span.width);
    let out = out[..width].as_flattened_mut();
    let activations = part.a.tile(part.span, format.is_quantized());
    compute.kernels.tile(format, width, weights.panel(panel), activations, out);
    if part.a.each == 2 { add_pairs(out) } else { out }
}

/// Adds each second row to the one before it, and moves the sums together.
fn add_pairs(rows: &mut [f32]) -> &mut [f32] {
    let tokens = rows.len() / PANEL / 2;
    for token in 0..tokens {
        for i in 0..PANEL {
            let pair = token * 2 * PANEL + i;
            rows[token * PANEL + i] = rows[pair] + rows[pair + PANEL];
        }
    }
    &mut rows[..tokens * PANEL]
}

impl PackedMatrix {
    /// The outputs that a panel makes.
    fn outputs(&self, panel: usize) -> Range<usize> {
        panel * PANEL..self.rows().min((panel + 1) * PANEL)
    }
}

/// A product, and its share of a stage.
struct Job<'a> {
    panels: Panels<'a>,
    weights: &'a [PackedMatrix],
    bias: &'a [f32],
    out: Parts<'a, f32>,
    accumulate: bool,
}

impl Job<'_> {
    /// Computes a task whose tiles have up to `ROWS` rows.
    fn run<const ROWS: usize>(&self, compute: Compute<'_>, task: usize) {
        let mut room: Tile<ROWS> = [[0.0; PANEL]; ROWS];
        self.panels.for_each(task, |part| {
            let weights = &self.weights[part.matrix];
            for panel in part.panels.clone() {
                let products = product(compute, weights, &part, panel, &mut room);
                let outputs = weights.outputs(panel);
                let bias = self.bias.get(outputs.clone()).unwrap_or_default();
                // SAFETY: a task has its panels' outputs to itself.
                let out = unsafe { self.out.columns(part.tokens.clone(), weights.rows(), outputs) };
                compute.kernels.put(products, bias, self.accumulate, out);
            }
        });
    }
}

/// Computes products of the same activations in one stage.
pub(crate) fn matmul(compute: Compute<'_>, a: &Activations, products: &mut [Product<'_>]) {
    let mut jobs: [Option<Job<'_>>; 3] = [const { None }; 3];
    assert!(products.len() <= jobs.len());
    for (job, p) in jobs.iter_mut().zip(products) {
        *job = Some(Job {
            panels: Panels::new(a, p.weights),
            weights: p.weights,
            bias: p.bias.unwrap_or_default(),
            out: Parts::new(&mut *p.out),
            accumulate: p.accumulate,
        });
    }
    let total = jobs.iter().flatten().map(|j| j.panels.tasks).sum();
    let few = a.has_small_tiles_only();
    compute.pool.run(total, compute.cancel, |task, _| {
        let mut task = task;
        let job = jobs.iter().flatten().find(|job| {
            let mine = task < job.panels.tasks;
            task -= if mine { 0 } else { job.panels.tasks };
            mine
        });
        match job {
            Some(job) if few => job.run::<SMALL_TILE>(compute, task),
            Some(job) => job.run::<MAX_TILE>(compute, task),
            None => {}
        }
    });
}

/// The products of [`matmul_gated`], and where they go.
struct GatedJob<'a> {
    panels: Panels<'a>,
    gates: &'a [PackedMatrix],
    ups: &'a [PackedMatrix],
    function: Gate,
    out: Parts<'a, f32>,
}

impl GatedJob<'_> {
    /// As [`Job::run`].
    fn run<const ROWS: usize>(&self, compute: Compute<'_>, task: usize) {
        let mut rooms: [Tile<ROWS>; 2] = [[[0.0; PANEL]; ROWS]; 2];
        let [x, y] = &mut rooms;
        self.panels.for_each(task, |part| {
            let (gate, up) = (&self.gates[part.matrix], &self.ups[part.matrix]);
            for panel in part.panels.clone() {
                let x = product(compute, gate, &part, panel, x);
                let y = product(compute, up, &part, panel, y);
                compute.kernels.gate(self.function, x, y);
                let outputs = gate.outputs(panel);
                // SAFETY: a task has its panels' outputs to itself.
                let out = unsafe { self.out.columns(part.tokens.clone(), gate.rows(), outputs) };
                compute.kernels.put(x, &[], false, out);
            }
        });
    }
}

/// `out = f(gate · a) * (up · a)`, for matrices of one shape, one of each for
/// each kind of group.
pub(crate) fn matmul_gated(
    compute: Compute<'_>,
    a: &Activations,
    [gates, ups]: [&[PackedMatrix]; 2],
    function: Gate,
    out: &mut [f32],
) {
    let job =
        GatedJob { panels: Panels::new(a, gates), gates, ups, function, out: Parts::new(out) };
    let few = a.has_small_tiles_only();
    compute.pool.run(job.panels.tasks, compute.cancel, |task, _| match few {
        true => job.run::<SMALL_TILE>(compute, task),
        false => job.run::<MAX_TILE>(compute, task),
    });
}
