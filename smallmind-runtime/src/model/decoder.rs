//! The forward pass of every architecture.
//!
//! ```text
//! x = embeddings
//! for each layer:
//!     a = norm(x);  q, k, v = a·Wq, a·Wk, a·Wv;  cache += k, v
//!     x += post_norm(attention(q)·Wo)
//!     a = norm(x), of x as it was where attention and this are parallel
//!     x += post_norm((f(a·Wgate) * (a·Wup))·Wdown), or a mixture of experts
//! logits = norm(x)·W
//! ```
//!
//! Every token's row is computed by itself, and every value is one sum in a
//! fixed order, so chunks, threads and batches change no bit of the result.

use super::Model;
use super::architecture::QkNorm;
use super::context::{Buffers, Scratch};
use super::weights::{Expansion, FeedForward, Layer, Linear, NormWeights};
use crate::Error;
use crate::kernels::Norm;
use crate::kernels::attention::{NewTokens, Preparation, Queries, Sight, Span};
use crate::kernels::matmul::{Compute, Product, Source, matmul, matmul_gated};
use smallmind_abstractions::TokenId;
use std::ops::Range;
use std::slice::from_ref;
use std::sync::PoisonError;

/// What becomes of the hidden states of the rows that are wanted.
pub(super) type Finish = fn(&Model, Compute<'_>, &mut Buffers, usize);

/// Computes the tokens of a batch, some for each sequence, and appends what is
/// wanted of them.
pub(super) fn batch(
    model: &Model,
    compute: Compute<'_>,
    buffers: &mut Buffers,
    tokens: &[TokenId],
    spans: &mut [Span<'_>],
    finish: Finish,
) -> Result<(), Error> {
    for span in &mut *spans {
        span.cache.own(span.start..span.start + span.rows.len())?;
    }
    buffers.ready(model, tokens.len());
    embed(model, compute, buffers, tokens, spans);
    let last = model.weights.layers.len() - 1;
    let mut wanted = tokens.len();
    for (i, layer) in model.weights.layers.iter().enumerate() {
        let pass = Pass { model, compute, layer, index: i };
        pass.keys_and_values(buffers, spans);
        if i == last {
            wanted = buffers.keep_wanted(model, spans);
        }
        if wanted > 0 {
            pass.attention(buffers, spans, wanted);
            pass.outputs(buffers, wanted);
        }
        compute.cancel.check()?;
    }
    finish(model, compute, buffers, wanted);
    compute.cancel.check()?;
    Ok(())
}

impl Buffers {
    /// Gives the buffers the size of a chunk.
    fn ready(&mut self, model: &Model, tokens: usize) {
        let heads = model.config.heads();
        let length = model.config.embedding_length;
        self.hidden.resize(tokens * length, 0.0);
        self.queries.resize(tokens * heads.query * heads.dim, 0.0);
        self.keys.resize(tokens * heads.kv * heads.dim, 0.0);
        self.values.resize(tokens * heads.kv * heads.dim, 0.0);
        self.attended.resize(tokens * heads.query * heads.dim, 0.0);
        self.inner.resize(tokens * model.config.feed_forward_length, 0.0);
        self.outputs.resize(tokens * length, 0.0);
    }

    /// Drops the rows of tokens whose logits nobody wants; how many are left.
    fn keep_wanted(&mut self, model: &Model, spans: &mut [Span<'_>]) -> usize {
        let heads = model.config.heads();
        let widths = [model.config.embedding_length, heads.query * heads.dim];
        let mut kept = 0;
        for span in spans {
            let Range { start, end } = span.rows;
            let from = end - span.wanted;
            for (values, width) in [&mut self.hidden, &mut self.queries].into_iter().zip(widths) {
                values.copy_within(from * width..end * width, kept * width);
            }
            span.start += from - start;
            span.rows = kept..kept + span.wanted;
            kept += span.wanted;
        }
        self.hidden.truncate(kept * widths[0]);
        self.queries.truncate(kept * widths[1]);
        kept
    }
}

fn embed(
    model: &Model,
    compute: Compute<'_>,
    buffers: &mut Buffers,
    tokens: &[TokenId],
    spans: &[Span<'_>],
) {
    let (length, scale) = (model.config.embedding_length, model.config.embedding_scale);
    let Buffers { hidden, rows, .. } = buffers;
    compute.for_each_row(hidden, length, |t, row, thread| {
        model.weights.embeddings.dequantize_row(tokens[t] as usize, row);
        if scale != 1.0 {
            row.iter_mut().for_each(|v| *v *= scale);
        }
        let span = spans.iter().find(|span| span.rows.contains(&t));
        if let (Some(positions), Some(span)) = (&model.weights.positions, span) {
            let mut position = rows[thread].lock().unwrap_or_else(PoisonError::into_inner);
            position.resize(length, 0.0);
            positions.dequantize_row(span.start + t - span.rows.start, &mut position);
            compute.kernels.add(row, &position);
        }
    });
}

/// One layer.
struct Pass<'a> {
    model: &'a Model,
    compute: Compute<'a>,
    layer: &'a Layer,
    index: usize,
}

impl Pass<'_> {
    fn norm<'a>(&self, weights: Option<&'a NormWeights>) -> Option<Norm<'a>> {
        weights.map(|weights| self.model.config.norm_of(weights))
    }

    fn normalized<'a>(&self, rows: &'a [f32], weights: Option<&'a NormWeights>) -> Source<'a> {
        self.norm(weights).map_or(Source::Plain(rows), |norm| Source::Normalized { rows, norm })
    }

    fn keys_and_values(&self, b: &mut Buffers, spans: &mut [Span<'_>]) {
        let Layer { query, key, value, attention_norm, .. } = self.layer;
        let readers = [&query.weights, &key.weights, &value.weights];
        b.activations.fill(
            self.compute,
            self.normalized(&b.hidden, attention_norm.as_ref()),
            &readers,
        );
        let mut products = [
            product(query, &mut b.queries, false),
            product(key, &mut b.keys, false),
            product(value, &mut b.values, false),
        ];
        matmul(self.compute, &b.activations, &mut products);
        let of_rows = self.model.config.qk_norm == QkNorm::Row;
        if of_rows {
            self.normalize_rows(&mut b.queries, self.layer.query_norm.as_ref(), &b.rows);
            self.normalize_rows(&mut b.keys, self.layer.key_norm.as_ref(), &b.rows);
        }
        let new = NewTokens {
            keys: &b.keys,
            values: &b.values,
            prepare: self.preparation(self.layer.key_norm.as_ref(), 1.0),
        };
        let heads = self.model.config.heads();
        b.attention.store(self.compute, heads, new, spans, self.index);
    }

    /// Replaces rows by their norms.
    fn normalize_rows(&self, rows: &mut [f32], weights: Option<&NormWeights>, scratch: &Scratch) {
        if let Some(norm) = self.norm(weights) {
            self.compute.normalize_rows(rows, norm, scratch);
        }
    }

    fn preparation<'p>(&self, weights: Option<&'p NormWeights>, scale: f32) -> Preparation<'p> {
        let config = &self.model.config;
        let norm = self.norm(weights.filter(|_| config.qk_norm != QkNorm::Row));
        let local = usize::from(config.is_local(self.index));
        let rotation = config.has_rope(self.index).then_some(local);
        Preparation { norm, rotation, scale }
    }

    /// What the wanted tokens gather from the caches.
    fn attention(&self, b: &mut Buffers, spans: &[Span<'_>], rows: usize) {
        let (config, layer) = (&self.model.config, self.layer);
        let width = config.head_count * config.head_dim;
        let window = config.sliding_window.filter(|_| config.is_local(self.index));
        let queries = Queries {
            rows: &b.queries[..rows * width],
            prepare: self.preparation(layer.query_norm.as_ref(), config.attention_scale),
            sight: Sight::Back(window.unwrap_or(usize::MAX)),
            cap: config.attention_cap,
        };
        let attended = &mut b.attended[..rows * width];
        b.attention.attend(self.compute, config.heads(), queries, (spans, self.index), attended);
    }

    /// Adds to the hidden state of `rows` tokens what attention gathered, and
    /// the feed-forward layer.
    fn outputs(&self, b: &mut Buffers, rows: usize) {
        let layer = self.layer;
        if layer.parallel {
            self.expand(b, rows);
        }
        let width = self.model.config.head_count * self.model.config.head_dim;
        let (attended, output) = (&b.attended[..rows * width], &layer.attention_output);
        b.activations.fill(self.compute, Source::Plain(attended), &[&output.weights]);
        self.add_output(b, output, layer.attention_post_norm.as_ref(), rows);
        if !layer.parallel {
            self.expand(b, rows);
        }
        let norm = layer.feed_forward_post_norm.as_ref();
        match &layer.feed_forward {
            FeedForward::Dense { down, .. } => {
                let inner = &b.inner[..rows * self.model.config.feed_forward_length];
                b.activations.fill(self.compute, Source::Plain(inner), &[&down.weights]);
                self.add_output(b, down, norm, rows);
            }
            FeedForward::Mixture(experts) => {
                let outputs = &mut b.outputs[..rows * self.model.config.embedding_length];
                b.routing.mix(self.compute, &experts.config, outputs);
                self.add_outputs(b, norm, rows);
            }
        }
    }

    /// The inner values of the feed-forward layer; of experts, their outputs.
    fn expand(&self, b: &mut Buffers, rows: usize) {
        let (compute, config) = (self.compute, &self.model.config);
        let source = self.normalized(&b.hidden, self.layer.feed_forward_norm.as_ref());
        let expansion = match &self.layer.feed_forward {
            FeedForward::Dense { expansion, .. } => expansion,
            FeedForward::Mixture(experts) => {
                return b.routing.run(compute, experts, config.gate, source, &mut b.activations);
            }
        };
        let inner = &mut b.inner[..rows * config.feed_forward_length];
        match expansion {
            Expansion::Gated { gate, up } => {
                b.activations.fill(compute, source, &[gate, up]);
                let pair = [from_ref(gate), from_ref(up)];
                matmul_gated(compute, &b.activations, pair, config.gate, inner);
            }
            Expansion::Plain(up) => {
                b.activations.fill(compute, source, &[&up.weights]);
                matmul(compute, &b.activations, &mut [product(up, inner, false)]);
                compute.for_each_row(inner, config.feed_forward_length, |_, row, _| {
                    compute.kernels.gate(config.gate, row, &[]);
                });
            }
        }
    }

    /// Adds the product of the activations, normalized where the architecture
    /// does, to the hidden state.
    fn add_output(
        &self,
        b: &mut Buffers,
        linear: &Linear,
        norm: Option<&NormWeights>,
        rows: usize,
    ) {
        let length = self.model.config.embedding_length;
        let (hidden, scale) = (&mut b.hidden[..rows * length], self.model.config.residual_scale);
        if norm.is_none() && scale == 1.0 {
            return matmul(self.compute, &b.activations, &mut [product(linear, hidden, true)]);
        }
        let outputs = &mut b.outputs[..rows * length];
        matmul(self.compute, &b.activations, &mut [product(linear, outputs, false)]);
        self.add_outputs(b, norm, rows);
    }

    /// Adds the outputs, normalized where the architecture does, to the hidden
    /// state.
    fn add_outputs(&self, b: &mut Buffers, norm: Option<&NormWeights>, rows: usize) {
        let length = self.model.config.embedding_length;
        let (hidden, scale) = (&mut b.hidden[..rows * length], self.model.config.residual_scale);
        let (outputs, scratch, kernels) = (&*b.outputs, &b.rows, self.compute.kernels);
        let norm = self.norm(norm);
        self.compute.for_each_row(hidden, length, |t, row, thread| {
            let mut added = scratch[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let x = &outputs[t * length..(t + 1) * length];
            added.clear();
            added.extend_from_slice(x);
            if let Some(norm) = norm {
                norm.run(kernels, x, &mut added);
            }
            if scale != 1.0 {
                added.iter_mut().for_each(|v| *v *= scale);
            }
            kernels.add(row, &added);
        });
    }
}

pub(super) fn product<'a>(linear: &'a Linear, out: &'a mut [f32], accumulate: bool) -> Product<'a> {
    Product { weights: from_ref(&linear.weights), bias: linear.bias.as_deref(), out, accumulate }
}

/// Appends the logits of rows.
pub(super) fn logits(model: &Model, compute: Compute<'_>, b: &mut Buffers, rows: usize) {
    if rows == 0 {
        return;
    }
    let (config, weights) = (&model.config, &model.weights);
    let output = weights.output();
    let norm = config.norm_of(&weights.output_norm);
    let source = Source::Normalized { rows: &b.hidden, norm };
    b.output_activations.fill(compute, source, &[output]);
    let first = b.logits.len();
    b.logits.resize(first + rows * config.vocab_size, 0.0);
    let (bias, out) = (weights.output_bias.as_deref(), &mut b.logits[first..]);
    matmul(
        compute,
        &b.output_activations,
        &mut [Product { weights: from_ref(output), bias, out, accumulate: false }],
    );
    if config.logit_scale != 1.0 || config.logit_cap > 0.0 {
        compute.for_each_row(&mut b.logits[first..], config.vocab_size, |_, row, _| {
            row.iter_mut().for_each(|v| *v *= 1.0 / config.logit_scale);
            if config.logit_cap > 0.0 {
                compute.kernels.cap(row, config.logit_cap);
            }
        });
    }
}

/// Appends the rows themselves, normalized, where logits would be.
pub(super) fn hidden_states(model: &Model, compute: Compute<'_>, b: &mut Buffers, _rows: usize) {
    let norm = model.config.norm_of(&model.weights.output_norm);
    compute.normalize_rows(&mut b.hidden, norm, &b.rows);
    b.logits.extend_from_slice(&b.hidden);
}
