//! Typed key-value metadata as model files carry it.

use crate::Error;
use std::collections::BTreeMap;
use std::fmt;

/// The type of a [`MetadataValue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64,
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I16 => "i16",
            Self::U32 => "u32",
            Self::I32 => "i32",
            Self::F32 => "f32",
            Self::Bool => "bool",
            Self::String => "string",
            Self::Array => "array",
            Self::U64 => "u64",
            Self::I64 => "i64",
            Self::F64 => "f64",
        })
    }
}

/// One metadata value.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum MetadataValue {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(MetadataArray),
    U64(u64),
    I64(i64),
    F64(f64),
}

/// An array of values of one type.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it all")]
pub enum MetadataArray {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    Bool(Vec<bool>),
    String(StringTable),
    Array(Vec<MetadataArray>),
    U64(Vec<u64>),
    I64(Vec<i64>),
    F64(Vec<f64>),
}

/// Many strings in one allocation: a vocabulary of 262,144 pieces costs two.
///
/// Entries are bytes, since files do not always keep their promise of UTF-8;
/// [`get_str`](Self::get_str) checks.
///
/// ```
/// use smallmind_abstractions::StringTable;
///
/// let table: StringTable = ["a", "bc"].into_iter().collect();
/// assert_eq!(table.get(1), Some(&b"bc"[..]));
/// assert_eq!(table.len(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StringTable {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl StringTable {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty table with room for `strings` entries of `bytes` in all.
    pub fn with_capacity(strings: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(strings) }
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: &[u8]) {
        self.bytes.extend_from_slice(entry);
        self.ends.push(self.bytes.len());
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True where there are no entries.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The bytes of entry `index`.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        self.bytes.get(start..end)
    }

    /// Entry `index` as text, where it is valid UTF-8.
    pub fn get_str(&self, index: usize) -> Option<&str> {
        std::str::from_utf8(self.get(index)?).ok()
    }

    /// All entries in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> + '_ {
        (0..self.len()).map(|i| self.get(i).unwrap_or_default())
    }
}

impl<S: AsRef<[u8]>> FromIterator<S> for StringTable {
    fn from_iter<I: IntoIterator<Item = S>>(entries: I) -> Self {
        let mut table = Self::new();
        for entry in entries {
            table.push(entry.as_ref());
        }
        table
    }
}

impl MetadataValue {
    /// The type of this value.
    pub fn value_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }

    /// The value as an unsigned integer, where it is a non-negative integer
    /// of any width.
    pub fn as_u64(&self) -> Option<u64> {
        match *self {
            Self::U8(v) => Some(v.into()),
            Self::U16(v) => Some(v.into()),
            Self::U32(v) => Some(v.into()),
            Self::U64(v) => Some(v),
            Self::I8(v) => v.try_into().ok(),
            Self::I16(v) => v.try_into().ok(),
            Self::I32(v) => v.try_into().ok(),
            Self::I64(v) => v.try_into().ok(),
            _ => None,
        }
    }
}

impl MetadataArray {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(v) => v.len(),
            Self::I8(v) => v.len(),
            Self::U16(v) => v.len(),
            Self::I16(v) => v.len(),
            Self::U32(v) => v.len(),
            Self::I32(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::String(v) => v.len(),
            Self::Array(v) => v.len(),
            Self::U64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::F64(v) => v.len(),
        }
    }

    /// True where there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    pub fn element_type(&self) -> ValueType {
        match self {
            Self::U8(_) => ValueType::U8,
            Self::I8(_) => ValueType::I8,
            Self::U16(_) => ValueType::U16,
            Self::I16(_) => ValueType::I16,
            Self::U32(_) => ValueType::U32,
            Self::I32(_) => ValueType::I32,
            Self::F32(_) => ValueType::F32,
            Self::Bool(_) => ValueType::Bool,
            Self::String(_) => ValueType::String,
            Self::Array(_) => ValueType::Array,
            Self::U64(_) => ValueType::U64,
            Self::I64(_) => ValueType::I64,
            Self::F64(_) => ValueType::F64,
        }
    }
}

/// A Rust type that a [`MetadataValue`] can be read as.
pub trait FromMetadata<'a>: Sized {
    /// What error messages call this type.
    const EXPECTED: &'static str;

    /// The value, or `None` where it is of another type or does not fit.
    fn from_metadata(value: &'a MetadataValue) -> Option<Self>;
}

macro_rules! from_integer {
    ($($t:ty => $name:literal),*) => {$(
        impl FromMetadata<'_> for $t {
            const EXPECTED: &'static str = $name;
            fn from_metadata(value: &MetadataValue) -> Option<Self> {
                value.as_u64()?.try_into().ok()
            }
        }
    )*};
}
from_integer!(u32 => "an unsigned 32-bit integer", u64 => "an unsigned integer", usize => "an unsigned integer");

impl FromMetadata<'_> for i32 {
    const EXPECTED: &'static str = "a 32-bit integer";
    fn from_metadata(value: &MetadataValue) -> Option<Self> {
        match *value {
            MetadataValue::I8(v) => Some(v.into()),
            MetadataValue::I16(v) => Some(v.into()),
            MetadataValue::I32(v) => Some(v),
            MetadataValue::I64(v) => v.try_into().ok(),
            _ => value.as_u64()?.try_into().ok(),
        }
    }
}

impl FromMetadata<'_> for f32 {
    const EXPECTED: &'static str = "f32";
    fn from_metadata(value: &MetadataValue) -> Option<Self> {
        match *value {
            MetadataValue::F32(v) => Some(v),
            MetadataValue::F64(v) => Some(v as Self),
            _ => None,
        }
    }
}

impl FromMetadata<'_> for bool {
    const EXPECTED: &'static str = "bool";
    fn from_metadata(value: &MetadataValue) -> Option<Self> {
        match *value {
            MetadataValue::Bool(v) => Some(v),
            _ => None,
        }
    }
}

macro_rules! from_reference {
    ($($t:ty, $name:literal, $pattern:pat => $out:expr;)*) => {$(
        impl<'a> FromMetadata<'a> for $t {
            const EXPECTED: &'static str = $name;
            fn from_metadata(value: &'a MetadataValue) -> Option<Self> {
                match value {
                    $pattern => Some($out),
                    _ => None,
                }
            }
        }
    )*};
}
from_reference! {
    &'a str, "string", MetadataValue::String(v) => v.as_str();
    &'a MetadataArray, "array", MetadataValue::Array(v) => v;
    &'a StringTable, "array of string", MetadataValue::Array(MetadataArray::String(v)) => v;
    &'a [f32], "array of f32", MetadataValue::Array(MetadataArray::F32(v)) => v.as_slice();
    &'a [i32], "array of i32", MetadataValue::Array(MetadataArray::I32(v)) => v.as_slice();
    &'a [u32], "array of u32", MetadataValue::Array(MetadataArray::U32(v)) => v.as_slice();
    &'a [u8], "array of u8", MetadataValue::Array(MetadataArray::U8(v)) => v.as_slice();
    &'a [bool], "array of bool", MetadataValue::Array(MetadataArray::Bool(v)) => v.as_slice();
}

/// The metadata of a model file: key to typed value, sorted by key.
///
/// ```
/// use smallmind_abstractions::{Metadata, MetadataValue};
///
/// let mut m = Metadata::new();
/// m.insert("llama.block_count", MetadataValue::U32(30));
/// assert_eq!(m.get::<usize>("llama.block_count")?, 30);
/// let error = m.get::<&str>("llama.block_count").unwrap_err();
/// assert_eq!(error.to_string(), "metadata key 'llama.block_count' has type u32; expected string");
/// # Ok::<(), smallmind_abstractions::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Metadata {
    values: BTreeMap<String, MetadataValue>,
}

impl Metadata {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key`, and returns what it held before.
    pub fn insert(
        &mut self,
        key: impl Into<String>,
        value: MetadataValue,
    ) -> Option<MetadataValue> {
        self.values.insert(key.into(), value)
    }

    /// Removes `key`, and returns what it held.
    pub fn remove(&mut self, key: &str) -> Option<MetadataValue> {
        self.values.remove(key)
    }

    /// The value of `key` as it is stored.
    pub fn value(&self, key: &str) -> Option<&MetadataValue> {
        self.values.get(key)
    }

    /// The value of a required key. Integers of any width are read as the
    /// integer type asked for where the value fits.
    ///
    /// # Errors
    /// [`Error::MetadataMissing`] or [`Error::MetadataType`], naming the key
    /// and the types expected and found.
    pub fn get<'a, T: FromMetadata<'a>>(&'a self, key: &str) -> Result<T, Error> {
        self.get_optional(key)?
            .ok_or_else(|| Error::MetadataMissing { key: key.to_owned(), expected: T::EXPECTED })
    }

    /// The value of a key that may be absent.
    ///
    /// # Errors
    /// [`Error::MetadataType`] where it is present with another type, and
    /// [`Error::MetadataValue`] where an integer does not fit.
    pub fn get_optional<'a, T: FromMetadata<'a>>(&'a self, key: &str) -> Result<Option<T>, Error> {
        let Some(value) = self.values.get(key) else { return Ok(None) };
        T::from_metadata(value).map(Some).ok_or_else(|| mismatch::<T>(key, value))
    }

    /// All keys and values, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &MetadataValue)> {
        self.values.iter().map(|(k, v)| (k.as_str(), v))
    }

    /// The number of keys.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// True where there are no keys.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

fn mismatch<'a, T: FromMetadata<'a>>(key: &str, value: &MetadataValue) -> Error {
    let integer = match *value {
        MetadataValue::I8(v) => Some(v.into()),
        MetadataValue::I16(v) => Some(v.into()),
        MetadataValue::I32(v) => Some(v.into()),
        MetadataValue::I64(v) => Some(v.into()),
        _ => value.as_u64().map(i128::from),
    };
    match integer {
        Some(found) if T::EXPECTED.ends_with("integer") => Error::MetadataValue {
            key: key.to_owned(),
            expected: T::EXPECTED.to_owned(),
            found: found.to_string(),
        },
        _ => Error::MetadataType {
            key: key.to_owned(),
            expected: T::EXPECTED,
            found: value.value_type(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_key_expected_and_found() {
        let mut m = Metadata::new();
        m.insert("a", MetadataValue::I32(-4));
        m.insert("b", MetadataValue::Array(MetadataArray::U8(vec![1])));
        let text = |e: Error| e.to_string();
        assert_eq!(
            text(m.get::<u32>("a").unwrap_err()),
            "metadata key 'a' is -4; expected an unsigned 32-bit integer"
        );
        assert_eq!(
            text(m.get::<&[f32]>("b").unwrap_err()),
            "metadata key 'b' has type array; expected array of f32"
        );
        assert_eq!(
            text(m.get::<&str>("c").unwrap_err()),
            "metadata key 'c' is missing; expected a value of type string"
        );
        assert_eq!(m.get_optional::<&str>("c"), Ok(None));
    }

    #[test]
    fn integers_widen_but_never_wrap() {
        let mut m = Metadata::new();
        m.insert("wide", MetadataValue::U64(1 << 40));
        m.insert("narrow", MetadataValue::U8(7));
        assert_eq!(m.get::<u64>("wide"), Ok(1 << 40));
        assert!(m.get::<u32>("wide").is_err());
        assert_eq!(m.get::<usize>("narrow"), Ok(7));
    }
}
