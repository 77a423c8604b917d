//! The options of sampling, by the names that users of llama.cpp know.

use crate::error::Error;
use smallmind_abstractions::{Mirostat, SamplingOptions, TokenId};
use smallmind_engine::Engine;

/// Where a repetition ends that DRY looks at, as in llama.cpp.
const DRY_BREAKERS: [&str; 4] = ["\n", ":", "\"", "*"];

/// What is missing comes from the model file, and where that says nothing,
/// from the default named.
#[derive(clap::Args)]
#[command(next_help_heading = "Sampling")]
pub(crate) struct SamplingArgs {
    /// Temperature; 0 always takes the most probable token, the default.
    #[arg(long)]
    temp: Option<f32>,
    /// Keep the K most probable tokens; 0 keeps all. 40 by default.
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Keep the most probable tokens that sum to P; 0.95 by default.
    #[arg(long, value_name = "P")]
    top_p: Option<f32>,
    /// Keep tokens at least P times as probable as the first; 0.05 by default.
    #[arg(long, value_name = "P")]
    min_p: Option<f32>,
    /// Keep the tokens of the most typical surprise that sum to P.
    #[arg(long, visible_alias = "typical-p", value_name = "P", default_value_t = 1.0)]
    typical: f32,
    /// Keep logits at most N standard deviations below the highest; 0 is off.
    #[arg(long, visible_alias = "top-n-sigma", value_name = "N", default_value_t = 0.0)]
    top_nsigma: f32,
    /// How often to exclude the top choices.
    #[arg(long, value_name = "P")]
    xtc_probability: Option<f32>,
    /// What makes a token a top choice.
    #[arg(long, value_name = "P")]
    xtc_threshold: Option<f32>,
    /// Mirostat: 0 is off, 2 version 2.
    #[arg(long, value_name = "VERSION", value_parser = ["0", "2"])]
    mirostat: Option<String>,
    /// The surprise that mirostat aims at, in bits; 5 by default.
    #[arg(long, value_name = "TAU")]
    mirostat_ent: Option<f32>,
    /// How fast mirostat follows; 0.1 by default.
    #[arg(long, value_name = "ETA")]
    mirostat_lr: Option<f32>,
    /// Tokens that penalties look back on; -1 is all. 64 by default.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    repeat_last_n: Option<i64>,
    /// Divide the logits of tokens that are there already; 1 is off.
    #[arg(long, value_name = "X")]
    repeat_penalty: Option<f32>,
    /// Take X off such logits.
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    presence_penalty: f32,
    /// Take X off such logits for each time they are there.
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    frequency_penalty: f32,
    /// Penalize tokens that extend a repetition; 0 is off.
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    dry_multiplier: f32,
    /// How that grows with each token of the repetition.
    #[arg(long, value_name = "X", default_value_t = 1.75)]
    dry_base: f32,
    /// Repetitions from this length on are penalized.
    #[arg(long, value_name = "N", default_value_t = 2)]
    dry_allowed_length: usize,
    /// Tokens that DRY looks back on; -1 is all.
    #[arg(long, value_name = "N", default_value_t = -1, allow_negative_numbers = true)]
    dry_penalty_last_n: i64,
    /// A text that no repetition goes across, in place of newline, ':', '"'
    /// and '*'; may be given again. "none" is none at all.
    #[arg(long, value_name = "TEXT")]
    dry_sequence_breaker: Vec<String>,
    /// Add to the logit of a token, as 15043+1 or 15043-1.5; may be given
    /// again. 15043-inf bans it.
    #[arg(short, long, value_name = "TOKEN±BIAS", value_parser = bias)]
    logit_bias: Vec<(TokenId, f32)>,
    /// Seeds the sampling.
    #[arg(short, long, default_value_t = 0)]
    seed: u64,
}

impl SamplingArgs {
    /// What is asked for, what the file advises, and the defaults.
    pub(crate) fn options(&self, engine: &Engine) -> Result<SamplingOptions, Error> {
        let defaults =
            SamplingOptions { top_k: 40, top_p: 0.95, min_p: 0.05, ..Default::default() };
        let mut options = defaults.advised_by(engine.metadata())?;
        let set = |value: Option<f32>, to: &mut f32| *to = value.unwrap_or(*to);
        set(self.temp, &mut options.temperature);
        set(self.top_p, &mut options.top_p);
        set(self.min_p, &mut options.min_p);
        set(self.xtc_probability, &mut options.xtc.probability);
        set(self.xtc_threshold, &mut options.xtc.threshold);
        set(self.repeat_penalty, &mut options.penalties.repeat);
        options.top_k = self.top_k.unwrap_or(options.top_k);
        options.typical_p = self.typical;
        options.top_n_sigma = self.top_nsigma;
        options.penalties.presence = self.presence_penalty;
        options.penalties.frequency = self.frequency_penalty;
        if let Some(last_n) = self.repeat_last_n {
            options.penalties.last_n = count(last_n);
        }
        options.mirostat = self.mirostat(options.mirostat);
        options.dry.multiplier = self.dry_multiplier;
        options.dry.base = self.dry_base;
        options.dry.allowed_length = self.dry_allowed_length;
        options.dry.last_n = count(self.dry_penalty_last_n);
        if self.dry_multiplier > 0.0 {
            options.dry.breakers = engine.tokens_containing(&self.breakers());
        }
        options.logit_bias.clone_from(&self.logit_bias);
        options.seed = self.seed;
        Ok(options)
    }

    fn mirostat(&self, advised: Option<Mirostat>) -> Option<Mirostat> {
        let mut mirostat = match self.mirostat.as_deref() {
            Some("0") => return None,
            Some(_) => advised.unwrap_or_default(),
            None => advised?,
        };
        mirostat.tau = self.mirostat_ent.unwrap_or(mirostat.tau);
        mirostat.eta = self.mirostat_lr.unwrap_or(mirostat.eta);
        Some(mirostat)
    }

    fn breakers(&self) -> Vec<&str> {
        if self.dry_sequence_breaker.is_empty() {
            return DRY_BREAKERS.to_vec();
        }
        let given = self.dry_sequence_breaker.iter().map(String::as_str);
        given.filter(|text| *text != "none").collect()
    }
}

/// A number of tokens, where a negative one is all.
fn count(n: i64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// A token and what is added to its logit: "15043+1", "15043-inf".
fn bias(text: &str) -> Result<(TokenId, f32), String> {
    let malformed = || format!("'{text}' is not of the form 15043+1 or 15043-1.5");
    let at = text.find(['+', '-']).ok_or_else(malformed)?;
    let id = text[..at].parse().map_err(|_| malformed())?;
    let bias: f32 = text[at..].parse().map_err(|_| malformed())?;
    Ok((id, bias))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn biases_are_read_as_in_llama_cpp() {
        assert_eq!(bias("15043+1"), Ok((15043, 1.0)));
        assert_eq!(bias("7-1.5"), Ok((7, -1.5)));
        assert_eq!(bias("7-inf"), Ok((7, f32::NEG_INFINITY)));
        for wrong in ["", "7", "+1", "x+1", "7+", "7=1", "-1+2"] {
            assert!(bias(wrong).is_err(), "{wrong}");
        }
    }
}
