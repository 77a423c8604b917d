//! Pages of mapped files that nobody needs for now.

use super::ModelFile;
use crate::kernels::memory::whole_pages;
use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;
use std::ops::Range;
use std::sync::Arc;

impl ModelFile {
    /// Lets the system take back the pages that lie wholly in `data`, a part of
    /// a tensor. Whoever reads them again gets them from the file again.
    pub(crate) fn release(&self, data: &[u8]) {
        let within = |map: &&Arc<Mmap>| map.as_ptr_range().contains(&data.as_ptr());
        if let Some(map) = self.maps.iter().find(within) {
            let start = data.as_ptr() as usize - map.as_ptr() as usize;
            whole_pages(start..start + data.len()).iter().for_each(|pages| release(map, pages));
        }
    }
}

#[cfg(unix)]
fn release(map: &Mmap, pages: &Range<usize>) {
    if pages.end > map.len() {
        return;
    }
    let advice = UncheckedAdvice::DontNeed;
    // SAFETY: the map is of a file and read-only, so that its pages hold
    // nothing that the file does not.
    let released = unsafe { map.unchecked_advise_range(advice, pages.start, pages.len()) };
    if let Err(error) = released {
        tracing::debug!(%error, "pages are not given back");
    }
}

#[cfg(not(unix))]
fn release(_: &Mmap, _: &Range<usize>) {}
