//! Files that are there whole or not at all.

use crate::Error;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

/// Writes a file under another name in the same folder and gives it its own
/// once it is complete, so that nobody ever sees a part of it. A file of that
/// name is replaced; after an error it is as it was.
///
/// # Errors
/// [`Error::File`] and what `write` says.
pub fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), Error>,
) -> Result<(), Error> {
    let failed = |source| Error::File { file: path.to_owned(), action: "write", source };
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".smallmind-");
    // As any new file; left alone, it would be the user's alone.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let file = builder.tempfile_in(folder).map_err(failed)?;
    let mut buffered = BufWriter::with_capacity(1 << 20, file.as_file());
    write(&mut buffered)?;
    buffered.into_inner().map_err(|e| failed(e.into_error()))?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map(drop).map_err(|e: tempfile::PersistError| failed(io::Error::from(e)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let failed = |source| Error::File { file: path.clone(), action: "write", source };
        replace(&path, |to| to.write_all(b"one").map_err(failed)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        let result = replace(&path, |to| {
            to.write_all(b"half").map_err(failed)?;
            Err(failed(io::ErrorKind::StorageFull.into()))
        });
        assert!(matches!(result, Err(Error::File { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
