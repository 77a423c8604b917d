//! The forward pass of every encoder.
//!
//! ```text
//! x = norm(token + type [+ position])
//! for each layer:
//!     x = norm(x + attention(x·Wq, x·Wk, x·Wv)·Wo)
//!     x = norm(x + f(x·Wup)·Wdown)
//! ```
//!
//! The rows of all sequences go through each product together; attention takes
//! the sequences one by one. No row's value depends on its neighbours' being
//! there.

use super::weights::Layer;
use super::{Encoder, Workspace};
use crate::Error;
use crate::kernels::attention::{NewTokens, Preparation, Queries, Sight, Span};
use crate::kernels::matmul::{Compute, Source, matmul, matmul_gated};
use crate::kernels::{Gate, Norm, NormKind};
use crate::model::context::Scratch;
use crate::model::decoder::product;
use crate::model::weights::NormWeights;
use smallmind_abstractions::TokenId;
use std::slice::from_ref;
use std::sync::PoisonError;

/// Computes the vectors of all tokens into the workspace.
pub(super) fn run(
    encoder: &Encoder,
    compute: Compute<'_>,
    w: &mut Workspace,
    sequences: &[&[TokenId]],
) -> Result<(), Error> {
    let pass = Pass { encoder, compute };
    w.positions.clear();
    w.tokens.clear();
    for sequence in sequences {
        w.tokens.extend_from_slice(sequence);
        w.positions.extend(0..sequence.len());
    }
    pass.ready(w);
    pass.embed(w);
    for layer in &encoder.weights.layers {
        pass.attention(w, layer, sequences);
        compute.cancel.check()?;
        pass.feed_forward(w, layer);
        compute.cancel.check()?;
    }
    Ok(())
}

struct Pass<'a> {
    encoder: &'a Encoder,
    compute: Compute<'a>,
}

impl Pass<'_> {
    /// Gives the buffers the size of the tokens.
    fn ready(&self, w: &mut Workspace) {
        let (config, tokens) = (&self.encoder.config, w.tokens.len());
        let width = tokens * config.embedding_length;
        for rows in [&mut w.hidden, &mut w.queries, &mut w.keys, &mut w.values, &mut w.attended] {
            rows.resize(width, 0.0);
        }
        w.inner.resize(tokens * config.feed_forward_length, 0.0);
        w.rope.extend_to(w.positions.iter().max().map_or(0, |last| last + 1));
    }

    fn embed(&self, w: &mut Workspace) {
        let (weights, length) = (&self.encoder.weights, self.encoder.config.embedding_length);
        let (tokens, positions, scratch) = (&w.tokens, &w.positions, &w.rows);
        self.compute.for_each_row(&mut w.hidden, length, |t, row, thread| {
            let mut other = scratch[thread].lock().unwrap_or_else(PoisonError::into_inner);
            other.resize(length, 0.0);
            weights.tokens.dequantize_row(tokens[t] as usize, row);
            if let Some(kind) = &weights.token_type {
                self.compute.kernels.add(row, kind);
            }
            if let Some(learned) = &weights.positions {
                learned.dequantize_row(positions[t], &mut other);
                self.compute.kernels.add(row, &other);
            }
        });
        self.normalize(&mut w.hidden, scratch, &weights.norm);
    }

    /// Every row to its layer norm.
    fn normalize(&self, rows: &mut [f32], scratch: &Scratch, weights: &NormWeights) {
        let NormWeights { weight, bias } = weights;
        let epsilon = self.encoder.config.norm_epsilon;
        let norm = Norm { kind: NormKind::Layer, weight, bias, epsilon };
        self.compute.normalize_rows(rows, norm, scratch);
    }

    fn attention(&self, w: &mut Workspace, layer: &Layer, sequences: &[&[TokenId]]) {
        let Layer { query, key, value, attention_output: output, .. } = layer;
        let readers = [&query.weights, &key.weights, &value.weights];
        w.activations.fill(self.compute, Source::Plain(&w.hidden), &readers);
        let mut products = [
            product(query, &mut w.queries, false),
            product(key, &mut w.keys, false),
            product(value, &mut w.values, false),
        ];
        matmul(self.compute, &w.activations, &mut products);
        let mut first = 0;
        for sequence in sequences.iter().filter(|s| !s.is_empty()) {
            self.attend(w, first, sequence.len());
            first += sequence.len();
        }
        w.activations.fill(self.compute, Source::Plain(&w.attended), &[&output.weights]);
        matmul(self.compute, &w.activations, &mut [product(output, &mut w.hidden, true)]);
        self.normalize(&mut w.hidden, &w.rows, &layer.attention_norm);
    }

    /// What the tokens of one sequence gather from each other.
    fn attend(&self, w: &mut Workspace, first: usize, len: usize) {
        let config = &self.encoder.config;
        let width = config.embedding_length;
        let rows = first * width..(first + len) * width;
        let prepare = |scale| Preparation { norm: None, rotation: Some(0), scale };
        let mut span = Span {
            cache: &mut w.cache,
            rotations: [w.rope.rotation(); 2],
            start: 0,
            rows: 0..len,
            wanted: len,
        };
        let spans = std::slice::from_mut(&mut span);
        let new = NewTokens {
            keys: &w.keys[rows.clone()],
            values: &w.values[rows.clone()],
            prepare: prepare(1.0),
        };
        w.attention.store(self.compute, config.heads, new, spans, 0);
        let queries = Queries {
            rows: &w.queries[rows.clone()],
            prepare: prepare(1.0 / (config.heads.dim as f32).sqrt()),
            sight: Sight::All(len),
            cap: 0.0,
        };
        let out = &mut w.attended[rows];
        w.attention.attend(self.compute, config.heads, queries, (spans, 0), out);
    }

    fn feed_forward(&self, w: &mut Workspace, layer: &Layer) {
        let Layer { gate, up, down, .. } = layer;
        let (compute, width) = (self.compute, up.weights.rows());
        let mut readers = vec![&up.weights];
        readers.extend(gate);
        w.activations.fill(compute, Source::Plain(&w.hidden), &readers);
        match gate {
            Some(gate) => {
                let pair = [from_ref(gate), from_ref(&up.weights)];
                matmul_gated(compute, &w.activations, pair, Gate::Silu, &mut w.inner);
            }
            None => {
                matmul(compute, &w.activations, &mut [product(up, &mut w.inner, false)]);
                compute.for_each_row(&mut w.inner, width, |_, row, _| {
                    compute.kernels.gate(Gate::GeluErf, row, &[]);
                });
            }
        }
        w.activations.fill(compute, Source::Plain(&w.inner), &[&down.weights]);
        matmul(compute, &w.activations, &mut [product(down, &mut w.hidden, true)]);
        self.normalize(&mut w.hidden, &w.rows, &layer.output_norm);
    }
}
