//! Unnormalised probabilities as integers, and drawing from them.
//!
//! A token's weight is 2³² · exp((logit − max) / temperature), rounded to an
//! integer: 2³² for the most probable token, 0 below 1.2e-10 of it. There are
//! less than 2³² tokens, so any sum of weights fits in 64 bits.

use super::scan::{self, Candidate};
use smallmind_abstractions::TokenId;

/// log2 of the most probable token's weight.
pub(super) const UNIT_BITS: u32 = 32;

/// What turns a logit into a weight.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// The highest logit of the row.
    pub(super) max: f32,
    pub(super) temperature: f32,
}

impl Scale {
    /// A temperature of one.
    pub(super) fn plain(max: f32) -> Self {
        Self { max, temperature: 1.0 }
    }

    /// A logit below which every weight is zero: e⁻²³ is less than 2⁻³³.
    fn floor(self) -> f32 {
        self.max - 23.0 * self.temperature
    }

    /// The weight of a token with this logit, which is not above `max`.
    #[inline]
    pub(super) fn weight(self, logit: f32) -> u64 {
        exp_scaled((logit - self.max) / self.temperature)
    }
}

/// The sum of the weights of the tokens up to `cutoff`.
pub(super) fn total(logits: &[f32], cutoff: Candidate, scale: Scale) -> u64 {
    scan::chunks(logits).map(|chunk| chunk_total(chunk, cutoff, scale)).sum()
}

/// The token up to `cutoff` on whose weight the `ticket`-th unit falls, counted
/// in the order of ids; `ticket` is below the [`total`].
pub(super) fn pick(logits: &[f32], cutoff: Candidate, scale: Scale, mut ticket: u64) -> TokenId {
    for chunk in scan::chunks(logits) {
        let total = chunk_total(chunk, cutoff, scale);
        if ticket >= total {
            ticket -= total;
            continue;
        }
        for candidate in scan::within(chunk, cutoff) {
            let weight = scale.weight(candidate.logit);
            if ticket < weight {
                return candidate.id;
            }
            ticket -= weight;
        }
    }
    // Only a ticket past the total gets here.
    scan::first(logits, scale.max)
}

fn chunk_total((start, chunk): (TokenId, &[f32]), cutoff: Candidate, scale: Scale) -> u64 {
    if !scan::reaches(chunk, cutoff.logit.max(scale.floor())) {
        return 0;
    }
    // No branch on the token, so that the exponential vectorises.
    (start..).zip(chunk).fold(0, |sum, (id, &logit)| {
        let weight = scale.weight(logit);
        sum + if (Candidate { logit, id }).is_within(cutoff) { weight } else { 0 }
    })
}

/// 2³² · eˣ rounded to an integer, for x ≤ 0, with a relative error below 3e-7.
///
/// The textbook method: x = k·ln 2 + r with |r| ≤ ln 2 / 2, and a Taylor
/// polynomial for eʳ. Plain multiplications and additions give the same bits
/// on every machine, unlike the C library's `expf`. Conversions to integers
/// would keep the loop around this from vectorising; adding a number so large
/// that no bit is left for a fraction rounds as well, and leaves the integer
/// in the low bits of the sum.
#[inline]
fn exp_scaled(x: f32) -> u64 {
    const ROUND_F32: f32 = 12_582_912.0; // 1.5 · 2²³, so that k may be negative
    const ROUND_F64: f64 = 4_503_599_627_370_496.0; // 2⁵²
    /// ln 2 in two parts; k times the first is exact.
    const LN_2: (f32, f32) = (355.0 / 512.0, -2.121_944_4e-4);
    const COEFFICIENTS: [f32; 7] =
        [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 1.0 / 2.0, 1.0];

    // Everything below e⁻³⁰ is zero; keeps k small, and takes care of NaN.
    let x = if x > -30.0 { x } else { -30.0 };
    let rounded = x * std::f32::consts::LOG2_E + ROUND_F32;
    let k = rounded - ROUND_F32;
    let r = (x - k * LN_2.0) - k * LN_2.1;
    let exp_r = COEFFICIENTS.iter().fold(0.0, |sum, c| sum * r + c) * r + 1.0;
    let exponent = rounded.to_bits().wrapping_sub(ROUND_F32.to_bits());
    let power = f32::from_bits(exponent.wrapping_add(127 + UNIT_BITS) << 23);
    (f64::from(exp_r * power) + ROUND_F64).to_bits() - ROUND_F64.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_follow_the_exponential() {
        assert_eq!(exp_scaled(0.0), 1 << UNIT_BITS);
        assert_eq!(exp_scaled(-0.0), 1 << UNIT_BITS);
        assert_eq!(exp_scaled(f32::NEG_INFINITY), 0);
        assert_eq!(exp_scaled(f32::NAN), 0);
        let mut previous = u64::MAX;
        for i in 0..300_000 {
            let x = -(i as f32) * 1e-4;
            let exact = f64::from(x).exp() * (1u64 << UNIT_BITS) as f64;
            let weight = exp_scaled(x);
            assert!((weight as f64 - exact).abs() <= 0.51 + exact * 3e-7, "exp({x})");
            assert!(weight <= previous.saturating_add(previous >> 21), "exp({x}) is out of order");
            previous = weight;
        }
    }

    #[test]
    fn every_ticket_falls_on_its_token() {
        let logits = [f32::NAN, 0.0, f32::NEG_INFINITY, -1.0, 0.0];
        let scale = Scale::plain(0.0);
        let total = total(&logits, Candidate::LAST, scale);
        let one = 1u64 << UNIT_BITS;
        let second = scale.weight(-1.0);
        assert_eq!(total, 2 * one + second);
        let pick = |ticket| pick(&logits, Candidate::LAST, scale, ticket);
        assert_eq!([pick(0), pick(one - 1), pick(one), pick(one + second - 1)], [1, 1, 3, 3]);
        assert_eq!([pick(one + second), pick(total - 1)], [4, 4]);
    }
}
