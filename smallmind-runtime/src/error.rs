//! The errors of this crate.

use smallmind_abstractions::Cancelled;
use std::io;

/// What can go wrong in containers, models, kernels and sampling.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernels asked for by name cannot run on this machine.
    #[error("kernels '{name}' are not available on this machine; available: {available}")]
    KernelsUnavailable {
        /// The name given.
        name: String,
        /// The names that would be accepted, separated by commas.
        available: String,
    },
    /// The system did not give the memory asked for.
    #[error("cannot allocate {bytes} bytes: {source}")]
    OutOfMemory {
        /// How many bytes were asked for.
        bytes: usize,
        /// What the system said.
        source: io::Error,
    },
    /// A sampling option is outside its range.
    #[error("sampling option '{option}' is {value}; expected a number {expected}")]
    InvalidSamplingOption {
        /// The name of the option.
        option: &'static str,
        /// The value given.
        value: f32,
        /// The range that is accepted.
        expected: &'static str,
    },
    /// A row of logits has nothing to choose from.
    #[error("none of {count} logits is above -inf: the model's weights are damaged")]
    NoUsableLogit {
        /// The length of the row.
        count: usize,
    },
    /// A metadata key or value is missing or wrong.
    #[error(transparent)]
    Metadata(#[from] smallmind_abstractions::Error),
    /// The work was cancelled or ran out of time.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
}
