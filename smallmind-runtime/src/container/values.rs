//! Metadata as bytes: names and typed values.

use super::cursor::Cursor;
use crate::Error;
use smallmind_abstractions::{Metadata, MetadataArray, MetadataValue, StringTable};

/// Longer keys and names are damage.
const MAX_NAME: usize = 65_535;

pub(super) fn name<'a>(c: &mut Cursor<'a>, what: &str) -> Result<&'a str, Error> {
    let bytes = c.string(what)?;
    match std::str::from_utf8(bytes) {
        Ok(name) if name.len() <= MAX_NAME => Ok(name),
        Ok(name) => {
            Err(c.damaged(what, format!("at most {MAX_NAME} bytes"), name.len().to_string()))
        }
        Err(error) => Err(c.damaged(what, "UTF-8", error.to_string())),
    }
}

pub(super) fn metadata(c: &mut Cursor<'_>, keys: usize) -> Result<Metadata, Error> {
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
