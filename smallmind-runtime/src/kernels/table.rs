//! The table of kernels and how one is chosen.

#[cfg(target_arch = "aarch64")]
use super::aarch64::{Dotprod, Neon};
use super::format::{Format, with_format};
use super::generic::attention::{self, Block, Softmax, Visible};
use super::generic::gemm::{self, ADDED, Lines, TURNED};
use super::generic::matmul::{Brain, Float, Half, Single};
use super::generic::peaks;
use super::generic::rows::{self, Gate, RopePairs};
use super::layout::{
    Bits2, Bits3, Bits4, Bits5, Bits6, Bits8, CHUNK, Codes, Flat, FlatMin, Fp4, Iq1, Iq2, Iq3S,
    Iq3Xxs, Iq4, Lookup, Scales, SuperMin, SuperSigned,
};
use super::level::Level;
use super::parts::Columns;
use super::scalar::Scalar;
use super::simd::Simd;
use super::tiles::{float_tile, quantize, quantized_tile};
#[cfg(target_arch = "x86_64")]
use super::x86_64::{Avx2, Avx512};
use crate::Error;
use std::ops::Range;
use std::sync::OnceLock;

/// The environment variable that forces a [`Level`].
const FORCE: &str = "SMALLMIND_KERNELS";

type Tile = unsafe fn(&[u8], &[u32], &mut [f32]);
type SelectTile = fn(Format, usize) -> Tile;
type RmsNorm = unsafe fn(&[f32], &[f32], f32, &mut [f32]);
type LayerNorm = unsafe fn(&[f32], &[f32], &[f32], f32, &mut [f32]);
type GateFn = unsafe fn(Gate, &mut [f32], &[f32]);
type Add = unsafe fn(&mut [f32], &[f32]);
type Cap = unsafe fn(&mut [f32], f32);
type Put = unsafe fn(&[f32], &[f32], bool, Columns<'_, f32>);
type Quantize = unsafe fn(&[f32], usize, &mut [u32], usize);
type Rope = unsafe fn(RopePairs, &mut [f32], &[f32], &[f32]);
type Widen = unsafe fn(&[u16], &mut [f32]);
type Narrow = unsafe fn(&[f32], &mut [u16]);
type NarrowQ8 = unsafe fn(&[f32], &mut [i8; CHUNK]) -> u16;
type WidenQ8 = unsafe fn(&[u8], &[u16], &mut [f32]);
type AttendBlock = unsafe fn(Block<'_>, &[f32], &[Visible], &mut [Softmax], &mut [f32]);
type Fold = unsafe fn(&mut Softmax, &mut [f32], Softmax, &[f32]);
type Finish = unsafe fn(Softmax, &mut [f32]);
type GemmTile = unsafe fn(&[f32], &[f32], &[f32], bool, Columns<'_, f32>);
type SelectGemmTile = fn([usize; 2]) -> GemmTile;
type Turn = unsafe fn([&[f32]; TURNED], usize, &mut [f32]);
type Dots = unsafe fn([Lines<'_>; 2], Range<usize>, bool, Columns<'_, f32>);
type AddRows = unsafe fn(&[f32; ADDED], &[f32], usize, &mut [f32]);
type Dot = unsafe fn(&[f32], &[f32]) -> f32;
type DotsOfBytes = unsafe fn(&[i8], &[i16], &mut [i32]);
type Peak = unsafe fn(u64) -> f32;
type PeakRead = unsafe fn(&[u8]) -> f32;

/// The kernels of one instruction set.
#[derive(Debug)]
pub(crate) struct Kernels {
    level: Level,
    tile_width: usize,
    gemm_shape: [usize; 2],
    select_tile: SelectTile,
    rms_norm: RmsNorm,
    layer_norm: LayerNorm,
    gate: GateFn,
    add: Add,
    cap: Cap,
    put: Put,
    quantize: Quantize,
    rope: Rope,
    widen_f16: Widen,
    narrow_f16: Narrow,
    narrow_q8: NarrowQ8,
    widen_q8_by_position: WidenQ8,
    widen_q8_by_dim: WidenQ8,
    attend_block: AttendBlock,
    fold: Fold,
    finish: Finish,
    select_gemm_tile: SelectGemmTile,
    turn: Turn,
    dots_shape: [usize; 2],
    dots: Dots,
    add_rows: AddRows,
    dot: Dot,
    dots_of_bytes: DotsOfBytes,
    peak_fma: Peak,
    peak_dot: Peak,
    peak_read: PeakRead,
}

/// Compiles every kernel for the lanes `$simd` with `$features` enabled.
macro_rules! kernels {
    ($level:expr, $simd:ty, $make:expr $(, $features:literal)?) => {{
        $(#[target_feature(enable = $features)])?
        fn quantized<C: Codes, L: Scales, const T: usize>(w: &[u8], a: &[u32], out: &mut [f32]) {
            quantized_tile::<_, C, L, T>($make, w, a, out);
        }
        $(#[target_feature(enable = $features)])?
        fn float<F: Float, const T: usize>(w: &[u8], a: &[u32], out: &mut [f32]) {
            float_tile::<_, F, T>($make, w, a, out);
        }
        fn select<const T: usize>(format: Format) -> Tile {
            macro_rules! quantized {
                ($c:ty, $l:ty, ()) => {
                    quantized::<$c, $l, T>
                };
            }
            macro_rules! float {
                ($f:ty, ()) => {
                    float::<$f, T>
                };
            }
            with_format!(format, quantized!(), float!())
        }
        fn select_tile(format: Format, width: usize) -> Tile {
            match width {
                1 => select::<1>(format),
                2 => select::<2>(format),
                4 => select::<4>(format),
                8 => select::<8>(format),
                _ => select::<16>(format),
            }
        }
        $(#[target_feature(enable = $features)])?
        fn rms_norm(x: &[f32], w: &[f32], epsilon: f32, out: &mut [f32]) {
            rows::rms_norm($make, x, w, epsilon, out);
        }
        $(#[target_feature(enable = $features)])?
        fn layer_norm(x: &[f32], w: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
            rows::layer_norm($make, x, w, bias, epsilon, out);
        }
        $(#[target_feature(enable = $features)])?
        fn gate(function: Gate, gate: &mut [f32], up: &[f32]) {
            rows::gate($make, function, gate, up);
        }
        $(#[target_feature(enable = $features)])?
        fn add(x: &mut [f32], y: &[f32]) {
            rows::add($make, x, y);
        }
        $(#[target_feature(enable = $features)])?
        fn cap(x: &mut [f32], cap: f32) {
            rows::cap($make, x, cap);
        }
        $(#[target_feature(enable = $features)])?
        fn put(tile: &[f32], bias: &[f32], accumulate: bool, out: Columns<'_, f32>) {
            rows::put($make, tile, bias, accumulate, out);
        }
        $(#[target_feature(enable = $features)])?
        fn quantize_entry(x: &[f32], width: usize, tile: &mut [u32], t: usize) {
            quantize($make, x, width, tile, t);
        }
        $(#[target_feature(enable = $features)])?
        fn rope(pairs: RopePairs, x: &mut [f32], cos: &[f32], sin: &[f32]) {
            rows::rope(pairs, x, cos, sin);
        }
        $(#[target_feature(enable = $features)])?
        fn widen_f16(from: &[u16], to: &mut [f32]) {
            rows::widen_f16($make, from, to);
        }
        $(#[target_feature(enable = $features)])?
        fn narrow_f16(from: &[f32], to: &mut [u16]) {
            rows::narrow_f16($make, from, to);
        }
        $(#[target_feature(enable = $features)])?
        fn narrow_q8(x: &[f32], codes: &mut [i8; CHUNK]) -> u16 {
            rows::narrow_q8($make, x, codes)
        }
        $(#[target_feature(enable = $features)])?
        fn widen_q8_by_position(codes: &[u8], scales: &[u16], to: &mut [f32]) {
            rows::widen_q8_by_position($make, codes, scales, to);
        }
        $(#[target_feature(enable = $features)])?
        fn widen_q8_by_dim(codes: &[u8], scales: &[u16], to: &mut [f32]) {
            rows::widen_q8_by_dim($make, codes, scales, to);
        }
        $(#[target_feature(enable = $features)])?
        fn attend_block(
            block: Block<'_>,
            queries: &[f32],
            visible: &[Visible],
            softmax: &mut [Softmax],
            out: &mut [f32],
        ) {
            attention::block($make, block, queries, visible, softmax, out);
        }
        $(#[target_feature(enable = $features)])?
        fn fold(total: &mut Softmax, out: &mut [f32], block: Softmax, block_out: &[f32]) {
            attention::fold($make, total, out, block, block_out);
        }
        $(#[target_feature(enable = $features)])?
        fn finish(total: Softmax, out: &mut [f32]) {
            attention::finish($make, total, out);
        }
        $(#[target_feature(enable = $features)])?
        fn gemm_tile<const R: usize, const C: usize>(
            a: &[f32],
            b: &[f32],
            next: &[f32],
            add: bool,
            out: Columns<'_, f32>,
        ) {
            gemm::tile::<_, R, C>($make, a, b, next, add, out);
        }
        fn select_gemm_tile([rows, vectors]: [usize; 2]) -> GemmTile {
            const SHAPE: [usize; 2] = <$simd as Simd>::GEMM_TILE;
            const THIRD: usize = SHAPE[0] / 3;
            match (rows / THIRD, vectors) {
                (1, 1) => gemm_tile::<THIRD, 1>,
                (2, 1) => gemm_tile::<{ 2 * THIRD }, 1>,
                (_, 1) => gemm_tile::<{ 3 * THIRD }, 1>,
                (1, _) => gemm_tile::<THIRD, { SHAPE[1] }>,
                (2, _) => gemm_tile::<{ 2 * THIRD }, { SHAPE[1] }>,
                (_, _) => gemm_tile::<{ 3 * THIRD }, { SHAPE[1] }>,
            }
        }
        $(#[target_feature(enable = $features)])?
        fn turn(rows: [&[f32]; TURNED], width: usize, to: &mut [f32]) {
            gemm::turn($make, rows, width, to);
        }
        $(#[target_feature(enable = $features)])?
        fn dots(lines: [Lines<'_>; 2], k: Range<usize>, add: bool, out: Columns<'_, f32>) {
            const SHAPE: [usize; 2] = <$simd as Simd>::DOTS_TILE;
            gemm::dots::<_, { SHAPE[0] }, { SHAPE[1] }>($make, lines, k, add, out);
        }
        $(#[target_feature(enable = $features)])?
        fn add_rows(x: &[f32; ADDED], rows: &[f32], stride: usize, out: &mut [f32]) {
            gemm::add_rows($make, x, rows, stride, out);
        }
        $(#[target_feature(enable = $features)])?
        fn dot(a: &[f32], b: &[f32]) -> f32 {
            gemm::dot($make, a, b)
        }
        $(#[target_feature(enable = $features)])?
        fn dots_of_bytes(bytes: &[i8], query: &[i16], out: &mut [i32]) {
            rows::dots_of_bytes(bytes, query, out);
        }
        $(#[target_feature(enable = $features)])?
        fn peak_fma(rounds: u64) -> f32 {
            peaks::fma($make, rounds)
        }
        $(#[target_feature(enable = $features)])?
        fn peak_dot(rounds: u64) -> f32 {
            peaks::dot($make, rounds)
        }
        $(#[target_feature(enable = $features)])?
        fn peak_read(bytes: &[u8]) -> f32 {
            peaks::read($make, bytes)
        }
        Kernels {
            level: $level,
            tile_width: <$simd as Simd>::TILE,
            gemm_shape: <$simd as Simd>::GEMM_TILE,
            select_tile,
            rms_norm,
            layer_norm,
            gate,
            add,
            cap,
            put,
            quantize: quantize_entry,
            rope,
            widen_f16,
            narrow_f16,
            narrow_q8,
            widen_q8_by_position,
            widen_q8_by_dim,
            attend_block,
            fold,
            finish,
            select_gemm_tile,
            turn,
            dots_shape: <$simd as Simd>::DOTS_TILE,
            dots,
            add_rows,
            dot,
            dots_of_bytes,
            peak_fma,
            peak_dot,
            peak_read,
        }
    }};
}

impl Kernels {
    /// The kernels of a level, where this CPU has it.
    pub(crate) fn new(level: Level) -> Option<&'static Self> {
        static TABLES: [OnceLock<Option<Kernels>>; Level::ALL.len()] =
            [const { OnceLock::new() }; Level::ALL.len()];
        TABLES[level as usize].get_or_init(|| Self::build(level)).as_ref()
    }

    fn build(level: Level) -> Option<Self> {
        match level {
            Level::Scalar => Some(kernels!(level, Scalar, Scalar)),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => Avx2::new().map(|_| {
                kernels!(
                    level,
                    Avx2,
                    // SAFETY: this table is built only after `new`.
                    unsafe { Avx2::assume() },
                    "avx2,fma,f16c"
                )
            }),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => Avx512::new().map(|_| {
                kernels!(
                    level,
                    Avx512,
                    // SAFETY: this table is built only after `new`.
                    unsafe { Avx512::assume() },
                    "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"
                )
            }),
            #[cfg(not(target_arch = "x86_64"))]
            Level::Avx2 | Level::Avx512 => None,
            #[cfg(target_arch = "aarch64")]
            Level::Neon => Some(kernels!(level, Neon, Neon)),
            #[cfg(target_arch = "aarch64")]
            Level::Dotprod => Dotprod::new().map(|_| {
                kernels!(
                    level,
                    Dotprod,
                    // SAFETY: this table is built only after `new`.
                    unsafe { Dotprod::assume() },
                    "neon,dotprod"
                )
            }),
            #[cfg(not(target_arch = "aarch64"))]
            Level::Neon | Level::Dotprod => None,
        }
    }

    /// The fastest kernels this CPU has, or those that the environment
    /// variable `SMALLMIND_KERNELS` names.
    pub(crate) fn best() -> Result<&'static Self, Error> {
        let best = Level::ALL.into_iter().rev().find_map(Self::new);
        let best = best.expect("the scalar kernels run anywhere");
        let Some(name) = std::env::var_os(FORCE) else {
            return Ok(best);
        };
        let name = name.to_string_lossy();
        let level = name.parse::<Level>().ok();
        level.and_then(Self::new).ok_or_else(|| unavailable(&name))
    }

    /// The kernels of one level.
    pub(crate) fn of(level: Level) -> Result<&'static Self, Error> {
        Self::new(level).ok_or_else(|| unavailable(level.as_str()))
    }

    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// The widest tile of tokens that [`tile`](Self::tile) has.
    pub(crate) fn tile_width(&self) -> usize {
        self.tile_width
    }

    /// Rows and columns of what [`dots`](Self::dots) computes.
    pub(crate) fn dots_shape(&self) -> [usize; 2] {
        self.dots_shape
    }

    /// Rows, and vectors of columns, of each tile of a product of floats; the
    /// largest first.
    pub(crate) fn gemm_shapes(&self) -> impl Iterator<Item = [usize; 2]> {
        let [rows, vectors] = self.gemm_shape;
        let heights = (1..=3).rev().map(move |thirds| rows / 3 * thirds);
        heights.flat_map(move |height| (1..=vectors).rev().map(move |v| [height, v]))
    }

    /// A tile of a product of packed floats, of one of the
    /// [shapes](Self::gemm_shapes): see [`gemm::tile`].
    #[inline]
    pub(crate) fn gemm_tile(
        &self,
        shape: [usize; 2],
        a: &[f32],
        b: &[f32],
        next: &[f32],
        add: bool,
        out: Columns<'_, f32>,
    ) {
        // SAFETY: as for all functions of the table, below.
        unsafe { (self.select_gemm_tile)(shape)(a, b, next, add, out) }
    }

    /// The product of a panel and a tile `width` tokens wide: sixteen outputs
    /// a token.
    #[inline]
    pub(crate) fn tile(
        &self,
        format: Format,
        width: usize,
        panel: &[u8],
        activations: &[u32],
        out: &mut [f32],
    ) {
        // SAFETY: as for all functions of the table, below.
        unsafe { (self.select_tile)(format, width)(panel, activations, out) }
    }
}

fn unavailable(name: &str) -> Error {
    let names = Level::ALL.into_iter().filter(|l| l.is_available()).map(Level::as_str);
    Error::KernelsUnavailable {
        name: name.to_owned(),
        available: names.collect::<Vec<_>>().join(", "),
    }
}

/// Safe methods over the function pointers of the table.
macro_rules! methods {
    ($($(#[$attribute:meta])* $name:ident($($arg:ident: $t:ty),*) $(-> $r:ty)?;)*) => {
        impl Kernels {$(
            $(#[$attribute])*
            #[inline]
            pub(crate) fn $name(&self, $($arg: $t),*) $(-> $r)? {
                // SAFETY: a table exists only where its CPU features were
                // detected, and the functions ask for nothing else.
                unsafe { (self.$name)($($arg),*) }
            }
        )*}
    };
}
methods! {
    /// `out = x / sqrt(mean(x²) + epsilon) * weight`.
    rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]);
    /// `out = (x - mean(x)) / sqrt(variance(x) + epsilon) * weight + bias`.
    layer_norm(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]);
    /// `gate = f(gate) * up`; no `up` is ones.
    gate(function: Gate, gate: &mut [f32], up: &[f32]);
    /// `x += y`.
    add(x: &mut [f32], y: &[f32]);
    /// `x = cap * tanh(x / cap)`.
    cap(x: &mut [f32], cap: f32);
    /// Writes a tile of products, plus a bias, to its place or adds it there.
    put(tile: &[f32], bias: &[f32], accumulate: bool, out: Columns<'_, f32>);
    /// Quantizes a token into lane `t` of a tile of `width`.
    quantize(x: &[f32], width: usize, tile: &mut [u32], t: usize);
    /// Rotates one head by the angles whose cosines and sines are given.
    rope(pairs: RopePairs, x: &mut [f32], cos: &[f32], sin: &[f32]);
    /// IEEE half precision to single; lengths are multiples of sixteen.
    widen_f16(from: &[u16], to: &mut [f32]);
    /// Single to IEEE half precision; lengths are multiples of sixteen.
    narrow_f16(from: &[f32], to: &mut [u16]);
    /// Up to 32 values to bytes; returns their scale in half precision.
    narrow_q8(x: &[f32], codes: &mut [i8; CHUNK]) -> u16;
    /// Bytes by dimension to floats.
    widen_q8_by_position(codes: &[u8], scales: &[u16], to: &mut [f32]);
    /// Bytes by position to floats.
    widen_q8_by_dim(codes: &[u8], scales: &[u16], to: &mut [f32]);
    /// Attention of some rows to one block.
    attend_block(block: Block<'_>, queries: &[f32], visible: &[Visible], softmax: &mut [Softmax], out: &mut [f32]);
    /// Folds the next block of a row into what came before.
    fold(total: &mut Softmax, out: &mut [f32], block: Softmax, block_out: &[f32]);
    /// Divides a row by its sum of exponentials.
    finish(total: Softmax, out: &mut [f32]);
    /// Writes rows as columns: see [`gemm::turn`].
    turn(rows: [&[f32]; TURNED], width: usize, to: &mut [f32]);
    /// A tile of [`dots_shape`](Self::dots_shape) dot products: see
    /// [`gemm::dots`].
    dots(lines: [Lines<'_>; 2], k: Range<usize>, add: bool, out: Columns<'_, f32>);
    /// Adds rows times numbers: see [`gemm::add_rows`].
    add_rows(x: &[f32; ADDED], rows: &[f32], stride: usize, out: &mut [f32]);
    /// The dot product of two rows.
    dot(a: &[f32], b: &[f32]) -> f32;
    /// The dot products of rows of bytes: see [`rows::dots_of_bytes`].
    dots_of_bytes(rows: &[i8], query: &[i16], out: &mut [i32]);
    /// Rounds of [`peaks::FLOPS`] operations in single precision.
    peak_fma(rounds: u64) -> f32;
    /// Rounds of [`peaks::INT8_OPS`] operations on bytes.
    peak_dot(rounds: u64) -> f32;
    /// Reads all bytes.
    peak_read(bytes: &[u8]) -> f32;
}
