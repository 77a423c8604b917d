//! The angles of rotary position embedding (Su et al. 2021).

use super::config::{ModelConfig, Rope};
use crate::kernels::RopePairs;
use crate::kernels::attention::Rotation;

/// Cosines and sines of the positions seen so far.
#[derive(Debug)]
pub(super) struct RopeTable {
    pairs: RopePairs,
    frequencies: Vec<f64>,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl RopeTable {
    /// A table that will not grow beyond `capacity` positions.
    pub(super) fn new(
        config: &ModelConfig,
        rope: Rope,
        factors: Option<&[f32]>,
        capacity: usize,
    ) -> Self {
        let half = config.rope_dims / 2;
        let frequency = |i: usize| {
            let exponent = -2.0 * i as f64 / config.rope_dims as f64;
            let factor = factors.map_or(1.0, |f| f64::from(f[i]));
            f64::from(rope.base).powf(exponent) * f64::from(rope.scale) / factor
        };
        Self {
            pairs: config.pairs,
            frequencies: (0..half).map(frequency).collect(),
            cos: Vec::with_capacity(capacity * half),
            sin: Vec::with_capacity(capacity * half),
        }
    }

    /// Makes sure that the first `positions` are there.
    pub(super) fn extend_to(&mut self, positions: usize) {
        let half = self.frequencies.len().max(1);
        for position in self.cos.len() / half..positions {
            for frequency in &self.frequencies {
                let (sin, cos) = (position as f64 * frequency).sin_cos();
                self.cos.push(cos as f32);
                self.sin.push(sin as f32);
            }
        }
    }

    pub(super) fn rotation(&self) -> Rotation<'_> {
        let half = self.frequencies.len();
        Rotation { pairs: self.pairs, half, cos: &self.cos, sin: &self.sin }
    }
}
