//! One module a command.

pub(crate) mod bench;
mod cancellation;
pub(crate) mod chat;
pub(crate) mod convert;
pub(crate) mod embed;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod pull;
pub(crate) mod quantize;
#[cfg(feature = "rag")]
pub(crate) mod rag;
pub(crate) mod rm;
pub(crate) mod run;
pub(crate) mod tokenize;
