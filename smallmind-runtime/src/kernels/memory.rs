//! Large pieces of memory straight from the system.

use crate::Error;
use bytemuck::{Pod, Zeroable};
#[cfg(unix)]
use memmap2::UncheckedAdvice;
use memmap2::{MmapMut, MmapRaw};
use std::cell::RefCell;
use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

/// Bytes that an arena asks the system for at a time: many huge pages.
const CHUNK: usize = 32 << 20;
/// Where regions start: at a line of the caches.
const ALIGN: usize = 64;

/// Bytes from which memory of its own is worth its pages.
pub(crate) const LARGE: usize = 2 << 20;

/// A line of the caches.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; 16]);

/// Zeroed memory, page-aligned, and in huge pages where the system grants
/// them. Pages that nobody touches take no room.
pub(crate) fn anonymous(bytes: usize) -> Result<MmapMut, Error> {
    let failed = |source| Error::OutOfMemory { bytes, source };
    let map = MmapMut::map_anon(bytes.max(1)).map_err(failed)?;
    #[cfg(target_os = "linux")]
    if let Err(error) = map.advise(memmap2::Advice::HugePage) {
        tracing::debug!(%error, "no huge pages");
    }
    Ok(map)
}

/// Where matrices lie side by side, since most are smaller than a huge page.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// What is not given away yet starts at the offset.
    open: RefCell<Option<(Arc<MmapRaw>, usize)>>,
}

/// A part of a piece of memory, which lives as long as any of its parts.
#[derive(Debug)]
pub(crate) struct Region {
    memory: Arc<MmapRaw>,
    start: usize,
    len: usize,
}

/// A region whose room the system has back as soon as it is dropped. Its like
/// in an arena would break huge pages that its neighbours lie in.
#[derive(Debug)]
pub(crate) struct Page(Region);

/// The pages that lie wholly in a part of a mapping, where there are any: what
/// the system may be asked to take back.
pub(crate) fn whole_pages(part: Range<usize>) -> Option<Range<usize>> {
    /// No system has smaller pages; where they are larger, the system refuses.
    const PAGE: usize = 4096;
    let (start, end) = (part.start.next_multiple_of(PAGE), part.end / PAGE * PAGE);
    (start < end).then_some(start..end)
}

impl Page {
    /// `count` pages of `len` zeroed bytes, side by side in memory that is
    /// theirs alone.
    pub(crate) fn several(len: usize, count: usize) -> Result<Vec<Self>, Error> {
        let memory = Arc::new(MmapRaw::from(anonymous(len * count)?));
        let page = |i| Self(Region { memory: Arc::clone(&memory), start: i * len, len });
        Ok((0..count).map(page).collect())
    }

    /// Some of its bytes.
    ///
    /// # Safety
    /// Nobody else reads or writes them meanwhile.
    #[allow(clippy::mut_from_ref, reason = "that is what the safety clause is about")]
    pub(crate) unsafe fn part(&self, range: Range<usize>) -> &mut [u8] {
        let Self(region) = self;
        assert!(range.start <= range.end && range.end <= region.len);
        // SAFETY: in bounds by the check above, unaliased by the caller's word.
        unsafe {
            let start = region.memory.as_mut_ptr().add(region.start + range.start);
            std::slice::from_raw_parts_mut(start, range.len())
        }
    }
}

#[cfg(unix)]
impl Drop for Page {
    fn drop(&mut self) {
        let Self(Region { memory, start, len }) = self;
        let pages = whole_pages(*start..*start + *len);
        // The last one takes the mapping along.
        let Some(pages) = pages.filter(|_| Arc::strong_count(memory) > 1) else { return };
        let advice = UncheckedAdvice::DontNeed;
        // SAFETY: they lie within this page, which nobody reads again.
        let released = unsafe { memory.unchecked_advise_range(advice, pages.start, pages.len()) };
        if let Err(error) = released {
            tracing::debug!(%error, "pages are not given back");
        }
    }
}

impl Arena {
    /// Zeroed bytes.
    pub(crate) fn region(&self, len: usize) -> Result<Region, Error> {
        let mut open = self.open.borrow_mut();
        if let Some((memory, start)) = &mut *open
            && memory.len() - *start >= len
        {
            let region = Region { memory: Arc::clone(memory), start: *start, len };
            *start = memory.len().min((*start + len).next_multiple_of(ALIGN));
            return Ok(region);
        }
        let memory = Arc::new(MmapRaw::from(anonymous(len.max(CHUNK))?));
        let rest = memory.len().min(len.next_multiple_of(ALIGN));
        // A large matrix leaves the chunk that is open as it is.
        if memory.len() - rest > open.as_ref().map_or(0, |(memory, start)| memory.len() - start) {
            *open = Some((Arc::clone(&memory), rest));
        }
        Ok(Region { memory, start: 0, len })
    }
}

impl Deref for Page {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Page {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Deref for Region {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: these bytes lie in the mapping and were given to this region
        // alone, so that they change by `deref_mut` and `part` only.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().add(self.start), self.len) }
    }
}

impl DerefMut for Region {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe {
            std::slice::from_raw_parts_mut(self.memory.as_mut_ptr().add(self.start), self.len)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_apart_and_outlive_their_arena() {
        let arena = Arena::default();
        let sizes = [1, 100, CHUNK, 0, CHUNK - 1000, 5000, 2 * CHUNK, 64];
        let mut regions = sizes.map(|len| arena.region(len).expect("memory"));
        drop(arena);
        for (i, region) in (0..).zip(&mut regions) {
            assert!(region.iter().all(|b| *b == 0));
            assert_eq!(region.as_ptr().align_offset(ALIGN), 0);
            region.fill(i + 1);
        }
        for ((i, region), len) in (0..).zip(&regions).zip(sizes) {
            assert!(region.len() == len && region.iter().all(|b| *b == i + 1));
        }
    }

    #[test]
    fn small_regions_share_a_chunk() {
        let arena = Arena::default();
        let regions: Vec<_> =
            (0..100).map(|_| arena.region(CHUNK / 100).expect("memory")).collect();
        let first = &regions[0];
        let shared = regions.iter().filter(|r| Arc::ptr_eq(&r.memory, &first.memory)).count();
        assert!(shared >= 99, "{shared}");
    }
}
