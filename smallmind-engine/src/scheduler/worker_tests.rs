//! A panic in one request is the end of that one alone.

use super::*;
use crate::EngineOptions;
use crate::choice::Mask;
use crate::completion::Task;
use crate::events::{Receiver, channel};
use smallmind_abstractions::{GenerationOptions, GenerationRequest};

/// Rules out nothing, and panics at the third token.
#[derive(Debug)]
struct Panics {
    all: Vec<u32>,
    tokens: usize,
}

impl Mask for Panics {
    fn allowed(&mut self) -> Result<&[u32], Error> {
        Ok(&self.all)
    }

    fn accept(&mut self, _: TokenId) -> Result<(), Error> {
        self.tokens += 1;
        assert!(self.tokens < 3, "the third token");
        Ok(())
    }

    fn is_complete(&self) -> bool {
        false
    }
}

fn engine() -> Engine {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, smallmind_testkit::tiny_model("llama").bytes()).expect("written");
    let options = EngineOptions { threads: Some(1), ..Default::default() };
    Engine::load(&path, options, &CancellationToken::new()).expect("loads")
}

type Received = Receiver<Result<GenerationEvent, Error>>;

fn ticket(engine: &Engine, prompt: &[TokenId], capacity: usize) -> (Ticket, Received) {
    let options = GenerationOptions { max_tokens: Some(6), ignore_eos: true, ..Default::default() };
    let request = GenerationRequest::new(prompt.to_vec()).with_options(options);
    let (events, received) = channel();
    let (priority, cancel) = (Priority::Normal, CancellationToken::new());
    let task = Task::new(engine, &request, capacity, &cancel).expect("a task");
    (Ticket { task, priority, cancel, events }, received)
}

#[test]
fn a_panic_in_one_request_is_the_end_of_that_one_alone() {
    let engine = engine();
    let capacity = engine.model().config().context_length;
    let (queue, stats) = (Queue::new(4), Mutex::default());
    let mut received = Vec::new();
    for i in 0..3 {
        let (mut ticket, events) = ticket(&engine, &[30 + i, 31], capacity);
        if i == 1 {
            let words = engine.model().config().vocab_size.div_ceil(32);
            ticket.task.rule(Box::new(Panics { all: vec![u32::MAX; words], tokens: 0 }));
        }
        queue.push(ticket).expect("room");
        received.push(events);
    }
    let options = SchedulerOptions::default();
    std::thread::scope(|scope| {
        scope.spawn(|| run(&engine, &queue, &stats, &options, capacity));
        for (i, events) in received.iter().enumerate() {
            let all = std::iter::from_fn(|| events.wait());
            let last = all.last().expect("an event");
            match &last {
                Ok(GenerationEvent::Finished(result)) => {
                    assert!(i != 1);
                    assert_eq!(result.tokens.len(), 6);
                }
                Err(Error::RequestPanicked { message }) => {
                    assert_eq!((i, message.as_str()), (1, "the third token"));
                }
                other => panic!("{other:?}"),
            }
        }
        queue.close();
    });
    assert_eq!(stats.lock().expect("no panic").ended, 3);
}

#[test]
fn the_important_come_first_and_every_fourth_is_the_oldest() {
    let engine = engine();
    let queue = Queue::new(8);
    let (low, normal, high) = (Priority::Low, Priority::Normal, Priority::High);
    for priority in [low, low, normal, high, normal, high, high] {
        let ticket = ticket(&engine, &[30], 8).0;
        queue.push(Ticket { priority, ..ticket }).expect("room");
    }
    let taken: Vec<_> = std::iter::from_fn(|| queue.take()).map(|t| t.priority).collect();
    assert_eq!(taken, [high, high, high, low, normal, normal, low]);
}
