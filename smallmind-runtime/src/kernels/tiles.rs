//! Tiles of a width that is known when they are compiled, from words that are
//! not.

use super::generic::matmul::{self, Float, QuantizedChunk};
use super::generic::rows;
use super::layout::{Codes, Scales};
use super::simd::{LANES, Simd};

#[inline(always)]
pub(super) fn quantized_tile<S: Simd, C: Codes, L: Scales, const T: usize>(
    s: S,
    weights: &[u8],
    activations: &[u32],
    out: &mut [f32],
) {
    // Tiles wider than the registers hold are never asked for.
    if T <= S::TILE {
        let a = bytemuck::cast_slice::<u32, QuantizedChunk<T>>(activations);
        matmul::quantized::<S, C, L, T>(s, weights, a, tile_out(out));
    }
}

#[inline(always)]
pub(super) fn float_tile<S: Simd, F: Float, const T: usize>(
    s: S,
    weights: &[u8],
    activations: &[u32],
    out: &mut [f32],
) {
    if T <= S::TILE {
        let a = bytemuck::cast_slice::<u32, [f32; T]>(activations);
        matmul::float::<S, F, T>(s, weights, a, tile_out(out));
    }
}

#[inline(always)]
fn tile_out<const T: usize>(out: &mut [f32]) -> &mut [[f32; LANES]; T] {
    out.as_chunks_mut().0.first_chunk_mut().expect("sixteen outputs a token")
}

#[inline(always)]
pub(super) fn quantize<S: Simd>(s: S, x: &[f32], width: usize, tile: &mut [u32], t: usize) {
    match width {
        1 => rows::quantize::<S, 1>(s, x, bytemuck::cast_slice_mut(tile), t),
        2 => rows::quantize::<S, 2>(s, x, bytemuck::cast_slice_mut(tile), t),
        4 => rows::quantize::<S, 4>(s, x, bytemuck::cast_slice_mut(tile), t),
        8 => rows::quantize::<S, 8>(s, x, bytemuck::cast_slice_mut(tile), t),
        _ => rows::quantize::<S, 16>(s, x, bytemuck::cast_slice_mut(tile), t),
    }
}
