//! Which files there are.

use super::Event;
use crate::{Error, Stage};
use ignore::WalkBuilder;
use smallmind_abstractions::CancellationToken;
use std::path::{Path, PathBuf};

/// What was found under the paths that were asked for.
pub(super) struct Files {
    /// All files, in a fixed order.
    pub(super) found: Vec<PathBuf>,
    /// The folders that could be walked to their end.
    complete: Vec<PathBuf>,
}

impl Files {
    /// Walks folders by the rules of their ignore files.
    pub(super) fn find(
        paths: &[PathBuf],
        progress: &mut dyn FnMut(Event),
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        let mut files = Self { found: Vec::new(), complete: Vec::new() };
        for path in paths {
            match path.canonicalize() {
                Ok(root) => files.walk(root, progress, cancel)?,
                Err(error) => progress(Event::Skipped(path.clone(), error.to_string())),
            }
        }
        Ok(files)
    }

    fn walk(
        &mut self,
        root: PathBuf,
        progress: &mut dyn FnMut(Event),
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let mut complete = true;
        for entry in WalkBuilder::new(&root).sort_by_file_name(Ord::cmp).build() {
            cancel.check().map_err(Error::cancelled(Stage::Reading))?;
            match entry {
                Ok(entry) if entry.file_type().is_some_and(|t| t.is_file()) => {
                    self.found.push(entry.into_path());
                }
                Ok(_) => {}
                Err(error) => {
                    complete = false;
                    progress(Event::Skipped(root.clone(), error.to_string()));
                }
            }
        }
        if complete && root.is_dir() {
            self.complete.push(root);
        }
        Ok(())
    }

    /// Whether a file that is not among those found is gone, and not only
    /// elsewhere.
    pub(super) fn covers(&self, path: &Path) -> bool {
        self.complete.iter().any(|folder| path.starts_with(folder))
    }
}
