//! From logits to the next token.
//!
//! A [`Sampler`] looks at one row of logits and chooses a token. All its
//! filters keep a *prefix* of the tokens in the order of their logits (highest
//! first, the lower id first among equals), so that what they keep together is
//! described by one cut-off, the last token kept:
//!
//! ```text
//! cutoff = the last of all tokens
//! top-k:  cutoff = the k-th token
//! top-p:  cutoff = the first token at which the probabilities of the tokens
//!                  up to the cut-off, and those alone, sum to p
//! min-p:  cutoff = the last token with logit >= max + ln(min_p)
//! draw:   one token up to the cut-off with probability ~ exp(logit / temperature)
//! ```
//!
//! This is the order of llama.cpp's default chain (`common/common.h`,
//! `samplers`, without the filters that are off by default): temperature comes
//! last, so it does not change which tokens the filters keep.
//!
//! Three things depart from the textbook, none of them visible in the result:
//! nothing is sorted (a vocabulary has up to 262,144 tokens; the k-th token and
//! the nucleus are found by partial selection), min-p is applied before the
//! nucleus is searched (both keep prefixes, so the shorter one wins in either
//! order, and the search has less to do), and probabilities are integers in
//! units of 2⁻³² of the most probable token's, so that sums are exact and do
//! not depend on the order of summation.

mod cutoff;
mod random;
mod scan;
mod weight;

use crate::Error;
use random::Xoshiro256PlusPlus;
use scan::Candidate;
use smallmind_abstractions::{SamplingOptions, TokenId};
use weight::Scale;

/// Chooses tokens from logits, deterministically from a seed.
///
/// The choice depends on the logits, the options and the number of tokens
/// sampled before, and on nothing else: not on threads, nor on the machine.
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
    random: Xoshiro256PlusPlus,
    candidates: Vec<Candidate>,
}

impl Sampler {
    /// A sampler whose random generator starts at `options.seed`.
    ///
    /// # Errors
    /// [`Error::InvalidSamplingOption`] where a number is outside its range:
    /// `temperature` is finite and at least 0, `top_p` is in (0, 1], `min_p`
    /// is in \[0, 1\].
    pub fn new(options: SamplingOptions) -> Result<Self, Error> {
        validate(&options)?;
        Ok(Self {
            options,
            min_p_offset: f64::from(options.min_p).ln() as f32,
            random: Xoshiro256PlusPlus::from_seed(options.seed),
            candidates: Vec::new(),
        })
    }

    /// The options this sampler was made with.
    pub fn options(&self) -> &SamplingOptions {
        &self.options
    }

    /// Chooses a token from one row of logits, one for each token of the
    /// vocabulary.
    ///
    /// # Errors
    /// [`Error::NoUsableLogit`] where no logit is above −∞ (an empty row, or
    /// one of NaN), which a sound model never gives.
    pub fn sample(&mut self, logits: &[f32]) -> Result<TokenId, Error> {
        let max = scan::max(logits);
        if max == f32::NEG_INFINITY {
            return Err(Error::NoUsableLogit { count: logits.len() });
        }
        if self.options.temperature == 0.0 || max == f32::INFINITY {
            return Ok(scan::first(logits, max));
        }
        let cutoff = self.cutoff(logits, max);
        let scale = Scale { max, temperature: self.options.temperature };
        let total = weight::total(logits, cutoff, scale);
        Ok(weight::pick(logits, cutoff, scale, self.random.below(total)))
    }

    /// The last token that the filters keep.
    fn cutoff(&mut self, logits: &[f32], max: f32) -> Candidate {
        let SamplingOptions { top_k, top_p, min_p, .. } = self.options;
        let mut kept = Candidate::LAST;
        // Room for any row of this size; what is not used takes no memory.
        self.candidates.clear();
        self.candidates.reserve(logits.len());
        if (1..logits.len()).contains(&top_k) {
            kept = cutoff::top_k(logits, top_k, &mut self.candidates);
        }
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
}

fn validate(options: &SamplingOptions) -> Result<(), Error> {
    let SamplingOptions { temperature, top_p, min_p, .. } = *options;
    let checks = [
        ("temperature", temperature, (0.0..f32::INFINITY).contains(&temperature), "at least 0"),
        ("top_p", top_p, top_p > 0.0 && top_p <= 1.0, "above 0 and at most 1"),
        ("min_p", min_p, (0.0..=1.0).contains(&min_p), "between 0 and 1"),
    ];
    match checks.into_iter().find(|&(_, _, valid, _)| !valid) {
        None => Ok(()),
        Some((option, value, _, expected)) => {
            Err(Error::InvalidSamplingOption { option, value, expected })
        }
    }
}

#[cfg(test)]
mod tests;
