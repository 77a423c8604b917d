//! Many requests at once: each gets what it gets alone, and none harms another.

#![allow(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::{engine, request};
use smallmind_abstractions::{
    CancellationToken, FinishReason, GenerationEvent, GenerationRequest, SamplingOptions,
};
use smallmind_engine::scheduler::{Priority, ScheduledStream, Scheduler, SchedulerOptions};
use smallmind_engine::{Engine, EngineOptions, Error, SessionOptions};
use smallmind_testkit::model_path;
use std::time::{Duration, Instant};

fn real() -> Engine {
    let options = EngineOptions { threads: Some(2), ..Default::default() };
    Engine::load(model_path("smollm2-135m"), options, &CancellationToken::new()).unwrap()
}

fn scheduler(engine: &Engine, sequences: usize, queue: usize) -> Scheduler {
    let options = SchedulerOptions { sequences, queue, ..Default::default() };
    Scheduler::new(engine.clone(), options).unwrap()
}

fn submit(scheduler: &Scheduler, request: &GenerationRequest) -> ScheduledStream {
    scheduler.submit(request, Priority::Normal, &CancellationToken::new()).unwrap()
}

/// A request that goes on for long.
fn long(first: u32) -> GenerationRequest {
    let mut request = request(vec![first, 40, 41], 1000);
    request.options.ignore_eos = true;
    request
}

/// Waits until `done`.
fn until(mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing happens");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn each_gets_what_it_gets_alone() {
    let engine = real();
    let beginning: Vec<u32> = (0..150).map(|i| 1000 + i * 31).collect();
    let requests: Vec<_> = (0..10)
        .map(|i: u32| {
            // Some begin alike, and prompts are of many lengths.
            let mut prompt = beginning[..if i.is_multiple_of(2) { 150 } else { 1 }].to_vec();
            prompt.extend((0..i * 40).map(|j| 2000 + i * 100 + j));
            let mut request = request(prompt, 8 + i as usize);
            request.options.logprobs = Some(2);
            request.options.sampling = SamplingOptions {
                temperature: (i % 3) as f32 * 0.5,
                seed: u64::from(i),
                ..Default::default()
            };
            request
        })
        .collect();
    let scheduler = scheduler(&engine, 4, 64);
    for round in 0..2 {
        let streams: Vec<_> = requests.iter().map(|r| submit(&scheduler, r)).collect();
        for (request, stream) in requests.iter().zip(streams) {
            let session = engine.session(SessionOptions::default()).unwrap();
            let alone = session.generate(request, &CancellationToken::new()).unwrap();
            let mut text = String::new();
            for event in stream {
                match event.unwrap() {
                    GenerationEvent::Finished(together) => {
                        assert_eq!(together.tokens, alone.tokens);
                        assert_eq!(together.logprobs, alone.logprobs);
                        assert_eq!(together.finish_reason, alone.finish_reason);
                        assert_eq!((&together.text, &text), (&alone.text, &alone.text));
                        let (cached, prompt) =
                            (together.usage.cached_tokens, together.usage.prompt_tokens);
                        assert!(cached < prompt && (round == 0 || cached + 1 == prompt));
                    }
                    event => text += event.text(),
                }
            }
            assert!(!text.is_empty());
        }
    }
    let stats = scheduler.stats();
    assert_eq!((stats.queued, stats.running, stats.ended), (0, 0, 20));
    assert!(stats.prefix.hit_rate().unwrap() > 0.5 && stats.prefix.bytes <= 256 << 20);
    let tokens: usize = requests.iter().map(|r| r.options.max_tokens.unwrap()).sum();
    assert!((stats.steps as usize) < 2 * tokens, "{stats:?}: passes were shared");
}

#[test]
fn a_full_queue_refuses_and_dropped_streams_make_room_at_once() {
    let engine = real();
    let scheduler = scheduler(&engine, 1, 2);
    let mut first = submit(&scheduler, &long(30));
    first.next().unwrap().unwrap();
    let (second, third) = (submit(&scheduler, &long(31)), submit(&scheduler, &long(32)));
    let never = CancellationToken::new();
    let error = scheduler.submit(&long(33), Priority::High, &never).unwrap_err();
    assert!(matches!(error, Error::QueueFull { capacity: 2 }), "{error}");
    assert_eq!(scheduler.stats().queued, 2);
    drop(third);
    until(|| scheduler.stats().queued == 1);
    // The one that runs goes too, and the one that waited begins.
    drop(first);
    let mut second = second;
    second.next().unwrap().unwrap();
    assert_eq!((scheduler.stats().queued, scheduler.stats().ended), (0, 2));
    // What is left ends with the scheduler, and says what there is.
    drop(scheduler);
    let last = second.last().unwrap();
    let Err(Error::Cancelled { partial }) = last else { panic!("{last:?}") };
    assert!(!partial.tokens.is_empty());
}

#[test]
fn cancelled_and_late_requests_end_and_the_others_go_on() {
    let engine = real();
    let scheduler = scheduler(&engine, 3, 8);
    let cancel = CancellationToken::new();
    let cancelled = scheduler.submit(&long(30), Priority::Normal, &cancel).unwrap();
    let mut late = long(31);
    late.options.timeout = Some(Duration::from_millis(300));
    let late = submit(&scheduler, &late);
    let mut short = request(vec![32, 40], 60);
    short.options.ignore_eos = true;
    let short_stream = submit(&scheduler, &short);
    // In the queue, behind the three: its time ends there.
    let mut waiting = long(33);
    waiting.options.timeout = Some(Duration::from_millis(1));
    let waiting = submit(&scheduler, &waiting).finish().unwrap_err();
    assert!(matches!(waiting, Error::TimedOut { .. }), "{waiting}");
    std::thread::sleep(Duration::from_millis(30));
    cancel.cancel();
    let error = cancelled.finish().unwrap_err();
    assert!(matches!(&error, Error::Cancelled { partial } if !partial.tokens.is_empty()));
    let error = late.finish().unwrap_err();
    let Error::TimedOut { after, partial } = error else { panic!("{error}") };
    assert!(after >= Duration::from_millis(300));
    assert_eq!(partial.finish_reason, FinishReason::TimedOut);
    let session = engine.session(SessionOptions::default()).unwrap();
    let alone = session.generate(&short, &CancellationToken::new()).unwrap();
    assert_eq!(short_stream.finish().unwrap().tokens, alone.tokens);
}

#[test]
fn the_unimportant_come_in_time() {
    let engine = engine();
    let capacity = engine.model().config().context_length;
    let scheduler = scheduler(&engine, 1, 16);
    // Holds the only place until all others wait.
    let mut first = request(vec![30; capacity / 2], capacity);
    first.options.ignore_eos = true;
    let never = CancellationToken::new();
    let cancel = CancellationToken::new();
    let first = scheduler.submit(&first, Priority::High, &cancel).unwrap();
    let low = scheduler.submit(&request(vec![31], 2), Priority::Low, &never).unwrap();
    let streams: Vec<_> = (0..6)
        .map(|i| scheduler.submit(&request(vec![32 + i], 2), Priority::High, &never).unwrap())
        .collect();
    drop(first);
    // It ends though there are always more important ones.
    assert!(low.finish().is_ok());
    streams.into_iter().for_each(|stream| assert!(stream.finish().is_ok()));
}

#[test]
fn wrong_requests_are_refused_before_they_wait() {
    let engine = engine();
    let options = SchedulerOptions { context: Some(8), ..Default::default() };
    let scheduler = Scheduler::new(engine.clone(), options).unwrap();
    let never = CancellationToken::new();
    let refused = |request| scheduler.submit(&request, Priority::Normal, &never).unwrap_err();
    assert!(matches!(refused(request(vec![], 1)), Error::EmptyPrompt));
    let error = refused(request(vec![5; 8], 1));
    assert!(matches!(error, Error::PromptTooLong { tokens: 8, capacity: 8 }), "{error}");
    let none = submit(&scheduler, &request(vec![5], 0)).finish().unwrap();
    assert_eq!((none.tokens.len(), none.finish_reason), (0, FinishReason::MaxTokens));
    let full = submit(&scheduler, &long(5)).finish().unwrap();
    assert_eq!((full.tokens.len(), full.finish_reason), (6, FinishReason::ContextFull));
    let options = SchedulerOptions { context: Some(1 << 30), ..Default::default() };
    assert!(matches!(Scheduler::new(engine, options), Err(Error::Runtime(_))));
}
