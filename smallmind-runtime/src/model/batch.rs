//! Several sequences in one forward pass: the weights are read once for all.

use super::context::Buffers;
use super::{CHUNK, Context, Logits, Model, decoder};
use crate::Error;
use crate::pool::Buffer;
use smallmind_abstractions::{CancellationToken, TokenId};
use std::ops::Range;

/// The tokens of one sequence in a batch.
#[derive(Debug)]
pub struct BatchEntry<'a> {
    /// What the tokens are appended to.
    pub context: &'a mut Context,
    /// Any number of them.
    pub tokens: &'a [TokenId],
    /// Which rows of logits are wanted.
    pub logits: Logits,
}

/// The buffers of batches: see [`Model::forward_batch`].
#[derive(Debug)]
pub struct Batch {
    buffers: Buffers,
    tokens: Buffer<TokenId>,
}

impl Batch {
    /// The rows of logits that the last forward pass was asked for.
    pub fn logits(&self) -> &[f32] {
        &self.buffers.logits
    }
}

impl Model {
    /// Buffers for [`forward_batch`](Self::forward_batch).
    pub fn new_batch(&self) -> Batch {
        let buffers = Buffers::new(&self.config, self.precision, self.threads(), 0);
        Batch { buffers, tokens: Buffer::default() }
    }

    /// Appends tokens to several contexts and computes the rows of logits asked
    /// for, those of the first entry first. All rows go through the layers
    /// together; every one is what [`forward`](Self::forward) gives, to the
    /// bit.
    ///
    /// After an error the contexts keep the chunks that were complete.
    ///
    /// ```no_run
    /// use smallmind_abstractions::CancellationToken;
    /// use smallmind_runtime::container::ModelFile;
    /// use smallmind_runtime::{BatchEntry, LoadOptions, Logits, Model};
    ///
    /// let never = CancellationToken::new();
    /// let file = ModelFile::open("model.gguf".as_ref())?;
    /// let model = Model::load(&file, &LoadOptions::default(), &never)?;
    /// let (mut a, mut b) = (model.new_context(128)?, model.new_context(128)?);
    /// let mut batch = model.new_batch();
    /// let mut entries = [
    ///     BatchEntry { context: &mut a, tokens: &[504, 3575, 282], logits: Logits::Last },
    ///     BatchEntry { context: &mut b, tokens: &[504], logits: Logits::Last },
    /// ];
    /// let logits = model.forward_batch(&mut batch, &mut entries, &never)?;
    /// assert_eq!(logits.len(), 2 * model.config().vocab_size);
    /// # Ok::<(), smallmind_runtime::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`forward`](Self::forward), before anything is computed.
    pub fn forward_batch<'b>(
        &self,
        batch: &'b mut Batch,
        entries: &mut [BatchEntry<'_>],
        cancel: &CancellationToken,
    ) -> Result<&'b [f32], Error> {
        for entry in &*entries {
            self.check(entry.context, entry.tokens)?;
        }
        let Batch { buffers, tokens } = batch;
        buffers.logits.clear();
        let lengths: Vec<_> = entries.iter().map(|entry| entry.tokens.len()).collect();
        for pass in passes(&lengths) {
            tokens.clear();
            let mut spans = Vec::with_capacity(pass.len());
            for (entry, part) in entries.iter_mut().zip(&pass) {
                if part.is_empty() {
                    continue;
                }
                let first = tokens.len();
                tokens.extend_from_slice(&entry.tokens[part.clone()]);
                let wanted = entry.logits.of(part.len(), part.end == entry.tokens.len());
                spans.push(entry.context.span(first..tokens.len(), wanted).0);
            }
            let compute = self.compute(cancel);
            decoder::batch(self, compute, buffers, tokens, &mut spans, decoder::logits)?;
            for (entry, part) in entries.iter_mut().zip(&pass) {
                entry.context.len += part.len();
            }
        }
        Ok(&buffers.logits)
    }
}

/// Cuts sequences of some lengths into passes of a chunk's tokens: which part
/// of each sequence a pass takes.
fn passes(lengths: &[usize]) -> Vec<Vec<Range<usize>>> {
    let mut passes = Vec::new();
    let mut done = vec![0; lengths.len()];
    while done != lengths {
        let mut room = CHUNK;
        let parts = done.iter_mut().zip(lengths).map(|(done, length)| {
            let part = *done..*length.min(&(*done + room));
            room -= part.len();
            *done = part.end;
            part
        });
        passes.push(parts.collect());
    }
    passes
}
