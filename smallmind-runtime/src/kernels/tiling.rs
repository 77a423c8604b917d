//! How tokens are cut into tiles.

use bytemuck::{Pod, Zeroable};

/// The widths of the tiles of the tokens that do not fill a whole one.
pub(super) const SMALL_TILE: usize = 4;
const HALF_TILE: usize = 8;

/// Where a tile of tokens begins and how wide it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TileSpan {
    /// Its first row among those that pad.
    pub(super) first: usize,
    /// Its first row without them.
    pub(super) row: usize,
    pub(super) width: usize,
    pub(super) tokens: usize,
}

/// Cuts the tokens of a group into tiles: as wide as the kernels go, then
/// smaller ones, the last padded.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Tiling {
    pub(super) matrix: usize,
    pub(super) tokens: usize,
    pub(super) widest: usize,
    /// Tiles, padded rows and rows of the groups before.
    pub(super) tile: usize,
    pub(super) first: usize,
    pub(super) row: usize,
}

impl Tiling {
    pub(super) fn full(self) -> usize {
        self.tokens / self.widest
    }

    fn rest_width(self) -> usize {
        match self.tokens % self.widest {
            few @ 1..=2 => few,
            3..=SMALL_TILE => SMALL_TILE,
            // Weights are unpacked once for each tile.
            _ => HALF_TILE.min(self.widest),
        }
    }

    /// Whether no tile is wider than a small one.
    pub(super) fn is_small(self) -> bool {
        self.full() == 0 && self.rest_width() <= SMALL_TILE
    }

    pub(super) fn len(self) -> usize {
        self.full() + (self.tokens % self.widest).div_ceil(self.rest_width())
    }

    /// Tokens with those that pad.
    pub(super) fn padded(self) -> usize {
        let rest = self.tokens % self.widest;
        self.full() * self.widest + rest.next_multiple_of(self.rest_width())
    }

    pub(super) fn get(self, tile: usize) -> TileSpan {
        let full = self.full();
        let (first, width) = if tile < full {
            (tile * self.widest, self.widest)
        } else {
            let width = self.rest_width();
            (full * self.widest + (tile - full) * width, width)
        };
        let tokens = width.min(self.tokens - first);
        TileSpan { first: self.first + first, row: self.row + first, width, tokens }
    }
}
