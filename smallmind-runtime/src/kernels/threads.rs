//! A private pool of threads for fork-join work of microseconds.
//!
//! A forward pass of a small model has hundreds of stages that each take tens
//! of microseconds, so what a stage costs to start and to end decides. Workers
//! spin briefly for the next stage and then sleep; the caller works too, and
//! a worker that comes late finds the stage closed instead of being waited
//! for.

use smallmind_abstractions::CancellationToken;
use std::any::Any;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a worker looks for work before it sleeps.
const SPIN: Duration = Duration::from_micros(200);
/// Looks between two readings of the clock.
const LOOKS: u32 = 256;

/// The state of the pool in one word: how many stages there have been, whether
/// one is open, and how many workers are in it.
const OPEN: u64 = 1 << 31;
const WORKERS: u64 = OPEN - 1;
const STAGE_SHIFT: u32 = 32;

/// What a stage runs: a task's number and the number of the thread.
type Task<'a> = dyn Fn(usize, usize) + Sync + 'a;

struct Stage {
    run: *const Task<'static>,
    cancel: *const CancellationToken,
}

/// The tasks that are left of a thread's share: the first in the low half of
/// the word, the one after the last in the high half. On a cache line of its
/// own: its owner writes it for every task.
#[repr(align(64))]
struct Share(AtomicU64);

impl Share {
    fn set(&self, tasks: Range<usize>) {
        self.0.store((tasks.end as u64) << 32 | tasks.start as u64, Ordering::Relaxed);
    }

    /// Takes the first task, or the last one where a thread helps another.
    fn take(&self, last: bool) -> Option<usize> {
        let step = |word: u64| {
            let (start, end) = (word & u64::from(u32::MAX), word >> 32);
            (start < end).then(|| if last { word - (1 << 32) } else { word + 1 })
        };
        let word = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step).ok()?;
        Some(if last { (word >> 32) as usize - 1 } else { word as u32 as usize })
    }
}

struct Shared {
    state: AtomicU64,
    /// One for each thread.
    shares: Box<[Share]>,
    stage: UnsafeCell<Option<Stage>>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    sleep: Mutex<Sleep>,
    wake: Condvar,
    sleepers: AtomicUsize,
}

#[derive(Default)]
struct Sleep {
    stop: bool,
}

// SAFETY: `stage` is written only by the one caller that holds `Pool::turn`,
// while no stage is open and no worker is in one; workers read it only after
// they have entered an open stage, which orders the write before the read. The
// pointers in it are alive until the caller has seen the last worker leave.
unsafe impl Sync for Shared {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl Send for Shared {}

/// Threads that run one stage at a time, together with the caller.
pub(crate) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    turn: Mutex<()>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these locks guard is valid after any panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pool {
    /// A pool in which `threads` work, the caller among them.
    ///
    /// # Errors
    /// What the system says where it cannot make a thread.
    pub(crate) fn new(threads: usize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            shares: (0..threads.max(1)).map(|_| Share(AtomicU64::new(0))).collect(),
            stage: UnsafeCell::new(None),
            panic: Mutex::new(None),
            sleep: Mutex::default(),
            wake: Condvar::new(),
            sleepers: AtomicUsize::new(0),
        });
        let mut pool = Self { shared, workers: Vec::new(), turn: Mutex::new(()) };
        for number in 1..threads.max(1) {
            let shared = Arc::clone(&pool.shared);
            let builder = std::thread::Builder::new().name(format!("smallmind-{number}"));
            pool.workers.push(builder.spawn(move || shared.work(number))?);
        }
        Ok(pool)
    }

    /// The number of threads, the caller among them.
    pub(crate) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task(i, thread)` for every `i` below `tasks`, in any order and on
    /// any thread, and returns when all are done. Once `cancel` is cancelled
    /// the rest are left out: look at it afterwards. A panic in a task is
    /// passed on when all threads have stopped.
    pub(crate) fn run(
        &self,
        tasks: usize,
        cancel: &CancellationToken,
        task: impl Fn(usize, usize) + Sync,
    ) {
        assert!(u32::try_from(tasks).is_ok(), "too many tasks");
        if tasks <= 1 || self.workers.is_empty() {
            (0..tasks).take_while(|_| !cancel.is_cancelled()).for_each(|i| task(i, 0));
            return;
        }
        let _turn = lock(&self.turn);
        let shared = &*self.shared;
        let run: &Task<'_> = &task;
        // SAFETY: only the lifetime changes. The pointer is used by workers
        // inside the stage, and this function does not return or unwind past
        // `close` before the last of them has left.
        let run = unsafe { std::mem::transmute::<*const Task<'_>, *const Task<'static>>(run) };
        // SAFETY: this thread has the turn and no stage is open, so nobody
        // else looks at the cell.
        unsafe { *shared.stage.get() = Some(Stage { run, cancel }) };
        shared.share_out(tasks);
        shared.open();
        let outcome = catch_unwind(AssertUnwindSafe(|| shared.take_tasks(0)));
        shared.close();
        let panic = lock(&shared.panic).take();
        if let Some(panic) = outcome.err().or(panic) {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.shared.sleep).stop = true;
        // A new stage number that is never open makes spinning workers look.
        self.shared.state.fetch_add(1 << STAGE_SHIFT, Ordering::Release);
        self.shared.wake.notify_all();
        for worker in self.workers.drain(..) {
            // A worker catches what its tasks throw, so it always ends well.
            drop(worker.join());
        }
    }
}

impl Shared {
    /// Gives each thread neighbouring tasks: they mostly read neighbouring
    /// memory, which streams best from one thread.
    fn share_out(&self, tasks: usize) {
        let threads = self.shares.len();
        for (i, share) in self.shares.iter().enumerate() {
            share.set(tasks * i / threads..tasks * (i + 1) / threads);
        }
    }

    fn open(&self) {
        self.state.fetch_add((1 << STAGE_SHIFT) | OPEN, Ordering::SeqCst);
        // Pairs with the order in `sleep_until_after`: either this sees the
        // sleeper, or the sleeper sees the new stage.
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.sleep));
            self.wake.notify_all();
        }
    }

    /// Lets no more workers in and waits for those inside.
    fn close(&self) {
        let mut state = self.state.fetch_and(!OPEN, Ordering::AcqRel) & !OPEN;
        let mut looks = 0u32;
        while state & WORKERS != 0 {
            relax(&mut looks);
            state = self.state.load(Ordering::Acquire);
        }
    }

    fn work(&self, thread: usize) {
        let mut seen = 0;
        loop {
            let state = self.wait_for_stage_after(seen);
            seen = state >> STAGE_SHIFT;
            if lock_free_enter(&self.state, seen) {
                let outcome = catch_unwind(AssertUnwindSafe(|| self.take_tasks(thread)));
                if let Err(panic) = outcome {
                    *lock(&self.panic) = Some(panic);
                }
                self.state.fetch_sub(1, Ordering::Release);
            } else if lock(&self.sleep).stop {
                return;
            }
        }
    }

    /// Takes tasks of the open stage until none are left.
    fn take_tasks(&self, thread: usize) {
        // SAFETY: the caller of `run` and workers inside the open stage are the
        // only ones here; the cell was written before the stage was opened and
        // is not written again before it is closed and empty.
        let stage = unsafe { (*self.stage.get()).as_ref() };
        let Some(stage) = stage else { return };
        // SAFETY: both point into the frame of `run`, which waits for the stage
        // to be empty before it ends.
        let (run, cancel) = unsafe { (&*stage.run, &*stage.cancel) };
        let threads = self.shares.len();
        for helped in 0..threads {
            let share = &self.shares[(thread + helped) % threads];
            while let Some(task) = share.take(helped > 0) {
                if cancel.is_cancelled() {
                    return;
                }
                run(task, thread);
            }
        }
    }

    /// The state once its stage is not `seen` any more.
    fn wait_for_stage_after(&self, seen: u64) -> u64 {
        let news = || {
            let state = self.state.load(Ordering::Acquire);
            (state >> STAGE_SHIFT != seen).then_some(state)
        };
        let start = Instant::now();
        loop {
            for _ in 0..LOOKS {
                if let Some(state) = news() {
                    return state;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() > SPIN {
                return self.sleep_until_after(seen);
            }
        }
    }

    fn sleep_until_after(&self, seen: u64) -> u64 {
        let mut guard = lock(&self.sleep);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        loop {
            let state = self.state.load(Ordering::SeqCst);
            if state >> STAGE_SHIFT != seen {
                self.sleepers.fetch_sub(1, Ordering::SeqCst);
                return state;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Enters stage `seen` if it is still open.
fn lock_free_enter(state: &AtomicU64, seen: u64) -> bool {
    state
        .fetch_update(Ordering::AcqRel, Ordering::Acquire, |s| {
            (s & OPEN != 0 && s >> STAGE_SHIFT == seen).then_some(s + 1)
        })
        .is_ok()
}

/// Waits a moment, longer where the wait has been long: the worker may have
/// lost its CPU.
fn relax(looks: &mut u32) {
    *looks += 1;
    if looks.is_multiple_of(4096) {
        std::thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

/// The number of threads that do the most good: the physical cores this
/// process may run on, no more than its CPU quota.
pub(crate) fn default_threads() -> usize {
    let allowed = std::thread::available_parallelism().map_or(1, usize::from);
    physical_cores().map_or(allowed, |cores| cores.min(allowed)).max(1)
}

/// Physical cores among the CPUs of the affinity mask, where Linux tells.
fn physical_cores() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let allowed = status.lines().find_map(|l| l.strip_prefix("Cpus_allowed_list:"))?;
    let mut cores = std::collections::BTreeSet::new();
    for cpu in cpu_list(allowed.trim())? {
        let topology = format!("/sys/devices/system/cpu/cpu{cpu}/topology");
        let siblings = std::fs::read_to_string(format!("{topology}/thread_siblings_list")).ok()?;
        cores.insert(siblings);
    }
    Some(cores.len())
}

/// The CPUs of a list such as `0-3,8`.
fn cpu_list(list: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in list.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        cpus.extend(from.parse::<u32>().ok()?..=to.parse::<u32>().ok()?.min(4095));
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> CancellationToken {
        CancellationToken::new()
    }

    #[test]
    fn every_task_runs_once_whatever_the_threads() {
        for threads in [1, 2, 3, 8] {
            let pool = Pool::new(threads).unwrap();
            for tasks in [0, 1, 2, 7, 1000] {
                let counts: Vec<_> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
                pool.run(tasks, &never(), |i, thread| {
                    assert!(thread < threads);
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
                assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
            }
        }
    }

    #[test]
    fn many_small_stages_and_sleeps_between() {
        let pool = Pool::new(3).unwrap();
        let sum = AtomicUsize::new(0);
        for round in 0..2000 {
            pool.run(5, &never(), |i, _| {
                sum.fetch_add(i, Ordering::Relaxed);
            });
            if round % 500 == 0 {
                std::thread::sleep(SPIN * 5);
            }
        }
        assert_eq!(sum.into_inner(), 20_000);
    }

    #[test]
    fn a_panic_is_passed_on_and_the_pool_lives() {
        let pool = Pool::new(2).unwrap();
        for bad in 0..8 {
            let run = || pool.run(8, &never(), |i, _| assert_ne!(i, bad, "task"));
            assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
        }
        pool.run(8, &never(), |_, _| ());
    }

    #[test]
    fn cancelling_leaves_out_the_rest() {
        let pool = Pool::new(2).unwrap();
        let (cancel, done) = (never(), AtomicUsize::new(0));
        pool.run(1_000_000, &cancel, |_, _| {
            cancel.cancel();
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert!(done.into_inner() <= 2);
    }

    #[test]
    fn callers_take_turns() {
        let pool = Pool::new(2).unwrap();
        let sum = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        pool.run(4, &never(), |_, _| {
                            sum.fetch_add(1, Ordering::Relaxed);
                        });
                    }
                });
            }
        });
        assert_eq!(sum.into_inner(), 3200);
    }

    #[test]
    fn cpu_lists() {
        assert_eq!(cpu_list("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(cpu_list("3"), Some(vec![3]));
        assert_eq!(cpu_list("x"), None);
    }
}
