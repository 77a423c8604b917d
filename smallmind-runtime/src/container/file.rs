//! A model's file, whatever its format.

use super::gguf;
use super::smq;
use super::split;
use super::tensor::{TensorInfo, TensorView};
use crate::Error;
use memmap2::Mmap;
use smallmind_abstractions::{CancellationToken, Metadata};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that are hashed, and perhaps read, between two looks at a token.
const SLAB: usize = 1 << 20;

/// A model in one or several mapped files.
///
/// ```no_run
/// use smallmind_runtime::container::ModelFile;
///
/// let file = ModelFile::open("model.gguf".as_ref())?;
/// println!("{} tensors of {}", file.tensors().len(), file.metadata().get::<&str>("general.architecture")?);
/// # Ok::<(), smallmind_runtime::Error>(())
/// ```
#[derive(Debug)]
pub struct ModelFile {
    path: PathBuf,
    version: u32,
    alignment: u64,
    metadata: Metadata,
    tensors: Vec<TensorInfo>,
    by_name: HashMap<String, usize>,
    pub(super) maps: Vec<Arc<Mmap>>,
}

/// What one file of a model holds.
pub(super) struct Part {
    pub(super) version: u32,
    pub(super) alignment: u64,
    pub(super) metadata: Metadata,
    pub(super) tensors: Vec<TensorInfo>,
}

impl ModelFile {
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
            let part = match smq::is_smq(&map) {
                true => smq::read(path, &map)?,
                false => gguf::read(path, &map, index)?,
            };
            split::check(path, &part.metadata, index, paths.len())?;
            maps.push(Arc::new(map));
            parts.push(part);
        }
        let mut parts = parts.into_iter();
        let Some(Part { version, alignment, metadata, mut tensors }) = parts.next() else {
            unreachable!("a model has at least one file");
        };
        tensors.extend(parts.flat_map(|p| p.tensors));
        split::check_total(path, &metadata, tensors.len())?;
        let by_name = index(&paths, &tensors)?;
        apart(&paths, &tensors)?;
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

    /// The file that a tensor's data lies in.
    pub(crate) fn map_of(&self, tensor: &TensorInfo) -> &Arc<Mmap> {
        &self.maps[tensor.split]
    }

    /// Checks the data of a tensor, where the file has a checksum of it, and
    /// says whether it has.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Cancelled`].
    pub fn verify(
        &self,
        tensor: &TensorView<'_>,
        cancel: &CancellationToken,
    ) -> Result<bool, Error> {
        let Some(expected) = tensor.info.checksum else { return Ok(false) };
        let mut hasher = crc32fast::Hasher::new();
        for slab in tensor.data.chunks(SLAB) {
            cancel.check()?;
            hasher.update(slab);
        }
        let found = hasher.finalize();
        if found == expected {
            return Ok(true);
        }
        Err(Error::Damaged {
            file: self.path.clone(),
            what: format!("data of tensor '{}'", tensor.info.name.escape_debug()),
            offset: tensor.info.offset,
            expected: format!("checksum {expected:08x}"),
            found: format!("{found:08x}"),
        })
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

/// Whether each tensor has data of its own.
fn apart(paths: &[PathBuf], tensors: &[TensorInfo]) -> Result<(), Error> {
    let mut places: Vec<_> = tensors.iter().filter(|t| t.byte_len > 0).collect();
    places.sort_unstable_by_key(|t| (t.split, t.offset));
    for pair in places.windows(2) {
        let [first, second] = [pair[0], pair[1]];
        let end = first.offset.saturating_add(first.byte_len);
        if first.split == second.split && second.offset < end {
            return Err(Error::Damaged {
                file: paths[second.split].clone(),
                what: format!("data of tensor '{}'", second.name.escape_debug()),
                offset: second.offset,
                expected: "bytes of its own".to_owned(),
                found: format!("bytes shared with tensor '{}'", first.name.escape_debug()),
            });
        }
    }
    Ok(())
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
