//! A generation in progress.

use crate::choice::{Choice, Chosen};
use crate::session::{InferenceSession, Lease, State};
use crate::stop::{self, Scan};
use crate::{Engine, Error};
use smallmind_abstractions::{
    CancelCause, CancellationToken, DecodeOptions, Diagnostic, EncodeOptions, FinishReason,
    GenerationEvent, GenerationRequest, GenerationResult, IncrementalDecoder, Prompt, Timings,
    TokenId, TokenLogprobs, Usage,
};
use smallmind_runtime::{Error as RuntimeError, TensorPool};
use smol_str::SmolStr;
use std::time::Instant;

/// Bytes of text that are made room for, for each token: the average is below
/// five.
const TOKEN_BYTES: usize = 8;

/// One generation: the prompt is computed with the first token.
#[derive(Debug)]
pub(crate) struct Generation<'s> {
    session: &'s InferenceSession,
    lease: Lease<'s>,
    choice: Choice,
    decoder: IncrementalDecoder<'s>,
    cancel: Cancel,
    prompt: Vec<TokenId>,
    /// Tokens of the prompt that the session holds already.
    cached: usize,
    max_tokens: usize,
    started: Instant,
    text: String,
    /// Bytes of `text` that events have shown.
    shown: usize,
    stops: Vec<String>,
    stop: Option<String>,
    /// Why it ended, once only the result is left to give.
    end: Option<FinishReason>,
    tokens: Vec<TokenId>,
    logprobs: Vec<TokenLogprobs>,
    /// The prompt's text until it is shown, where it is echoed.
    echo: Option<String>,
    timings: Timings,
    diagnostics: Vec<Diagnostic>,
}

/// What may stop a generation from outside, and whose deadline comes first.
#[derive(Debug)]
struct Cancel {
    token: CancellationToken,
    /// The deadline is that of the session's budget.
    by_budget: bool,
}

/// What a step of a generation came to.
enum Step {
    Token(Chosen),
    End(FinishReason),
}

impl<'s> Generation<'s> {
    pub(crate) fn new(
        session: &'s InferenceSession,
        lease: Lease<'s>,
        request: &GenerationRequest,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        let started = Instant::now();
        let engine = session.engine();
        let options = &request.options;
        let prompt = prompt(engine, request)?;
        let mut state = lease.state();
        state.begin();
        let capacity = state.context.capacity();
        if prompt.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        if prompt.len() >= capacity {
            return Err(Error::PromptTooLong { tokens: prompt.len(), capacity });
        }
        let cached = cached(&prompt, &state.tokens);
        session.budget().check(state.spent, (prompt.len() - cached) as u64)?;
        let cancel = Cancel::new(session, &state, request, cancel);
        let max_tokens = options.max_tokens.unwrap_or(usize::MAX);
        // No token then needs more memory, but for very long texts.
        let room = max_tokens.min(capacity - prompt.len() + 1);
        drop(state);
        let choice = Choice::new(engine, options, &prompt)?;
        let mut text = String::with_capacity(room * TOKEN_BYTES);
        if options.echo {
            text.push_str(&echoed(engine, request, &prompt)?);
        }
        let continuation = DecodeOptions { continuation: true, ..Default::default() };
        Ok(Self {
            session,
            lease,
            choice,
            decoder: IncrementalDecoder::new(engine.tokenizer(), continuation),
            cancel,
            prompt,
            cached,
            max_tokens,
            started,
            shown: text.len(),
            echo: options.echo.then(|| text.clone()),
            text,
            stops: options.stop.clone(),
            stop: None,
            end: None,
            tokens: Vec::with_capacity(room),
            logprobs: Vec::new(),
            timings: Timings::default(),
            diagnostics: Vec::new(),
        })
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
        if let Some(text) = self.echo.take() {
            return Ok(GenerationEvent::Text(text));
        }
        if let Some(reason) = self.end {
            return Ok(GenerationEvent::Finished(self.finish(reason)));
        }
        let step = self.step();
        // What the decoder holds back belongs to the text of every end but one.
        if !matches!(step, Ok(Step::Token(_))) && self.stop.is_none() {
            self.decoder.finish(&mut self.text);
        }
        match step {
            Ok(Step::Token(Chosen { id, logprobs })) => {
                self.tokens.push(id);
                self.logprobs.extend(logprobs.clone());
                self.decoder.push(id, &mut self.text)?;
                Ok(GenerationEvent::Token { id, text: self.show(), logprobs })
            }
            Ok(Step::End(reason)) => Ok(self.ended(reason)),
            Err(Error::Runtime(RuntimeError::Cancelled(cancelled))) => {
                self.stopped(cancelled.cause())
            }
            Err(error) => Err(error),
        }
    }

    /// The text that may be shown now, without what may be a stop sequence.
    fn show(&mut self) -> SmolStr {
        let from = self.shown;
        match stop::scan(&self.text[from..], &self.stops) {
            Scan::Safe(len) => self.shown += len,
            Scan::Stop { at, which } => {
                self.shown += at;
                self.text.truncate(self.shown);
                self.stop = Some(self.stops[which].clone());
            }
        }
        self.text[from..self.shown].into()
    }

    /// What was held back, where that is anything, or the result.
    fn ended(&mut self, reason: FinishReason) -> GenerationEvent {
        if self.shown == self.text.len() {
            return GenerationEvent::Finished(self.finish(reason));
        }
        self.end = Some(reason);
        GenerationEvent::Text(self.text[self.shown..].to_owned())
    }

    /// The end of a generation that was stopped from outside.
    fn stopped(&mut self, cause: CancelCause) -> Result<GenerationEvent, Error> {
        match cause {
            CancelCause::TimedOut if self.cancel.by_budget => {
                self.diagnostics.push(self.session.budget().time_exhausted());
                Ok(self.ended(FinishReason::BudgetExhausted))
            }
            CancelCause::TimedOut => Err(Error::TimedOut {
                after: self.started.elapsed(),
                partial: Box::new(self.finish(FinishReason::TimedOut)),
            }),
            CancelCause::Cancelled => {
                Err(Error::Cancelled { partial: Box::new(self.finish(FinishReason::Cancelled)) })
            }
        }
    }

    fn step(&mut self) -> Result<Step, Error> {
        self.cancel.token.check().map_err(RuntimeError::from)?;
        if self.stop.is_some() {
            return Ok(Step::End(FinishReason::StopSequence));
        }
        if self.choice.is_complete() {
            return Ok(Step::End(FinishReason::EndOfGeneration));
        }
        if self.tokens.len() >= self.max_tokens {
            return Ok(Step::End(FinishReason::MaxTokens));
        }
        let first = self.tokens.is_empty();
        let mut state = self.lease.state();
        let full = self.prompt.len() + self.tokens.len() > state.context.capacity();
        if !first && full {
            return Ok(Step::End(FinishReason::ContextFull));
        }
        if !first && let Some(finding) = self.session.budget().tokens_exhausted(state.spent) {
            self.diagnostics.push(finding);
            return Ok(Step::End(FinishReason::BudgetExhausted));
        }
        let began = Instant::now();
        let outcome = self.forward_and_sample(&mut state);
        let took = began.elapsed();
        state.spent.time += took;
        drop(state);
        if first {
            self.timings.prefill = took;
            self.timings.time_to_first_token = self.started.elapsed();
        } else {
            self.timings.decode += took;
            self.timings.decode_steps += 1;
        }
        let chosen = outcome?;
        if self.session.engine().tokenizer().is_end_of_generation(chosen.id) {
            return Ok(Step::End(FinishReason::EndOfGeneration));
        }
        Ok(Step::Token(chosen))
    }

    /// Computes the tokens that the context does not hold yet and chooses the
    /// next one.
    fn forward_and_sample(&mut self, state: &mut State) -> Result<Chosen, Error> {
        let last;
        let new = match self.tokens.last() {
            None => {
                state.truncate(self.cached);
                &self.prompt[self.cached..]
            }
            Some(&id) => {
                last = [id];
                &last
            }
        };
        let logits = state.forward(self.session.engine().model(), new, &self.cancel.token)?;
        self.choice.choose(logits)
    }

    fn finish(&mut self, finish_reason: FinishReason) -> GenerationResult {
        let state = self.lease.state();
        let guesses = state.guesses();
        self.diagnostics.extend(self.session.budget().warnings(state.spent));
        GenerationResult {
            text: std::mem::take(&mut self.text),
            stop: self.stop.take(),
            usage: Usage {
                prompt_tokens: self.prompt.len(),
                cached_tokens: self.cached,
                completion_tokens: self.tokens.len(),
                drafted_tokens: guesses.drafted,
                accepted_tokens: guesses.accepted,
            },
            tokens: std::mem::take(&mut self.tokens),
            logprobs: std::mem::take(&mut self.logprobs),
            finish_reason,
            timings: self.timings,
            pool: TensorPool::shared().stats(),
            diagnostics: std::mem::take(&mut self.diagnostics),
        }
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

fn prompt(engine: &Engine, request: &GenerationRequest) -> Result<Vec<TokenId>, Error> {
    match &request.prompt {
        Prompt::Tokens(tokens) => Ok(tokens.clone()),
        Prompt::Text(text) => {
            let parse_special = request.options.parse_special;
            Ok(engine
                .tokenizer()
                .encode(text, EncodeOptions { add_special: true, parse_special })?)
        }
    }
}

/// The text of a prompt.
fn echoed(
    engine: &Engine,
    request: &GenerationRequest,
    tokens: &[TokenId],
) -> Result<String, Error> {
    match &request.prompt {
        Prompt::Text(text) => Ok(text.clone()),
        Prompt::Tokens(_) => {
            let bytes = engine.tokenizer().decode(tokens, DecodeOptions::default())?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
    }
}

/// How many tokens of a prompt need not be computed. The last one always is:
/// its logits are what is wanted.
fn cached(prompt: &[TokenId], held: &[TokenId]) -> usize {
    let common = prompt[..prompt.len() - 1].iter().zip(held);
    common.take_while(|(a, b)| a == b).count()
}
