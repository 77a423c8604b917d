//! The files of a model's folder.

use crate::Error;
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// A folder that may hold a model, or anything else.
pub(super) struct Folder<'a> {
    path: &'a Path,
}

impl<'a> Folder<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self { path }
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        fs::read(self.path.join(name)).map_err(|e| self.wrong(name, e.to_string()))
    }

    pub(super) fn json(&self, name: &str) -> Result<Value, Error> {
        serde_json::from_slice(&self.read(name)?).map_err(|e| self.wrong(name, e.to_string()))
    }

    /// A file that not all models have.
    pub(super) fn optional_json(&self, name: &str) -> Result<Option<Value>, Error> {
        match fs::metadata(self.path.join(name)) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            _ => self.json(name).map(Some),
        }
    }

    pub(super) fn wrong(&self, name: &str, reason: impl Into<String>) -> Error {
        Error::Import { file: self.path.join(name), reason: reason.into() }
    }

    /// What the folder is called.
    pub(super) fn name(&self) -> String {
        self.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
    }
}
