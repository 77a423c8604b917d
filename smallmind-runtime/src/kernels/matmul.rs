//! Matrix products spread over threads.
//!
//! A stage is cut by panels: every thread computes other outputs, and each
//! output is one sum in a fixed order, so results do not depend on how many
//! threads there are or which does what.

use super::generic::matmul::WORDS_PER_CHUNK;
use super::generic::rows::Gate;
use super::layout::{CHUNK, PANEL};
use super::pack::PackedMatrix;
use super::table::Kernels;
use super::threads::Pool;
use smallmind_abstractions::CancellationToken;
use std::marker::PhantomData;
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
/// The width of the tiles of the tokens that do not fill a whole one.
const SMALL_TILE: usize = 4;

/// A slice whose parts different threads write.
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: it stands for the `&mut [T]` it was made from; `part` makes its users
// answer for what they share.
unsafe impl<T: Send> Sync for Parts<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Self { start: slice.as_mut_ptr(), len: slice.len(), slice: PhantomData }
    }

    /// One part.
    ///
    /// # Safety
    /// No two parts that are alive at once overlap.
    #[allow(clippy::mut_from_ref, reason = "that is what the safety clause is about")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: in bounds by the check above, unaliased by the caller's word.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

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
}

/// Where a tile of tokens begins and how wide it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TileSpan {
    first: usize,
    width: usize,
    tokens: usize,
}

/// Cuts tokens into tiles: as wide as the kernels go, then small ones, the
/// last padded; a single token by itself.
#[derive(Debug, Clone, Copy, Default)]
struct Tiling {
    tokens: usize,
    widest: usize,
}

impl Tiling {
    fn full(self) -> usize {
        self.tokens / self.widest
    }

    fn rest_width(self) -> usize {
        if self.tokens % self.widest == 1 { 1 } else { SMALL_TILE }
    }

    fn len(self) -> usize {
        self.full() + (self.tokens % self.widest).div_ceil(self.rest_width())
    }

    /// Tokens with those that pad.
    fn padded(self) -> usize {
        let rest = self.tokens % self.widest;
        self.full() * self.widest + rest.next_multiple_of(self.rest_width())
    }

    fn get(self, tile: usize) -> TileSpan {
        let full = self.full();
        let (first, width) = if tile < full {
            (tile * self.widest, self.widest)
        } else {
            let width = self.rest_width();
            (full * self.widest + (tile - full) * width, width)
        };
        TileSpan { first, width, tokens: width.min(self.tokens - first) }
    }
}

/// The inputs of products for some tokens, in the forms that weights take.
#[derive(Debug, Default)]
pub(crate) struct Activations {
    tiling: Tiling,
    cols: usize,
    quantized: Vec<u32>,
    float: Vec<u32>,
    /// A row for each thread.
    rows: Vec<Mutex<Vec<f32>>>,
}

impl Activations {
    /// Takes `tokens` rows of `cols` values from `row(token, thread, out)`, in
    /// the forms that the `readers` take.
    pub(crate) fn fill(
        &mut self,
        compute: Compute<'_>,
        tokens: usize,
        readers: &[&PackedMatrix],
        row: impl Fn(usize, &mut [f32]) + Sync,
    ) {
        let cols = readers.first().map_or(0, |m| m.cols());
        let tiling = Tiling { tokens, widest: compute.kernels.tile_width() };
        (self.tiling, self.cols) = (tiling, cols);
        let wants = |quantized| readers.iter().any(|m| m.format().is_quantized() == quantized);
        let words = |want: bool, each: usize| if want { tiling.padded() * each } else { 0 };
        let (per_quantized, per_float) = (cols / CHUNK * WORDS_PER_CHUNK, cols);
        self.quantized.resize(words(wants(true), per_quantized), 0);
        self.float.resize(words(wants(false), per_float), 0);
        self.rows.resize_with(compute.pool.threads(), Mutex::default);
        let (rows, (has_quantized, has_float)) = (&self.rows, (wants(true), wants(false)));
        let quantized = Parts::new(&mut self.quantized);
        let float = Parts::new(&mut self.float);
        compute.pool.run(tiling.len(), compute.cancel, |tile, thread| {
            let span = tiling.get(tile);
            let part = |each: usize| span.first * each..(span.first + span.width) * each;
            let mut values = rows[thread].lock().unwrap_or_else(PoisonError::into_inner);
            values.resize(cols, 0.0);
            for t in 0..span.tokens {
                row(span.first + t, &mut values);
                if has_quantized {
                    // SAFETY: tiles do not overlap, and each is one task.
                    let tile = unsafe { quantized.part(part(per_quantized)) };
                    compute.kernels.quantize(&values, span.width, tile, t);
                }
                if has_float {
                    // SAFETY: as above.
                    let tile = unsafe { float.part(part(per_float)) };
                    for (cell, value) in tile.chunks_exact_mut(span.width).zip(&*values) {
                        cell[t] = value.to_bits();
                    }
                }
            }
        });
    }

    fn tile(&self, span: TileSpan, quantized: bool) -> &[u32] {
        let (words, each) = if quantized {
            (&self.quantized, self.cols / CHUNK * WORDS_PER_CHUNK)
        } else {
            (&self.float, self.cols)
        };
        &words[span.first * each..(span.first + span.width) * each]
    }
}

/// A product and where it goes.
pub(crate) struct Product<'a> {
    pub(crate) weights: &'a PackedMatrix,
    /// Added to each token's outputs.
    pub(crate) bias: Option<&'a [f32]>,
    /// A row of `weights.rows()` values for each token.
    pub(crate) out: &'a mut [f32],
    /// Whether products are added to what `out` holds.
    pub(crate) accumulate: bool,
}

/// Computes products of the same activations in one stage.
pub(crate) fn matmul(compute: Compute<'_>, a: &Activations, products: &mut [Product<'_>]) {
    struct Job<'a> {
        weights: &'a PackedMatrix,
        bias: Option<&'a [f32]>,
        out: Parts<'a, f32>,
        accumulate: bool,
        panels_per_task: usize,
    }
    let mut jobs: [Option<Job<'_>>; 3] = [const { None }; 3];
    for (job, p) in jobs.iter_mut().zip(products) {
        *job = Some(Job {
            weights: p.weights,
            bias: p.bias,
            out: Parts::new(&mut *p.out),
            accumulate: p.accumulate,
            panels_per_task: panels_per_task(p.weights),
        });
    }
    let tasks = |j: &Job<'_>| j.weights.panels().div_ceil(j.panels_per_task);
    let total = jobs.iter().flatten().map(tasks).sum();
    compute.pool.run(total, compute.cancel, |task, _| {
        let mut task = task;
        for job in jobs.iter().flatten() {
            if task < tasks(job) {
                let first = task * job.panels_per_task;
                let last = job.weights.panels().min(first + job.panels_per_task);
                for panel in first..last {
                    one_panel(compute, a, job.weights, panel, |token, lanes, rows| {
                        let at = token * job.weights.rows() + rows.start;
                        // SAFETY: a task has its panels' rows to itself.
                        let out = unsafe { job.out.part(at..at + rows.len()) };
                        let lanes = &mut lanes[..rows.len()];
                        if let Some(bias) = job.bias {
                            compute.kernels.add(lanes, &bias[rows]);
                        }
                        if job.accumulate {
                            compute.kernels.add(out, lanes);
                        } else {
                            out.copy_from_slice(lanes);
                        }
                    });
                }
                return;
            }
            task -= tasks(job);
        }
    });
}

/// `out = f(gate · a) * (up · a)`, for matrices of one shape.
pub(crate) fn matmul_gated(
    compute: Compute<'_>,
    a: &Activations,
    [gate, up]: [&PackedMatrix; 2],
    function: Gate,
    out: &mut [f32],
) {
    let (rows, out) = (gate.rows(), Parts::new(out));
    let per_task = panels_per_task(gate);
    compute.pool.run(gate.panels().div_ceil(per_task), compute.cancel, |task, _| {
        for panel in task * per_task..gate.panels().min((task + 1) * per_task) {
            let put = |token: usize, lanes: &mut [f32], range: Range<usize>, is_up: bool| {
                let at = token * rows + range.start;
                // SAFETY: a task has its panels' rows to itself.
                let out = unsafe { out.part(at..at + range.len()) };
                let lanes = &mut lanes[..range.len()];
                if is_up {
                    compute.kernels.gate(function, out, lanes);
                } else {
                    out.copy_from_slice(lanes);
                }
            };
            one_panel(compute, a, gate, panel, |t, lanes, range| put(t, lanes, range, false));
            one_panel(compute, a, up, panel, |t, lanes, range| put(t, lanes, range, true));
        }
    });
}

fn panels_per_task(weights: &PackedMatrix) -> usize {
    (TASK_BYTES / weights.panel_bytes().max(1)).max(1)
}

/// One panel times all tokens: `put(token, sixteen outputs, their rows)`.
fn one_panel(
    compute: Compute<'_>,
    a: &Activations,
    weights: &PackedMatrix,
    panel: usize,
    mut put: impl FnMut(usize, &mut [f32], Range<usize>),
) {
    assert_eq!(weights.cols(), a.cols, "activations of another width");
    let rows = panel * PANEL..weights.rows().min((panel + 1) * PANEL);
    let quantized = weights.format().is_quantized();
    let panel = weights.panel(panel);
    let mut out = [0.0; MAX_TILE * PANEL];
    for tile in 0..a.tiling.len() {
        let span = a.tiling.get(tile);
        let out = &mut out[..span.width * PANEL];
        compute.kernels.tile(weights.format(), span.width, panel, a.tile(span, quantized), out);
        let lanes = out.as_chunks_mut::<PANEL>().0;
        for (t, lanes) in lanes.iter_mut().enumerate().take(span.tokens) {
            put(span.first + t, lanes, rows.clone());
        }
    }
}
