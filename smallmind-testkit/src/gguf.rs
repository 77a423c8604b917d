//! Writes GGUF files, right or wrong.

/// A GGUF file as its parts. The parts are written as they are: where they
/// contradict each other, so does the file.
#[derive(Debug, Clone)]
pub struct Gguf {
    /// `GGUF`.
    pub magic: [u8; 4],
    /// Of the format.
    pub version: u32,
    /// How many tensors the header claims; the truth where `None`.
    pub tensor_count: Option<u64>,
    /// How many keys the header claims; the truth where `None`.
    pub key_count: Option<u64>,
    /// Keys and values in order.
    pub keys: Vec<(String, Value)>,
    /// Tensors in order.
    pub tensors: Vec<Tensor>,
    /// What the data of tensors is padded to.
    pub alignment: usize,
}

/// A metadata value: the number of its type and its bytes.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it all")]
pub struct Value {
    pub kind: u32,
    pub bytes: Vec<u8>,
}

/// An entry of the tensor table and its data.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// The name.
    pub name: String,
    /// Dimensions, the contiguous one first.
    pub dims: Vec<u64>,
    /// The number of the type.
    pub kind: u32,
    /// Where the table claims the data to be; where it is, where `None`.
    pub offset: Option<u64>,
    /// The data.
    pub data: Vec<u8>,
}

/// The places in a file where sections begin and end, for truncation.
const MAGIC_AND_COUNTS: [usize; 4] = [0, 4, 8, 16];

impl Gguf {
    /// A version 3 file of nothing.
    pub fn new() -> Self {
        Self {
            magic: *b"GGUF",
            version: 3,
            tensor_count: None,
            key_count: None,
            keys: Vec::new(),
            tensors: Vec::new(),
            alignment: 32,
        }
    }

    /// Sets a key, in its place where it is there already.
    pub fn set(&mut self, key: &str, value: Value) {
        match self.keys.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value,
            None => self.keys.push((key.to_owned(), value)),
        }
    }

    /// Removes a key or a tensor.
    ///
    /// # Panics
    /// Where there is none of that name.
    pub fn remove(&mut self, name: &str) {
        let before = self.keys.len() + self.tensors.len();
        self.keys.retain(|(k, _)| k != name);
        self.tensors.retain(|t| t.name != name);
        assert_eq!(self.keys.len() + self.tensors.len(), before - 1, "nothing named {name}");
    }

    /// A tensor to be changed.
    ///
    /// # Panics
    /// Where there is none of that name.
    pub fn tensor(&mut self, name: &str) -> &mut Tensor {
        self.tensors.iter_mut().find(|t| t.name == name).expect("a tensor of that name")
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.header().0;
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(self.alignment), 0);
            out.extend(&tensor.data);
        }
        out.resize(out.len().next_multiple_of(self.alignment), 0);
        out
    }

    /// Where the header's fields, each key, each tensor and the data begin.
    pub fn sections(&self) -> Vec<usize> {
        let (header, mut sections) = self.header();
        sections.push(header.len().next_multiple_of(self.alignment));
        sections
    }

    fn header(&self) -> (Vec<u8>, Vec<usize>) {
        let mut sections = MAGIC_AND_COUNTS.to_vec();
        let mut out = self.magic.to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend(self.tensor_count.unwrap_or(self.tensors.len() as u64).to_le_bytes());
        out.extend(self.key_count.unwrap_or(self.keys.len() as u64).to_le_bytes());
        for (key, value) in &self.keys {
            sections.push(out.len());
            push_string(&mut out, key.as_bytes());
            out.extend(value.kind.to_le_bytes());
            out.extend(&value.bytes);
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            sections.push(out.len());
            push_string(&mut out, tensor.name.as_bytes());
            out.extend((tensor.dims.len() as u32).to_le_bytes());
            tensor.dims.iter().for_each(|d| out.extend(d.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend(tensor.offset.unwrap_or(offset).to_le_bytes());
            offset += tensor.data.len().next_multiple_of(self.alignment) as u64;
        }
        (out, sections)
    }
}

impl Default for Gguf {
    fn default() -> Self {
        Self::new()
    }
}

fn push_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend((bytes.len() as u64).to_le_bytes());
    out.extend(bytes);
}

macro_rules! values {
    ($($from:ty = $kind:literal;)*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self { kind: $kind, bytes: value.to_le_bytes().to_vec() }
            }
        }
        impl From<&[$from]> for Value {
            fn from(values: &[$from]) -> Self {
                let bytes: Vec<_> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                Self::array($kind, values.len() as u64, &bytes)
            }
        }
    )*};
}
values! { u8 = 0; i8 = 1; u32 = 4; i32 = 5; f32 = 6; u64 = 10; i64 = 11; f64 = 12; }

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self { kind: 7, bytes: vec![u8::from(value)] }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        let mut bytes = Vec::new();
        push_string(&mut bytes, text.as_bytes());
        Self { kind: 8, bytes }
    }
}

impl From<&[String]> for Value {
    fn from(strings: &[String]) -> Self {
        let mut bytes = Vec::new();
        strings.iter().for_each(|s| push_string(&mut bytes, s.as_bytes()));
        Self::array(8, strings.len() as u64, &bytes)
    }
}

impl Value {
    /// An array that claims `count` elements of type `kind` and has `bytes`.
    pub fn array(kind: u32, count: u64, bytes: &[u8]) -> Self {
        let mut all = kind.to_le_bytes().to_vec();
        all.extend(count.to_le_bytes());
        all.extend(bytes);
        Self { kind: 9, bytes: all }
    }
}
