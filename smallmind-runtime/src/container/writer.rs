//! Writes GGUF files.

use super::gguf::{ALIGNMENT_KEY, DEFAULT_ALIGNMENT, MAGIC};
use super::tensor::{Shape, TensorType};
use smallmind_abstractions::{Metadata, MetadataArray, MetadataValue, ValueType};
use std::io::{self, Read, Write};

/// A GGUF version 3 file to be written: metadata, then tensors in the order
/// they were added.
///
/// ```
/// use smallmind_abstractions::{Metadata, MetadataValue};
/// use smallmind_runtime::container::{ModelFile, GgufWriter, Shape, TensorType};
///
/// let mut metadata = Metadata::new();
/// metadata.insert("general.architecture", MetadataValue::String("llama".into()));
/// let data = 1.5f32.to_le_bytes();
/// let mut writer = GgufWriter::new(metadata);
/// writer.tensor("a", Shape::new(&[1]).unwrap(), TensorType::F32, &data);
///
/// let file = tempfile::NamedTempFile::new().unwrap();
/// writer.write(&file).unwrap();
/// let read = ModelFile::open(file.path())?;
/// assert_eq!(read.tensor("a")?.data, data);
/// # Ok::<(), smallmind_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct GgufWriter<'a> {
    metadata: Metadata,
    tensors: Vec<(String, Shape, TensorType)>,
    /// Of the tensors that came with theirs.
    data: Vec<&'a [u8]>,
}

impl<'a> GgufWriter<'a> {
    /// A file with metadata and no tensors yet.
    pub fn new(metadata: Metadata) -> Self {
        Self { metadata, tensors: Vec::new(), data: Vec::new() }
    }

    /// Adds a tensor.
    ///
    /// # Panics
    /// Where `data` has not the length that the shape and the type call for.
    pub fn tensor(&mut self, name: &str, shape: Shape, tensor_type: TensorType, data: &'a [u8]) {
        assert_eq!(tensor_type.byte_len(shape), Some(data.len() as u64), "tensor '{name}'");
        self.tensors.push((name.to_owned(), shape, tensor_type));
        self.data.push(data);
    }

    /// Adds a tensor whose data [`write_with`](Self::write_with) asks for.
    ///
    /// # Panics
    /// Where rows of the shape are not whole blocks of the type.
    pub fn later(&mut self, name: &str, shape: Shape, tensor_type: TensorType) {
        assert!(tensor_type.byte_len(shape).is_some(), "tensor '{name}'");
        self.tensors.push((name.to_owned(), shape, tensor_type));
    }

    /// Writes the file, all of whose tensors came with their data.
    ///
    /// # Errors
    /// What `to` says, and `InvalidInput` for arrays of arrays.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        self.write_with(to, |index, to| to.write_all(self.data[index]))
    }

    /// Writes the file; `data` is asked to write each tensor's data, by the
    /// order in which they were added.
    ///
    /// # Errors
    /// What `to` and `data` say, and `InvalidInput` for arrays of arrays and
    /// for data of another length than its tensor has.
    pub fn write_with<W: Write, E: From<io::Error>>(
        &self,
        to: W,
        mut data: impl FnMut(usize, &mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        let alignment = self.metadata.get_optional::<u64>(ALIGNMENT_KEY).ok().flatten();
        let alignment = alignment.unwrap_or(DEFAULT_ALIGNMENT).max(1);
        let mut to = Counted { to, count: 0 };
        to.write_all(&self.header(alignment)?)?;
        to.pad(alignment)?;
        for (index, (name, shape, tensor_type)) in self.tensors.iter().enumerate() {
            let start = to.count;
            data(index, &mut to)?;
            let (expected, found) = (tensor_type.byte_len(*shape), to.count - start);
            if expected != Some(found) {
                let what = format!("tensor '{name}' has {found} bytes, not {expected:?}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what).into());
            }
            to.pad(alignment)?;
        }
        Ok(to.flush()?)
    }

    fn header(&self, alignment: u64) -> io::Result<Vec<u8>> {
        let mut out = MAGIC.to_vec();
        out.extend(3u32.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.metadata.len() as u64).to_le_bytes());
        write_metadata(&mut out, &self.metadata)?;
        let mut offset = 0u64;
        for (name, shape, tensor_type) in &self.tensors {
            string(&mut out, name.as_bytes());
            out.extend((shape.dims().len() as u32).to_le_bytes());
            shape.dims().iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend((*tensor_type as u32).to_le_bytes());
            out.extend(offset.to_le_bytes());
            let len = tensor_type.byte_len(*shape).unwrap_or_default();
            offset += len.next_multiple_of(alignment);
        }
        Ok(out)
    }
}

/// Counts what is written.
struct Counted<W> {
    to: W,
    count: u64,
}

impl<W: Write> Counted<W> {
    fn pad(&mut self, alignment: u64) -> io::Result<()> {
        let padding = self.count.next_multiple_of(alignment) - self.count;
        io::copy(&mut io::repeat(0).take(padding), self).map(drop)
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

pub(super) fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

/// The keys and values, without their number.
pub(super) fn write_metadata(out: &mut Vec<u8>, metadata: &Metadata) -> io::Result<()> {
    for (key, value) in metadata.iter() {
        string(out, key.as_bytes());
        out.extend(type_id(value.value_type()).to_le_bytes());
        write_value(out, value)?;
    }
    Ok(())
}

fn type_id(t: ValueType) -> u32 {
    match t {
        ValueType::U8 => 0,
        ValueType::I8 => 1,
        ValueType::U16 => 2,
        ValueType::I16 => 3,
        ValueType::U32 => 4,
        ValueType::I32 => 5,
        ValueType::F32 => 6,
        ValueType::Bool => 7,
        ValueType::String => 8,
        ValueType::Array => 9,
        ValueType::U64 => 10,
        ValueType::I64 => 11,
        ValueType::F64 => 12,
    }
}

fn write_value(out: &mut Vec<u8>, value: &MetadataValue) -> io::Result<()> {
    use MetadataValue as V;
    match value {
        V::U8(v) => out.push(*v),
        V::I8(v) => out.extend(v.to_le_bytes()),
        V::U16(v) => out.extend(v.to_le_bytes()),
        V::I16(v) => out.extend(v.to_le_bytes()),
        V::U32(v) => out.extend(v.to_le_bytes()),
        V::I32(v) => out.extend(v.to_le_bytes()),
        V::F32(v) => out.extend(v.to_le_bytes()),
        V::Bool(v) => out.push(u8::from(*v)),
        V::String(v) => string(out, v.as_bytes()),
        V::Array(v) => return write_array(out, v),
        V::U64(v) => out.extend(v.to_le_bytes()),
        V::I64(v) => out.extend(v.to_le_bytes()),
        V::F64(v) => out.extend(v.to_le_bytes()),
    }
    Ok(())
}

fn write_array(out: &mut Vec<u8>, array: &MetadataArray) -> io::Result<()> {
    use MetadataArray as A;
    out.extend(type_id(array.element_type()).to_le_bytes());
    out.extend((array.len() as u64).to_le_bytes());
    macro_rules! numbers {
        ($v:expr) => {
            $v.iter().for_each(|v| out.extend(v.to_le_bytes()))
        };
    }
    match array {
        A::U8(v) => out.extend(v),
        A::I8(v) => numbers!(v),
        A::U16(v) => numbers!(v),
        A::I16(v) => numbers!(v),
        A::U32(v) => numbers!(v),
        A::I32(v) => numbers!(v),
        A::F32(v) => numbers!(v),
        A::Bool(v) => out.extend(v.iter().map(|b| u8::from(*b))),
        A::String(v) => v.iter().for_each(|s| string(out, s)),
        A::Array(_) => {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "arrays of arrays are not written",
            ));
        }
        A::U64(v) => numbers!(v),
        A::I64(v) => numbers!(v),
        A::F64(v) => numbers!(v),
    }
    Ok(())
}
