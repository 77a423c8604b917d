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
use super::split;
use super::tensor::{Shape, TensorInfo, TensorType, TensorView};
use crate::Error;
use memmap2::Mmap;
use smallmind_abstractions::{Metadata, MetadataArray, MetadataValue, StringTable};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub(super) const MAGIC: [u8; 4] = *b"GGUF";
pub(super) const DEFAULT_ALIGNMENT: u64 = 32;
pub(super) const ALIGNMENT_KEY: &str = "general.alignment";
/// Bytes of the shortest key with its value, and of the shortest tensor.
const LEAST_KEY: u64 = 13;
const LEAST_TENSOR: u64 = 32;
/// Longer keys and names are damage.
const MAX_NAME: usize = 65_535;

/// A GGUF model in one or several mapped files.
///
/// ```no_run
/// use smallmind_runtime::container::GgufFile;
///
/// let file = GgufFile::open("model.gguf".as_ref())?;
/// println!("{} tensors of {}", file.tensors().len(), file.metadata().get::<&str>("general.architecture")?);
/// # Ok::<(), smallmind_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct GgufFile {
    path: PathBuf,
    version: u32,
    alignment: u64,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    by_name: HashMap<String, usize>,
    pub(super) maps: Vec<Mmap>,
}

/// What one file of a model holds.
struct Part {
    version: u32,
    alignment: u64,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
}

impl GgufFile {
    /// Maps a file and reads its header. Where the file is one of a split
    /// model (`…-00001-of-00003.gguf`), all of them.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Damaged`] or [`Error::Unsupported`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (mut maps, mut parts) = (Vec::new(), Vec::new());
        let paths = split::parts(path);
        for (index, path) in paths.iter().enumerate() {
            let map = map(path)?;
            let part = read_part(path, &map, index)?;
            split::check(path, &part.metadata, index, paths.len())?;
            maps.push(map);
            parts.push(part);
        }
        let mut parts = parts.into_iter();
        let Some(Part { version, alignment, metadata, mut tensors }) = parts.next() else {
            unreachable!("a model has at least one file");
        };
        tensors.extend(parts.flat_map(|p| p.tensors));
        split::check_total(path, &metadata, tensors.len())?;
        let by_name = index(&paths, &tensors)?;
        Ok(Self { path: path.to_owned(), version, alignment, metadata, tensors, by_name, maps })
    }

    /// The file that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The version of the format: 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// What the offsets of tensors are multiples of, in bytes.
    pub fn alignment(&self) -> u64 {
        self.alignment
    }

    /// Bytes of all files together.
    pub fn file_size(&self) -> u64 {
        self.maps.iter().map(|m| m.len() as u64).sum()
    }

    /// The metadata, of the first file where there are several.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// All tensors, in the order of the files.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = &TensorInfo> {
        self.tensors.iter()
    }

    /// A tensor, where the model has one of this name.
    pub fn find_tensor(&self, name: &str) -> Option<TensorView<'_>> {
        let info = &self.tensors[*self.by_name.get(name)?];
        let data = &self.maps[info.split][info.offset as usize..][..info.byte_len as usize];
        Some(TensorView { info, data })
    }

    /// A tensor that the model must have.
    ///
    /// # Errors
    /// [`Error::TensorMissing`].
    pub fn tensor(&self, name: &str) -> Result<TensorView<'_>, Error> {
        self.find_tensor(name)
            .ok_or_else(|| Error::TensorMissing { file: self.path.clone(), name: name.to_owned() })
    }
}

fn map(path: &Path) -> Result<Mmap, Error> {
    let failed = |action| move |source| Error::File { file: path.to_owned(), action, source };
    let file = File::open(path).map_err(failed("open"))?;
    if file.metadata().map_err(failed("open"))?.is_dir() {
        return Err(failed("open")(io::ErrorKind::IsADirectory.into()));
    }
    // SAFETY: the map is read-only. As every user of mapped files, this relies
    // on nobody truncating the file meanwhile; `open` documents no more.
    unsafe { Mmap::map(&file) }.map_err(failed("map"))
}

fn index(paths: &[PathBuf], tensors: &[TensorInfo]) -> Result<HashMap<String, usize>, Error> {
    let mut by_name = HashMap::with_capacity(tensors.len());
    for (i, t) in tensors.iter().enumerate() {
        if by_name.insert(t.name.clone(), i).is_some() {
            return Err(Error::Damaged {
                file: paths[t.split].clone(),
                what: format!("tensor '{}'", t.name.escape_debug()),
                offset: t.offset,
                expected: "a name used once".to_owned(),
                found: "a second tensor of that name".to_owned(),
            });
        }
    }
    Ok(by_name)
}

fn read_part(path: &Path, bytes: &[u8], split: usize) -> Result<Part, Error> {
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

fn name<'a>(c: &mut Cursor<'a>, what: &str) -> Result<&'a str, Error> {
    let bytes = c.string(what)?;
    match std::str::from_utf8(bytes) {
        Ok(name) if name.len() <= MAX_NAME => Ok(name),
        Ok(name) => {
            Err(c.damaged(what, format!("at most {MAX_NAME} bytes"), name.len().to_string()))
        }
        Err(error) => Err(c.damaged(what, "UTF-8", error.to_string())),
    }
}

fn metadata(c: &mut Cursor<'_>, keys: usize) -> Result<Metadata, Error> {
    let mut metadata = Metadata::new();
    for i in 0..keys {
        let key = name(c, &format!("metadata key {i}"))?;
        let what = format!("metadata key '{}'", key.escape_debug());
        let value = value(c, &what)?;
        if metadata.insert(key, value).is_some() {
            return Err(c.damaged(&what, "a key used once", "a second value"));
        }
    }
    Ok(metadata)
}

fn value(c: &mut Cursor<'_>, what: &str) -> Result<MetadataValue, Error> {
    use MetadataValue as V;
    macro_rules! number {
        ($t:ty) => {
            <$t>::from_le_bytes(
                *c.take(size_of::<$t>() as u64, what)?.first_chunk().expect("taken"),
            )
        };
    }
    Ok(match c.u32(what)? {
        0 => V::U8(number!(u8)),
        1 => V::I8(number!(i8)),
        2 => V::U16(number!(u16)),
        3 => V::I16(number!(i16)),
        4 => V::U32(number!(u32)),
        5 => V::I32(number!(i32)),
        6 => V::F32(number!(f32)),
        7 => V::Bool(c.u8(what)? != 0),
        8 => V::String(String::from_utf8_lossy(c.string(what)?).into_owned()),
        9 => V::Array(array(c, what)?),
        10 => V::U64(number!(u64)),
        11 => V::I64(number!(i64)),
        12 => V::F64(number!(f64)),
        id => return Err(c.damaged(what, "a value type from 0 to 12", id.to_string())),
    })
}

fn array(c: &mut Cursor<'_>, what: &str) -> Result<MetadataArray, Error> {
    use MetadataArray as A;
    macro_rules! numbers {
        ($t:ty) => {{
            const SIZE: usize = size_of::<$t>();
            let count = c.count(SIZE as u64, what)?;
            let bytes = c.take((count * SIZE) as u64, what)?;
            bytes.as_chunks::<SIZE>().0.iter().map(|b| <$t>::from_le_bytes(*b)).collect()
        }};
    }
    Ok(match c.u32(what)? {
        0 => A::U8(numbers!(u8)),
        1 => A::I8(numbers!(i8)),
        2 => A::U16(numbers!(u16)),
        3 => A::I16(numbers!(i16)),
        4 => A::U32(numbers!(u32)),
        5 => A::I32(numbers!(i32)),
        6 => A::F32(numbers!(f32)),
        7 => {
            let count = c.count(1, what)?;
            A::Bool(c.take(count as u64, what)?.iter().map(|b| *b != 0).collect())
        }
        8 => A::String(strings(c, what)?),
        // No model has them, and nesting is how a small file asks for much.
        9 => return Err(c.damaged(what, "an array of plain values", "an array of arrays")),
        10 => A::U64(numbers!(u64)),
        11 => A::I64(numbers!(i64)),
        12 => A::F64(numbers!(f64)),
        id => return Err(c.damaged(what, "an element type from 0 to 12", id.to_string())),
    })
}

fn strings(c: &mut Cursor<'_>, what: &str) -> Result<StringTable, Error> {
    let count = c.count(8, what)?;
    let mut table = StringTable::with_capacity(count, 0);
    for _ in 0..count {
        table.push(c.string(what)?);
    }
    Ok(table)
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
        });
    }
    Ok(tensors)
}

fn shape(c: &mut Cursor<'_>, what: &str) -> Result<Shape, Error> {
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
    let mut order: Vec<_> = tensors.iter().collect();
    order.sort_by_key(|t| t.offset);
    for pair in order.windows(2) {
        if pair[0].offset + pair[0].byte_len > pair[1].offset {
            let found = format!("bytes shared with tensor '{}'", pair[0].name.escape_debug());
            return Err(damaged(pair[1], "bytes of its own".to_owned(), found));
        }
    }
    Ok(tensors)
}
