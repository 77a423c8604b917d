//! The angles of rotary position embedding (Su et al. 2021).

use super::config::{Rope, Yarn};
use crate::kernels::RopePairs;
use crate::kernels::attention::Rotation;

/// Cosines and sines of the positions seen so far.
#[derive(Debug)]
pub(super) struct RopeTable {
    pairs: RopePairs,
    frequencies: Vec<f64>,
    /// What cosines and sines are multiplied by.
    magnitude: f64,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Yarn {
    /// How much of its own frequency pair `i` keeps: all where the trained
    /// context has more than `beta_fast` turns of it, nothing below
    /// `beta_slow` (Peng et al. 2023).
    fn kept(&self, i: usize, dims: usize, base: f32) -> f64 {
        let pair = |turns: f32| {
            let longest = f64::from(turns) * 2.0 * std::f64::consts::PI;
            let ratio = (self.trained_context as f64 / longest).ln();
            dims as f64 * ratio / (2.0 * f64::from(base).ln())
        };
        let low = pair(self.beta_fast).floor().max(0.0);
        let high = pair(self.beta_slow).ceil().min(dims as f64 - 1.0);
        1.0 - ((i as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0)
    }
}

impl RopeTable {
    /// A table that will not grow beyond `capacity` positions.
    ///
    /// It turns the first `dims` of a head; none where that is 0.
    pub(super) fn new(
        pairs: RopePairs,
        dims: usize,
        rope: Rope,
        factors: Option<&[f32]>,
        capacity: usize,
    ) -> Self {
        let half = dims / 2;
        let frequency = |i: usize| {
            let exponent = -2.0 * i as f64 / dims as f64;
            let factor = factors.map_or(1.0, |f| f64::from(f[i]));
            let plain = f64::from(rope.base).powf(exponent) / factor;
            let scaled = plain * f64::from(rope.scale);
            match rope.yarn {
                None => scaled,
                Some(yarn) => {
                    let kept = yarn.kept(i, dims, rope.base);
                    scaled * (1.0 - kept) + plain * kept
                }
            }
        };
        Self {
            pairs,
            magnitude: f64::from(rope.magnitude),
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
                self.cos.push((cos * self.magnitude) as f32);
                self.sin.push((sin * self.magnitude) as f32);
            }
        }
    }

    pub(super) fn rotation(&self) -> Rotation<'_> {
        let half = self.frequencies.len();
        Rotation { pairs: self.pairs, half, cos: &self.cos, sin: &self.sin }
    }
}
