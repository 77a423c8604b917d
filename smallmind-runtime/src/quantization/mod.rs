//! Floats to ggml's block types, and back.
//!
//! A block type stands for its weights by few bits of code each and scales
//! that many share. Finding the scales is all there is to it: `search` fits
//! those of a few weights, `superblock` those of 256 together, both by least
//! squares; `encode` puts them where the formats want them. The formats are
//! those of ggml's `ggml-common.h`.
//!
//! ```
//! use smallmind_abstractions::CancellationToken;
//! use smallmind_runtime::container::TensorType;
//! use smallmind_runtime::quantization::{dequantize, quantize};
//!
//! let never = CancellationToken::new();
//! let weights: Vec<f32> = (0..256).map(|i| (i as f32 * 0.37).sin()).collect();
//! let blocks = quantize(TensorType::Q4_K, &weights, &never)?;
//! assert_eq!(blocks.len(), 144);
//! let mut back = vec![0.0; 256];
//! dequantize(TensorType::Q4_K, &blocks, &mut back, &never)?;
//! assert!(weights.iter().zip(&back).all(|(w, b)| (w - b).abs() < 0.1));
//! # Ok::<(), smallmind_runtime::Error>(())
//! ```

mod encode;
mod model;
mod recipe;
mod search;
mod superblock;
#[cfg(test)]
mod tests;

pub use model::{TensorReport, quantize_model};
pub use recipe::Recipe;

use crate::Error;
use crate::container::TensorType;
use crate::kernels::pack::dequantize_blocks;
use crate::model::format;
use half::{bf16, f16};
use rayon::prelude::*;
use smallmind_abstractions::CancellationToken;

/// Values that a thread takes at a time: whole blocks of every type.
const PIECE: usize = 64 * 256;

/// Turns one block of floats into the bytes of a block.
type Encoder = fn(&[f32], &mut [u8]);

/// The types that [`quantize`] makes.
pub const TARGETS: [TensorType; 15] = [
    TensorType::F32,
    TensorType::F16,
    TensorType::BF16,
    TensorType::Q8_0,
    TensorType::Q5_1,
    TensorType::Q5_0,
    TensorType::Q4_1,
    TensorType::Q4_0,
    TensorType::Q6_K,
    TensorType::Q5_K,
    TensorType::Q4_K,
    TensorType::Q3_K,
    TensorType::Q2_K,
    TensorType::IQ4_NL,
    TensorType::IQ4_XS,
];

fn encoder(tensor_type: TensorType) -> Option<Encoder> {
    Some(match tensor_type {
        TensorType::F32 => |x, to| to.copy_from_slice(&x[0].to_le_bytes()),
        TensorType::F16 => |x, to| to.copy_from_slice(&f16::from_f32(x[0]).to_le_bytes()),
        TensorType::BF16 => |x, to| to.copy_from_slice(&bf16::from_f32(x[0]).to_le_bytes()),
        TensorType::Q8_0 => encode::q8_0,
        TensorType::Q5_1 => encode::q5_1,
        TensorType::Q5_0 => encode::q5_0,
        TensorType::Q4_1 => encode::q4_1,
        TensorType::Q4_0 => encode::q4_0,
        TensorType::Q6_K => encode::q6_k,
        TensorType::Q5_K => encode::q5_k,
        TensorType::Q4_K => encode::q4_k,
        TensorType::Q3_K => encode::q3_k,
        TensorType::Q2_K => encode::q2_k,
        TensorType::IQ4_NL => encode::iq4_nl,
        TensorType::IQ4_XS => encode::iq4_xs,
        _ => return None,
    })
}

/// The blocks that stand for some floats, as GGUF holds them. The result does
/// not depend on how many threads compute it.
///
/// # Errors
/// [`Error::NoQuantizer`] for a type that is not among [`TARGETS`],
/// [`Error::PartialBlock`] where the values are not whole blocks,
/// [`Error::NotFinite`] where one is infinite or no number,
/// [`Error::Cancelled`].
pub fn quantize(
    tensor_type: TensorType,
    values: &[f32],
    cancel: &CancellationToken,
) -> Result<Vec<u8>, Error> {
    let encode = encoder(tensor_type).ok_or(Error::NoQuantizer { tensor_type })?;
    let (block, block_bytes) = whole_blocks(tensor_type, values.len())?;
    if let Some(index) = values.iter().position(|v| !v.is_finite()) {
        return Err(Error::NotFinite { index, value: values[index] });
    }
    let mut out = vec![0; values.len() / block * block_bytes];
    out.par_chunks_mut(PIECE / block * block_bytes).zip(values.par_chunks(PIECE)).try_for_each(
        |(out, values)| {
            cancel.check()?;
            for (to, x) in out.chunks_exact_mut(block_bytes).zip(values.chunks_exact(block)) {
                encode(x, to);
            }
            Ok::<_, Error>(())
        },
    )?;
    Ok(out)
}

/// The floats that some blocks stand for.
///
/// # Errors
/// [`Error::NoQuantizer`] for a type whose blocks are not read,
/// [`Error::PartialBlock`] where `out` is not whole blocks,
/// [`Error::MatrixShape`] where `blocks` are not those of `out`,
/// [`Error::Cancelled`].
pub fn dequantize(
    tensor_type: TensorType,
    blocks: &[u8],
    out: &mut [f32],
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let format = format(tensor_type).ok_or(Error::NoQuantizer { tensor_type })?;
    let (block, block_bytes) = whole_blocks(tensor_type, out.len())?;
    let expected = out.len() / block * block_bytes;
    if blocks.len() != expected {
        let (what, found) = ("bytes of blocks", blocks.len());
        return Err(Error::MatrixShape { what, expected, found });
    }
    out.par_chunks_mut(PIECE).zip(blocks.par_chunks(PIECE / block * block_bytes)).try_for_each(
        |(out, blocks)| {
            cancel.check()?;
            match tensor_type {
                TensorType::F32 => floats(blocks, out, f32::from_le_bytes),
                TensorType::F16 => floats(blocks, out, |b| f16::from_le_bytes(b).to_f32()),
                TensorType::BF16 => floats(blocks, out, |b| bf16::from_le_bytes(b).to_f32()),
                _ => dequantize_blocks(format, blocks, out),
            }
            Ok(())
        },
    )
}

fn floats<const N: usize>(bytes: &[u8], out: &mut [f32], read: impl Fn([u8; N]) -> f32) {
    for (out, bytes) in out.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *out = read(*bytes);
    }
}

/// Weights in a block and its bytes, where `len` weights are whole blocks.
fn whole_blocks(tensor_type: TensorType, len: usize) -> Result<(usize, usize), Error> {
    let block = tensor_type.block_size() as usize;
    if !len.is_multiple_of(block) {
        return Err(Error::PartialBlock { tensor_type, len });
    }
    Ok((block, tensor_type.type_size() as usize))
}
