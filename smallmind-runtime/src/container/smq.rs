//! `.smq`, the container of this project: a model as kernels read it, so that
//! loading is a map and first touch. Version 1, all numbers little-endian:
//!
//! ```text
//! "SMQ\0"  version u32  layout u32  CRC-32 of the index u32
//! offset of the index u64  its length u64  length of the file u64
//! data of each tensor, at multiples of 64
//! index:  keys u64  tensors u64
//! key:    string  type u32  value                       (as in GGUF)
//! tensor: string  dimensions u32, u64 each  type u32  storage u32
//!         offset u64  length u64  CRC-32 of the data u32
//! ```
//!
//! Storage 0 is ggml's blocks, row by row; 1 is the panels of
//! `kernels::layout`, of the layout that the header names. Panels are the same
//! for every instruction set. The index stands last since it holds checksums
//! of what stands before it.

use super::cursor::Cursor;
use super::file::{ModelFile, Part};
use super::gguf::shape;
use super::replace::replace;
use super::tensor::{Storage, TensorInfo, TensorType, TensorView};
use super::values::{metadata, name};
use super::writer::{string, write_metadata};
use crate::Error;
use crate::kernels::layout::{LAYOUT, PANEL};
use crate::kernels::memory::Arena;
use crate::kernels::pack::{PackedMatrix, Packing};
use crate::model::format;
use smallmind_abstractions::CancellationToken;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

const MAGIC: [u8; 4] = *b"SMQ\0";
const VERSION: u32 = 1;
const ALIGNMENT: u64 = 64;
/// Bytes of the header's fields.
const HEADER: u64 = 40;
/// Bytes of the shortest key with its value, and of the shortest tensor.
const LEAST_KEY: u64 = 13;
const LEAST_TENSOR: u64 = 48;

/// Whether a file says that it is one of these.
pub(super) fn is_smq(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Reads the header and the index of a file.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Part, Error> {
    let mut c = Cursor::new(path, bytes);
    c.take(4, "magic")?;
    known(path, "version", c.u32("version")?, VERSION)?;
    known(path, "layout of panels", c.u32("layout of panels")?, LAYOUT)?;
    let checksum = c.u32("checksum of the index")?;
    let (start, len) = (c.u64("offset of the index")?, c.u64("length of the index")?);
    let total = c.u64("length of the file")?;
    if total != bytes.len() as u64 {
        return Err(c.damaged("the file", format!("{total} bytes"), bytes.len().to_string()));
    }
    if start < HEADER || start.checked_add(len) != Some(total) {
        let found = format!("{len} bytes at {start}");
        return Err(c.damaged("the index", "the file's last bytes", found));
    }
    c.take(start - HEADER, "data")?;
    let found = crc32fast::hash(&bytes[start as usize..]);
    if found != checksum {
        let expected = format!("checksum {checksum:08x}");
        return Err(c.damaged("the index", expected, format!("{found:08x}")));
    }
    let keys = c.count(LEAST_KEY, "metadata key count")?;
    let tensors = c.count(LEAST_TENSOR, "tensor count")?;
    let metadata = metadata(&mut c, keys)?;
    let tensors = (0..tensors).map(|i| tensor(&mut c, i, start)).collect::<Result<_, _>>()?;
    Ok(Part { version: VERSION, alignment: ALIGNMENT, metadata, tensors })
}

fn known(path: &Path, what: &str, found: u32, expected: u32) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    Err(Error::Unsupported {
        file: path.to_owned(),
        what: format!("{what} {found} of .smq, where {expected} is read"),
        advice: "convert the GGUF file again, with this version".to_owned(),
    })
}

fn tensor(c: &mut Cursor<'_>, index: usize, data_end: u64) -> Result<TensorInfo, Error> {
    let name = name(c, &format!("name of tensor {index}"))?.to_owned();
    let what = format!("tensor '{}'", name.escape_debug());
    let shape = shape(c, &what)?;
    let id = c.u32(&what)?;
    let tensor_type = TensorType::from_id(id)
        .ok_or_else(|| c.damaged(&what, "a type of ggml", TensorType::describe_unknown(id)))?;
    let blocks = tensor_type.byte_len(shape);
    let (storage, expected) = match c.u32(&what)? {
        0 => (Storage::Blocks, blocks),
        1 => (Storage::Panels, blocks.and_then(|_| panels_len(tensor_type, shape.dims()))),
        other => return Err(c.damaged(&what, "storage 0 or 1", other.to_string())),
    };
    let (offset, byte_len, checksum) = (c.u64(&what)?, c.u64(&what)?, c.u32(&what)?);
    let within = offset.checked_add(byte_len).is_some_and(|end| end <= data_end);
    if expected != Some(byte_len) || !within || !offset.is_multiple_of(ALIGNMENT) {
        let expected = format!("{expected:?} bytes before {data_end}, at a multiple of 64");
        return Err(c.damaged(&what, expected, format!("{byte_len} bytes at {offset}")));
    }
    let checksum = Some(checksum);
    Ok(TensorInfo { name, shape, tensor_type, byte_len, offset, split: 0, storage, checksum })
}

/// Bytes of the panels of a matrix.
fn panels_len(tensor_type: TensorType, dims: &[u64]) -> Option<u64> {
    let (cols, rows) = as_matrix(dims)?;
    PackedMatrix::byte_len(format(tensor_type)?, rows, cols)
}

/// Columns and rows of what panels can hold: a matrix, or several one above the
/// other where none of them begins within a panel.
fn as_matrix(dims: &[u64]) -> Option<(u64, u64)> {
    match *dims {
        [cols, rows] => Some((cols, rows)),
        [cols, rows, count] if rows.is_multiple_of(PANEL as u64) => {
            Some((cols, rows.checked_mul(count)?))
        }
        _ => None,
    }
}

/// Writes a model as `.smq`, its matrices in panels. `progress` hears of each
/// tensor that is done.
///
/// # Errors
/// [`Error::File`], [`Error::OutOfMemory`], [`Error::Cancelled`], and
/// [`Error::Damaged`] where the model has checksums that are not met. After an
/// error there is no file, or the one that was there before.
pub fn convert(
    model: &ModelFile,
    to: &Path,
    progress: &mut dyn FnMut(&TensorInfo),
    cancel: &CancellationToken,
) -> Result<(), Error> {
    let failed = |source| Error::File { file: to.to_owned(), action: "write", source };
    let mut keys = model.metadata().clone();
    for key in ["split.no", "split.count", "split.tensors.count"] {
        keys.remove(key);
    }
    let mut index = Vec::new();
    index.extend((keys.len() as u64).to_le_bytes());
    index.extend((model.tensors().len() as u64).to_le_bytes());
    write_metadata(&mut index, &keys).map_err(failed)?;
    replace(to, |out| {
        let mut end = pad(out, HEADER).map_err(failed)?;
        out.seek(SeekFrom::Start(end)).map_err(failed)?;
        for info in model.tensors() {
            let view = model.tensor(&info.name)?;
            model.verify(&view, cancel)?;
            let packed = pack(view, cancel)?;
            let (storage, data) = match &packed {
                Some(matrix) => (Storage::Panels, matrix.bytes()),
                None => (info.storage, view.data),
            };
            out.write_all(data).map_err(failed)?;
            entry(&mut index, info, storage, end, data);
            end = pad(out, end + data.len() as u64).map_err(failed)?;
            progress(info);
        }
        let header = header(&index, end);
        out.write_all(&index)
            .and_then(|()| out.seek(SeekFrom::Start(0)))
            .and_then(|_| out.write_all(&header))
            .map_err(failed)
    })
}

/// A matrix of blocks in panels; nothing for what stays as it is.
fn pack(view: TensorView<'_>, cancel: &CancellationToken) -> Result<Option<PackedMatrix>, Error> {
    cancel.check()?;
    let info = view.info;
    let (Storage::Blocks, Some((cols, rows)), Some(format)) =
        (info.storage, as_matrix(info.shape.dims()), format(info.tensor_type))
    else {
        return Ok(None);
    };
    let packing = Packing { memory: &Arena::default(), done: &|_| (), cancel };
    PackedMatrix::pack(format, rows as usize, cols as usize, view.data, packing).map(Some)
}

/// Fills up to the next multiple of the alignment after `end`, and returns it.
fn pad(out: &mut impl Write, end: u64) -> io::Result<u64> {
    let start = end.next_multiple_of(ALIGNMENT);
    out.write_all(&[0; ALIGNMENT as usize][..(start - end) as usize])?;
    Ok(start)
}

fn entry(index: &mut Vec<u8>, info: &TensorInfo, storage: Storage, offset: u64, data: &[u8]) {
    string(index, info.name.as_bytes());
    index.extend((info.shape.dims().len() as u32).to_le_bytes());
    info.shape.dims().iter().for_each(|d| index.extend(d.to_le_bytes()));
    index.extend((info.tensor_type as u32).to_le_bytes());
    index.extend((storage as u32).to_le_bytes());
    index.extend(offset.to_le_bytes());
    index.extend((data.len() as u64).to_le_bytes());
    index.extend(crc32fast::hash(data).to_le_bytes());
}

fn header(index: &[u8], start: u64) -> Vec<u8> {
    let mut header = MAGIC.to_vec();
    header.extend(VERSION.to_le_bytes());
    header.extend(LAYOUT.to_le_bytes());
    header.extend(crc32fast::hash(index).to_le_bytes());
    let len = index.len() as u64;
    [start, len, start + len].iter().for_each(|n| header.extend(n.to_le_bytes()));
    header
}
