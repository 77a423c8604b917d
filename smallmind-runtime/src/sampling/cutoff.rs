//! The last token that a filter keeps, found by partial selection.

use super::scan::{self, Candidate};
use super::weight::{Scale, UNIT_BITS};

/// The `k`-th token of the row, 0 < k. `buffer` is scratch space.
///
/// Pseudo-code: sort the candidates, return the k-th. Instead, up to 2k
/// candidates are collected; when that many are there the worse half goes, and
/// no token behind the k-th so far is looked at again.
pub(super) fn top_k(logits: &[f32], k: usize, buffer: &mut Vec<Candidate>) -> Candidate {
    let full = k.saturating_mul(2);
    let mut cutoff = Candidate::LAST;
    buffer.clear();
    for chunk in scan::chunks(logits) {
        if !scan::reaches(chunk.1, cutoff.logit) {
            continue;
        }
        for candidate in scan::within(chunk, cutoff) {
            buffer.push(candidate);
            if buffer.len() == full {
                cutoff = keep_best(buffer, k);
            }
        }
    }
    if buffer.len() > k { keep_best(buffer, k) } else { cutoff }
}

/// Drops all but the `k` best and returns the last of them.
fn keep_best(buffer: &mut Vec<Candidate>, k: usize) -> Candidate {
    let (_, &mut last, _) = buffer.select_nth_unstable_by(k - 1, Candidate::rank);
    buffer.truncate(k);
    last
}

/// The token at which the weights of the tokens up to it first sum to `top_p`
/// of `total`, or `kept` where that comes earlier. `buffer` is scratch space.
///
/// Pseudo-code: sort the candidates, add up weights until the target is
/// reached. Instead, the range that holds the answer is halved around its
/// median until one token is left.
pub(super) fn top_p(
    logits: &[f32],
    kept: Candidate,
    max: f32,
    total: u64,
    top_p: f32,
    buffer: &mut Vec<Candidate>,
) -> Candidate {
    let target = ((f64::from(top_p) * total as f64).ceil() as u64).clamp(1, total);
    let floor = tail_floor(max, total - target, logits.len());
    let prune = Candidate::earlier(kept, Candidate { logit: floor, ..Candidate::LAST });
    buffer.clear();
    for chunk in scan::chunks(logits) {
        if scan::reaches(chunk.1, prune.logit) {
            buffer.extend(scan::within(chunk, prune));
        }
    }
    let weight = |part: &[Candidate]| -> u64 {
        let scale = Scale::plain(max);
        part.iter().map(|candidate| scale.weight(candidate.logit)).sum()
    };
    if weight(buffer) < target {
        // Another filter has already kept less than the nucleus.
        return kept;
    }
    let (mut range, mut before) = (buffer.as_mut_slice(), 0);
    while range.len() > 1 {
        let middle = range.len() / 2;
        range.select_nth_unstable_by(middle, Candidate::rank);
        let (head, tail) = range.split_at_mut(middle);
        let up_to_middle = before + weight(head);
        if up_to_middle >= target {
            range = head;
        } else {
            before = up_to_middle;
            range = tail;
        }
    }
    range.first().copied().unwrap_or(kept)
}

/// The last token at most `n` standard deviations of all logits above −∞ below
/// the highest one.
pub(super) fn top_n_sigma(logits: &[f32], max: f32, n: f32) -> Candidate {
    let usable = || logits.iter().filter(|logit| logit.is_finite()).map(|&l| f64::from(l));
    let count = usable().count().max(1) as f64;
    let mean = usable().sum::<f64>() / count;
    let variance = usable().map(|logit| (logit - mean) * (logit - mean)).sum::<f64>() / count;
    let floor = f64::from(max) - f64::from(n) * variance.sqrt();
    Candidate { logit: floor as f32, ..Candidate::LAST }
}

/// A logit below which no token is in the nucleus: where each of `count` tokens
/// weighs at most `rest / count`, all of them together do not weigh more than
/// the `rest` that the nucleus leaves out.
fn tail_floor(max: f32, rest: u64, count: usize) -> f32 {
    // Less by one and by a hundredth for what rounding may take; a weight below
    // a quarter rounds to zero.
    let weight = (rest as f64 / count as f64 - 1.0).max(0.25) / (1u64 << UNIT_BITS) as f64;
    max + weight.ln() as f32 - 0.01 - max.abs() * 1e-6
}
