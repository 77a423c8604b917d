//! Pages of mapped files that nobody needs for now.

use super::ModelFile;
use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;
use std::sync::Arc;

/// No system has smaller pages; where they are larger, the system refuses.
const PAGE: usize = 4096;

impl ModelFile {
    /// Lets the system take back the pages that lie wholly in `data`, a part of
    /// a tensor. Whoever reads them again gets them from the file again.
    pub(crate) fn release(&self, data: &[u8]) {
        let within = |map: &&Arc<Mmap>| map.as_ptr_range().contains(&data.as_ptr());
        if let Some(map) = self.maps.iter().find(within) {
            let start = data.as_ptr() as usize - map.as_ptr() as usize;
            release(map, start.next_multiple_of(PAGE), (start + data.len()) / PAGE * PAGE);
        }
    }
}

#[cfg(unix)]
fn release(map: &Mmap, start: usize, end: usize) {
    if start >= end || end > map.len() {
        return;
    }
    // SAFETY: the map is of a file and read-only, so that its pages hold
    // nothing that the file does not.
    let released =
        unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, end - start) };
    if let Err(error) = released {
        tracing::debug!(%error, "pages are not given back");
    }
}

#[cfg(not(unix))]
fn release(_: &Mmap, _: usize, _: usize) {}
