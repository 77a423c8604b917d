//! The errors of this crate.

use smallmind_abstractions::{GenerationResult, ReasonCode, TokenId};
#[cfg(any(feature = "chat", feature = "hub"))]
use std::io;
#[cfg(feature = "hub")]
use std::path::Path;
#[cfg(any(feature = "hub", feature = "import"))]
use std::path::PathBuf;
use std::time::Duration;

/// What can go wrong between a file and an answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model cannot be loaded or run.
    #[error(transparent)]
    Runtime(#[from] smallmind_runtime::Error),
    /// No tokenizer can be built from the file.
    #[error(transparent)]
    Tokenizer(#[from] smallmind_tokenizers::Error),
    /// Text or ids that the tokenizer cannot take.
    #[error(transparent)]
    Encoding(#[from] smallmind_abstractions::Error),
    /// A model of another format cannot be written as GGUF.
    #[cfg(feature = "import")]
    #[error("{}: {reason}", file.display())]
    Import {
        /// The file that is missing or wrong.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The tokenizer's vocabulary has another size than the model's.
    #[error(
        "the tokenizer has {tokens} tokens and the model {embeddings}: the file is inconsistent"
    )]
    VocabularyMismatch {
        /// Tokens of the tokenizer.
        tokens: usize,
        /// Rows of the model's embeddings.
        embeddings: usize,
    },
    /// A prompt of no tokens.
    #[error("the prompt is empty; give at least one token to continue")]
    EmptyPrompt,
    /// A prompt that leaves no room for an answer.
    #[error(
        "the prompt has {tokens} tokens and the context holds {capacity}; shorten it or ask for a longer context"
    )]
    PromptTooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Tokens that the session's context holds.
        capacity: usize,
    },
    /// The session is in the middle of another call.
    #[error(
        "{kind} '{id}' is already in use. Sessions are not thread-safe and must not be accessed concurrently. Create separate sessions for concurrent requests."
    )]
    SessionInUse {
        /// The type of the session.
        kind: &'static str,
        /// What the session is called.
        id: String,
    },
    /// A chat template that cannot be used, or that refuses what it is given.
    #[cfg(feature = "chat")]
    #[error("the chat template refuses: {reason}")]
    Template {
        /// What it says.
        reason: String,
    },
    /// Text with all of Unicode's noncharacters.
    #[cfg(feature = "chat")]
    #[error(
        "the text has all of the characters U+FDD0 to U+FDEF; leave them out, they are no text"
    )]
    UnusableText,
    /// A turn that leaves no message of a user or a tool at the end.
    #[cfg(feature = "chat")]
    #[error("there is nothing to reply to; say something first")]
    NothingToReplyTo,
    /// A model that calls functions again and again.
    #[cfg(feature = "chat")]
    #[error(
        "the model replied with calls {rounds} times in a row; say what it should do with the results"
    )]
    TooManyCalls {
        /// How often.
        rounds: usize,
    },
    /// Only what the user said can be edited.
    #[cfg(feature = "chat")]
    #[error("message {index} is none of the user's; choose one that the user said")]
    NotAUserMessage {
        /// Which message.
        index: usize,
    },
    /// A store that cannot be used.
    #[cfg(feature = "chat")]
    #[error("cannot {action} the chat '{chat}': {source}")]
    ChatStore {
        /// The name of the chat.
        chat: String,
        /// What was tried.
        action: &'static str,
        /// What the store said.
        source: io::Error,
    },
    /// A name under which no chat is kept.
    #[cfg(feature = "chat")]
    #[error("there is no chat '{chat}' in the store")]
    NoSuchChat {
        /// The name.
        chat: String,
    },
    /// A saved chat that is not as it was saved.
    #[cfg(feature = "chat")]
    #[error("the saved chat '{chat}' is damaged: {what}")]
    ChatDamaged {
        /// The name of the chat.
        chat: String,
        /// What is wrong.
        what: String,
    },
    /// A chat that was saved with another model.
    #[cfg(feature = "chat")]
    #[error(
        "the saved chat '{chat}' is one with the model '{saved}', not with this file of '{loaded}'; load the file it was saved with"
    )]
    ChatOfAnotherModel {
        /// The name of the chat.
        chat: String,
        /// The model it was saved with.
        saved: String,
        /// The model it was to be opened with.
        loaded: String,
    },
    /// A hard limit of the session's budget leaves no room for what was asked.
    #[error("{code}: {used} of {limit} are used, and {wanted} more are needed")]
    BudgetExhausted {
        /// Which limit.
        code: ReasonCode,
        /// What is used.
        used: String,
        /// The limit.
        limit: String,
        /// What is needed beyond that.
        wanted: String,
    },
    /// A constraint that cannot be followed.
    #[error("the constraint cannot be followed: {reason}")]
    Constraint {
        /// What is wrong with it.
        reason: String,
    },
    /// A JSON Schema with keywords that are not known.
    #[error("not supported: {keywords}; leave these keywords out of the schema")]
    UnsupportedKeyword {
        /// The keywords.
        keywords: String,
    },
    /// Less memory is left than is needed.
    #[error("{needed} bytes of memory are needed and {available} available; {advice}")]
    InsufficientMemory {
        /// Bytes needed.
        needed: u64,
        /// Bytes that this process may still take.
        available: u64,
        /// What to do.
        advice: &'static str,
    },
    /// A draft model whose tokens are others.
    #[error(
        "the draft model has another vocabulary, {draft_tokens} tokens to {tokens}, and first differs at token {id}; use one with the same tokenizer"
    )]
    DraftVocabulary {
        /// The first token that differs.
        id: TokenId,
        /// Tokens of the model.
        tokens: usize,
        /// Tokens of the draft model.
        draft_tokens: usize,
    },
    /// A text that is not of the type asked for, since something ended it
    /// early.
    #[cfg(feature = "constrained")]
    #[error("the text is not of the type asked for: {reason}; it ended by {}", partial.finish_reason.as_str())]
    NotTheType {
        /// What is wrong with it.
        reason: String,
        /// What was generated.
        partial: Box<GenerationResult>,
    },
    /// As many requests wait as may.
    #[error("{capacity} requests wait already; try again when some are done")]
    QueueFull {
        /// Requests that may wait.
        capacity: usize,
    },
    /// The scheduler was dropped.
    #[error("the scheduler is closed; make a new one")]
    SchedulerClosed,
    /// Something went wrong that should not, in this request alone.
    #[error("the request failed unexpectedly: {message}; others go on")]
    RequestPanicked {
        /// What was said about it.
        message: String,
    },
    /// The caller cancelled.
    #[error("cancelled after {} tokens", partial.tokens.len())]
    Cancelled {
        /// What was generated until then.
        partial: Box<GenerationResult>,
    },
    /// The caller's deadline passed.
    #[error("timed out after {after:?} and {} tokens", partial.tokens.len())]
    TimedOut {
        /// How long the generation ran.
        after: Duration,
        /// What was generated until then.
        partial: Box<GenerationResult>,
    },
    /// A name that is no model.
    #[cfg(feature = "hub")]
    #[error("'{name}' is no file, no 'hf:owner/repository/file.gguf' and none of: {known}")]
    UnknownModel {
        /// The name given.
        name: String,
        /// The names that would work.
        known: String,
    },
    /// No source gave the file of a model.
    #[cfg(feature = "hub")]
    #[error("cannot pull {name}: {reasons}")]
    Pull {
        /// The model.
        name: String,
        /// What each source said.
        reasons: String,
    },
    /// The system names no folder for caches.
    #[cfg(feature = "hub")]
    #[error("there is no cache folder for models; set SMALLMIND_HOME to one")]
    NoHome,
    /// A file or folder of the model store cannot be used.
    #[cfg(feature = "hub")]
    #[error("cannot {action} '{}': {source}", file.display())]
    Store {
        /// The file or folder.
        file: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The disk has no room for a model.
    #[cfg(feature = "hub")]
    #[error("the disk is full: '{}' needs {needed} bytes in all; make room or set SMALLMIND_HOME", file.display())]
    DiskFull {
        /// The file.
        file: PathBuf,
        /// Bytes of the whole file, or those seen so far.
        needed: u64,
    },
    /// A file that is not the store's to remove.
    #[cfg(feature = "hub")]
    #[error("'{}' is not in the model store; remove it yourself", file.display())]
    NotInStore {
        /// The file.
        file: PathBuf,
    },
}

#[cfg(feature = "hub")]
impl Error {
    pub(crate) fn store(file: &Path, action: &'static str, source: io::Error) -> Self {
        Self::Store { file: file.to_owned(), action, source }
    }
}

#[cfg(feature = "chat")]
impl Error {
    /// The same without what was generated, where that is no part of a reply.
    pub(crate) fn without_text(mut self) -> Self {
        if let Self::Cancelled { partial } | Self::TimedOut { partial, .. } = &mut self {
            partial.text.clear();
            partial.tokens.clear();
        }
        self
    }
}
