//! Products of matrices, block by block (Goto and van de Geijn 2008).
//!
//! ```text
//! for some rows of A:                    packed by all threads, where several tasks read them
//!     for some rows and columns of C:    a task
//!         for each DEPTH of k:           packs its part of B: stays in the second cache
//!             for each tile of A:        stays in the first cache
//!                 for each panel of B:   kernels::generic::gemm::tile
//! ```

use super::MatrixView;
use super::pack::pack;
use crate::kernels::Kernels;
use crate::kernels::parts::Parts;
use crate::kernels::simd::LANES;
use crate::kernels::threads::Pool;
use crate::pool::Buffer;
use smallmind_abstractions::CancellationToken;
use std::ops::Range;

/// Values of `k` in a block.
const DEPTH: usize = 256;
/// Panels of B that a task takes at most.
const PANELS: usize = 12;
/// Panels that are not worth packing A ahead for.
const FEW: usize = 4;
/// Tiles that do not pay for a large block of B.
const FEW_TILES: usize = 2;
/// Values of A that are packed at a time.
const MOST: usize = 1 << 22;
/// Tasks for each thread, so that a slow one delays no other.
const TASKS: usize = 4;
/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 20;

/// Buffers that are kept from product to product.
#[derive(Debug, Default)]
pub(super) struct Packed {
    a: Buffer<f32>,
    /// One block of B, and one tile of A, for each thread.
    own: Buffer<f32>,
}

/// How a product is cut.
struct Plan<'a> {
    kernels: &'static Kernels,
    a: MatrixView<'a>,
    b: MatrixView<'a>,
    /// Rows and vectors of columns of a tile.
    tile: [usize; 2],
    /// Tiles of rows, and panels of columns, of a task.
    task: [usize; 2],
}

/// `c = a · b`; stops early when cancelled.
pub(super) fn multiply(
    kernels: &'static Kernels,
    pool: &Pool,
    packed: &mut Packed,
    [a, b]: [MatrixView<'_>; 2],
    c: &mut [f32],
    cancel: &CancellationToken,
) {
    let plan = Plan::new(kernels, pool.threads(), a, b);
    let [height, width] = plan.size();
    let most = (MOST / a.cols().max(1) / height).max(1) * height;
    let own = DEPTH * (plan.task[1] * width + height.next_multiple_of(LANES));
    packed.own.resize(pool.threads() * own, 0.0);
    for start in (0..a.rows()).step_by(most) {
        let rows = start..a.rows().min(start + most);
        let tiles = rows.len().div_ceil(height);
        let [down, across] = [tiles.div_ceil(plan.task[0]), plan.panels().div_ceil(plan.task[1])];
        let ahead = across > 1;
        if ahead {
            let each = a.cols() * height;
            packed.a.resize(tiles * each, 0.0);
            let to = Parts::new(&mut packed.a);
            pool.run(tiles, cancel, |tile, _| {
                // SAFETY: each tile is one task.
                let to = unsafe { to.part(tile * each..(tile + 1) * each) };
                plan.pack_tile(&rows, tile, 0..a.cols(), to);
            });
        }
        let ahead = ahead.then_some(&packed.a[..]);
        let buffers = Parts::new(&mut packed.own);
        let c = Parts::new(&mut *c);
        pool.run(down * across, cancel, |task, thread| {
            // SAFETY: each thread has a buffer of its own.
            let own = unsafe { buffers.part(thread * own..(thread + 1) * own) };
            let (first, panel) = (task / across * plan.task[0], task % across * plan.task[1]);
            let tiles = first..tiles.min(first + plan.task[0]);
            let panels = panel..plan.panels().min(panel + plan.task[1]);
            plan.run([tiles, panels], &rows, ahead, own, &c, cancel);
        });
    }
}

impl<'a> Plan<'a> {
    fn new(
        kernels: &'static Kernels,
        threads: usize,
        a: MatrixView<'a>,
        b: MatrixView<'a>,
    ) -> Self {
        // A step of a tile is a multiplication for each of its vectors, and
        // about one more for what it reads.
        let cost = |tile: &[usize; 2]| {
            let tiles = a.rows().div_ceil(tile[0]) * b.cols().div_ceil(tile[1] * LANES);
            tiles * (tile[0] * tile[1] + 1)
        };
        let tile = kernels.gemm_shapes().min_by_key(cost).expect("some shape");
        let [tiles, panels] = [a.rows().div_ceil(tile[0]), b.cols().div_ceil(tile[1] * LANES)];
        let work = a.rows().saturating_mul(b.cols()).saturating_mul(a.cols());
        let wanted = (work / TASK).clamp(1, threads * TASKS);
        // What few tiles read is best still in the first cache.
        let most = if tiles <= FEW_TILES { 1 } else { PANELS };
        let width = panels.div_ceil(wanted).clamp(1, most);
        let width = if panels <= FEW && tiles >= wanted { panels } else { width };
        let down = wanted.div_ceil(panels.div_ceil(width)).min(tiles);
        Self { kernels, a, b, tile, task: [tiles.div_ceil(down), width] }
    }

    /// Rows and columns of a tile.
    fn size(&self) -> [usize; 2] {
        [self.tile[0], self.tile[1] * LANES]
    }

    fn panels(&self) -> usize {
        self.b.cols().div_ceil(self.size()[1])
    }

    /// The rows of a tile, of those that are worked on.
    fn lines(&self, rows: &Range<usize>, tile: usize) -> Range<usize> {
        let start = rows.start + tile * self.tile[0];
        start..rows.end.min(start + self.tile[0])
    }

    fn pack_tile(&self, rows: &Range<usize>, tile: usize, k: Range<usize>, to: &mut [f32]) {
        pack(self.kernels, self.a.transposed(), k, self.lines(rows, tile), self.tile[0], to);
    }

    /// Computes some tiles of some panels. `ahead` holds A where it is packed
    /// already.
    fn run(
        &self,
        [tiles, panels]: [Range<usize>; 2],
        rows: &Range<usize>,
        ahead: Option<&[f32]>,
        own: &mut [f32],
        c: &Parts<'_, f32>,
        cancel: &CancellationToken,
    ) {
        let ([height, width], depth, cols) = (self.size(), self.a.cols(), self.b.cols());
        let (own_b, own_a) = own.split_at_mut(DEPTH * self.task[1] * width);
        for start in (0..depth).step_by(DEPTH) {
            let k = start..depth.min(start + DEPTH);
            let columns = |panel: usize| panel * width..cols.min((panel + 1) * width);
            let all = columns(panels.start).start..columns(panels.end - 1).end;
            pack(self.kernels, self.b, k.clone(), all, width, own_b);
            for tile in tiles.clone() {
                if cancel.is_cancelled() {
                    return;
                }
                let mut next: &[f32] = &[];
                let a = if let Some(a) = ahead {
                    let at =
                        |tile: usize| &a[(tile * depth + k.start) * height..][..k.len() * height];
                    if tile + 1 < tiles.end {
                        next = at(tile + 1);
                    }
                    at(tile)
                } else {
                    let to = &mut own_a[..k.len() * height];
                    self.pack_tile(rows, tile, k.clone(), to);
                    to
                };
                let blocks = own_b.chunks_exact(k.len() * width);
                let mut next = next.chunks(next.len().div_ceil(panels.len()).max(1));
                for (panel, b) in panels.clone().zip(blocks) {
                    let next = next.next().unwrap_or_default();
                    // SAFETY: each tile of each panel is in one task.
                    let c = unsafe { c.columns(self.lines(rows, tile), cols, columns(panel)) };
                    self.kernels.gemm_tile(self.tile, a, b, next, start > 0, c);
                }
            }
        }
    }
}
