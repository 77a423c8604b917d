//! What changes single logits before anything is filtered.

use smallmind_abstractions::{Penalties, SamplingOptions, TokenId};
use std::collections::VecDeque;

use super::repetition;

/// The tokens that penalties look back on, and a copy of the row to change.
#[derive(Debug, Clone, Default)]
pub(super) struct Adjust {
    /// The last tokens, the latest first; only as many as any penalty looks at.
    recent: VecDeque<TokenId>,
    row: Vec<f32>,
    scratch: Vec<TokenId>,
}

impl Adjust {
    /// Takes note of a token of the text.
    pub(super) fn accept(&mut self, options: &SamplingOptions, id: TokenId) {
        let penalties = if penalizes(&options.penalties) { options.penalties.last_n } else { 0 };
        let dry = if options.dry.multiplier > 0.0 { options.dry.last_n } else { 0 };
        self.recent.push_front(id);
        self.recent.truncate(penalties.max(dry));
    }

    /// The row to choose from: `logits` where nothing changes them. Of
    /// `allowed`, where it is given, each token has a bit, the lowest first.
    pub(super) fn apply<'a>(
        &'a mut self,
        options: &SamplingOptions,
        logits: &'a [f32],
        allowed: Option<&[u32]>,
    ) -> &'a [f32] {
        let penalizes = penalizes(&options.penalties);
        let dry = options.dry.multiplier > 0.0;
        let biased = !options.logit_bias.is_empty() || !options.banned.is_empty();
        if !penalizes && !dry && !biased && allowed.is_none() {
            return logits;
        }
        self.row.clear();
        self.row.extend_from_slice(logits);
        if let Some(allowed) = allowed {
            mask(&mut self.row, allowed);
        }
        bias(&mut self.row, options);
        if penalizes {
            let last = self.recent.iter().take(options.penalties.last_n);
            self.scratch.clear();
            self.scratch.extend(last);
            penalize(&mut self.row, &mut self.scratch, &options.penalties);
        }
        if dry {
            let last = self.recent.iter().take(options.dry.last_n);
            self.scratch.clear();
            self.scratch.extend(last);
            repetition::penalize(&mut self.row, &self.scratch, &options.dry);
        }
        &self.row
    }
}

fn penalizes(penalties: &Penalties) -> bool {
    penalties.repeat != 1.0 || penalties.frequency != 0.0 || penalties.presence != 0.0
}

fn mask(row: &mut [f32], allowed: &[u32]) {
    // Tokens without a bit are not allowed.
    let bits = allowed.iter().copied().chain(std::iter::repeat(0));
    for (logits, bits) in row.chunks_mut(u32::BITS as usize).zip(bits) {
        for (i, logit) in logits.iter_mut().enumerate() {
            *logit = if bits >> i & 1 == 1 { *logit } else { f32::NEG_INFINITY };
        }
    }
}

fn bias(row: &mut [f32], options: &SamplingOptions) {
    let banned = options.banned.iter().map(|&id| (id, f32::NEG_INFINITY));
    for (id, bias) in options.logit_bias.iter().copied().chain(banned) {
        if let Some(logit) = row.get_mut(id as usize) {
            *logit += bias;
        }
    }
}

fn penalize(row: &mut [f32], last: &mut [TokenId], penalties: &Penalties) {
    last.sort_unstable();
    for same in last.chunk_by(|a, b| a == b) {
        if let Some(logit) = row.get_mut(same[0] as usize) {
            if *logit > 0.0 {
                *logit /= penalties.repeat;
            } else {
                *logit *= penalties.repeat;
            }
            *logit -= same.len() as f32 * penalties.frequency + penalties.presence;
        }
    }
}
