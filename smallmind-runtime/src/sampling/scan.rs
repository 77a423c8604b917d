//! Passes over a row of logits that skip most of it.

use smallmind_abstractions::TokenId;
use std::cmp::Ordering;

/// Logits looked at together. Most chunks hold nothing worth a second look,
/// and that is found out with vector instructions.
pub(super) const CHUNK: usize = 64;

/// A token and its logit, which is not NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) logit: f32,
    pub(super) id: TokenId,
}

impl Candidate {
    /// Comes after every token that can be chosen.
    pub(super) const LAST: Self = Self { logit: f32::MIN, id: TokenId::MAX };

    /// The order of choice: the highest logit first, then the lowest id.
    pub(super) fn rank(&self, other: &Self) -> Ordering {
        let by_logit = other.logit.partial_cmp(&self.logit).unwrap_or(Ordering::Equal);
        by_logit.then(self.id.cmp(&other.id))
    }

    /// Whether the tokens up to `cutoff` include this one. False for NaN.
    #[inline]
    pub(super) fn is_within(&self, cutoff: Self) -> bool {
        self.logit > cutoff.logit || (self.logit == cutoff.logit && self.id <= cutoff.id)
    }

    /// The stricter of two cut-offs.
    pub(super) fn earlier(a: Self, b: Self) -> Self {
        if a.is_within(b) { a } else { b }
    }
}

/// The highest logit, NaN aside; −∞ where there is none.
pub(super) fn max(logits: &[f32]) -> f32 {
    // Independent lanes, so that the comparison vectorises.
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = logits.as_chunks::<16>();
    for chunk in chunks {
        for (lane, &logit) in lanes.iter_mut().zip(chunk) {
            *lane = if logit > *lane { logit } else { *lane };
        }
    }
    lanes.iter().chain(rest).fold(f32::NEG_INFINITY, |m, &x| if x > m { x } else { m })
}

/// The lowest id whose logit is `value`; 0 where there is none.
pub(super) fn first(logits: &[f32], value: f32) -> TokenId {
    logits.iter().position(|&logit| logit == value).unwrap_or(0) as TokenId
}

/// The chunks of a row, each with the id of its first token.
pub(super) fn chunks(logits: &[f32]) -> impl Iterator<Item = (TokenId, &[f32])> {
    logits.chunks(CHUNK).enumerate().map(|(i, chunk)| ((i * CHUNK) as TokenId, chunk))
}

/// Whether any logit is at least `floor`.
#[inline]
pub(super) fn reaches(chunk: &[f32], floor: f32) -> bool {
    chunk.iter().fold(false, |any, &logit| any | (logit >= floor))
}

/// The tokens of one chunk up to `cutoff`.
pub(super) fn within(
    (start, chunk): (TokenId, &[f32]),
    cutoff: Candidate,
) -> impl Iterator<Item = Candidate> {
    let candidates = (start..).zip(chunk).map(|(id, &logit)| Candidate { logit, id });
    candidates.filter(move |candidate| candidate.is_within(cutoff))
}
