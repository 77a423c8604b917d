//! A channel of events that a thread may wait for, and a future too.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
#[cfg(feature = "async")]
use std::task::{Context, Poll};

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    news: Condvar,
}

#[derive(Debug)]
struct State<T> {
    events: VecDeque<T>,
    /// Whether nobody can send any more.
    closed: bool,
    /// Who is to be woken, where a future waits.
    waker: Option<Waker>,
}

impl<T> Shared<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        // Every change is one call: what the lock guards is always whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        let mut state = self.state();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        self.news.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Where events are put. The channel is closed when the last one is dropped.
#[derive(Debug)]
pub(crate) struct Sender<T>(Arc<Last<T>>);

#[derive(Debug)]
struct Last<T>(Arc<Shared<T>>);

impl<T> Drop for Last<T> {
    fn drop(&mut self) {
        self.0.change(|state| state.closed = true);
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Sender<T> {
    pub(crate) fn send(&self, event: T) {
        self.0.0.change(|state| state.events.push_back(event));
    }
}

/// Where events come out, in their order.
#[derive(Debug)]
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

impl<T> Receiver<T> {
    /// Waits for the next event; `None` where none can come any more.
    pub(crate) fn wait(&self) -> Option<T> {
        let waits = |state: &mut State<T>| state.events.is_empty() && !state.closed;
        let state = self.0.news.wait_while(self.0.state(), waits);
        state.unwrap_or_else(PoisonError::into_inner).events.pop_front()
    }

    /// The same for a future, which is woken when there is more.
    #[cfg(feature = "async")]
    pub(crate) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.0.state();
        match state.events.pop_front() {
            None if !state.closed => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
            event => Poll::Ready(event),
        }
    }
}

/// A channel without bound: what is sent is a request's tokens.
pub(crate) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { events: VecDeque::new(), closed: false, waker: None };
    let shared = Arc::new(Shared { state: Mutex::new(state), news: Condvar::new() });
    (Sender(Arc::new(Last(Arc::clone(&shared)))), Receiver(shared))
}
