//! Which buffers are free, by size, and what was counted.

use super::sync::{Mutex, MutexGuard, PoisonError};

/// Sizes that a class covers: four for each doubling, from [`SMALLEST`] on.
const STEPS: usize = 4;
/// Bytes of the smallest class.
pub(super) const SMALLEST: usize = 1 << 10;
/// As many as there are doublings of [`SMALLEST`] in an address space.
const CLASSES: usize = (usize::BITS as usize - SMALLEST.ilog2() as usize) * STEPS;

/// The counts of the lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) live: usize,
    pub(crate) high_water: usize,
    pub(crate) retained: usize,
}

/// A size that buffers come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class {
    index: usize,
    /// Its bytes: at most a quarter more than what was asked for, above the
    /// smallest.
    pub(crate) bytes: usize,
}

impl Class {
    /// The smallest class that holds some bytes; `None` beyond any memory.
    pub(crate) fn of(bytes: usize) -> Option<Self> {
        let bytes = bytes.max(SMALLEST);
        let doubling = bytes.ilog2() as usize;
        let (base, step) = (1_usize << doubling, 1_usize << (doubling - STEPS.ilog2() as usize));
        let steps = (bytes - base).div_ceil(step);
        let index = (doubling - SMALLEST.ilog2() as usize) * STEPS + steps;
        let bytes = base.checked_add(steps.checked_mul(step)?)?;
        (index < CLASSES && isize::try_from(bytes).is_ok()).then_some(Self { index, bytes })
    }
}

#[derive(Debug)]
struct State<M> {
    classes: Vec<Vec<M>>,
    counts: Counts,
}

/// Lists of free buffers of each class, up to a limit of bytes.
#[derive(Debug)]
pub(crate) struct FreeLists<M> {
    limit: usize,
    state: Mutex<State<M>>,
}

impl<M> FreeLists<M> {
    pub(crate) fn new(limit: usize) -> Self {
        let classes = (0..CLASSES).map(|_| Vec::new()).collect();
        Self { limit, state: Mutex::new(State { classes, counts: Counts::default() }) }
    }

    /// A free buffer of a class, which counts as in use from now on, as does
    /// the one to be made where there is none.
    pub(crate) fn take(&self, class: Class) -> Option<M> {
        let mut state = self.lock();
        let found = state.classes[class.index].pop();
        let counts = &mut state.counts;
        if found.is_some() {
            counts.hits += 1;
            counts.retained -= class.bytes;
        } else {
            counts.misses += 1;
        }
        counts.live += class.bytes;
        counts.high_water = counts.high_water.max(counts.live);
        found
    }

    /// Takes back what [`take`](Self::take) gave or counted; returns a buffer
    /// that there is no room for.
    pub(crate) fn give(&self, class: Class, buffer: Option<M>) -> Option<M> {
        let mut state = self.lock();
        state.counts.live -= class.bytes;
        let buffer = buffer?;
        if state.counts.retained + class.bytes > self.limit {
            return Some(buffer);
        }
        state.counts.retained += class.bytes;
        state.classes[class.index].push(buffer);
        None
    }

    /// All free buffers, which the lists hold no longer.
    pub(crate) fn drain(&self) -> Vec<M> {
        let mut state = self.lock();
        state.counts.retained = 0;
        state.classes.iter_mut().flat_map(std::mem::take).collect()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// A panic cannot leave the lists half changed: nothing in between panics.
    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
