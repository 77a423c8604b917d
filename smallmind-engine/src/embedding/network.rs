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
pub(super) enum Network {
    Encoder { encoder: Box<Encoder>, free: Free<Workspace> },
    Decoder { model: Box<Model>, free: Free<Context>, pooling: Option<Pooling> },
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
            let encoder = Box::new(Encoder::load(file, options, cancel)?);
            return Ok(Self::Encoder { encoder, free: Free::default() });
        }
        let pooling = Pooling::read(file.metadata())?;
        let model = Box::new(Model::load(file, options, cancel)?);
        Ok(Self::Decoder { model, free: Free::default(), pooling })
    }

    pub(super) fn architecture(&self) -> &'static str {
        match self {
            Self::Encoder { encoder, .. } => encoder.config().architecture,
            Self::Decoder { model, .. } => model.config().architecture,
        }
    }

    pub(super) fn vocab_size(&self) -> usize {
        match self {
            Self::Encoder { encoder, .. } => encoder.config().vocab_size,
            Self::Decoder { model, .. } => model.config().vocab_size,
        }
    }

    pub(super) fn layers(&self) -> usize {
        match self {
            Self::Encoder { encoder, .. } => encoder.config().block_count,
            Self::Decoder { model, .. } => model.config().block_count,
        }
    }

    /// Values of a vector.
    pub(super) fn length(&self) -> usize {
        match self {
            Self::Encoder { encoder, .. } => encoder.config().embedding_length,
            Self::Decoder { model, .. } => model.config().embedding_length,
        }
    }

    /// Tokens of a text that are read.
    pub(super) fn context_length(&self) -> usize {
        match self {
            Self::Encoder { encoder, .. } => encoder.config().context_length,
            Self::Decoder { model, .. } => model.config().context_length.min(DECODER_TOKENS),
        }
    }

    /// How the file asks for tokens' vectors to become one, or how it is usual:
    /// only the last token of a decoder has seen all others.
    pub(super) fn pooling(&self) -> Pooling {
        match self {
            Self::Encoder { encoder, .. } => encoder.config().pooling.unwrap_or(Pooling::Mean),
            Self::Decoder { pooling, .. } => pooling.unwrap_or(Pooling::Last),
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
        match self {
            Self::Encoder { encoder, free } => {
                let mut workspace = free.take().map_or_else(|| encoder.new_workspace(), Ok)?;
                let mut rest = encoder.encode(&mut workspace, sequences, cancel)?;
                for (i, sequence) in sequences.iter().enumerate() {
                    let (rows, after) = rest.split_at(sequence.len() * self.length());
                    each(i, rows);
                    rest = after;
                }
                free.give(workspace);
            }
            Self::Decoder { model, free, .. } => {
                // In half precision keys and values would cost exactness.
                let new = || model.new_context_with(self.context_length(), CacheType::F32);
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
