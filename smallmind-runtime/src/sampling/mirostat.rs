//! Mirostat, version 2: "Mirostat: A Neural Text Decoding Algorithm that
//! Directly Controls Perplexity", Basu et al. 2020.

use super::random::Xoshiro256PlusPlus;
use super::scan::{self, Candidate};
use super::weight::{self, Scale, UNIT_BITS};
use smallmind_abstractions::{Mirostat, TokenId};

/// Where the bound on surprise stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    settings: Mirostat,
    pub(super) mu: f64,
}

impl State {
    pub(super) fn new(settings: Mirostat) -> Self {
        Self { settings, mu: 2.0 * f64::from(settings.tau) }
    }

    /// The last token that is not too surprising.
    pub(super) fn cutoff(&self, logits: &[f32], scale: Scale) -> Candidate {
        let total = weight::total(logits, Candidate::LAST, scale);
        // -log2(p) <= mu, where p = exp((logit - max) / temperature) / total.
        let log_total = (total as f64 / (1u64 << UNIT_BITS) as f64).ln();
        let below = f64::from(scale.temperature) * (log_total - self.mu * std::f64::consts::LN_2);
        let floor = Candidate { logit: (f64::from(scale.max) + below) as f32, ..Candidate::LAST };
        // The most probable token always stays.
        if floor.logit > scale.max {
            return Candidate { logit: scale.max, id: scan::first(logits, scale.max) };
        }
        Candidate::earlier(Candidate::LAST, floor)
    }

    /// Draws a token and lets the bound follow its surprise.
    pub(super) fn draw(
        &mut self,
        logits: &[f32],
        scale: Scale,
        random: &mut Xoshiro256PlusPlus,
    ) -> TokenId {
        let cutoff = self.cutoff(logits, scale);
        let total = weight::total(logits, cutoff, scale);
        let id = weight::pick(logits, cutoff, scale, random.below(total));
        let weight = scale.weight(logits[id as usize]).max(1);
        let surprise = (total as f64 / weight as f64).log2();
        self.mu -= f64::from(self.settings.eta) * (surprise - f64::from(self.settings.tau));
        id
    }
}
