//! What chooses the next token, and what is told of the choice.

use crate::{Engine, Error};
use smallmind_abstractions::{CancellationToken, GenerationOptions, TokenId, TokenLogprobs};
use smallmind_runtime::{Error as RuntimeError, Sampler, logprobs};
use std::fmt::Debug;

/// The most alternatives that are told for each token.
const MAX_LOGPROBS: usize = 20;

/// Chooses the tokens of one generation.
#[derive(Debug)]
pub(crate) struct Choice {
    sampler: Sampler,
    /// How many alternatives are told, where any are.
    logprobs: Option<usize>,
    mask: Option<Box<dyn Mask>>,
}

/// What rules out tokens before one is chosen.
pub(crate) trait Mask: Debug + Send {
    /// A bit for each token that may come next, the lowest first.
    fn allowed(&mut self) -> Result<&[u32], Error>;

    /// Takes note of the token chosen.
    fn accept(&mut self, id: TokenId) -> Result<(), Error>;

    /// Whether nothing may follow.
    fn is_complete(&self) -> bool;
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
        cancel: &CancellationToken,
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
        let mask = match options.constraint.clone().map(|it| engine.mask(it, cancel)) {
            // The first step then ends the generation, with what there is.
            Some(Err(Error::Runtime(RuntimeError::Cancelled(_)))) => None,
            mask => mask.transpose()?,
        };
        Ok(Self { sampler, logprobs: options.logprobs, mask })
    }

    /// Chooses a token from a row of logits; it counts as part of the text.
    pub(crate) fn choose(&mut self, logits: &[f32]) -> Result<Chosen, Error> {
        let id = match &mut self.mask {
            None => self.sampler.sample(logits)?,
            Some(mask) => {
                let id = self.sampler.sample_allowed(logits, mask.allowed()?)?;
                mask.accept(id)?;
                id
            }
        };
        self.sampler.accept(id);
        Ok(Chosen { id, logprobs: self.logprobs.map(|top| logprobs(logits, id, top)) })
    }

    /// Rules out tokens.
    #[cfg(test)]
    pub(crate) fn rule(&mut self, mask: Box<dyn Mask>) {
        self.mask = Some(mask);
    }

    /// Whether nothing may follow the tokens chosen.
    pub(crate) fn is_complete(&self) -> bool {
        self.mask.as_ref().is_some_and(|mask| mask.is_complete())
    }
}
