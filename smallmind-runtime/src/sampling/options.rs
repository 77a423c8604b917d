//! Which options make sense.

use crate::Error;
use smallmind_abstractions::SamplingOptions;

const AT_LEAST_0: &str = "at least 0";
const SHARE: &str = "above 0 and at most 1";
const PROBABILITY: &str = "between 0 and 1";
const ABOVE_0: &str = "above 0";
const FINITE: &str = "that is finite";

/// Names the first option that is outside its range.
pub(super) fn validate(options: &SamplingOptions) -> Result<(), Error> {
    let SamplingOptions { temperature, top_p, min_p, typical_p, top_n_sigma, .. } = *options;
    let (xtc, penalties, dry) = (&options.xtc, &options.penalties, &options.dry);
    let mirostat = options.mirostat.unwrap_or_default();
    let not_negative = |x: f32| (0.0..f32::INFINITY).contains(&x);
    let share = |x: f32| x > 0.0 && x <= 1.0;
    let probability = |x: f32| (0.0..=1.0).contains(&x);
    let positive = |x: f32| x > 0.0 && x.is_finite();
    let checks = [
        ("temperature", temperature, not_negative(temperature), AT_LEAST_0),
        ("top_p", top_p, share(top_p), SHARE),
        ("min_p", min_p, probability(min_p), PROBABILITY),
        ("typical_p", typical_p, share(typical_p), SHARE),
        ("top_n_sigma", top_n_sigma, not_negative(top_n_sigma), AT_LEAST_0),
        ("xtc.probability", xtc.probability, probability(xtc.probability), PROBABILITY),
        ("xtc.threshold", xtc.threshold, probability(xtc.threshold), PROBABILITY),
        ("mirostat.tau", mirostat.tau, positive(mirostat.tau), ABOVE_0),
        ("mirostat.eta", mirostat.eta, positive(mirostat.eta), ABOVE_0),
        ("penalties.repeat", penalties.repeat, positive(penalties.repeat), ABOVE_0),
        ("penalties.frequency", penalties.frequency, penalties.frequency.is_finite(), FINITE),
        ("penalties.presence", penalties.presence, penalties.presence.is_finite(), FINITE),
        ("dry.multiplier", dry.multiplier, not_negative(dry.multiplier), AT_LEAST_0),
        ("dry.base", dry.base, dry.base >= 1.0 && dry.base.is_finite(), "at least 1"),
    ];
    // Minus infinity bans a token.
    let usable = |bias: f32| bias < f32::INFINITY;
    let biases = options.logit_bias.iter();
    let biases = biases.map(|&(_, bias)| ("logit_bias", bias, usable(bias), "below infinity"));
    match checks.into_iter().chain(biases).find(|&(_, _, valid, _)| !valid) {
        None => Ok(()),
        Some((option, value, _, expected)) => {
            Err(Error::InvalidSamplingOption { option, value, expected })
        }
    }
}
