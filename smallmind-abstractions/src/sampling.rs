//! How the next token is chosen.

use crate::{Error, Metadata, TokenId};

/// How the next token is chosen.
///
/// The steps apply in this order, each to what the one before left; all but
/// the last are off by default:
///
/// ```text
/// ban tokens, logit bias, penalties, DRY            change logits
/// top-n-sigma, top-k, typical, top-p, min-p, XTC    filter tokens
/// temperature                                       weighs what is left
/// ```
///
/// With [`mirostat`](Self::mirostat) the filters are left out: temperature
/// comes right after the changes, and mirostat after it.
///
/// ```
/// use smallmind_abstractions::{Penalties, SamplingOptions};
///
/// let options = SamplingOptions {
///     temperature: 0.8,
///     top_p: 0.95,
///     penalties: Penalties { repeat: 1.1, ..Default::default() },
///     seed: 7,
///     ..Default::default()
/// };
/// assert_eq!(options.top_k, 0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingOptions {
    /// Divides the logits. `0.0` is greedy: always the most probable token
    /// after the changes to logits, the lowest id among equals, whatever the
    /// filters say.
    pub temperature: f32,
    /// Keeps the `top_k` most probable tokens; `0` keeps all.
    pub top_k: usize,
    /// Keeps the most probable tokens whose probabilities first sum to
    /// `top_p` (Holtzman et al. 2019); `1.0` keeps all.
    pub top_p: f32,
    /// Keeps tokens at least `min_p` times as probable as the most probable
    /// one (Nguyen et al. 2024); `0.0` keeps all.
    pub min_p: f32,
    /// Keeps the tokens whose surprise is nearest to the entropy until their
    /// probabilities exceed `typical_p` (Meister et al. 2022); `1.0` keeps all.
    pub typical_p: f32,
    /// Keeps logits at most this many standard deviations of all logits below
    /// the highest (Tang et al. 2024); `0.0` keeps all.
    pub top_n_sigma: f32,
    /// Sometimes excludes the top choices.
    pub xtc: Xtc,
    /// Draws for an even surprise instead of filtering (Basu et al. 2020,
    /// version 2).
    pub mirostat: Option<Mirostat>,
    /// Makes tokens of the text so far less probable.
    pub penalties: Penalties,
    /// Makes tokens that would extend a repetition less probable.
    pub dry: Dry,
    /// What is added to the logits of tokens.
    pub logit_bias: Vec<(TokenId, f32)>,
    /// Tokens that are never chosen.
    pub banned: Vec<TokenId>,
    /// Seeds the random generator: same model, prompt, options and seed, same
    /// tokens.
    pub seed: u64,
}

impl Default for SamplingOptions {
    /// Greedy.
    fn default() -> Self {
        Self {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            top_n_sigma: 0.0,
            xtc: Xtc::default(),
            mirostat: None,
            penalties: Penalties::default(),
            dry: Dry::default(),
            logit_bias: Vec::new(),
            banned: Vec::new(),
            seed: 0,
        }
    }
}

impl SamplingOptions {
    /// These options with what a model file advises in their place: the keys
    /// `general.sampling.*` of GGUF. Its `sequence` is not followed, since the
    /// order of the steps is fixed, and of mirostat only version 2 is known.
    ///
    /// # Errors
    /// [`Error::MetadataType`] where a key holds a value of another type.
    pub fn advised_by(mut self, metadata: &Metadata) -> Result<Self, Error> {
        let key = |name: &str| format!("general.sampling.{name}");
        let float = |name: &str, to: &mut f32| -> Result<(), Error> {
            *to = metadata.get_optional(&key(name))?.unwrap_or(*to);
            Ok(())
        };
        let integer = |name: &str| metadata.get_optional::<i32>(&key(name));
        float("temp", &mut self.temperature)?;
        float("top_p", &mut self.top_p)?;
        float("min_p", &mut self.min_p)?;
        float("xtc_probability", &mut self.xtc.probability)?;
        float("xtc_threshold", &mut self.xtc.threshold)?;
        float("penalty_repeat", &mut self.penalties.repeat)?;
        if let Some(top_k) = integer("top_k")? {
            // None and all are both "off".
            self.top_k = usize::try_from(top_k).unwrap_or(0);
        }
        if let Some(last_n) = integer("penalty_last_n")? {
            self.penalties.last_n = usize::try_from(last_n).unwrap_or(usize::MAX);
        }
        if integer("mirostat")? == Some(2) {
            let mut mirostat = Mirostat::default();
            float("mirostat_tau", &mut mirostat.tau)?;
            float("mirostat_eta", &mut mirostat.eta)?;
            self.mirostat = Some(mirostat);
        }
        Ok(self)
    }
}

/// Excludes top choices: where two tokens or more have at least `threshold` of
/// the probability, only the least probable of them stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Xtc {
    /// How often this is done at all; `0.0` is never.
    pub probability: f32,
    /// What makes a token a top choice; above `0.5` there are never two.
    pub threshold: f32,
}

impl Default for Xtc {
    /// Off.
    fn default() -> Self {
        Self { probability: 0.0, threshold: 0.1 }
    }
}

/// Keeps tokens whose surprise, in bits, is at most μ, which starts at 2τ and
/// follows the surprise of the tokens drawn: μ ← μ − η (surprise − τ).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mirostat {
    /// The surprise aimed at, in bits a token.
    pub tau: f32,
    /// How fast μ follows.
    pub eta: f32,
}

impl Default for Mirostat {
    fn default() -> Self {
        Self { tau: 5.0, eta: 0.1 }
    }
}

/// Penalties on tokens among the last ones of prompt and answer.
///
/// A positive logit is divided by `repeat`, another one multiplied (Keskar et
/// al. 2019); then `count · frequency + presence` is taken off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Penalties {
    /// How many tokens are looked back on; `usize::MAX` is all.
    pub last_n: usize,
    /// `1.0` is off.
    pub repeat: f32,
    /// `0.0` is off.
    pub frequency: f32,
    /// `0.0` is off.
    pub presence: f32,
}

impl Default for Penalties {
    /// Off.
    fn default() -> Self {
        Self { last_n: 64, repeat: 1.0, frequency: 0.0, presence: 0.0 }
    }
}

/// "Don't repeat yourself": where the last n ≥ `allowed_length` tokens stood
/// somewhere before, `multiplier · base^(n − allowed_length)` is taken off the
/// logit of the token that followed there.
#[derive(Debug, Clone, PartialEq)]
pub struct Dry {
    /// `0.0` is off.
    pub multiplier: f32,
    /// At least 1.
    pub base: f32,
    /// The longest repetition without a penalty is one shorter.
    pub allowed_length: usize,
    /// How many tokens are looked back on; `usize::MAX` is all.
    pub last_n: usize,
    /// Tokens that no repetition goes across, and that have no penalty.
    pub breakers: Vec<TokenId>,
}

impl Default for Dry {
    /// Off.
    fn default() -> Self {
        Self {
            multiplier: 0.0,
            base: 1.75,
            allowed_length: 2,
            last_n: usize::MAX,
            breakers: Vec::new(),
        }
    }
}

/// How probable a token was, and which others were most probable: natural
/// logarithms of the model's own probabilities, before penalties, filters and
/// temperature.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TokenLogprobs {
    /// Of the token chosen.
    pub logprob: f32,
    /// The most probable tokens, in that order.
    pub top: Vec<(TokenId, f32)>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetadataValue;

    #[test]
    fn a_model_file_advises() {
        let plain = SamplingOptions { top_p: 0.5, seed: 3, ..Default::default() };
        assert_eq!(plain.clone().advised_by(&Metadata::new()).unwrap(), plain);

        let mut metadata = Metadata::new();
        for (name, value) in [
            ("temp", MetadataValue::F32(0.6)),
            ("top_k", MetadataValue::I32(20)),
            ("top_p", MetadataValue::F32(0.9)),
            ("min_p", MetadataValue::F32(0.01)),
            ("xtc_probability", MetadataValue::F32(0.5)),
            ("xtc_threshold", MetadataValue::F32(0.2)),
            ("penalty_last_n", MetadataValue::I32(-1)),
            ("penalty_repeat", MetadataValue::F32(1.1)),
            ("mirostat", MetadataValue::I32(2)),
            ("mirostat_tau", MetadataValue::F32(4.0)),
        ] {
            metadata.insert(format!("general.sampling.{name}"), value);
        }
        let expected = SamplingOptions {
            temperature: 0.6,
            top_k: 20,
            top_p: 0.9,
            min_p: 0.01,
            xtc: Xtc { probability: 0.5, threshold: 0.2 },
            mirostat: Some(Mirostat { tau: 4.0, eta: 0.1 }),
            penalties: Penalties { last_n: usize::MAX, repeat: 1.1, ..Default::default() },
            seed: 3,
            ..Default::default()
        };
        assert_eq!(plain.clone().advised_by(&metadata).unwrap(), expected);

        metadata.insert("general.sampling.top_k", MetadataValue::String("20".into()));
        let error = plain.advised_by(&metadata).unwrap_err();
        assert!(error.to_string().contains("general.sampling.top_k"), "{error}");
    }
}
