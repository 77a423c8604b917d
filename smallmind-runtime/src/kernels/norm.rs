//! Norms of rows.

use super::table::Kernels;

/// How a row is normalized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// By its root mean square (Zhang and Sennrich 2019).
    Rms,
    /// LayerNorm, by its mean and variance (Ba et al. 2016).
    Layer,
}

/// A norm and its weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Norm<'a> {
    pub(crate) kind: NormKind,
    pub(crate) weight: &'a [f32],
    /// Empty where there is none.
    pub(crate) bias: &'a [f32],
    pub(crate) epsilon: f32,
}

impl Norm<'_> {
    /// The norm of one row.
    pub(crate) fn run(&self, kernels: &Kernels, row: &[f32], out: &mut [f32]) {
        match self.kind {
            NormKind::Rms => kernels.rms_norm(row, self.weight, self.epsilon, out),
            NormKind::Layer => kernels.layer_norm(row, self.weight, self.bias, self.epsilon, out),
        }
    }

    /// The norm of a head, where each of `len` values has weights of its own.
    pub(crate) fn of_head(self, head: usize, len: usize) -> Self {
        let weight = match self.weight.len() > len {
            true => &self.weight[head * len..(head + 1) * len],
            false => self.weight,
        };
        Self { weight, ..self }
    }
}
