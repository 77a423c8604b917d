//! Large pieces of memory straight from the system.

use crate::Error;
use memmap2::MmapMut;

/// Zeroed memory, page-aligned, and in huge pages where the system grants
/// them. Pages that nobody touches take no room.
pub(super) fn anonymous(bytes: usize) -> Result<MmapMut, Error> {
    let failed = |source| Error::OutOfMemory { bytes, source };
    let map = MmapMut::map_anon(bytes.max(1)).map_err(failed)?;
    #[cfg(target_os = "linux")]
    if let Err(error) = map.advise(memmap2::Advice::HugePage) {
        tracing::debug!(%error, "no huge pages");
    }
    Ok(map)
}
