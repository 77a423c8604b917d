//! Logarithms of probabilities.

use super::cutoff;
use super::scan::{self, Candidate};
use super::weight::{self, Scale, UNIT_BITS};
use smallmind_abstractions::{TokenId, TokenLogprobs};

/// The natural logarithms of the probabilities that a row of logits gives to
/// `id` and to the `top` most probable tokens: of the model's own
/// distribution, before penalties, filters and temperature. `top` is at most
/// the vocabulary; −∞ where the token cannot be chosen.
///
/// ```
/// let logprobs = smallmind_runtime::logprobs(&[0.0, 1.0, 0.0], 0, 2);
/// assert_eq!(logprobs.top[0].0, 1);
/// assert!((logprobs.logprob.exp() - 1.0 / (2.0 + 1f32.exp())).abs() < 1e-6);
/// ```
pub fn logprobs(logits: &[f32], id: TokenId, top: usize) -> TokenLogprobs {
    let max = scan::max(logits);
    let total = weight::total(logits, Candidate::LAST, Scale::plain(max));
    let log_total = (total as f64 / (1u64 << UNIT_BITS) as f64).ln();
    let logprob = |logit: f32| (f64::from(logit) - f64::from(max) - log_total) as f32;
    let mut best = Vec::new();
    if top > 0 {
        let last = match top < logits.len() {
            true => cutoff::top_k(logits, top, &mut best),
            false => Candidate::LAST,
        };
        best.clear();
        best.extend(scan::chunks(logits).flat_map(|chunk| scan::within(chunk, last)));
        best.sort_unstable_by(Candidate::rank);
    }
    let own = logits.get(id as usize).copied().filter(|logit| !logit.is_nan());
    TokenLogprobs {
        logprob: own.map_or(f32::NEG_INFINITY, logprob),
        top: best.iter().map(|best| (best.id, logprob(best.logit))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logprobs_are_those_of_the_softmax() {
        let logits: Vec<f32> = (0..5000).map(|i| ((i * 37) % 5000) as f32 * 0.002 - 3.0).collect();
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit).exp()).sum();
        let expected = |id: TokenId| (f64::from(logits[id as usize]) - sum.ln()) as f32;
        let result = logprobs(&logits, 17, 20);
        assert!((result.logprob - expected(17)).abs() < 1e-5);
        let mut order: Vec<TokenId> = (0..5000).collect();
        order.sort_by(|&a, &b| logits[b as usize].total_cmp(&logits[a as usize]));
        assert_eq!(result.top.len(), 20);
        for (&(id, logprob), &best) in result.top.iter().zip(&order) {
            assert_eq!(id, best);
            assert!((logprob - expected(id)).abs() < 1e-5);
        }
    }

    #[test]
    fn odd_rows_give_no_odd_numbers() {
        let row = [f32::NAN, f32::NEG_INFINITY, 0.0];
        let result = logprobs(&row, 0, 20);
        assert_eq!((result.logprob, result.top), (f32::NEG_INFINITY, vec![(2, 0.0)]));
        assert_eq!(logprobs(&row, 2, 0).logprob, 0.0);
        assert_eq!(logprobs(&row, 1, 1).logprob, f32::NEG_INFINITY);
        assert_eq!(logprobs(&row, 9, 1).logprob, f32::NEG_INFINITY);
    }
}
