//! What becomes of the tokens of one request: events, text and the result.
//!
//! Who computes them, a session by itself or the scheduler with others, makes
//! no difference here.

use crate::choice::{Choice, Chosen};
use crate::stop::{self, Scan};
use crate::{Engine, Error};
use smallmind_abstractions::{
    CancelCause, CancellationToken, DecodeOptions, Diagnostic, EncodeOptions, FinishReason,
    GenerationEvent, GenerationRequest, GenerationResult, IncrementalDecoder, Prompt, Timings,
    TokenId, TokenLogprobs, Usage,
};
use smallmind_runtime::TensorPool;
use smol_str::SmolStr;
use std::time::{Duration, Instant};

/// Bytes of text that are made room for, for each token: the average is below
/// five.
const TOKEN_BYTES: usize = 8;

/// A request that was checked, before anything is computed.
#[derive(Debug)]
pub(crate) struct Task {
    prompt: Vec<TokenId>,
    choice: Choice,
    echo: Option<String>,
    stops: Vec<String>,
    max_tokens: usize,
    /// Tokens that the context holds.
    capacity: usize,
    started: Instant,
}

impl Task {
    /// Checks a request for a context of `capacity` tokens.
    pub(crate) fn new(
        engine: &Engine,
        request: &GenerationRequest,
        capacity: usize,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        let started = Instant::now();
        let options = &request.options;
        let prompt = prompt(engine, request)?;
        if prompt.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        if prompt.len() >= capacity {
            return Err(Error::PromptTooLong { tokens: prompt.len(), capacity });
        }
        let choice = Choice::new(engine, options, &prompt, cancel)?;
        let echo = options.echo.then(|| echoed(engine, request, &prompt)).transpose()?;
        let max_tokens = options.max_tokens.unwrap_or(usize::MAX);
        Ok(Self {
            prompt,
            choice,
            echo,
            stops: options.stop.clone(),
            max_tokens,
            capacity,
            started,
        })
    }

    pub(crate) fn prompt(&self) -> &[TokenId] {
        &self.prompt
    }

    /// Rules out tokens.
    #[cfg(test)]
    pub(crate) fn rule(&mut self, mask: Box<dyn crate::choice::Mask>) {
        self.choice.rule(mask);
    }
}

/// A request in progress.
#[derive(Debug)]
pub(crate) struct Completion<'e> {
    task: Task,
    engine: &'e Engine,
    decoder: IncrementalDecoder<'e>,
    /// Tokens of the prompt that were not computed again.
    cached: usize,
    text: String,
    /// Bytes of `text` that events have shown.
    shown: usize,
    stop: Option<String>,
    tokens: Vec<TokenId>,
    logprobs: Vec<TokenLogprobs>,
    timings: Timings,
    diagnostics: Vec<Diagnostic>,
}

impl<'e> Completion<'e> {
    /// Begins, with the first `cached` tokens of the prompt in the context.
    pub(crate) fn new(engine: &'e Engine, task: Task, cached: usize) -> Self {
        // No token then needs more memory, but for very long texts.
        let room = task.max_tokens.min(task.capacity - task.prompt.len() + 1);
        let mut text = String::with_capacity(room * TOKEN_BYTES);
        text.push_str(task.echo.as_deref().unwrap_or_default());
        let continuation = DecodeOptions { continuation: true, ..Default::default() };
        Self {
            engine,
            decoder: IncrementalDecoder::new(engine.tokenizer(), continuation),
            cached,
            shown: text.len(),
            text,
            stop: None,
            tokens: Vec::with_capacity(room),
            logprobs: Vec::new(),
            timings: Timings::default(),
            diagnostics: Vec::new(),
            task,
        }
    }

    /// The prompt's text until it is shown, where it is echoed.
    pub(crate) fn echo(&mut self) -> Option<GenerationEvent> {
        self.task.echo.take().map(GenerationEvent::Text)
    }

    pub(crate) fn prompt(&self) -> &[TokenId] {
        &self.task.prompt
    }

    /// The tokens generated.
    pub(crate) fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Tokens of the prompt that were not computed again.
    pub(crate) fn cached(&self) -> usize {
        self.cached
    }

    /// Why nothing more is to be computed, where that is so.
    pub(crate) fn end(&self) -> Option<FinishReason> {
        let Task { prompt, capacity, max_tokens, choice, .. } = &self.task;
        if self.stop.is_some() {
            Some(FinishReason::StopSequence)
        } else if choice.is_complete() {
            Some(FinishReason::EndOfGeneration)
        } else if self.tokens.len() >= *max_tokens {
            Some(FinishReason::MaxTokens)
        } else if !self.tokens.is_empty() && prompt.len() + self.tokens.len() > *capacity {
            Some(FinishReason::ContextFull)
        } else {
            None
        }
    }

    /// Chooses the next token from the logits that follow those so far.
    pub(crate) fn choose(&mut self, logits: &[f32]) -> Result<Chosen, Error> {
        self.task.choice.choose(logits)
    }

    /// Notes how long it took to compute the next token.
    pub(crate) fn took(&mut self, time: Duration) {
        if self.tokens.is_empty() {
            self.timings.prefill = time;
            self.timings.time_to_first_token = self.task.started.elapsed();
        } else {
            self.timings.decode += time;
            self.timings.decode_steps += 1;
        }
    }

    /// Appends a token; `None` where it ends the text.
    pub(crate) fn push(&mut self, chosen: Chosen) -> Result<Option<GenerationEvent>, Error> {
        let Chosen { id, logprobs } = chosen;
        if self.engine.tokenizer().is_end_of_generation(id) {
            return Ok(None);
        }
        self.tokens.push(id);
        self.logprobs.extend(logprobs.clone());
        self.decoder.push(id, &mut self.text)?;
        Ok(Some(GenerationEvent::Token { id, text: self.show(), logprobs }))
    }

    /// The text that may be shown now, without what may be a stop sequence.
    fn show(&mut self) -> SmolStr {
        let from = self.shown;
        match stop::scan(&self.text[from..], &self.task.stops) {
            Scan::Safe(len) => self.shown += len,
            Scan::Stop { at, which } => {
                self.shown += at;
                self.text.truncate(self.shown);
                self.stop = Some(self.task.stops[which].clone());
            }
        }
        self.text[from..self.shown].into()
    }

    /// Completes the text: nothing follows. What the decoder holds back belongs
    /// to the text of every end but a stop sequence.
    pub(crate) fn close(&mut self) {
        if self.stop.is_none() {
            self.decoder.finish(&mut self.text);
        }
    }

    /// The text that was held back, where there is any.
    pub(crate) fn rest(&mut self) -> Option<GenerationEvent> {
        let rest = &self.text[self.shown..];
        let event = (!rest.is_empty()).then(|| GenerationEvent::Text(rest.to_owned()));
        self.shown = self.text.len();
        event
    }

    /// The error of a request that was stopped from outside, with what there
    /// is.
    pub(crate) fn stopped(&mut self, cause: CancelCause) -> Error {
        match cause {
            CancelCause::TimedOut => Error::TimedOut {
                after: self.task.started.elapsed(),
                partial: Box::new(self.result(FinishReason::TimedOut)),
            },
            CancelCause::Cancelled => {
                Error::Cancelled { partial: Box::new(self.result(FinishReason::Cancelled)) }
            }
        }
    }

    /// Adds to what the result says was found.
    pub(crate) fn note(&mut self, findings: impl IntoIterator<Item = Diagnostic>) {
        for finding in findings {
            tracing::warn!(code = finding.code.as_str(), message = finding.message, "budget");
            self.diagnostics.push(finding);
        }
    }

    /// Tells whoever listens what a request took.
    fn trace(&self, finish_reason: FinishReason) {
        let rate = |tokens: usize, time: Duration| tokens as f64 / time.as_secs_f64().max(1e-9);
        let prompt_tokens = self.task.prompt.len();
        let Timings { prefill, decode, decode_steps, time_to_first_token, .. } = self.timings;
        let pool = TensorPool::shared().stats();
        tracing::info!(
            ?finish_reason,
            prompt_tokens,
            cached_tokens = self.cached,
            completion_tokens = self.tokens.len(),
            prefill_tokens_per_second = rate(prompt_tokens - self.cached, prefill),
            decode_tokens_per_second = rate(decode_steps, decode),
            ?time_to_first_token,
            pool_hits = pool.hits,
            pool_misses = pool.misses,
            pool_live_bytes = pool.live_bytes,
            "request ended"
        );
    }

    /// Everything so far, which is thereby gone.
    pub(crate) fn result(&mut self, finish_reason: FinishReason) -> GenerationResult {
        self.trace(finish_reason);
        GenerationResult {
            text: std::mem::take(&mut self.text),
            stop: self.stop.take(),
            usage: Usage {
                prompt_tokens: self.task.prompt.len(),
                cached_tokens: self.cached,
                completion_tokens: self.tokens.len(),
                ..Default::default()
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
