//! What makes vectors of tokens: an encoder, or a decoder that sees backwards.

use crate::Error;
use smallmind_abstractions::{CancellationToken, TokenId};
use smallmind_runtime::container::ModelFile;
use smallmind_runtime::{
    CacheType, Context, Encoder, EncoderConfig, LoadOptions, Model, Pooling, Workspace,
};
use std::sync::{Mutex, PoisonError};

/// Tokens that are read of a text by a decoder, whatever it was trained for:
/// its keys and values are in memory meanwhile.
const DECODER_TOKENS: usize = 8192;

#[derive(Debug)]
pub(super) struct Network {
    pub(super) architecture: &'static str,
    pub(super) vocab_size: usize,
    pub(super) layers: usize,
    /// Values of a vector.
    pub(super) length: usize,
    /// Tokens of a text that are read.
    pub(super) context_length: usize,
    /// How the file asks for tokens' vectors to become one, or how it is usual:
    /// only the last token of a decoder has seen all others.
    pub(super) pooling: Pooling,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Encoder { encoder: Box<Encoder>, free: Free<Workspace> },
    Decoder { model: Box<Model>, free: Free<Context> },
}

/// Buffers of calls that are over.
#[derive(Debug)]
pub(super) struct Free<T>(Mutex<Vec<T>>);

impl<T> Default for Free<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Free<T> {
    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give(&self, buffers: T) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffers);
    }
}

impl Network {
    pub(super) fn load(
        file: &ModelFile,
        options: &LoadOptions,
        cancel: &CancellationToken,
    ) -> Result<Self, Error> {
        if EncoderConfig::describes(file.metadata()) {
            return Ok(Self::encoder(Encoder::load(file, options, cancel)?));
        }
        let pooling = Pooling::read(file.metadata())?.unwrap_or(Pooling::Last);
        Ok(Self::decoder(Model::load(file, options, cancel)?, pooling))
    }

    fn encoder(encoder: Encoder) -> Self {
        let config = encoder.config();
        Self {
            architecture: config.architecture,
            vocab_size: config.vocab_size,
            layers: config.block_count,
            length: config.embedding_length,
            context_length: config.context_length,
            pooling: config.pooling.unwrap_or(Pooling::Mean),
            kind: Kind::Encoder { encoder: Box::new(encoder), free: Free::default() },
        }
    }

    fn decoder(model: Model, pooling: Pooling) -> Self {
        let config = model.config();
        Self {
            architecture: config.architecture,
            vocab_size: config.vocab_size,
            layers: config.block_count,
            length: config.embedding_length,
            context_length: config.context_length.min(DECODER_TOKENS),
            pooling,
            kind: Kind::Decoder { model: Box::new(model), free: Free::default() },
        }
    }

    /// Calls `each` with the number of a sequence and the vectors of its
    /// tokens.
    pub(super) fn encode(
        &self,
        sequences: &[&[TokenId]],
        cancel: &CancellationToken,
        mut each: impl FnMut(usize, &[f32]),
    ) -> Result<(), Error> {
        match &self.kind {
            Kind::Encoder { encoder, free } => {
                let mut workspace = free.take().map_or_else(|| encoder.new_workspace(), Ok)?;
                let mut rest = encoder.encode(&mut workspace, sequences, cancel)?;
                for (i, sequence) in sequences.iter().enumerate() {
                    let (rows, after) = rest.split_at(sequence.len() * self.length);
                    each(i, rows);
                    rest = after;
                }
                free.give(workspace);
            }
            Kind::Decoder { model, free } => {
                // In half precision keys and values would cost exactness.
                let new = || model.new_context_with(self.context_length, CacheType::F32);
                let mut context = free.take().map_or_else(new, Ok)?;
                for (i, sequence) in sequences.iter().enumerate() {
                    context.clear();
                    each(i, model.hidden_states(&mut context, sequence, cancel)?);
                }
                free.give(context);
            }
        }
        Ok(())
    }
}
