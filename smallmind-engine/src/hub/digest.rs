//! SHA-256 of files.

use crate::Error;
use sha2::{Digest, Sha256};
use smallmind_abstractions::CancellationToken;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The SHA-256 of a file in lower-case hexadecimal.
pub(super) fn sha256_of(path: &Path, cancel: &CancellationToken) -> Result<String, Error> {
    let mut file = File::open(path).map_err(|e| Error::store(path, "open", e))?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        cancel.check().map_err(smallmind_abstractions::Error::from)?;
        let read = file.read(&mut buffer).map_err(|e| Error::store(path, "read", e))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether a text is a SHA-256 in hexadecimal.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}
