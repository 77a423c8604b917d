//! Files: what they are, whether they have changed, and their bytes.

use crate::Fingerprint;
use smallmind_abstractions::{CancellationToken, Cancelled};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The largest file that is read.
pub(super) const MAX_SIZE: u64 = 64 << 20;

/// Bytes that are read without a look at the token.
const STEP: u64 = 1 << 20;

/// A file that was changed so short a time ago may change again and keep its
/// time: file systems' clocks have steps of up to two seconds.
const CLOCK_STEP: Duration = Duration::from_secs(2);

/// What a stat tells of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stat {
    pub(super) size: u64,
    /// Nanoseconds from 1970 to the last change, or 0 where it cannot be
    /// trusted.
    pub(super) modified: i64,
}

impl Stat {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let data = path.metadata()?;
        let modified = data.modified().ok().and_then(settled).unwrap_or(0);
        Ok(Self { size: data.len(), modified })
    }

    /// Whether a file is as it was, without a look at its bytes.
    pub(super) fn is_of(&self, known: &Fingerprint) -> bool {
        known.size == self.size && known.modified == self.modified && self.modified != 0
    }
}

/// A time in nanoseconds from 1970, if it is long enough ago to be trusted.
fn settled(time: SystemTime) -> Option<i64> {
    let ago = SystemTime::now().duration_since(time).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok().filter(|_| ago > CLOCK_STEP)?;
    i64::try_from(since.as_nanos()).ok()
}

/// The bytes of a file, or why it cannot be read.
pub(super) fn read(
    path: &Path,
    cancel: &CancellationToken,
) -> Result<Result<Vec<u8>, String>, Cancelled> {
    match File::open(path) {
        Ok(file) => read_all(file, cancel),
        Err(error) => Ok(Err(error.to_string())),
    }
}

/// All that `from` has to say, or why it cannot be read.
pub(super) fn read_all(
    mut from: impl Read,
    cancel: &CancellationToken,
) -> Result<Result<Vec<u8>, String>, Cancelled> {
    let mut bytes = Vec::new();
    loop {
        cancel.check()?;
        match from.by_ref().take(STEP).read_to_end(&mut bytes) {
            Ok(0) => return Ok(Ok(bytes)),
            Ok(_) if bytes.len() as u64 > MAX_SIZE => {
                return Ok(Err(format!("it has more than {MAX_SIZE} bytes")));
            }
            Ok(_) => {}
            Err(error) => return Ok(Err(error.to_string())),
        }
    }
}

/// A hash of all bytes.
pub(super) fn hash(bytes: &[u8], cancel: &CancellationToken) -> Result<[u8; 32], Cancelled> {
    let mut hasher = blake3::Hasher::new();
    for part in bytes.chunks(STEP as usize) {
        cancel.check()?;
        hasher.update(part);
    }
    Ok(*hasher.finalize().as_bytes())
}
