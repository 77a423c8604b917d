//! The thread of a scheduler: one forward pass after another.

use super::prefix::PrefixCache;
use super::queue::{Events, Queue, Ticket};
use super::{Priority, SchedulerOptions, SchedulerStats};
use crate::completion::Completion;
use crate::{Engine, Error};
use smallmind_abstractions::{
    CancelCause, CancellationToken, FinishReason, GenerationEvent, TokenId,
};
use smallmind_runtime::{
    Batch, BatchEntry, Context, Error as RuntimeError, Logits, Model, SharedPage,
};
use std::any::Any;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a pass should take: prompts are cut so that others' tokens, new
/// requests and cancellations wait no longer.
const STEP: Duration = Duration::from_millis(20);
/// Tokens of prompts in a pass, at least and at most.
const LEAST: usize = 16;
const MOST: usize = 256;

/// Serves the requests of a queue until it is closed.
pub(super) fn run(
    engine: &Engine,
    queue: &Queue,
    stats: &Mutex<SchedulerStats>,
    options: &SchedulerOptions,
    capacity: usize,
) {
    let mut worker = Worker {
        engine,
        queue,
        stats,
        options,
        capacity,
        batch: engine.model().new_batch(),
        prefix: PrefixCache::new(options.prefix_cache),
        running: Vec::new(),
        prompt_tokens: LEAST,
    };
    while worker.wait() {
        worker.end_stopped();
        worker.admit();
        worker.step();
        worker.publish();
    }
    worker.cancel_all();
    worker.publish();
}

struct Worker<'e> {
    engine: &'e Engine,
    queue: &'e Queue,
    stats: &'e Mutex<SchedulerStats>,
    options: &'e SchedulerOptions,
    capacity: usize,
    batch: Batch,
    prefix: PrefixCache,
    running: Vec<Running<'e>>,
    /// How many tokens of prompts the next pass takes.
    prompt_tokens: usize,
}

/// A request that is computed.
struct Running<'e> {
    completion: Completion<'e>,
    context: Context,
    priority: Priority,
    cancel: CancellationToken,
    events: Events,
    /// Since when the next token is computed.
    since: Instant,
    /// Its tokens in the next pass.
    next: Vec<TokenId>,
    /// Whether they are the last of its prompt, or come after it.
    is_whole: bool,
    outcome: Option<Result<FinishReason, Error>>,
}

impl Running<'_> {
    /// Tokens of the prompt that are not computed yet.
    fn prompt_left(&self) -> usize {
        self.completion.prompt().len().saturating_sub(self.context.len())
    }

    /// Takes the tokens of the next pass: `share` of the prompt at most.
    fn take_next(&mut self, share: usize) {
        let (prompt, held) = (self.completion.prompt(), self.context.len());
        self.next.clear();
        match self.completion.tokens().last() {
            Some(last) => self.next.push(*last),
            None => self.next.extend_from_slice(&prompt[held..prompt.len().min(held + share)]),
        }
        self.is_whole = self.next.len() >= self.prompt_left();
    }

    /// How much of a pass it gets, beside others.
    fn weight(&self) -> usize {
        match self.priority {
            Priority::Low => 1,
            Priority::Normal => 2,
            Priority::High => 4,
        }
    }

    /// Tells the caller; a caller who is gone has cancelled.
    fn send(&self, event: Result<GenerationEvent, Error>) {
        self.events.send(event);
    }

    /// Takes the logits that follow its tokens; why it ends, if it does.
    fn take(&mut self, logits: &[f32]) -> Result<Option<FinishReason>, Error> {
        let chosen = self.completion.choose(logits)?;
        self.completion.took(self.since.elapsed());
        self.since = Instant::now();
        match self.completion.push(chosen)? {
            Some(event) => self.send(Ok(event)),
            None => return Ok(Some(FinishReason::EndOfGeneration)),
        }
        Ok(self.completion.end())
    }

    /// As [`take`](Self::take); what it throws is its own end alone.
    fn take_or_catch(&mut self, logits: &[f32]) {
        let taken = catch_unwind(AssertUnwindSafe(|| self.take(logits)));
        self.outcome = taken.unwrap_or_else(|panic| Err(panicked(&*panic))).transpose();
    }

    /// Tells the caller how it ended.
    fn end(&mut self, outcome: Result<FinishReason, Error>) {
        self.completion.close();
        match outcome {
            Err(Error::Runtime(RuntimeError::Cancelled(cancelled))) => {
                let error = self.completion.stopped(cancelled.cause());
                self.send(Err(error));
            }
            Err(error) => self.send(Err(error)),
            Ok(reason) => {
                if let Some(rest) = self.completion.rest() {
                    self.send(Ok(rest));
                }
                let result = self.completion.result(reason);
                self.send(Ok(GenerationEvent::Finished(result)));
            }
        }
    }

    /// The tokens whose keys and values it holds.
    fn held(&self) -> Vec<TokenId> {
        let (prompt, tokens) = (self.completion.prompt(), self.completion.tokens());
        prompt.iter().chain(tokens).copied().take(self.context.len()).collect()
    }
}

/// Computes the next tokens of some requests.
fn forward(model: &Model, batch: &mut Batch, running: &mut [Running<'_>]) -> Result<(), Error> {
    // One that is alone may be stopped in the middle.
    let cancel = match &*running {
        [only] => only.cancel.clone(),
        _ => CancellationToken::new(),
    };
    let mut entries: Vec<_> = running
        .iter_mut()
        .map(|Running { context, next, is_whole, .. }| {
            let logits = if *is_whole { Logits::Last } else { Logits::None };
            BatchEntry { context, tokens: next, logits }
        })
        .collect();
    model.forward_batch(batch, &mut entries, &cancel)?;
    Ok(())
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    Error::RequestPanicked { message: text.unwrap_or("no message").to_owned() }
}

impl<'e> Worker<'e> {
    /// Waits until there is something to do; whether there ever is.
    fn wait(&self) -> bool {
        if self.running.is_empty() { !self.queue.wait() } else { !self.queue.is_closed() }
    }

    /// Ends the requests that were cancelled, whose time is over, or whose
    /// caller is gone.
    fn end_stopped(&mut self) {
        for ticket in self.queue.take_stopped() {
            self.refuse(ticket);
        }
        for running in &mut self.running {
            if let Err(cancelled) = running.cancel.check() {
                running.outcome = Some(Err(RuntimeError::from(cancelled).into()));
            }
        }
        self.end_finished();
    }

    /// Ends a request that has not begun.
    fn refuse(&self, ticket: Ticket) {
        let Ticket { task, cancel, events, .. } = ticket;
        let cause = cancel.cause().unwrap_or(CancelCause::Cancelled);
        self.count_end();
        events.send(Err(Completion::new(self.engine, task, 0).stopped(cause)));
    }

    /// Takes requests from the queue while there is room for them.
    fn admit(&mut self) {
        while self.running.len() < self.options.sequences.max(1) {
            let Some(ticket) = self.queue.take() else { return };
            let events = ticket.events.clone();
            match self.begin(ticket) {
                Ok(running) => self.running.push(running),
                Err(error) => {
                    self.count_end();
                    events.send(Err(error));
                }
            }
        }
    }

    fn begin(&mut self, ticket: Ticket) -> Result<Running<'e>, Error> {
        let Ticket { task, priority, cancel, events } = ticket;
        let model = self.engine.model();
        let mut context = model.new_context_with(self.capacity, self.options.cache_type)?;
        let (pages, cached) = self.prefix.find(task.prompt());
        context.adopt(&pages, cached)?;
        let mut completion = Completion::new(self.engine, task, cached);
        if let Some(echo) = completion.echo() {
            events.send(Ok(echo));
        }
        let outcome = completion.end().map(Ok);
        let since = Instant::now();
        let next = Vec::new();
        Ok(Running {
            completion,
            context,
            priority,
            cancel,
            events,
            since,
            next,
            is_whole: false,
            outcome,
        })
    }

    /// Computes one pass for all.
    fn step(&mut self) {
        self.end_finished();
        if self.running.is_empty() {
            return;
        }
        let prompt_tokens = self.share_out();
        let began = Instant::now();
        let _span = tracing::debug_span!(
            "step",
            running = self.running.len(),
            queued = self.queue.len(),
            prompt_tokens,
            prefix_hit_rate = self.prefix.stats().hit_rate(),
            prefix_bytes = self.prefix.stats().bytes,
        )
        .entered();
        self.pass(0..self.running.len());
        if prompt_tokens >= self.prompt_tokens {
            let ratio = STEP.as_secs_f64() / began.elapsed().as_secs_f64();
            let next = prompt_tokens as f64 * ratio.clamp(0.5, 2.0);
            self.prompt_tokens = (next as usize).clamp(LEAST, MOST);
        }
        self.end_finished();
    }

    /// Gives each request its tokens of the next pass: how many of them are of
    /// prompts. Those with the least left come first, so that what they do not
    /// need is the others'.
    fn share_out(&mut self) -> usize {
        let mut order: Vec<_> = self.running.iter_mut().collect();
        order.sort_by_key(|r| r.prompt_left() / r.weight());
        let mut weights: usize =
            order.iter().filter(|r| r.completion.tokens().is_empty()).map(|r| r.weight()).sum();
        let mut room = self.prompt_tokens;
        for running in order {
            if !running.completion.tokens().is_empty() {
                running.take_next(1);
                continue;
            }
            let weight = running.weight();
            running.take_next((room * weight / weights).max(1));
            weights -= weight;
            room = room.saturating_sub(running.next.len());
        }
        self.prompt_tokens - room
    }

    /// Computes the next tokens of some requests together. Where that fails,
    /// each goes by itself, so that it fails for those alone whose fault it is.
    fn pass(&mut self, which: Range<usize>) {
        let (model, batch) = (self.engine.model(), &mut self.batch);
        let running = &mut self.running[which.clone()];
        let forward = catch_unwind(AssertUnwindSafe(|| forward(model, batch, running)));
        match forward.unwrap_or_else(|panic| Err(panicked(&*panic))) {
            Ok(()) => {
                let rows = batch.logits().chunks_exact(model.config().vocab_size);
                for (running, logits) in running.iter_mut().filter(|r| r.is_whole).zip(rows) {
                    running.take_or_catch(logits);
                }
            }
            Err(error) if which.len() == 1 => running[0].outcome = Some(Err(error)),
            Err(_) => return which.for_each(|one| self.pass(one..one + 1)),
        }
        let tokens = self.running[which.clone()].iter().map(|r| r.next.len() as u64).sum::<u64>();
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        stats.steps += 1;
        stats.tokens += tokens;
        drop(stats);
        which.for_each(|i| self.keep_prompt(i));
    }

    /// Keeps the whole pages of a prompt that was just computed: they do not
    /// change any more.
    fn keep_prompt(&mut self, which: usize) {
        let Running { completion, context, .. } = &self.running[which];
        if completion.tokens().len() == 1 {
            let prompt = completion.prompt();
            let whole = prompt.len() / SharedPage::TOKENS * SharedPage::TOKENS;
            self.prefix.insert(&prompt[..whole], context.pages(whole));
        }
    }

    /// Lets go of the requests that have ended.
    fn end_finished(&mut self) {
        for i in (0..self.running.len()).rev() {
            if let Some(outcome) = self.running[i].outcome.take() {
                let mut running = self.running.swap_remove(i);
                let held = running.held();
                self.prefix.insert(&held, running.context.pages(held.len()));
                self.publish();
                self.count_end();
                running.end(outcome);
            }
        }
    }

    fn cancel_all(&mut self) {
        self.running.iter().for_each(|running| running.cancel.cancel());
        self.end_stopped();
        while let Some(ticket) = self.queue.take() {
            ticket.cancel.cancel();
            self.refuse(ticket);
        }
    }

    fn count_end(&self) {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).ended += 1;
    }

    fn publish(&self) {
        let mut stats = self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        stats.running = self.running.len();
        stats.prefix = self.prefix.stats();
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
