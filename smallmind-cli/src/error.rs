//! What can end a command, and the exit code that says so.

use smallmind_abstractions::{CancelCause, Error as AbstractError};
use smallmind_engine::Error as EngineError;
use smallmind_runtime::Error as RuntimeError;
use std::io;

/// What can end a command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Tokenizer(#[from] smallmind_tokenizers::Error),
    #[error(transparent)]
    Encoding(#[from] AbstractError),
    #[cfg(feature = "rag")]
    #[error(transparent)]
    Rag(#[from] smallmind_rag::Error),
    /// Standard input or output failed.
    #[error("{0}")]
    Stream(#[from] io::Error),
    /// What was asked for makes no sense together.
    #[error("{0}")]
    Usage(String),
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Stream(e) if e.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Usage(_) => 2,
            error if error.is_interrupt() => 130,
            _ => 1,
        }
    }

    /// What to say; nothing where the reader of the output has gone away or
    /// the user has stopped the command.
    pub(crate) fn message(&self) -> Option<String> {
        match self.exit_code() {
            0 | 130 => None,
            _ => Some(one_line(&self.to_string())),
        }
    }

    fn is_interrupt(&self) -> bool {
        let stopped = |c: &smallmind_abstractions::Cancelled| c.cause() == CancelCause::Cancelled;
        match self {
            Self::Interrupted | Self::Engine(EngineError::Cancelled { .. }) => true,
            Self::Engine(EngineError::Runtime(RuntimeError::Cancelled(c)))
            | Self::Engine(EngineError::Encoding(AbstractError::Cancelled(c)))
            | Self::Runtime(RuntimeError::Cancelled(c))
            | Self::Encoding(AbstractError::Cancelled(c)) => stopped(c),
            #[cfg(feature = "rag")]
            Self::Rag(smallmind_rag::Error::Cancelled { cause, .. }) => stopped(cause),
            _ => false,
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
