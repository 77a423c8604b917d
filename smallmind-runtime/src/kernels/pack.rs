//! Weights from ggml's blocks to panels.
//!
//! The source of the block formats is ggml's `ggml-common.h` and its
//! dequantization functions, as published with GGUF.

mod grids;
mod low_bit;
mod write;

use super::format::{Format, with_format};
use super::generic::matmul::{Brain, Float, Half, Single};
use super::layout::{
    Bits2, Bits3, Bits4, Bits5, Bits6, Bits8, Flat, FlatMin, Fp4, Iq1, Iq2, Iq3S, Iq3Xxs, Iq4,
    Lookup, SuperMin, SuperSigned,
};
use super::layout::{CHUNK, Codes, PANEL, Scales, array};
use super::memory::{Arena, Region};
use super::scalar::Scalar;
use crate::Error;
use memmap2::Mmap;
use rayon::prelude::*;
use smallmind_abstractions::CancellationToken;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a source that are packed together.
const SLAB: usize = 8 << 20;

/// What packing needs.
#[derive(Clone, Copy)]
pub(crate) struct Packing<'a> {
    /// Where matrices go.
    pub(crate) memory: &'a Arena,
    /// Is told of each part of a source that is not needed any longer.
    pub(crate) done: &'a dyn Fn(&[u8]),
    pub(crate) cancel: &'a CancellationToken,
}

/// A matrix of weights in the layout that kernels read.
#[derive(Debug)]
pub(crate) struct PackedMatrix {
    format: Format,
    rows: usize,
    cols: usize,
    panel_bytes: usize,
    data: Panels,
}

/// Where panels lie.
#[derive(Debug)]
enum Panels {
    Packed(Region),
    /// Some bytes of a file.
    Mapped(Arc<Mmap>, Range<usize>),
}

impl Format {
    /// Weights in one of ggml's blocks, and its bytes.
    pub(crate) fn source_block(self) -> (usize, usize) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 | Self::BF16 => (1, 2),
            Self::Q4_0 | Self::IQ4_NL => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q2_K => (256, 84),
            Self::Q3_K => (256, 110),
            Self::Q4_K => (256, 144),
            Self::Q5_K => (256, 176),
            Self::Q6_K => (256, 210),
            Self::IQ4_XS => (256, 136),
            Self::IQ2_XXS | Self::TQ2_0 => (256, 66),
            Self::IQ2_XS => (256, 74),
            Self::IQ2_S => (256, 82),
            Self::IQ3_XXS => (256, 98),
            Self::IQ3_S => (256, 110),
            Self::IQ1_S => (256, 50),
            Self::IQ1_M => (256, 56),
            Self::TQ1_0 => (256, 54),
            Self::MXFP4 => (32, 17),
            Self::NVFP4 => (64, 36),
            Self::Q1_0 => (128, 18),
            Self::Q2_0 => (64, 18),
        }
    }
}

impl PackedMatrix {
    /// Packs `rows` rows of `cols` weights in ggml's blocks.
    ///
    /// `source` holds the rows one after the other and has exactly their size;
    /// `cols` is a multiple of the block.
    pub(crate) fn pack(
        format: Format,
        rows: usize,
        cols: usize,
        source: &[u8],
        packing: Packing<'_>,
    ) -> Result<Self, Error> {
        let (block, block_bytes) = format.source_block();
        let row_bytes = cols / block * block_bytes;
        assert!(cols.is_multiple_of(block) && source.len() == rows * row_bytes);
        let panel_bytes = cols / format.unit_len() * format.unit_bytes();
        let panels = rows.div_ceil(PANEL);
        let mut data = packing.memory.region(panels * panel_bytes)?;
        let (panel_source, slab) = (PANEL * row_bytes, (SLAB / (PANEL * row_bytes).max(1)).max(1));
        let slabs = data.chunks_mut((slab * panel_bytes).max(1));
        for (data, source) in slabs.zip(source.chunks((slab * panel_source).max(1))) {
            data.par_chunks_exact_mut(panel_bytes)
                .zip(source.par_chunks(panel_source))
                .try_for_each_init(Vec::new, |near, (panel, rows)| {
                    packing.cancel.check()?;
                    // Memory is fast from front to back, not along sixteen rows.
                    near.clear();
                    near.extend_from_slice(rows);
                    pack_panel(format, near, row_bytes, panel);
                    Ok::<_, Error>(())
                })?;
            (packing.done)(source);
        }
        Ok(Self { format, rows, cols, panel_bytes, data: Panels::Packed(data) })
    }

    /// Bytes of the panels of a matrix, whose columns are whole blocks.
    pub(crate) fn byte_len(format: Format, rows: u64, cols: u64) -> Option<u64> {
        let units = (cols / format.unit_len() as u64).checked_mul(format.unit_bytes() as u64)?;
        rows.div_ceil(PANEL as u64).checked_mul(units)
    }

    /// Some rows of a matrix whose panels lie in a file already, from `offset`
    /// on; `None` where the first of them begins no panel.
    pub(crate) fn mapped(
        format: Format,
        rows: Range<usize>,
        cols: usize,
        map: &Arc<Mmap>,
        offset: usize,
    ) -> Option<Self> {
        let panel_bytes = cols / format.unit_len() * format.unit_bytes();
        let start = offset + rows.start / PANEL * panel_bytes;
        let range = start..start + rows.len().div_ceil(PANEL) * panel_bytes;
        assert!(range.end <= map.len());
        let data = Panels::Mapped(Arc::clone(map), range);
        let matrix = Self { format, rows: rows.len(), cols, panel_bytes, data };
        rows.start.is_multiple_of(PANEL).then_some(matrix)
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Outputs of a product.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs of a product.
    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    /// The number of panels.
    pub(crate) fn panels(&self) -> usize {
        self.rows.div_ceil(PANEL)
    }

    /// Bytes of a panel.
    pub(crate) fn panel_bytes(&self) -> usize {
        self.panel_bytes
    }

    /// The bytes of one panel.
    #[inline]
    pub(crate) fn panel(&self, index: usize) -> &[u8] {
        &self.bytes()[index * self.panel_bytes..][..self.panel_bytes]
    }

    /// The bytes of all panels, one after the other.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match &self.data {
            Panels::Packed(data) => data,
            Panels::Mapped(map, range) => &map[range.clone()],
        }
    }

    /// One row as floats: `out` has a value for each column.
    pub(crate) fn dequantize_row(&self, row: usize, out: &mut [f32]) {
        dequantize_lane(self.format, self.panel(row / PANEL), row % PANEL, out);
    }
}

/// The weights of some blocks of a quantized format, one after the other.
pub(crate) fn dequantize_blocks(format: Format, source: &[u8], out: &mut [f32]) {
    // Rows of one block each.
    let (block, block_bytes) = format.source_block();
    let mut panel = vec![0; block / format.unit_len() * format.unit_bytes()];
    for (rows, out) in source.chunks(PANEL * block_bytes).zip(out.chunks_mut(PANEL * block)) {
        pack_panel(format, rows, block_bytes, &mut panel);
        for (lane, out) in out.chunks_exact_mut(block).enumerate() {
            dequantize_lane(format, &panel, lane, out);
        }
    }
}

/// One row of a panel as floats.
fn dequantize_lane(format: Format, panel: &[u8], lane: usize, out: &mut [f32]) {
    macro_rules! quantized {
        ($c:ty, $s:ty, ()) => {
            dequantize::<$c, $s>(panel, lane, out)
        };
    }
    macro_rules! float {
        ($f:ty, ()) => {
            for (w, out) in panel.chunks_exact(<$f>::BYTES).zip(out) {
                *out = <$f>::read(Scalar, w)[lane];
            }
        };
    }
    with_format!(format, quantized!(), float!());
}

fn dequantize<C: Codes, L: Scales>(panel: &[u8], lane: usize, out: &mut [f32]) {
    let zero = if L::HAS_MIN { 0 } else { 1 << (C::BITS - 1) };
    let units = panel.chunks_exact(super::layout::unit_bytes::<C, L>());
    for (unit, out) in units.zip(out.chunks_exact_mut(L::CHUNKS * CHUNK)) {
        let (head, chunks) = unit.split_at(L::HEAD);
        let head = L::head(Scalar, head);
        let chunks = chunks.chunks_exact(L::BYTES + C::BYTES);
        for (chunk, out) in chunks.zip(out.as_chunks_mut::<CHUNK>().0) {
            let (scales, codes) = chunk.split_at(L::BYTES);
            let scales = L::read(Scalar, head, scales);
            let codes = C::unpack(Scalar, codes);
            for (k, out) in out.iter_mut().enumerate() {
                let [scale, min] = scales[k / (CHUNK / L::GROUPS)];
                let code = i32::from(codes[k / 4][lane * 4 + k % 4]) - zero;
                *out = scale[lane] * code as f32 + min[lane];
            }
        }
    }
}

fn pack_panel(format: Format, rows: &[u8], row_bytes: usize, panel: &mut [u8]) {
    let (block, block_bytes) = format.source_block();
    if !format.is_quantized() {
        for (lane, row) in rows.chunks_exact(row_bytes).enumerate() {
            let cells = panel.chunks_exact_mut(PANEL * block_bytes);
            for (cell, weight) in cells.zip(row.chunks_exact(block_bytes)) {
                cell[lane * block_bytes..][..block_bytes].copy_from_slice(weight);
            }
        }
        return;
    }
    let units = block / format.unit_len();
    let mut blocks = [const { Block::ZERO }; PANEL];
    for (i, unit) in panel.chunks_exact_mut(format.unit_bytes()).enumerate() {
        for (b, row) in blocks.iter_mut().zip(rows.chunks_exact(row_bytes)) {
            b.read(format, &row[i / units * block_bytes..][..block_bytes], i % units);
        }
        macro_rules! quantized {
            ($c:ty, $s:ty, ()) => {
                write::unit::<$c, $s>(&blocks, unit)
            };
        }
        macro_rules! float {
            ($f:ty, ()) => {
                ()
            };
        }
        with_format!(format, quantized!(), float!());
    }
}

/// One of ggml's blocks, or a unit of one, with its parts laid out plainly.
struct Block {
    d: [u8; 2],
    /// The second scale where there is one for each 16 weights.
    min: [u8; 2],
    /// Of each group of 16 or 32, as the format has it.
    scales: [u8; 16],
    mins: [u8; 16],
    codes: [u8; 256],
}

impl Block {
    const ZERO: Self =
        Self { d: [0; 2], min: [0; 2], scales: [0; 16], mins: [0; 16], codes: [0; 256] };

    /// Reads the `unit`th unit of the block `b`.
    fn read(&mut self, format: Format, b: &[u8], unit: usize) {
        match format {
            Format::Q4_0 | Format::IQ4_NL => self.read_flat(b, None, None, 2),
            Format::Q4_1 => self.read_flat(b, Some(2), None, 4),
            Format::Q5_0 => self.read_flat(b, None, Some(2), 6),
            Format::Q5_1 => self.read_flat(b, Some(2), Some(4), 8),
            Format::Q8_0 => {
                self.d = *array(b, 0);
                for (code, &q) in self.codes.iter_mut().zip(&b[2..34]) {
                    *code = q ^ 0x80;
                }
            }
            Format::Q2_K => self.read_q2_k(b),
            Format::Q3_K => self.read_q3_k(b),
            Format::Q4_K => self.read_q45_k(b, None, array(b, 16)),
            Format::Q5_K => self.read_q45_k(b, Some(array(b, 16)), array(b, 48)),
            Format::Q6_K => self.read_q6_k(b),
            Format::IQ4_XS => self.read_iq4_xs(b),
            Format::IQ2_XXS => self.read_iq2_xxs(b),
            Format::IQ2_XS => self.read_iq2_xs(b),
            Format::IQ2_S => self.read_iq2_s(b),
            Format::IQ3_XXS => self.read_iq3_xxs(b),
            Format::IQ3_S => self.read_iq3_s(b),
            Format::IQ1_S => self.read_iq1_s(b),
            Format::IQ1_M => self.read_iq1_m(b),
            Format::TQ1_0 => self.read_tq1_0(b),
            Format::TQ2_0 => self.read_tq2_0(b),
            Format::MXFP4 => self.read_mxfp4(b),
            Format::NVFP4 => self.read_nvfp4(b, unit),
            Format::Q1_0 => self.read_q1_0(b, unit),
            Format::Q2_0 => self.read_q2_0(b, unit),
            Format::F32 | Format::F16 | Format::BF16 => {}
        }
    }

    /// 32 weights: nibbles of weights `i` and `i + 16` share a byte.
    fn read_flat(&mut self, b: &[u8], min: Option<usize>, fifth: Option<usize>, nibbles: usize) {
        self.d = *array(b, 0);
        self.min = min.map_or([0; 2], |at| *array(b, at));
        let codes = &mut self.codes.as_chunks_mut::<32>().0[0];
        let (low, high) = codes.split_at_mut(16);
        for ((low, high), q) in low.iter_mut().zip(high).zip(array::<16>(b, nibbles)) {
            (*low, *high) = (q & 15, q >> 4);
        }
        if let Some(at) = fifth {
            for (codes, bits) in codes.as_chunks_mut::<8>().0.iter_mut().zip(array::<4>(b, at)) {
                let all = u64::from_le_bytes(*codes) | spread(*bits) << 4;
                *codes = all.to_le_bytes();
            }
        }
    }

    fn read_q2_k(&mut self, b: &[u8]) {
        let (scales, quants): (&[u8; 16], &[u8; 64]) = (array(b, 0), array(b, 16));
        (self.d, self.min) = (*array(b, 80), *array(b, 82));
        self.scales = scales.map(|s| s & 15);
        self.mins = scales.map(|s| s >> 4);
        for (part, codes) in self.codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let quants = &quants[part / 4 * 32..][..32];
            for (code, q) in codes.iter_mut().zip(quants) {
                *code = (q >> (part % 4 * 2)) & 3;
            }
        }
    }

    fn read_q3_k(&mut self, b: &[u8]) {
        let (high, quants): (&[u8; 32], &[u8; 64]) = (array(b, 0), array(b, 32));
        let scales: &[u8; 12] = array(b, 96);
        self.d = *array(b, 108);
        for k in 0..16 {
            let low = scales[k % 8] >> (k / 8 * 4) & 15;
            let upper = scales[8 + k % 4] >> (k / 4 * 2) & 3;
            self.scales[k] = (low | upper << 4).wrapping_sub(32);
        }
        for (part, codes) in self.codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let quants = &quants[part / 4 * 32..][..32];
            for ((code, q), h) in codes.iter_mut().zip(quants).zip(high) {
                *code = (q >> (part % 4 * 2)) & 3 | (h >> part & 1) << 2;
            }
        }
    }

    fn read_q45_k(&mut self, b: &[u8], fifth: Option<&[u8; 32]>, quants: &[u8; 128]) {
        (self.d, self.min) = (*array(b, 0), *array(b, 2));
        let s: &[u8; 12] = array(b, 4);
        for j in 0..4 {
            self.scales[j] = s[j] & 63;
            self.mins[j] = s[j + 4] & 63;
            self.scales[j + 4] = s[j + 8] & 15 | s[j] >> 6 << 4;
            self.mins[j + 4] = s[j + 8] >> 4 | s[j + 4] >> 6 << 4;
        }
        for (part, codes) in self.codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let quants = &quants[part / 2 * 32..][..32];
            for (code, q) in codes.iter_mut().zip(quants) {
                *code = q >> (part % 2 * 4) & 15;
            }
            if let Some(fifth) = fifth {
                for (code, h) in codes.iter_mut().zip(fifth) {
                    *code |= (h >> part & 1) << 4;
                }
            }
        }
    }

    fn read_q6_k(&mut self, b: &[u8]) {
        let (low, high): (&[u8; 128], &[u8; 64]) = (array(b, 0), array(b, 128));
        self.scales = *array(b, 192);
        self.d = *array(b, 208);
        for (part, codes) in self.codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let (half, quarter) = (part / 4, part % 4);
            let low = &low[half * 64 + quarter % 2 * 32..][..32];
            let high = &high[half * 32..][..32];
            for ((code, l), h) in codes.iter_mut().zip(low).zip(high) {
                *code = l >> (quarter / 2 * 4) & 15 | (h >> (quarter * 2) & 3) << 4;
            }
        }
    }

    fn read_iq4_xs(&mut self, b: &[u8]) {
        self.d = *array(b, 0);
        let (high, low) = (u16::from_le_bytes(*array(b, 2)), array::<4>(b, 4));
        let quants: &[u8; 128] = array(b, 8);
        for (part, codes) in self.codes.as_chunks_mut::<32>().0.iter_mut().enumerate() {
            let scale =
                low[part / 2] >> (part % 2 * 4) & 15 | ((high >> (part * 2)) as u8 & 3) << 4;
            self.scales[part] = scale.wrapping_sub(32);
            for (i, q) in quants[part * 16..][..16].iter().enumerate() {
                codes[i] = q & 15;
                codes[i + 16] = q >> 4;
            }
        }
    }
}

/// Eight bits, each in the lowest of a byte.
fn spread(bits: u8) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // Byte `i` of a copy of all bits keeps bit `i`; what is not zero carries
    // into the highest.
    let kept = (u64::from(bits) * EACH) & 0x8040_2010_0804_0201;
    ((kept + 0x7f * EACH) >> 7) & EACH
}
