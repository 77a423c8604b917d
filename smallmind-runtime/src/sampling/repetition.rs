//! "Don't repeat yourself" (DRY), as its author p-e-w describes it in pull
//! request 5677 of oobabooga/text-generation-webui.

use smallmind_abstractions::{Dry, TokenId};

/// Penalizes the tokens that would extend a repetition. `latest` are the
/// tokens of the text, the latest first.
pub(super) fn penalize(row: &mut [f32], latest: &[TokenId], dry: &Dry) {
    let unbroken = latest.iter().take_while(|id| !dry.breakers.contains(id)).count();
    if unbroken < dry.allowed_length {
        return;
    }
    // Longest repetition for each token that followed one.
    let mut extends: Vec<(TokenId, usize)> = Vec::new();
    for (back, &length) in common_prefixes(latest).iter().enumerate().skip(1) {
        let (next, length) = (latest[back - 1], length.min(unbroken));
        if length >= dry.allowed_length && !dry.breakers.contains(&next) {
            extends.push((next, length));
        }
    }
    extends.sort_unstable();
    for same in extends.chunk_by(|a, b| a.0 == b.0) {
        let (id, length) = same[same.len() - 1];
        if let Some(logit) = row.get_mut(id as usize) {
            let exponent = i32::try_from(length - dry.allowed_length).unwrap_or(i32::MAX);
            // Finite, so that a token is never ruled out by this alone.
            *logit -= (dry.multiplier * dry.base.powi(exponent)).min(f32::MAX / 4.0);
        }
    }
}

/// For each place, how many elements from there on are those at the start: the
/// Z-algorithm (Gusfield, "Algorithms on Strings, Trees, and Sequences", 1997,
/// section 1.4), in linear time.
fn common_prefixes(text: &[TokenId]) -> Vec<usize> {
    let mut lengths = vec![0; text.len()];
    // The stretch known to equal the start that reaches farthest.
    let (mut start, mut end) = (0, 0);
    for at in 1..text.len() {
        let known = if at < end { lengths[at - start].min(end - at) } else { 0 };
        let more = text[known..].iter().zip(&text[at + known..]).take_while(|(a, b)| a == b);
        lengths[at] = known + more.count();
        if at + lengths[at] > end {
            (start, end) = (at, at + lengths[at]);
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn common_prefixes_are_those_counted_one_by_one(text in prop::collection::vec(0u32..3, 0..60)) {
            for (at, &length) in common_prefixes(&text).iter().enumerate().skip(1) {
                let equal = text.iter().zip(&text[at..]).take_while(|(a, b)| a == b).count();
                prop_assert_eq!(length, equal);
            }
        }
    }

    #[test]
    fn endless_repetition_stays_finite() {
        let dry = Dry { multiplier: 2.0, base: 3.0, ..Default::default() };
        let mut row = [0.0; 2];
        penalize(&mut row, &[1; 4000], &dry);
        assert!(row[0] == 0.0 && row[1] < -1e37 && row[1].is_finite(), "{row:?}");
    }
}
