//! The errors of this crate.

use crate::container::TensorType;
use smallmind_abstractions::Cancelled;
use std::io;
use std::path::PathBuf;

/// What can go wrong in containers, models, kernels and sampling.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be opened, mapped or written.
    #[error("cannot {action} '{}': {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("'{}' is damaged: {what} at byte {offset}: expected {expected}, found {found}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The part, with the key or tensor it belongs to.
        what: String,
        /// Where it begins in the file.
        offset: u64,
        /// What would be right.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A sound file that this version cannot use.
    #[error("'{}' cannot be used: {what}; {advice}", file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// What is not supported.
        what: String,
        /// What to do instead.
        advice: String,
    },
    /// Matrices whose shapes do not fit each other, or their data.
    #[error("{what}: expected {expected}, found {found}")]
    MatrixShape {
        /// Which matrix, and which of its lengths.
        what: &'static str,
        /// What would fit.
        expected: usize,
        /// What was given.
        found: usize,
    },
    /// A type that weights cannot be turned into, or back from.
    #[error("weights cannot be quantized to or from {tensor_type}")]
    NoQuantizer {
        /// The type.
        tensor_type: TensorType,
    },
    /// Weights that do not fill the last block of their type.
    #[error("{len} weights are not whole {tensor_type} blocks of {}", tensor_type.block_size())]
    PartialBlock {
        /// The type.
        tensor_type: TensorType,
        /// How many weights there are.
        len: usize,
    },
    /// A weight that no scale can stand for.
    #[error("weight {index} is {value}, which cannot be quantized")]
    NotFinite {
        /// Its place.
        index: usize,
        /// Infinite, or no number.
        value: f32,
    },
    /// A tensor that the model needs is not in the file.
    #[error("'{}' has no tensor '{name}', which the model needs", file.display())]
    TensorMissing {
        /// The file.
        file: PathBuf,
        /// The tensor's name.
        name: String,
    },
    /// A tensor has another shape than the metadata calls for.
    #[error("tensor '{name}' in '{}' has shape {found}; expected {expected}", file.display())]
    TensorShape {
        /// The file.
        file: PathBuf,
        /// The tensor's name.
        name: String,
        /// The shape the metadata calls for, the contiguous dimension first.
        expected: String,
        /// The shape in the file.
        found: String,
    },
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
    /// The system does not give the threads asked for.
    #[error("cannot start {threads} threads: {source}; ask for fewer")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system said.
        source: io::Error,
    },
    /// A context longer than the model was trained for.
    #[error("a context of {requested} tokens is too long: this model was trained for {most}")]
    ContextTooLong {
        /// The capacity asked for.
        requested: usize,
        /// The most that works.
        most: usize,
    },
    /// Tokens that a context has no room for.
    #[error("the context holds {len} of {capacity} tokens and has no room for {added} more")]
    ContextFull {
        /// Tokens it holds.
        len: usize,
        /// Tokens to be added.
        added: usize,
        /// The most it can hold.
        capacity: usize,
    },
    /// A context that another model made.
    #[error("this context belongs to another model; make one with this model's new_context")]
    ContextOfAnotherModel,
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
