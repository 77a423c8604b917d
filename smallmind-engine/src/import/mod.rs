//! Models of other formats as GGUF.
//!
//! ```no_run
//! use smallmind_abstractions::CancellationToken;
//! use smallmind_engine::import;
//!
//! let (from, to) = ("all-MiniLM-L6-v2".as_ref(), "all-MiniLM-L6-v2.gguf".as_ref());
//! import::sentence_transformer(from, to, &CancellationToken::new())?;
//! # Ok::<(), smallmind_engine::Error>(())
//! ```

mod bert;
mod folder;

use crate::Error;
use bert::{POSITIONS, numbers, positions, tensor_name};
use folder::Folder;
use safetensors::{Dtype, SafeTensors};
use smallmind_abstractions::{CancellationToken, Error as AbstractError};
use smallmind_runtime::container::{GgufWriter, Shape, TensorType};
use smallmind_tokenizers::hf;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// Writes a folder of sentence-transformers that holds a BERT, as
/// `all-MiniLM-L6-v2` is one, as a GGUF file: `config.json`, `tokenizer.json`
/// and `model.safetensors`, and `modules.json`, which says how the vectors of
/// tokens become one. The same folder always gives the same bytes.
///
/// # Errors
/// [`Error::Import`] for what is missing, damaged, or not computed here;
/// [`Error::Tokenizer`]; [`Error::Encoding`] with the cause where `cancel` was
/// cancelled.
pub fn sentence_transformer(
    from: &Path,
    to: &Path,
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let folder = Folder::new(from);
    let mut metadata = hf::load(&folder.read("tokenizer.json")?)?;
    numbers(&folder, &mut metadata)?;
    let positions = positions(&folder)? as usize;
    let data = folder.read("model.safetensors")?;
    let damaged = |reason: String| folder.wrong("model.safetensors", reason);
    let tensors = SafeTensors::deserialize(&data).map_err(|e| damaged(e.to_string()))?;
    let mut names = tensors.names();
    names.sort_unstable();
    let mut writer = GgufWriter::new(metadata);
    for name in names {
        cancel.check().map_err(AbstractError::from)?;
        let Some(ours) = tensor_name(name) else {
            return Err(damaged(format!("tensor '{}' is not of a BERT", name.escape_debug())));
        };
        let Some(ours) = ours else { continue };
        let tensor = tensors.tensor(name).map_err(|e| damaged(e.to_string()))?;
        let mut dims: Vec<_> = tensor.shape().iter().rev().map(|d| *d as u64).collect();
        let mut data = tensor.data();
        if let (POSITIONS, [_, rows]) = (ours.as_str(), &mut dims[..])
            && *rows > positions as u64
        {
            // Those that no text reaches.
            data = &data[..data.len() / *rows as usize * positions];
            *rows = positions as u64;
        }
        let shape = Shape::new(&dims);
        let shape = shape.ok_or_else(|| damaged(format!("tensor '{name}' has shape {dims:?}")))?;
        let tensor_type = match tensor.dtype() {
            Dtype::F32 => TensorType::F32,
            Dtype::F16 => TensorType::F16,
            Dtype::BF16 => TensorType::BF16,
            other => return Err(damaged(format!("tensor '{name}' has type {other:?}"))),
        };
        writer.tensor(&ours, shape, tensor_type, data);
    }
    let failed = |e| folder.wrong(&to.display().to_string(), format!("cannot be written: {e}"));
    let file = File::create(to).map_err(failed)?;
    writer.write(BufWriter::with_capacity(1 << 20, file)).map_err(failed)
}
