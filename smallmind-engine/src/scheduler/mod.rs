//! Many requests at once on one model: continuous batching.
//!
//! A thread of its own computes one forward pass after another. Each has the
//! next token of every request that is being answered and a part of the prompts
//! of those that are new, so that nobody waits for another's end. A request's
//! tokens are those it would get alone.

mod prefix;
mod queue;
mod worker;

pub use prefix::PrefixStats;

use crate::completion::Task;
use crate::events::{Receiver, channel};
use crate::thread::spawn;
use crate::{Engine, Error};
use queue::{Queue, Ticket};
use smallmind_abstractions::{
    CancellationToken, GenerationEvent, GenerationRequest, GenerationResult,
};
use smallmind_runtime::CacheType;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// Tokens that the context of each request holds where nothing is said.
const DEFAULT_CONTEXT: usize = 4096;

/// How a [`Scheduler`] works.
#[derive(Debug, Clone)]
pub struct SchedulerOptions {
    /// Requests that are computed at once; 8 by default.
    pub sequences: usize,
    /// Requests that may wait; 64 by default.
    pub queue: usize,
    /// Tokens that the context of each request holds; 4096 where `None`, or
    /// what the model was trained for where that is less.
    pub context: Option<usize>,
    /// How keys and values are held; half precision by default.
    pub cache_type: CacheType,
    /// Bytes of keys and values that are kept for prompts to come; 256 MB by
    /// default.
    pub prefix_cache: usize,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            sequences: 8,
            queue: 64,
            context: None,
            cache_type: CacheType::default(),
            prefix_cache: 256 << 20,
        }
    }
}

/// Whose turn comes first. None waits for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub enum Priority {
    /// After the others.
    Low,
    /// Like most.
    #[default]
    Normal,
    /// Before the others.
    High,
}

/// What a scheduler does and has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SchedulerStats {
    /// Requests that wait.
    pub queued: usize,
    /// Requests that are being computed.
    pub running: usize,
    /// Requests that have ended, however.
    pub ended: u64,
    /// Forward passes.
    pub steps: u64,
    /// Tokens that went through them.
    pub tokens: u64,
    /// The prefix cache.
    pub prefix: PrefixStats,
}

/// Serves many requests at once by one model.
///
/// ```no_run
/// use smallmind_abstractions::{CancellationToken, GenerationRequest};
/// use smallmind_engine::scheduler::{Priority, Scheduler, SchedulerOptions};
/// use smallmind_engine::{Engine, EngineOptions};
///
/// let never = CancellationToken::new();
/// let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
/// let scheduler = Scheduler::new(engine, SchedulerOptions::default())?;
/// let submit = |text| scheduler.submit(&GenerationRequest::new(text), Priority::Normal, &never);
/// let (one, other) = (submit("Once upon a time")?, submit("The capital of France")?);
/// println!("{}\n{}", one.finish()?.text, other.finish()?.text);
/// # Ok::<(), smallmind_engine::Error>(())
/// ```
///
/// When it is dropped, what is not finished is cancelled.
#[derive(Debug)]
pub struct Scheduler {
    engine: Engine,
    capacity: usize,
    queue: Arc<Queue>,
    stats: Arc<Mutex<SchedulerStats>>,
    worker: Option<JoinHandle<()>>,
}

impl Scheduler {
    /// Starts a thread that serves requests.
    ///
    /// # Errors
    /// [`Error::Runtime`] where the context is longer than the model was
    /// trained for, or the system makes no thread.
    pub fn new(engine: Engine, options: SchedulerOptions) -> Result<Self, Error> {
        let trained = engine.model().config().context_length;
        let capacity = options.context.unwrap_or(DEFAULT_CONTEXT.min(trained));
        // Says now whether such contexts can be made.
        drop(engine.model().new_context_with(capacity, options.cache_type)?);
        let queue = Arc::new(Queue::new(options.queue));
        let stats = Arc::<Mutex<SchedulerStats>>::default();
        let shared = (engine.clone(), Arc::clone(&queue), Arc::clone(&stats));
        let worker = spawn("smallmind-scheduler", move || {
            let (engine, queue, stats) = shared;
            worker::run(&engine, &queue, &stats, &options, capacity);
        })?;
        Ok(Self { engine, capacity, queue, stats, worker: Some(worker) })
    }

    /// Puts a request in the queue.
    ///
    /// # Errors
    /// [`Error::QueueFull`]: try again later; and what is wrong with the
    /// request, as from [`InferenceSession::generate`](crate::InferenceSession::generate).
    /// What goes wrong later comes out of the stream.
    pub fn submit(
        &self,
        request: &GenerationRequest,
        priority: Priority,
        cancel: &CancellationToken,
    ) -> Result<ScheduledStream, Error> {
        let cancel = match request.options.timeout {
            Some(timeout) => cancel.child_with_timeout(timeout),
            None => cancel.child(),
        };
        let task = Task::new(&self.engine, request, self.capacity, &cancel)?;
        let (events, receiver) = channel();
        let ticket = Ticket { task, priority, cancel: cancel.clone(), events };
        self.queue.push(ticket)?;
        Ok(ScheduledStream { events: receiver, cancel, ended: false })
    }

    /// What it does and has done.
    pub fn stats(&self) -> SchedulerStats {
        let stats = *self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        SchedulerStats { queued: self.queue.len(), ..stats }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(worker) = self.worker.take() {
            // It catches what requests throw, so it always ends well.
            drop(worker.join());
        }
    }
}

/// The events of a request: tokens, then [`GenerationEvent::Finished`] or an
/// error. When it is dropped, the request ends.
#[derive(Debug)]
pub struct ScheduledStream {
    pub(crate) events: Receiver<Result<GenerationEvent, Error>>,
    cancel: CancellationToken,
    pub(crate) ended: bool,
}

impl ScheduledStream {
    /// Waits for the end.
    ///
    /// # Errors
    /// [`Error::Cancelled`] and [`Error::TimedOut`], both with what was
    /// generated until then; [`Error::RequestPanicked`],
    /// [`Error::SchedulerClosed`].
    pub fn finish(self) -> Result<GenerationResult, Error> {
        for event in self {
            if let GenerationEvent::Finished(result) = event? {
                return Ok(result);
            }
        }
        Err(Error::SchedulerClosed)
    }

    /// What an event of the channel is to the caller.
    pub(crate) fn given(
        &mut self,
        event: Option<Result<GenerationEvent, Error>>,
    ) -> Result<GenerationEvent, Error> {
        let event = event.unwrap_or(Err(Error::SchedulerClosed));
        self.ended = !event.as_ref().is_ok_and(|e| !matches!(e, GenerationEvent::Finished(_)));
        event
    }
}

impl Iterator for ScheduledStream {
    type Item = Result<GenerationEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let event = self.events.wait();
        Some(self.given(event))
    }
}

impl Drop for ScheduledStream {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}
