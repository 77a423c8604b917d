//! Kernels for benchmarks alone; no part of the interface.
#![allow(missing_docs, reason = "for our own benchmarks")]

use crate::container::TensorType;
use crate::kernels::matmul::{Activations, Compute, Product, Source, matmul};
use crate::kernels::memory::Arena;
use crate::kernels::pack::{PackedMatrix, Packing};
use crate::kernels::threads::Pool;
use crate::kernels::{BLOCK, Block, Gate, Kernels, Level, RopePairs, Softmax, Visible};
use crate::model::format;
use smallmind_abstractions::CancellationToken;

/// Weights in the kernels' layout.
#[derive(Debug)]
pub struct Matrix(PackedMatrix);

impl Matrix {
    /// Packs rows in ggml's blocks; `None` where no kernel takes the type.
    pub fn pack(kind: TensorType, rows: usize, cols: usize, source: &[u8]) -> Option<Self> {
        let cancel = CancellationToken::new();
        let memory = Arena::default();
        let packing = Packing { memory: &memory, done: &|_| (), cancel: &cancel };
        PackedMatrix::pack(format(kind)?, rows, cols, source, packing).ok().map(Self)
    }
}

/// Inputs of a product in the form that a matrix takes.
#[derive(Debug, Default)]
pub struct Inputs(Activations);

/// The kernels of one level, on one thread.
#[derive(Debug)]
pub struct Bench {
    kernels: &'static Kernels,
    pool: Pool,
    cancel: CancellationToken,
}

impl Bench {
    /// `None` where this machine lacks the level.
    pub fn new(level: Level) -> Option<Self> {
        let (kernels, pool) = (Kernels::new(level)?, Pool::new(1).ok()?);
        Some(Self { kernels, pool, cancel: CancellationToken::new() })
    }

    fn compute(&self) -> Compute<'_> {
        Compute { kernels: self.kernels, pool: &self.pool, cancel: &self.cancel }
    }

    /// Quantizes rows of inputs for a matrix, or lays them out.
    pub fn take(&self, rows: &[f32], matrix: &Matrix, inputs: &mut Inputs) {
        inputs.0.fill(self.compute(), Source::Plain(rows), &[&matrix.0]);
    }

    pub fn matmul(&self, matrix: &Matrix, inputs: &Inputs, out: &mut [f32]) {
        let product = Product {
            weights: std::slice::from_ref(&matrix.0),
            bias: None,
            out,
            accumulate: false,
        };
        matmul(self.compute(), &inputs.0, &mut [product]);
    }

    pub fn rms_norm(&self, x: &[f32], weight: &[f32], out: &mut [f32]) {
        self.kernels.rms_norm(x, weight, 1e-5, out);
    }

    pub fn silu_gate(&self, gate: &mut [f32], up: &[f32]) {
        self.kernels.gate(Gate::Silu, gate, up);
    }

    pub fn gelu_gate(&self, gate: &mut [f32], up: &[f32]) {
        self.kernels.gate(Gate::Gelu, gate, up);
    }

    pub fn rope(&self, x: &mut [f32], cos: &[f32], sin: &[f32]) {
        self.kernels.rope(RopePairs::Halves, x, cos, sin);
    }

    /// Rows of queries over whole blocks of keys and values of one head,
    /// softmax and all.
    pub fn attention(&self, dim: usize, [q, k, v]: [&[f32]; 3], out: &mut [f32]) {
        let (rows, len) = (q.len() / dim, BLOCK * dim);
        let visible = vec![Visible { from: 0, to: BLOCK as u32 }; rows];
        let mut total = vec![Softmax::EMPTY; rows];
        let (mut softmax, mut part) = (total.clone(), vec![0.0; out.len()]);
        out.fill(0.0);
        for (keys, values) in k.chunks_exact(len).zip(v.chunks_exact(len)) {
            softmax.fill(Softmax::EMPTY);
            part.fill(0.0);
            let block = Block { keys, values, dim, cap: 0.0 };
            self.kernels.attend_block(block, q, &visible, &mut softmax, &mut part);
            let rows = out.chunks_exact_mut(dim).zip(part.chunks_exact(dim));
            for ((out, part), (total, softmax)) in rows.zip(total.iter_mut().zip(&softmax)) {
                self.kernels.fold(total, out, *softmax, part);
            }
        }
        for (out, total) in out.chunks_exact_mut(dim).zip(total) {
            self.kernels.finish(total, out);
        }
    }
}
