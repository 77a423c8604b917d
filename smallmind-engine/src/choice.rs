//! What chooses the next token, and what is told of the choice.

use crate::{Engine, Error};
use smallmind_abstractions::{GenerationOptions, TokenId, TokenLogprobs};
use smallmind_runtime::{Error as RuntimeError, Sampler, logprobs};

/// The most alternatives that are told for each token.
const MAX_LOGPROBS: usize = 20;

/// Chooses the tokens of one generation.
#[derive(Debug)]
pub(crate) struct Choice {
    sampler: Sampler,
    /// How many alternatives are told, where any are.
    logprobs: Option<usize>,
}

/// A token, and how probable it was where that was asked for.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) id: TokenId,
    pub(crate) logprobs: Option<TokenLogprobs>,
}

impl Choice {
    /// What chooses the tokens that follow `prompt`.
    pub(crate) fn new(
        engine: &Engine,
        options: &GenerationOptions,
        prompt: &[TokenId],
    ) -> Result<Self, Error> {
        if let Some(top) = options.logprobs.filter(|&top| top > MAX_LOGPROBS) {
            let (option, value, expected) = ("logprobs", top as f32, "at most 20");
            return Err(RuntimeError::InvalidSamplingOption { option, value, expected }.into());
        }
        let mut sampling = options.sampling.clone();
        if options.ignore_eos {
            sampling.banned.extend(&engine.tokenizer().special().end_of_generation);
        }
        let mut sampler = Sampler::new(sampling)?;
        prompt.iter().for_each(|&id| sampler.accept(id));
        Ok(Self { sampler, logprobs: options.logprobs })
    }

    /// Chooses a token from a row of logits; it counts as part of the text.
    pub(crate) fn choose(&mut self, logits: &[f32]) -> Result<Chosen, Error> {
        let id = self.sampler.sample(logits)?;
        self.sampler.accept(id);
        Ok(Chosen { id, logprobs: self.logprobs.map(|top| logprobs(logits, id, top)) })
    }
}
