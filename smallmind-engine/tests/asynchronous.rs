//! Streams of futures tell what blocking calls do, and end as they do.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

#[allow(dead_code, unreachable_pub, reason = "other tests use the rest")]
mod common;

use common::{engine, request};
use futures_core::Stream;
use smallmind_abstractions::{CancellationToken, GenerationEvent};
use smallmind_engine::scheduler::{Priority, Scheduler, SchedulerOptions};
use smallmind_engine::{Error, SessionOptions};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Wakes a thread that sleeps.
struct Sleeper(Thread);

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// All items of a stream, by an executor that polls only when it is woken.
fn collect<S: Stream + Unpin>(mut stream: S) -> Vec<S::Item> {
    let waker = Waker::from(Arc::new(Sleeper(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut items = Vec::new();
    loop {
        match Pin::new(&mut stream).poll_next(&mut context) {
            Poll::Ready(Some(item)) => items.push(item),
            Poll::Ready(None) => return items,
            Poll::Pending => thread::park(),
        }
    }
}

fn tokens(events: &[Result<GenerationEvent, Error>]) -> Vec<u32> {
    match events.last().unwrap().as_ref().unwrap() {
        GenerationEvent::Finished(result) => result.tokens.clone(),
        other => panic!("the last event is {other:?}"),
    }
}

#[test]
fn streams_of_sessions_and_schedulers_give_the_tokens_of_blocking_calls() {
    let (engine, never) = (engine(), CancellationToken::new());
    let session = Arc::new(engine.session(SessionOptions::default()).unwrap());
    let request = request(vec![1, 10, 20, 30], 40);
    let expected = session.generate(&request, &never).unwrap().tokens;
    let found = collect(session.stream_async(request.clone(), &never).unwrap());
    assert_eq!(tokens(&found), expected);
    let is_token = |event: &&Result<_, _>| matches!(event, Ok(GenerationEvent::Token { .. }));
    assert_eq!(found.iter().filter(is_token).count(), expected.len());
    let scheduler = Scheduler::new(engine, SchedulerOptions::default()).unwrap();
    let streams: Vec<_> =
        (0..4).map(|_| scheduler.submit(&request, Priority::Normal, &never).unwrap()).collect();
    for stream in streams {
        assert_eq!(tokens(&collect(stream)), expected);
    }
}

#[test]
fn errors_and_cancellations_are_items() {
    let (engine, never) = (engine(), CancellationToken::new());
    let session = Arc::new(engine.session(SessionOptions::default()).unwrap());
    let endless = request(vec![1, 10, 20, 30], 100);
    let mut held = session.stream(endless.clone(), never.clone()).unwrap();
    held.next().unwrap().unwrap();
    let refused = collect(session.stream_async(endless.clone(), &never).unwrap());
    assert!(matches!(refused[..], [Err(Error::SessionInUse { .. })]), "{refused:?}");
    drop(held);
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let stopped = collect(session.stream_async(endless.clone(), &cancelled).unwrap());
    assert!(matches!(stopped[..], [Err(Error::Cancelled { .. })]), "{stopped:?}");
    // A stream that is dropped lets go of its session.
    drop(session.stream_async(endless.clone(), &never).unwrap());
    while let Err(error) = session.generate(&endless, &never) {
        assert!(matches!(error, Error::SessionInUse { .. }), "{error}");
        thread::yield_now();
    }
}
