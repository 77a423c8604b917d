//! Mixtures of experts: each token takes a few of many feed-forward layers
//! (Shazeer et al. 2017).
//!
//! ```text
//! scores = a·Wrouter;  the best few experts, their weights from a softmax
//! x += sum of weight * expert(a), the best first, and of the shared expert
//! ```
//!
//! The rows of all tokens that take an expert go through it together.

use super::config::{Keys, MAX_LENGTH, ModelConfig};
use super::weights::Loader;
use crate::Error;
use crate::kernels::Gate;
use crate::kernels::matmul::{Activations, Compute, Group, Product, Source, matmul, matmul_gated};
use crate::kernels::pack::PackedMatrix;
use crate::pool::Buffer;
use bytemuck::{Pod, Zeroable};
use std::slice::from_ref;

/// More are damage, as with the numbers of the other keys.
const MAX_EXPERTS: usize = 4096;

/// How an architecture mixes experts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mixture {
    /// Whether all models have experts.
    pub(super) required: bool,
    /// Whether the size of an expert has a key of its own.
    pub(super) own_length: bool,
    /// Whether the weights of the experts that a token takes add up to one.
    pub(super) normalized: bool,
    /// Whether there is an expert that all tokens take.
    pub(super) shared: bool,
}

/// The numbers of a mixture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpertConfig {
    pub(super) count: usize,
    /// How many of them a token takes.
    pub(super) used: usize,
    /// Values inside each.
    pub(super) length: usize,
    /// Values inside the expert that all tokens take, where there is one.
    pub(super) shared_length: Option<usize>,
    pub(super) normalized: bool,
}

impl ExpertConfig {
    /// Of an architecture with a mixture; `None` where the model has no experts.
    pub(super) fn read(keys: &Keys<'_>, mixture: Option<Mixture>) -> Result<Option<Self>, Error> {
        const COUNT: &str = "expert_count";
        let Some(mixture) = mixture else { return Ok(None) };
        let count = keys.metadata.get_optional(&keys.key(COUNT))?.unwrap_or(0usize);
        if count <= 1 && !mixture.required {
            return Ok(None);
        }
        if !(2..=MAX_EXPERTS).contains(&count) {
            return Err(keys.wrong(COUNT, format!("a number from 2 to {MAX_EXPERTS}"), count));
        }
        let used = keys.length("expert_used_count", count)?;
        let all = || keys.length("feed_forward_length", MAX_LENGTH);
        let own = |name| keys.optional_length(name, MAX_LENGTH);
        let length = match mixture.own_length {
            true => match own("expert_feed_forward_length")? {
                Some(found) => found,
                None => (all()? / used).max(1),
            },
            false => all()?,
        };
        let shared_length = match mixture.shared {
            true => Some(own("expert_shared_feed_forward_length")?.map_or_else(all, Ok)?),
            false => None,
        };
        Ok(Some(Self { count, used, length, shared_length, normalized: mixture.normalized }))
    }
}

/// The experts of a layer.
#[derive(Debug)]
pub(super) struct Experts {
    pub(super) config: ExpertConfig,
    router: PackedMatrix,
    gates: Vec<PackedMatrix>,
    ups: Vec<PackedMatrix>,
    downs: Vec<PackedMatrix>,
    shared: Option<Box<SharedExpert>>,
}

/// The expert that all tokens take, and what its weight is computed with.
#[derive(Debug)]
struct SharedExpert {
    router: PackedMatrix,
    gate: PackedMatrix,
    up: PackedMatrix,
    down: PackedMatrix,
}

impl Loader<'_> {
    pub(super) fn experts(
        &self,
        config: &ModelConfig,
        experts: ExpertConfig,
        name: &dyn Fn(&str) -> String,
    ) -> Result<Experts, Error> {
        let (length, inner) = (config.embedding_length, config.feed_forward_length);
        let each = |part: &str, cols, rows| {
            let (name, count) = (name(&format!("{part}_exps.weight")), experts.count);
            let shape = format!("[{cols}, {rows}, {count}]");
            (0..count)
                .map(|i| self.pack(&name, cols, rows * count, i * rows..(i + 1) * rows, &shape))
                .collect::<Result<_, _>>()
        };
        let shared = |inner| {
            let matrix = |part: &str, cols, rows| self.matrix(&name(part), cols, rows);
            let (router, shape) = (name("ffn_gate_inp_shexp.weight"), format!("[{length}]"));
            Ok::<_, Error>(Box::new(SharedExpert {
                router: self.pack(&router, length, 1, 0..1, &shape)?,
                gate: matrix("ffn_gate_shexp.weight", length, inner)?,
                up: matrix("ffn_up_shexp.weight", length, inner)?,
                down: matrix("ffn_down_shexp.weight", inner, length)?,
            }))
        };
        Ok(Experts {
            config: experts,
            router: self.matrix(&name("ffn_gate_inp.weight"), length, experts.count)?,
            gates: each("ffn_gate", length, inner)?,
            ups: each("ffn_up", length, inner)?,
            downs: each("ffn_down", inner, length)?,
            shared: experts.shared_length.map(shared).transpose()?,
        })
    }
}

/// An expert that a token takes.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Choice {
    expert: u32,
    weight: f32,
    /// Where its outputs for the token are.
    row: u32,
}

/// The buffers of a mixture.
#[derive(Debug, Default)]
pub(super) struct Routing {
    /// A row for each token, a value for each expert.
    scores: Buffer<f32>,
    /// The experts of each token, the best first.
    choices: Buffer<Choice>,
    /// Rows of each expert.
    counts: Buffer<u32>,
    /// The experts that any token takes.
    groups: Buffer<Group>,
    /// The tokens that take them, one group after the other.
    picks: Buffer<u32>,
    /// Inner values of experts, a row for each pick, or for each token.
    inner: Buffer<f32>,
    outputs: Buffer<f32>,
    /// Scores and outputs of the expert that all tokens take.
    shared_scores: Buffer<f32>,
    shared_outputs: Buffer<f32>,
}

impl Routing {
    /// Computes the experts of each row of `source`.
    pub(super) fn run(
        &mut self,
        compute: Compute<'_>,
        experts: &Experts,
        function: Gate,
        source: Source<'_>,
        activations: &mut Activations,
    ) {
        let Experts { config, router, gates, ups, downs, shared } = experts;
        let (inner, length) = (gates[0].rows(), downs[0].rows());
        self.score(compute, router, shared.as_deref(), source, activations);
        if let Some(shared) = shared {
            self.shared(compute, shared, function, activations);
        }
        self.choose(compute, config);
        activations.fill_groups(compute, source, &[&gates[0], &ups[0]], &self.groups, &self.picks);
        self.inner.resize(self.picks.len() * inner, 0.0);
        matmul_gated(compute, activations, [gates, ups], function, &mut self.inner);
        let source = Source::Plain(&self.inner);
        activations.fill_groups(compute, source, &[&downs[0]], &self.groups, &[]);
        self.outputs.resize(self.picks.len() * length, 0.0);
        matmul(compute, activations, &mut [product(downs, &mut self.outputs)]);
    }

    /// Takes the rows, and scores the experts for each.
    fn score(
        &mut self,
        compute: Compute<'_>,
        router: &PackedMatrix,
        shared: Option<&SharedExpert>,
        source: Source<'_>,
        activations: &mut Activations,
    ) {
        let tokens = source.rows().len() / router.cols();
        self.scores.resize(tokens * router.rows(), 0.0);
        let scores = product(from_ref(router), &mut self.scores);
        let Some(shared) = shared else {
            activations.fill(compute, source, &[router]);
            return matmul(compute, activations, &mut [scores]);
        };
        let readers = [router, &shared.router, &shared.gate, &shared.up];
        activations.fill(compute, source, &readers);
        self.shared_scores.resize(tokens, 0.0);
        let shared_scores = product(from_ref(&shared.router), &mut self.shared_scores);
        matmul(compute, activations, &mut [scores, shared_scores]);
    }

    /// Computes the expert that all tokens take.
    fn shared(
        &mut self,
        compute: Compute<'_>,
        shared: &SharedExpert,
        function: Gate,
        activations: &mut Activations,
    ) {
        let SharedExpert { gate, up, down, .. } = shared;
        let tokens = self.shared_scores.len();
        self.inner.resize(tokens * gate.rows(), 0.0);
        let pair = [from_ref(gate), from_ref(up)];
        matmul_gated(compute, activations, pair, function, &mut self.inner);
        activations.fill(compute, Source::Plain(&self.inner), &[down]);
        self.shared_outputs.resize(tokens * down.rows(), 0.0);
        let outputs = product(from_ref(down), &mut self.shared_outputs);
        matmul(compute, activations, &mut [outputs]);
    }

    /// Chooses the experts of each token by its scores, and groups the tokens
    /// by expert.
    fn choose(&mut self, compute: Compute<'_>, experts: &ExpertConfig) {
        let tokens = self.scores.len() / experts.count;
        let none = Choice { expert: u32::MAX, weight: 0.0, row: 0 };
        self.choices.resize(tokens * experts.used, none);
        let scores = &self.scores;
        compute.for_each_row(&mut self.choices, experts.used, |t, choices, _| {
            let scores = &scores[t * experts.count..(t + 1) * experts.count];
            take_best(scores, choices);
            weigh(scores, choices, experts);
        });
        self.group(experts);
    }

    fn group(&mut self, experts: &ExpertConfig) {
        self.counts.clear();
        self.counts.resize(experts.count, 0);
        for choice in &*self.choices {
            self.counts[choice.expert as usize] += 1;
        }
        self.groups.reserve(experts.count);
        self.groups.clear();
        // From here on, the next row of each expert.
        let mut row = 0;
        for (matrix, count) in self.counts.iter_mut().enumerate().filter(|(_, n)| **n > 0) {
            self.groups.extend_from_slice(&[Group { matrix, tokens: *count as usize }]);
            row += std::mem::replace(count, row);
        }
        self.picks.resize(self.choices.len(), 0);
        for (i, choice) in self.choices.iter_mut().enumerate() {
            let next = &mut self.counts[choice.expert as usize];
            choice.row = *next;
            *next += 1;
            self.picks[choice.row as usize] = (i / experts.used) as u32;
        }
    }

    /// Puts into `out`, a row for each token, the weighed outputs of its
    /// experts, the shared one first and then the best.
    pub(super) fn mix(&self, compute: Compute<'_>, experts: &ExpertConfig, out: &mut [f32]) {
        let length = self.outputs.len() / self.choices.len();
        compute.for_each_row(out, length, |t, out, _| {
            match self.shared_scores.get(t) {
                Some(score) => {
                    let weight = (1.0 / (1.0 + (-f64::from(*score)).exp())) as f32;
                    let outputs = &self.shared_outputs[t * length..(t + 1) * length];
                    out.iter_mut().zip(outputs).for_each(|(v, output)| *v = weight * output);
                }
                None => out.fill(0.0),
            }
            for choice in &self.choices[t * experts.used..(t + 1) * experts.used] {
                let row = choice.row as usize;
                let outputs = &self.outputs[row * length..(row + 1) * length];
                for (v, output) in out.iter_mut().zip(outputs) {
                    *v += choice.weight * output;
                }
            }
        });
    }
}

fn product<'a>(weights: &'a [PackedMatrix], out: &'a mut [f32]) -> Product<'a> {
    Product { weights, bias: None, out, accumulate: false }
}

/// The experts with the highest scores; of equal ones, the first.
fn take_best(scores: &[f32], choices: &mut [Choice]) {
    for i in 0..choices.len() {
        let (taken, rest) = choices.split_at_mut(i);
        let mut best = u32::MAX;
        for (expert, score) in (0..).zip(scores) {
            let free = taken.iter().all(|c| c.expert != expert);
            // A score that is no number is taken where nothing else is left.
            if free && (best == u32::MAX || *score > scores[best as usize]) {
                best = expert;
            }
        }
        rest[0] = Choice { expert: best, weight: 0.0, row: 0 };
    }
}

/// The weights of a token's experts: a softmax over the scores of all, or of
/// those alone. In double precision, so that every machine's `exp` gives the
/// same.
fn weigh(scores: &[f32], choices: &mut [Choice], experts: &ExpertConfig) {
    let largest = scores[choices[0].expert as usize];
    let share = |score: f32| f64::from(score - largest).exp();
    let total: f64 = match experts.normalized {
        true => choices.iter().map(|c| share(scores[c.expert as usize])).sum(),
        false => scores.iter().map(|score| share(*score)).sum(),
    };
    for choice in choices {
        choice.weight = (share(scores[choice.expert as usize]) / total) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::Kernels;
    use crate::kernels::threads::Pool;
    use smallmind_abstractions::CancellationToken;

    fn routed(scores: &[f32], config: &ExpertConfig) -> Routing {
        let (pool, cancel) = (Pool::new(2).expect("threads"), CancellationToken::new());
        let kernels = Kernels::best().expect("kernels");
        let mut routing = Routing::default();
        routing.scores.extend_from_slice(scores);
        routing.choose(Compute { kernels, pool: &pool, cancel: &cancel }, config);
        routing
    }

    fn config(used: usize, normalized: bool) -> ExpertConfig {
        ExpertConfig { count: 4, used, length: 1, shared_length: None, normalized }
    }

    #[test]
    fn the_best_are_taken_and_of_equal_ones_the_first() {
        let nan = f32::NAN;
        let rows = [[1.0, 3.0, 2.0, 3.0], [5.0; 4], [nan, nan, nan, 1.0]];
        let routing = routed(rows.as_flattened(), &config(2, true));
        let experts: Vec<_> = routing.choices.iter().map(|c| c.expert).collect();
        assert_eq!(experts[..4], [1, 3, 0, 1]);
        // Whatever the scores of a damaged model, two experts of those there are.
        assert!(experts[4] != experts[5] && experts[4..].iter().all(|e| *e < 4));
    }

    #[test]
    fn tokens_are_grouped_by_expert() {
        let rows = [[0.0, 9.0, 0.0, 5.0], [5.0, 0.0, 0.0, 9.0], [0.0, 9.0, 0.0, 5.0]];
        let routing = routed(rows.as_flattened(), &config(2, true));
        let groups: Vec<_> = routing.groups.iter().map(|g| (g.matrix, g.tokens)).collect();
        assert_eq!(groups, [(0, 1), (1, 2), (3, 3)]);
        assert_eq!(*routing.picks, [1, 0, 2, 0, 1, 2]);
        let rows: Vec<_> = routing.choices.iter().map(|c| c.row).collect();
        assert_eq!(rows, [1, 3, 4, 0, 2, 5]);
    }

    #[test]
    fn weights_are_a_softmax_of_all_or_of_those_taken() {
        let row = [1.0f32, 3.0, 2.0, 0.0];
        let share = |x: f32| x.exp() / row.iter().map(|x| x.exp()).sum::<f32>();
        for (normalized, total) in [(false, 1.0), (true, share(3.0) + share(2.0))] {
            let routing = routed(&row, &config(2, normalized));
            for (choice, score) in routing.choices.iter().zip([3.0, 2.0]) {
                assert!((choice.weight - share(score) / total).abs() < 1e-6);
            }
        }
    }
}
