//! Where chats are kept.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps what sessions save, by name. What the bytes are is the sessions'
/// business: they check what they load.
pub trait SessionStore: Debug + Send + Sync {
    /// Keeps what `write` writes in place of what was kept under `name`. After
    /// an error that is as it was.
    ///
    /// # Errors
    /// What the store says, or `write`.
    fn save(
        &self,
        name: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()>;

    /// What is kept under `name`; `None` where nothing is.
    ///
    /// # Errors
    /// What the store says.
    fn load(&self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>>;

    /// Forgets what is kept under `name`; whether there was anything.
    ///
    /// # Errors
    /// What the store says.
    fn remove(&self, name: &str) -> io::Result<bool>;

    /// The names under which something is kept, sorted.
    ///
    /// # Errors
    /// What the store says.
    fn names(&self) -> io::Result<Vec<String>>;
}

/// Keeps sessions in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    saved: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn saved(&self) -> MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        // Every change to the map is one call.
        self.saved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionStore for MemoryStore {
    fn save(
        &self,
        name: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut bytes = Vec::new();
        write(&mut bytes)?;
        self.saved().insert(name.to_owned(), bytes);
        Ok(())
    }

    fn load(&self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        let bytes = self.saved().get(name).cloned();
        Ok(bytes.map(|bytes| Box::new(io::Cursor::new(bytes)) as Box<dyn Read>))
    }

    fn remove(&self, name: &str) -> io::Result<bool> {
        Ok(self.saved().remove(name).is_some())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.saved().keys().cloned().collect())
    }
}

/// Keeps sessions in a folder, a file each. A file is there whole or not at
/// all: it gets its name once all of it is on the disk.
///
/// ```
/// use smallmind_engine::chat::{FolderStore, SessionStore};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let store = FolderStore::new(folder.join("chats"))?;
/// store.save("monday", &mut |to| to.write_all(b"..."))?;
/// assert_eq!(store.names()?, ["monday"]);
/// assert!(store.load("tuesday")?.is_none());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FolderStore {
    folder: PathBuf,
}

/// How the files of chats are called.
const EXTENSION: &str = "chat";

/// Longer names are too long for some file systems.
const LONGEST_NAME: usize = 100;

impl FolderStore {
    /// A store in `folder`, which is made where it is missing.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// The file of a name. Only names that are the same on every file system,
    /// and lie in the folder, are taken.
    fn file(&self, name: &str) -> io::Result<PathBuf> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let fits = (1..=LONGEST_NAME).contains(&name.len()) && !name.starts_with('.');
        if fits && name.bytes().all(plain) {
            return Ok(self.folder.join(format!("{name}.{EXTENSION}")));
        }
        let text = format!(
            "'{name}' is no name for a file; use up to {LONGEST_NAME} letters, digits, '-', '_' and '.'"
        );
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }
}

/// What the system said, or `None` where a file is missing.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl SessionStore for FolderStore {
    fn save(
        &self,
        name: &str,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let path = self.file(name)?;
        // Readable by its owner alone, as chats should be.
        let file = tempfile::Builder::new().prefix(".saving-").tempfile_in(&self.folder)?;
        let mut buffered = BufWriter::with_capacity(1 << 20, file.as_file());
        write(&mut buffered)?;
        buffered.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    fn load(&self, name: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        let file = found(File::open(self.file(name)?))?;
        Ok(file.map(|file| Box::new(BufReader::with_capacity(1 << 20, file)) as Box<dyn Read>))
    }

    fn remove(&self, name: &str) -> io::Result<bool> {
        Ok(found(fs::remove_file(self.file(name)?))?.is_some())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = PathBuf::from(entry?.file_name());
            if path.extension().is_some_and(|e| e == EXTENSION)
                && let Some(name) = path.file_stem().and_then(|n| n.to_str())
                && !name.starts_with('.')
            {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }
}
