//! The filters that keep no prefix of the tokens, the slow way: over a sorted
//! list of what the filters before left.

use super::random::Xoshiro256PlusPlus;
use super::scan::Candidate;
use super::weight::{Scale, UNIT_BITS};
use smallmind_abstractions::{SamplingOptions, TokenId};

/// Whether a filter is on that only works on a list.
pub(super) fn is_needed(options: &SamplingOptions) -> bool {
    options.typical_p < 1.0 || options.xtc.probability > 0.0
}

/// Filters what top-n-sigma and top-k left, which is not empty; what stays is
/// in the order of choice.
pub(super) fn filter(
    kept: &mut Vec<Candidate>,
    options: &SamplingOptions,
    min_p_offset: f32,
    random: &mut Xoshiro256PlusPlus,
) {
    kept.sort_unstable_by(Candidate::rank);
    if options.typical_p < 1.0 {
        typical(kept, options.typical_p);
        kept.sort_unstable_by(Candidate::rank);
    }
    if options.top_p < 1.0 {
        top_p(kept, options.top_p);
    }
    if options.min_p > 0.0 {
        let floor = kept[0].logit + min_p_offset;
        kept.truncate(kept.partition_point(|candidate| candidate.logit >= floor));
    }
    if options.xtc.probability > 0.0 {
        // Drawn in any case, so that each token takes the same draws.
        let chance = random.below(1 << UNIT_BITS) as f64 / (1u64 << UNIT_BITS) as f64;
        if chance < f64::from(options.xtc.probability) {
            exclude_top_choices(kept, options.xtc.threshold);
        }
    }
}

/// Draws one of `kept`, which is in the order of choice and not empty.
pub(super) fn draw(
    kept: &[Candidate],
    temperature: f32,
    random: &mut Xoshiro256PlusPlus,
) -> TokenId {
    let scale = Scale { max: kept[0].logit, temperature };
    let mut ticket = random.below(total(kept, scale));
    for candidate in kept {
        let weight = scale.weight(candidate.logit);
        if ticket < weight {
            return candidate.id;
        }
        ticket -= weight;
    }
    kept[0].id
}

fn total(kept: &[Candidate], scale: Scale) -> u64 {
    kept.iter().map(|candidate| scale.weight(candidate.logit)).sum()
}

/// Keeps those whose surprise is nearest to the entropy, until their
/// probabilities exceed `typical_p`; the order is lost.
fn typical(kept: &mut Vec<Candidate>, typical_p: f32) {
    let scale = Scale::plain(kept[0].logit);
    let total = total(kept, scale) as f64;
    let log_total = (total / (1u64 << UNIT_BITS) as f64).ln();
    let surprise =
        |candidate: &Candidate| log_total - (f64::from(candidate.logit) - f64::from(scale.max));
    let entropy: f64 = kept
        .iter()
        .filter(|candidate| scale.weight(candidate.logit) > 0)
        .map(|candidate| scale.weight(candidate.logit) as f64 / total * surprise(candidate))
        .sum();
    // Stable: the most probable comes first among equals.
    kept.sort_by(|a, b| (surprise(a) - entropy).abs().total_cmp(&(surprise(b) - entropy).abs()));
    let mut sum = 0;
    let last = kept.iter().position(|candidate| {
        sum += scale.weight(candidate.logit);
        sum as f64 > f64::from(typical_p) * total
    });
    kept.truncate(last.map_or(kept.len(), |last| last + 1));
}

fn top_p(kept: &mut Vec<Candidate>, top_p: f32) {
    let scale = Scale::plain(kept[0].logit);
    let target = f64::from(top_p) * total(kept, scale) as f64;
    let mut sum = 0;
    let last = kept.iter().position(|candidate| {
        sum += scale.weight(candidate.logit);
        sum as f64 >= target
    });
    kept.truncate(last.map_or(kept.len(), |last| last + 1));
}

fn exclude_top_choices(kept: &mut Vec<Candidate>, threshold: f32) {
    let scale = Scale::plain(kept[0].logit);
    let least = f64::from(threshold) * total(kept, scale) as f64;
    let top = kept.partition_point(|candidate| scale.weight(candidate.logit) as f64 >= least);
    kept.drain(..top.saturating_sub(1));
}
