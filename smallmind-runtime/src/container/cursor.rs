//! Reads numbers and strings from bytes that may lie about their lengths.

use crate::Error;
use std::path::Path;

/// A place in a file.
pub(super) struct Cursor<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
}

macro_rules! numbers {
    ($($name:ident: $t:ty),*) => {$(
        pub(super) fn $name(&mut self, what: &str) -> Result<$t, Error> {
            let bytes = self.take(size_of::<$t>() as u64, what)?;
            Ok(bytes.try_into().map_or(<$t>::default(), <$t>::from_le_bytes))
        }
    )*};
}

impl<'a> Cursor<'a> {
    pub(super) fn new(path: &'a Path, bytes: &'a [u8]) -> Self {
        Self { path, bytes, at: 0 }
    }

    pub(super) fn position(&self) -> u64 {
        self.at as u64
    }

    pub(super) fn remaining(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: u64, what: &str) -> Result<&'a [u8], Error> {
        if len > self.remaining() {
            let found = format!("{} bytes to the end of the file", self.remaining());
            return Err(self.damaged(what, format!("{len} bytes"), found));
        }
        let bytes = &self.bytes[self.at..][..len as usize];
        self.at += len as usize;
        Ok(bytes)
    }

    numbers!(u8: u8, u32: u32, u64: u64);

    /// A string: its length as a `u64`, then its bytes.
    pub(super) fn string(&mut self, what: &str) -> Result<&'a [u8], Error> {
        let len = self.u64(what)?;
        self.take(len, what)
    }

    /// A number of things that take at least `least` bytes each.
    pub(super) fn count(&mut self, least: u64, what: &str) -> Result<usize, Error> {
        let count = self.u64(what)?;
        if count.checked_mul(least).is_none_or(|bytes| bytes > self.remaining()) {
            let found = format!("{count}, with {} bytes left in the file", self.remaining());
            self.at -= 8;
            let most = self.remaining().saturating_sub(8) / least;
            return Err(self.damaged(what, format!("at most {most}"), found));
        }
        Ok(count as usize)
    }

    /// An error about what stands here.
    pub(super) fn damaged(
        &self,
        what: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Error {
        Error::Damaged {
            file: self.path.to_owned(),
            what: what.to_owned(),
            offset: self.position(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}
