//! A generation of a session in progress.

use crate::Error;
use crate::choice::Chosen;
use crate::completion::{Completion, Task};
use crate::session::{InferenceSession, Lease, State};
use smallmind_abstractions::{
    CancelCause, CancellationToken, FinishReason, GenerationEvent, GenerationRequest,
    GenerationResult, TokenId,
};
use smallmind_runtime::Error as RuntimeError;
use std::ops::ControlFlow;
use std::time::Instant;

/// One generation: the prompt is computed with the first token.
#[derive(Debug)]
pub(crate) struct Generation<'s> {
    session: &'s InferenceSession,
    lease: Lease<'s>,
    completion: Completion<'s>,
    cancel: Cancel,
    /// Why it ended, once only the result is left to give.
    end: Option<FinishReason>,
}

/// What may stop a generation from outside, and whose deadline comes first.
#[derive(Debug)]
struct Cancel {
    token: CancellationToken,
    /// The deadline is that of the session's budget.
    by_budget: bool,
}

/// What a step of a generation came to: a token, or the end.
type Step = ControlFlow<FinishReason, GenerationEvent>;

impl<'s> Generation<'s> {
    pub(crate) fn new(
        session: &'s InferenceSession,
        lease: Lease<'s>,
        request: &GenerationRequest,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        let engine = session.engine();
        let mut state = lease.state();
        state.begin();
        let cancel = Cancel::new(session, &state, request, cancel);
        let task = Task::new(engine, request, state.context.capacity(), &cancel.token)?;
        let cached = cached(task.prompt(), &state.tokens);
        session.budget().check(state.spent, (task.prompt().len() - cached) as u64)?;
        drop(state);
        let completion = Completion::new(engine, task, cached);
        Ok(Self { session, lease, completion, cancel, end: None })
    }

    /// Generates to the end.
    pub(crate) fn run(&mut self) -> Result<GenerationResult, Error> {
        loop {
            match self.advance()? {
                GenerationEvent::Finished(result) => return Ok(result),
                _ => continue,
            }
        }
    }

    /// The session's lease, for the next generation.
    pub(crate) fn into_lease(self) -> Lease<'s> {
        self.lease
    }

    pub(crate) fn advance(&mut self) -> Result<GenerationEvent, Error> {
        if let Some(echo) = self.completion.echo() {
            return Ok(echo);
        }
        if let Some(reason) = self.end {
            return Ok(GenerationEvent::Finished(self.finish(reason)));
        }
        let step = self.step();
        if !matches!(step, Ok(Step::Continue(_))) {
            self.completion.close();
        }
        match step {
            Ok(Step::Continue(event)) => Ok(event),
            Ok(Step::Break(reason)) => Ok(self.ended(reason)),
            Err(Error::Runtime(RuntimeError::Cancelled(cancelled))) => {
                self.stopped(cancelled.cause())
            }
            Err(error) => Err(error),
        }
    }

    /// What was held back, where that is anything, or the result.
    fn ended(&mut self, reason: FinishReason) -> GenerationEvent {
        self.end = Some(reason);
        let rest = self.completion.rest();
        rest.unwrap_or_else(|| GenerationEvent::Finished(self.finish(reason)))
    }

    /// The end of a generation that was stopped from outside.
    fn stopped(&mut self, cause: CancelCause) -> Result<GenerationEvent, Error> {
        if cause == CancelCause::TimedOut && self.cancel.by_budget {
            self.completion.note([self.session.budget().time_exhausted()]);
            return Ok(self.ended(FinishReason::BudgetExhausted));
        }
        self.warn();
        let mut error = self.completion.stopped(cause);
        if let Error::Cancelled { partial } | Error::TimedOut { partial, .. } = &mut error {
            self.count_guesses(partial);
        }
        Err(error)
    }

    fn step(&mut self) -> Result<Step, Error> {
        self.cancel.token.check().map_err(RuntimeError::from)?;
        if let Some(reason) = self.completion.end() {
            return Ok(Step::Break(reason));
        }
        let first = self.completion.tokens().is_empty();
        let mut state = self.lease.state();
        if !first && let Some(finding) = self.session.budget().tokens_exhausted(state.spent) {
            self.completion.note([finding]);
            return Ok(Step::Break(FinishReason::BudgetExhausted));
        }
        let began = Instant::now();
        let outcome = self.forward_and_sample(&mut state);
        let took = began.elapsed();
        state.spent.time += took;
        drop(state);
        self.completion.took(took);
        let event = self.completion.push(outcome?)?;
        Ok(event.map_or(Step::Break(FinishReason::EndOfGeneration), Step::Continue))
    }

    /// Computes the tokens that the context does not hold yet and chooses the
    /// next one.
    fn forward_and_sample(&mut self, state: &mut State) -> Result<Chosen, Error> {
        let completion = &mut self.completion;
        let last;
        let new = match completion.tokens().last() {
            None => {
                state.truncate(completion.cached());
                &completion.prompt()[completion.cached()..]
            }
            Some(&id) => {
                last = [id];
                &last
            }
        };
        let is_prompt = completion.tokens().is_empty();
        let name = if is_prompt { "prefill" } else { "decode" };
        let _span = tracing::debug_span!("forward", pass = name, tokens = new.len()).entered();
        let logits = state.forward(self.session.engine().model(), new, &self.cancel.token)?;
        completion.choose(logits)
    }

    fn warn(&mut self) {
        let spent = self.lease.state().spent;
        self.completion.note(self.session.budget().warnings(spent));
    }

    fn count_guesses(&self, result: &mut GenerationResult) {
        let guesses = self.lease.state().guesses();
        result.usage.drafted_tokens = guesses.drafted;
        result.usage.accepted_tokens = guesses.accepted;
    }

    fn finish(&mut self, reason: FinishReason) -> GenerationResult {
        self.warn();
        let mut result = self.completion.result(reason);
        self.count_guesses(&mut result);
        result
    }
}

impl Cancel {
    fn new(
        session: &InferenceSession,
        state: &State,
        request: &GenerationRequest,
        cancel: &CancellationToken,
    ) -> Self {
        let asked = match request.options.timeout {
            Some(timeout) => cancel.child_with_timeout(timeout),
            None => cancel.clone(),
        };
        match session.budget().time_left(state.spent) {
            None => Self { token: asked, by_budget: false },
            Some(left) => {
                let token = asked.child_with_timeout(left);
                Self { by_budget: token.deadline() != asked.deadline(), token }
            }
        }
    }
}

/// How many tokens of a prompt need not be computed. The last one always is:
/// its logits are what is wanted.
fn cached(prompt: &[TokenId], held: &[TokenId]) -> usize {
    let common = prompt[..prompt.len() - 1].iter().zip(held);
    common.take_while(|(a, b)| a == b).count()
}
