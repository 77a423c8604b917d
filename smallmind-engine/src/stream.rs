//! A generation in progress.

use crate::session::State;
use crate::{Engine, Error};
use smallmind_abstractions::{
    CancelCause, CancellationToken, DecodeOptions, EncodeOptions, FinishReason, GenerationEvent,
    GenerationRequest, GenerationResult, IncrementalDecoder, Prompt, Timings, TokenId, Usage,
};
use smallmind_runtime::{Error as RuntimeError, Logits, Sampler};
use std::sync::MutexGuard;
use std::time::Instant;

/// One generation: the prompt is computed with the first token.
#[derive(Debug)]
pub(crate) struct Generation<'s> {
    engine: &'s Engine,
    state: MutexGuard<'s, State>,
    sampler: Sampler,
    decoder: IncrementalDecoder<'s>,
    cancel: CancellationToken,
    prompt: Vec<TokenId>,
    max_tokens: usize,
    started: Instant,
    text: String,
    tokens: Vec<TokenId>,
    timings: Timings,
}

/// What a step of a generation came to.
enum Step {
    Token(TokenId),
    End(FinishReason),
}

impl<'s> Generation<'s> {
    pub(crate) fn new(
        engine: &'s Engine,
        state: MutexGuard<'s, State>,
        request: &GenerationRequest,
        cancel: CancellationToken,
    ) -> Result<Self, Error> {
        let started = Instant::now();
        let options = &request.options;
        let prompt = match &request.prompt {
            Prompt::Tokens(tokens) => tokens.clone(),
            Prompt::Text(text) => {
                let encode =
                    EncodeOptions { add_special: true, parse_special: options.parse_special };
                engine.tokenizer().encode(text, encode)?
            }
        };
        let capacity = state.context.capacity();
        if prompt.is_empty() {
            return Err(Error::EmptyPrompt);
        }
        if prompt.len() >= capacity {
            return Err(Error::PromptTooLong { tokens: prompt.len(), capacity });
        }
        let continuation = DecodeOptions { continuation: true, ..Default::default() };
        Ok(Self {
            engine,
            state,
            sampler: Sampler::new(options.sampling)?,
            decoder: IncrementalDecoder::new(engine.tokenizer(), continuation),
            cancel,
            prompt,
            max_tokens: options.max_tokens.unwrap_or(usize::MAX),
            started,
            text: String::new(),
            tokens: Vec::new(),
            timings: Timings::default(),
        })
    }

    /// Generates to the end.
    pub(crate) fn run(mut self) -> Result<GenerationResult, Error> {
        loop {
            match self.advance()? {
                GenerationEvent::Finished(result) => return Ok(result),
                _ => continue,
            }
        }
    }

    fn advance(&mut self) -> Result<GenerationEvent, Error> {
        match self.step() {
            Ok(Step::Token(id)) => {
                let before = self.text.len();
                self.tokens.push(id);
                self.decoder.push(id, &mut self.text)?;
                Ok(GenerationEvent::Token { id, text: self.text[before..].to_owned() })
            }
            Ok(Step::End(reason)) => Ok(GenerationEvent::Finished(self.finish(reason))),
            Err(Error::Runtime(RuntimeError::Cancelled(cancelled))) => {
                Err(match cancelled.cause() {
                    CancelCause::Cancelled => {
                        Error::Cancelled { partial: Box::new(self.finish(FinishReason::Cancelled)) }
                    }
                    CancelCause::TimedOut => Error::TimedOut {
                        after: self.started.elapsed(),
                        partial: Box::new(self.finish(FinishReason::TimedOut)),
                    },
                })
            }
            Err(error) => Err(error),
        }
    }

    fn step(&mut self) -> Result<Step, Error> {
        self.cancel.check().map_err(RuntimeError::from)?;
        if self.tokens.len() >= self.max_tokens {
            return Ok(Step::End(FinishReason::MaxTokens));
        }
        let first = self.tokens.is_empty();
        let full = self.prompt.len() + self.tokens.len() > self.state.context.capacity();
        if !first && full {
            return Ok(Step::End(FinishReason::ContextFull));
        }
        let began = Instant::now();
        let id = if first { self.prefill()? } else { self.decode()? };
        if first {
            self.timings.prefill = began.elapsed();
            self.timings.time_to_first_token = self.started.elapsed();
        } else {
            self.timings.decode += began.elapsed();
            self.timings.decode_steps += 1;
        }
        if self.engine.tokenizer().is_end_of_generation(id) {
            return Ok(Step::End(FinishReason::EndOfGeneration));
        }
        Ok(Step::Token(id))
    }

    /// Computes what the context does not hold of the prompt yet.
    fn prefill(&mut self) -> Result<TokenId, Error> {
        let state = &mut *self.state;
        // The last token is always computed: its logits are what is wanted.
        let common = self.prompt[..self.prompt.len() - 1].iter().zip(&state.tokens);
        let kept = common.take_while(|(a, b)| a == b).count();
        state.context.truncate(kept);
        state.tokens.truncate(kept);
        self.forward_and_sample(kept)
    }

    fn decode(&mut self) -> Result<TokenId, Error> {
        self.forward_and_sample(self.prompt.len() + self.tokens.len() - 1)
    }

    /// Computes the tokens from `from` on and chooses the next one.
    fn forward_and_sample(&mut self, from: usize) -> Result<TokenId, Error> {
        let State { context, tokens } = &mut *self.state;
        let last;
        let new = match from.checked_sub(self.prompt.len()) {
            None => &self.prompt[from..],
            Some(at) => {
                last = [self.tokens[at]];
                &last
            }
        };
        let model = self.engine.model();
        let outcome = model.forward(context, new, Logits::Last, &self.cancel);
        let next = outcome.map(|logits| self.sampler.sample(logits));
        let done = context.len() - tokens.len();
        tokens.extend_from_slice(&new[..done]);
        Ok(next??)
    }

    fn finish(&mut self, finish_reason: FinishReason) -> GenerationResult {
        self.decoder.finish(&mut self.text);
        GenerationResult {
            text: std::mem::take(&mut self.text),
            usage: Usage { prompt_tokens: self.prompt.len(), completion_tokens: self.tokens.len() },
            tokens: std::mem::take(&mut self.tokens),
            finish_reason,
            timings: self.timings,
        }
    }
}

/// The events of a generation: tokens, then [`GenerationEvent::Finished`] or
/// an error.
#[derive(Debug)]
pub struct GenerationStream<'s> {
    generation: Option<Generation<'s>>,
}

impl<'s> GenerationStream<'s> {
    pub(crate) fn new(generation: Generation<'s>) -> Self {
        Self { generation: Some(generation) }
    }
}

impl Iterator for GenerationStream<'_> {
    type Item = Result<GenerationEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let event = self.generation.as_mut()?.advance();
        if !matches!(event, Ok(GenerationEvent::Token { .. })) {
            self.generation = None;
        }
        Some(event)
    }
}
