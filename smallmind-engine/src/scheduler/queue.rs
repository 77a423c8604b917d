//! Requests that wait, a bounded number of them.

use super::Priority;
use crate::Error;
use crate::completion::Task;
use crate::events::Sender;
use smallmind_abstractions::{CancellationToken, GenerationEvent};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Every so often the oldest request is taken, whatever its priority, so that
/// none waits for ever.
const OLDEST_EVERY: u64 = 4;

/// Where the events of a request go.
pub(super) type Events = Sender<Result<GenerationEvent, Error>>;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) task: Task,
    pub(super) priority: Priority,
    pub(super) cancel: CancellationToken,
    pub(super) events: Events,
}

#[derive(Debug)]
pub(super) struct Queue {
    capacity: usize,
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    waiting: VecDeque<Ticket>,
    taken: u64,
    closed: bool,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default(), news: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change is one call: what the lock guards is always whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that wait.
    pub(super) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    pub(super) fn push(&self, ticket: Ticket) -> Result<(), Error> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::SchedulerClosed);
        }
        if state.waiting.len() >= self.capacity {
            return Err(Error::QueueFull { capacity: self.capacity });
        }
        state.waiting.push_back(ticket);
        self.news.notify_all();
        Ok(())
    }

    /// Takes the next request, if there is one.
    pub(super) fn take(&self) -> Option<Ticket> {
        let mut state = self.state();
        let first = state.waiting.iter().map(|ticket| ticket.priority).max()?;
        state.taken += 1;
        let oldest = state.taken.is_multiple_of(OLDEST_EVERY);
        let at = state.waiting.iter().position(|t| oldest || t.priority == first)?;
        state.waiting.remove(at)
    }

    /// Takes the requests that were cancelled or whose time is over.
    pub(super) fn take_stopped(&self) -> Vec<Ticket> {
        let waiting = &mut self.state().waiting;
        let (stopped, rest) = waiting.drain(..).partition(|ticket| ticket.cancel.is_cancelled());
        *waiting = rest;
        Vec::from(stopped)
    }

    /// Waits for a request or for the end; whether it is the end.
    pub(super) fn wait(&self) -> bool {
        let idle = |state: &mut State| state.waiting.is_empty() && !state.closed;
        let state = self.news.wait_while(self.state(), idle);
        state.unwrap_or_else(PoisonError::into_inner).closed
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Takes no more requests.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.news.notify_all();
    }
}
