//! What a subscriber sees of a request.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{engine, request};
use smallmind_abstractions::CancellationToken;
use smallmind_engine::budget::TOKENS_SOFT_LIMIT;
use smallmind_engine::scheduler::{Priority, Scheduler, SchedulerOptions};
use smallmind_engine::{Limits, SessionBudget, SessionOptions};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::format::FmtSpan;

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn logged(log: &Log, work: impl FnOnce()) {
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, work);
}

#[test]
fn a_request_says_what_it_took_and_each_pass_has_a_span() {
    let log = Log::default();
    logged(&log, || {
        let limits = Limits { soft: Some(5), ..Limits::default() };
        let budget = SessionBudget { tokens: limits, ..SessionBudget::default() };
        let session = engine().session(SessionOptions { budget, ..Default::default() }).unwrap();
        session.generate(&request(vec![1, 10, 20, 30], 3), &CancellationToken::new()).unwrap();
    });
    let text = log.text();
    for expected in [
        "forward{pass=\"prefill\" tokens=4}",
        "forward{pass=\"decode\" tokens=1}",
        "request ended",
        "prompt_tokens=4",
        "cached_tokens=0",
        "completion_tokens=3",
        "prefill_tokens_per_second=",
        "decode_tokens_per_second=",
        "pool_hits=",
        TOKENS_SOFT_LIMIT.as_str(),
    ] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
}

#[test]
fn a_scheduler_says_what_waits_and_what_its_cache_holds() {
    let log = Log::default();
    let (subscribed, never) = (log.clone(), CancellationToken::new());
    // The scheduler's thread takes the subscriber of the one that makes it.
    logged(&subscribed, || {
        let scheduler = Scheduler::new(engine(), SchedulerOptions::default()).unwrap();
        let request = request(vec![1, 10, 20, 30], 3);
        scheduler.submit(&request, Priority::Normal, &never).unwrap().finish().unwrap();
    });
    let text = log.text();
    for expected in ["step{running=1 queued=0 prompt_tokens=4", "prefix_bytes=", "request ended"] {
        assert!(text.contains(expected), "no {expected} in {text}");
    }
}
