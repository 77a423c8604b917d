//! From logits to the next token.
//!
//! A [`Sampler`] looks at one row of logits and chooses a token, in the steps
//! that [`SamplingOptions`] lists. First single logits change (`adjust`,
//! `repetition`). Of the filters, most keep a *prefix* of the tokens in the
//! order of their logits (highest first, the lower id first among equals), so
//! that what they keep together is described by one cut-off, the last token
//! kept:
//!
//! ```text
//! cutoff = the last of all tokens
//! top-n-sigma: cutoff = the last token with logit >= max - n standard deviations
//! top-k:  cutoff = the k-th token
//! top-p:  cutoff = the first token at which the probabilities of the tokens
//!                  up to the cut-off, and those alone, sum to p
//! min-p:  cutoff = the last token with logit >= max + ln(min_p)
//! draw:   one token up to the cut-off with probability ~ exp(logit / temperature)
//! ```
//!
//! Typical and XTC keep other sets; where one of them is on, a sorted list
//! takes the place of the cut-off (`chain`).
//!
//! This is the order of llama.cpp's default chain (`common/common.h`,
//! `samplers`): temperature comes last, so it does not change which tokens the
//! filters keep.
//!
//! Three things depart from the textbook, none of them visible in the result:
//! nothing is sorted (a vocabulary has up to 262,144 tokens; the k-th token and
//! the nucleus are found by partial selection), min-p is applied before the
//! nucleus is searched (both keep prefixes, so the shorter one wins in either
//! order, and the search has less to do), and probabilities are integers in
//! units of 2⁻³² of the most probable token's, so that sums are exact and do
//! not depend on the order of summation.

mod adjust;
mod chain;
mod cutoff;
mod logprobs;
mod mirostat;
mod options;
mod random;
mod repetition;
mod scan;
mod weight;

pub use logprobs::logprobs;

use crate::Error;
use adjust::Adjust;
use random::Xoshiro256PlusPlus;
use scan::Candidate;
use smallmind_abstractions::{SamplingOptions, TokenId};
use weight::Scale;

/// Chooses tokens from logits, deterministically from a seed.
///
/// The choice depends on the logits, the options and what was sampled and
/// accepted before, and on nothing else: not on threads, nor on the machine.
/// After the first call a sampler does not allocate, as long as the rows stay
/// the same size.
///
/// A NaN logit is never chosen, nor is one of −∞. A logit of +∞ is always
/// chosen, the lowest id first.
///
/// ```
/// use smallmind_abstractions::SamplingOptions;
/// use smallmind_runtime::Sampler;
///
/// let logits = [0.5, 2.0, f32::NAN, 2.0];
/// let mut greedy = Sampler::new(SamplingOptions::default())?;
/// assert_eq!(greedy.sample(&logits)?, 1);
///
/// let options = SamplingOptions { temperature: 0.8, top_k: 2, seed: 7, ..Default::default() };
/// let mut sampler = Sampler::new(options)?;
/// assert!([1, 3].contains(&sampler.sample(&logits)?));
/// # Ok::<(), smallmind_runtime::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sampler {
    options: SamplingOptions,
    /// ln(min_p): how far below the best logit a token may lie.
    min_p_offset: f32,
    mirostat: Option<mirostat::State>,
    adjust: Adjust,
    random: Xoshiro256PlusPlus,
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// A sampler whose random generator starts at `options.seed`.
    ///
    /// # Errors
    /// [`Error::InvalidSamplingOption`] where a number is outside its range:
    /// `temperature` is finite and at least 0, for instance, and `top_p` in
    /// (0, 1].
    pub fn new(options: SamplingOptions) -> Result<Self, Error> {
        options::validate(&options)?;
        Ok(Self {
            min_p_offset: f64::from(options.min_p).ln() as f32,
            mirostat: options.mirostat.map(mirostat::State::new),
            adjust: Adjust::default(),
            random: Xoshiro256PlusPlus::from_seed(options.seed),
            candidates: Vec::new(),
            options,
        })
    }

    /// The options this sampler was made with.
    pub fn options(&self) -> &SamplingOptions {
        &self.options
    }

    /// Takes note of a token of the text, given or sampled, for the penalties
    /// on what is there already.
    pub fn accept(&mut self, id: TokenId) {
        self.adjust.accept(&self.options, id);
    }

    /// Chooses a token from one row of logits, one for each token of the
    /// vocabulary.
    ///
    /// # Errors
    /// [`Error::NoUsableLogit`] where no logit is above −∞: an empty row or
    /// one of NaN, which a sound model never gives, or all tokens banned.
    pub fn sample(&mut self, logits: &[f32]) -> Result<TokenId, Error> {
        self.choose(logits, None)
    }

    /// As [`sample`](Self::sample), of the allowed tokens alone: `allowed` has
    /// a bit for each token, the lowest bit of the first word for token 0.
    ///
    /// # Errors
    /// [`Error::NoUsableLogit`] also where no token is allowed.
    pub fn sample_allowed(&mut self, logits: &[f32], allowed: &[u32]) -> Result<TokenId, Error> {
        self.choose(logits, Some(allowed))
    }

    fn choose(&mut self, logits: &[f32], allowed: Option<&[u32]>) -> Result<TokenId, Error> {
        // Out of `self`, so that the filters may borrow what is left.
        let mut adjust = std::mem::take(&mut self.adjust);
        let chosen = self.choose_from(adjust.apply(&self.options, logits, allowed));
        self.adjust = adjust;
        chosen
    }

    fn choose_from(&mut self, logits: &[f32]) -> Result<TokenId, Error> {
        let max = scan::max(logits);
        if max == f32::NEG_INFINITY {
            return Err(Error::NoUsableLogit { count: logits.len() });
        }
        let scale = Scale { max, temperature: self.options.temperature };
        if scale.temperature == 0.0 || max == f32::INFINITY {
            return Ok(scan::first(logits, max));
        }
        if let Some(mirostat) = &mut self.mirostat {
            return Ok(mirostat.draw(logits, scale, &mut self.random));
        }
        if chain::is_needed(&self.options) {
            self.filter_list(logits, max);
            return Ok(chain::draw(&self.candidates, scale.temperature, &mut self.random));
        }
        let cutoff = self.cutoff(logits, max);
        let total = weight::total(logits, cutoff, scale);
        Ok(weight::pick(logits, cutoff, scale, self.random.below(total)))
    }

    /// Leaves what the filters keep in `candidates`.
    fn filter_list(&mut self, logits: &[f32], max: f32) {
        let kept = self.first_cutoff(logits, max);
        self.candidates.clear();
        self.candidates.extend(scan::chunks(logits).flat_map(|chunk| scan::within(chunk, kept)));
        chain::filter(&mut self.candidates, &self.options, self.min_p_offset, &mut self.random);
    }

    /// The last token that the filters keep, where typical and XTC are off.
    fn cutoff(&mut self, logits: &[f32], max: f32) -> Candidate {
        let SamplingOptions { top_p, min_p, .. } = self.options;
        let mut kept = self.first_cutoff(logits, max);
        // The nucleus is a share of what top-k left.
        let total = (top_p < 1.0).then(|| weight::total(logits, kept, Scale::plain(max)));
        if min_p > 0.0 {
            let min_p = Candidate { logit: max + self.min_p_offset, ..Candidate::LAST };
            kept = Candidate::earlier(kept, min_p);
        }
        match total {
            Some(total) => cutoff::top_p(logits, kept, max, total, top_p, &mut self.candidates),
            None => kept,
        }
    }

    /// The last token that top-n-sigma and top-k keep.
    fn first_cutoff(&mut self, logits: &[f32], max: f32) -> Candidate {
        let SamplingOptions { top_k, top_n_sigma, .. } = self.options;
        let mut kept = Candidate::LAST;
        // Room for any row of this size; what is not used takes no memory.
        self.candidates.clear();
        self.candidates.reserve(logits.len());
        if (1..logits.len()).contains(&top_k) {
            kept = cutoff::top_k(logits, top_k, &mut self.candidates);
        }
        if top_n_sigma > 0.0 {
            kept = Candidate::earlier(kept, cutoff::top_n_sigma(logits, max, top_n_sigma));
        }
        kept
    }
}

#[cfg(test)]
mod chain_tests;
#[cfg(test)]
mod tests;
