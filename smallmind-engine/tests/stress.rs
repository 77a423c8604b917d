//! Many threads on one session: one holder at a time, no release lost, and
//! nothing left behind by those who cancelled, panicked or went away.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{engine, request};
use smallmind_abstractions::{CancellationToken, GenerationEvent, GenerationRequest, TokenId};
use smallmind_engine::{Engine, Error, GenerationStream, InferenceSession, SessionOptions};
use smallmind_testkit::Random;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

const THREADS: usize = 64;
const TRIES: usize = 10_000;

/// How a generation ends.
#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Whole,
    Cancelled,
    Panicked,
    HalfRead,
}

impl End {
    const ALL: [Self; 4] = [Self::Whole, Self::Cancelled, Self::Panicked, Self::HalfRead];
}

/// What a thread wants of the session.
#[derive(Debug, Clone)]
struct Job {
    prompt: Vec<TokenId>,
    end: End,
    /// Tokens after which it ends so.
    after: usize,
}

impl Job {
    fn random(random: &mut Random) -> Self {
        // Prompts that share beginnings, so that what is kept matters.
        let len = 1 + random.below(6);
        let prompt = (0..len).map(|_| 20 + random.below(3) as TokenId).collect();
        Self { prompt, end: End::ALL[random.below(4)], after: random.below(3) }
    }

    fn request(&self) -> GenerationRequest {
        request(self.prompt.clone(), 3)
    }

    /// What [`read`](Self::read) gives; `None` for a panic.
    fn outcome(
        &self,
        stream: &mut GenerationStream<'_>,
        cancel: &CancellationToken,
    ) -> Option<Vec<TokenId>> {
        catch_unwind(AssertUnwindSafe(|| self.read(stream, cancel))).ok()
    }

    /// Reads to its end, which may be a panic. The tokens generated.
    fn read(&self, stream: &mut GenerationStream<'_>, cancel: &CancellationToken) -> Vec<TokenId> {
        let mut tokens = Vec::new();
        loop {
            if tokens.len() == self.after {
                match self.end {
                    End::Whole => {}
                    End::Cancelled => cancel.cancel(),
                    End::Panicked => resume_unwind(Box::new("in the middle of a stream")),
                    End::HalfRead => return tokens,
                }
            }
            match stream.next() {
                Some(Ok(GenerationEvent::Token { id, .. })) => tokens.push(id),
                Some(Ok(GenerationEvent::Finished(_))) => return tokens,
                Some(Err(Error::Cancelled { partial })) => return partial.tokens,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What the threads of a test share.
struct Contest {
    session: InferenceSession,
    holders: AtomicUsize,
    refused: AtomicUsize,
    /// What was run, in order, and what came of it; `None` is a panic.
    winners: Mutex<Vec<(Job, Option<Vec<TokenId>>)>>,
}

/// Counts a holder as long as it lives.
struct Count<'a>(&'a Contest);

impl Drop for Count<'_> {
    fn drop(&mut self) {
        assert_eq!(self.0.holders.fetch_sub(1, Ordering::SeqCst), 1, "two holders");
    }
}

impl Contest {
    fn try_once(&self, job: &Job) {
        let cancel = CancellationToken::new();
        let mut stream = match self.session.stream(job.request(), cancel.clone()) {
            Ok(stream) => stream,
            Err(Error::SessionInUse { .. }) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                std::thread::yield_now();
                return;
            }
            Err(error) => panic!("{error}"),
        };
        assert_eq!(self.holders.fetch_add(1, Ordering::SeqCst), 0, "two holders");
        // Dropped before the stream, whose drop lets the next one in.
        let _count = Count(self);
        let outcome = job.outcome(&mut stream, &cancel);
        self.winners.lock().unwrap().push((job.clone(), outcome));
    }
}

/// Runs the winners alone, and holds their results and the session to it.
fn replay(engine: &Engine, contest: &Contest) {
    let alone = engine.session(SessionOptions::default()).unwrap();
    let winners = contest.winners.lock().unwrap();
    for (job, tokens) in &*winners {
        let cancel = CancellationToken::new();
        let mut stream = alone.stream(job.request(), cancel.clone()).unwrap();
        assert_eq!(job.outcome(&mut stream, &cancel), *tokens, "{job:?}");
    }
    assert_eq!(contest.session.tokens().unwrap(), alone.tokens().unwrap());
    let last = request(vec![20, 21, 22], 20);
    let generate = |s: &InferenceSession| s.generate(&last, &CancellationToken::new()).unwrap();
    assert_eq!(generate(&contest.session).tokens, generate(&alone).tokens);
    for end in End::ALL {
        let count = winners.iter().filter(|(job, _)| job.end == end).count();
        assert!(count > 0, "of {} winners none ended {end:?}", winners.len());
    }
}

#[test]
fn one_of_64_threads_holds_the_session_and_all_releases_arrive() {
    let engine = engine();
    let contest = Contest {
        session: engine.session(SessionOptions::default()).unwrap(),
        holders: AtomicUsize::new(0),
        refused: AtomicUsize::new(0),
        winners: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let contest = &contest;
            scope.spawn(move || {
                let mut random = Random::new(thread as u64);
                (0..TRIES).for_each(|_| contest.try_once(&Job::random(&mut random)));
            });
        }
    });
    // No holder is left, and every try was one or the other.
    assert_eq!(contest.holders.load(Ordering::SeqCst), 0);
    let won = contest.winners.lock().unwrap().len();
    assert_eq!(won + contest.refused.load(Ordering::Relaxed), THREADS * TRIES);
    replay(&engine, &contest);
}
