//! The GGUF container, versions 2 and 3.
//!
//! Source: the GGUF specification in ggml's `docs/gguf.md`. All numbers are
//! little-endian:
//!
//! ```text
//! "GGUF"  version u32  tensors u64  keys u64
//! key:    string  type u32  value          (string: length u64, bytes)
//! tensor: string  dimensions u32, u64 each  type u32  offset u64
//! data, from the next multiple of general.alignment
//! ```

use super::cursor::Cursor;
use super::file::Part;
use super::tensor::{Shape, Storage, TensorInfo, TensorType};
use super::values::{metadata, name};
use crate::Error;
use smallmind_abstractions::{Metadata, MetadataValue};
use std::path::Path;

pub(super) const MAGIC: [u8; 4] = *b"GGUF";
pub(super) const DEFAULT_ALIGNMENT: u64 = 32;
pub(super) const ALIGNMENT_KEY: &str = "general.alignment";
/// Bytes of the shortest key with its value, and of the shortest tensor.
const LEAST_KEY: u64 = 13;
const LEAST_TENSOR: u64 = 32;

/// Reads the header of a file, the `split`th of a model.
pub(super) fn read(path: &Path, bytes: &[u8], split: usize) -> Result<Part, Error> {
    let mut c = Cursor::new(path, bytes);
    let version = version(path, &mut c)?;
    let tensors = c.count(LEAST_TENSOR, "tensor count")?;
    let keys = c.count(LEAST_KEY, "metadata key count")?;
    let metadata = metadata(&mut c, keys)?;
    let alignment = alignment(&c, &metadata)?;
    let tensors = tensor_table(&mut c, tensors, split)?;
    let tensors = place(&c, bytes.len() as u64, alignment, tensors)?;
    Ok(Part { version, alignment, metadata, tensors })
}

fn version(path: &Path, c: &mut Cursor<'_>) -> Result<u32, Error> {
    let unsupported = |what: String, advice: &str| Error::Unsupported {
        file: path.to_owned(),
        what,
        advice: advice.to_owned(),
    };
    let magic = c.take(4, "magic")?;
    if magic != MAGIC {
        let found = format!("'{}'", magic.escape_ascii());
        return Err(Cursor::new(path, &[]).damaged("magic", "'GGUF'", found));
    }
    match c.u32("version")? {
        version @ (2 | 3) => Ok(version),
        1 => Err(unsupported("GGUF version 1".into(), "convert it to version 3 with gguf-py")),
        version if (1..65_536).contains(&version.swap_bytes()) => {
            Err(unsupported("a big-endian file".into(), "convert it with gguf_convert_endian.py"))
        }
        version => Err(unsupported(format!("GGUF version {version}"), "versions 2 and 3 are read")),
    }
}

fn alignment(c: &Cursor<'_>, metadata: &Metadata) -> Result<u64, Error> {
    let what = format!("metadata key '{ALIGNMENT_KEY}'");
    match metadata.value(ALIGNMENT_KEY) {
        None => Ok(DEFAULT_ALIGNMENT),
        Some(MetadataValue::U32(n)) if n.is_power_of_two() => Ok(u64::from(*n)),
        Some(MetadataValue::U32(n)) => Err(c.damaged(&what, "a power of two", n.to_string())),
        Some(other) => Err(c.damaged(&what, "a value of type u32", other.value_type().to_string())),
    }
}

/// The table, with offsets from the start of the data.
fn tensor_table(c: &mut Cursor<'_>, count: usize, split: usize) -> Result<Vec<TensorInfo>, Error> {
    let mut tensors = Vec::new();
    for i in 0..count {
        let name = name(c, &format!("name of tensor {i}"))?;
        let what = format!("tensor '{}'", name.escape_debug());
        let shape = shape(c, &what)?;
        let id = c.u32(&what)?;
        let tensor_type = TensorType::from_id(id)
            .ok_or_else(|| c.damaged(&what, "a type of ggml", TensorType::describe_unknown(id)))?;
        let byte_len = tensor_type.byte_len(shape).ok_or_else(|| {
            let expected =
                format!("rows of whole {tensor_type} blocks of {}", tensor_type.block_size());
            c.damaged(&what, expected, format!("shape {shape}"))
        })?;
        let offset = c.u64(&what)?;
        tensors.push(TensorInfo {
            name: name.to_owned(),
            shape,
            tensor_type,
            byte_len,
            offset,
            split,
            storage: Storage::Blocks,
            checksum: None,
        });
    }
    Ok(tensors)
}

pub(super) fn shape(c: &mut Cursor<'_>, what: &str) -> Result<Shape, Error> {
    let count = c.u32(what)? as usize;
    if count > Shape::MAX_DIMS {
        return Err(c.damaged(what, "1 to 4 dimensions", count.to_string()));
    }
    let mut dims = [0; Shape::MAX_DIMS];
    for dim in &mut dims[..count] {
        *dim = c.u64(what)?;
    }
    let dims = &dims[..count];
    Shape::new(dims).filter(|s| s.elements().is_some_and(|n| i64::try_from(n).is_ok())).ok_or_else(
        || c.damaged(what, "dimensions whose product is from 1 to 2^63", format!("{dims:?}")),
    )
}

/// Turns offsets into places in the file, checks that the data is there and
/// that no two tensors share bytes.
fn place(
    c: &Cursor<'_>,
    file_len: u64,
    alignment: u64,
    mut tensors: Vec<TensorInfo>,
) -> Result<Vec<TensorInfo>, Error> {
    let damaged = |t: &TensorInfo, expected: String, found: String| {
        c.damaged(&format!("data of tensor '{}'", t.name.escape_debug()), expected, found)
    };
    let start = c.position().checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
    for t in &mut tensors {
        if !t.offset.is_multiple_of(alignment) {
            let found = format!("offset {}", t.offset);
            return Err(damaged(t, format!("an offset that is a multiple of {alignment}"), found));
        }
        let place = t.offset.checked_add(start);
        let end = place.and_then(|p| p.checked_add(t.byte_len));
        if end.is_none_or(|end| end > file_len) {
            let found = format!("{} bytes at {start} + {}", t.byte_len, t.offset);
            return Err(damaged(t, format!("data within the file's {file_len} bytes"), found));
        }
        t.offset += start;
    }
    Ok(tensors)
}
