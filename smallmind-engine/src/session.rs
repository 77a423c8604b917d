//! One sequence of tokens and the generations that extend it.

use crate::stream::{Generation, GenerationStream};
use crate::{Engine, Error};
use smallmind_abstractions::{CancellationToken, GenerationRequest, GenerationResult, TokenId};
use smallmind_runtime::{CacheType, Context};
use std::sync::{Mutex, MutexGuard, TryLockError};

/// The context of a session where nothing is said: enough for most chats, and
/// a memory that most machines have.
const DEFAULT_CONTEXT: usize = 4096;

/// How a session is opened.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// Tokens that the context holds; 4096 where `None`, or what the model was
    /// trained for where that is less.
    pub context: Option<usize>,
    /// How keys and values are held; half precision by default.
    pub cache_type: CacheType,
}

/// A context and the tokens in it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) context: Context,
    /// The tokens whose keys and values the context holds.
    pub(crate) tokens: Vec<TokenId>,
}

/// A sequence of tokens to generate with, one generation at a time.
///
/// A prompt that begins as the tokens before it did is computed from where it
/// differs; the result is the same to the bit.
///
/// ```no_run
/// use smallmind_abstractions::{CancellationToken, GenerationEvent, GenerationRequest};
/// use smallmind_engine::{Engine, EngineOptions, SessionOptions};
///
/// let never = CancellationToken::new();
/// let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
/// let session = engine.session(SessionOptions { context: Some(1024), ..Default::default() })?;
/// for event in session.stream(GenerationRequest::new("Once upon a time"), never)? {
///     if let GenerationEvent::Token { text, .. } = event? {
///         print!("{text}");
///     }
/// }
/// # Ok::<(), smallmind_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct InferenceSession {
    engine: Engine,
    state: Mutex<State>,
}

impl InferenceSession {
    pub(crate) fn new(engine: Engine, options: SessionOptions) -> Result<Self, Error> {
        let trained = engine.model().config().context_length;
        let capacity = options.context.unwrap_or(DEFAULT_CONTEXT.min(trained));
        let context = engine.model().new_context_with(capacity, options.cache_type)?;
        Ok(Self { engine, state: Mutex::new(State { context, tokens: Vec::new() }) })
    }

    /// The engine that this session computes with.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Generates until the end and returns the whole.
    ///
    /// # Errors
    /// [`Error::SessionInUse`], [`Error::EmptyPrompt`],
    /// [`Error::PromptTooLong`], [`Error::Encoding`]; [`Error::Cancelled`] and
    /// [`Error::TimedOut`], both with what was generated until then.
    pub fn generate(
        &self,
        request: &GenerationRequest,
        cancel: &CancellationToken,
    ) -> Result<GenerationResult, Error> {
        let state = self.acquire()?;
        Generation::new(&self.engine, state, request, cancel.clone())?.run()
    }

    /// Generates token by token, as the iterator is asked for them. The
    /// session is in use until the iterator is dropped.
    ///
    /// # Errors
    /// As [`generate`](Self::generate); what goes wrong later comes out of the
    /// iterator.
    pub fn stream(
        &self,
        request: GenerationRequest,
        cancel: CancellationToken,
    ) -> Result<GenerationStream<'_>, Error> {
        let state = self.acquire()?;
        Ok(GenerationStream::new(Generation::new(&self.engine, state, &request, cancel)?))
    }

    /// Forgets all tokens.
    ///
    /// # Errors
    /// [`Error::SessionInUse`].
    pub fn clear(&self) -> Result<(), Error> {
        let mut state = self.acquire()?;
        state.tokens.clear();
        state.context.clear();
        Ok(())
    }

    /// The guard of the session: released when dropped, however its holder
    /// ends. After a panic the context starts anew.
    fn acquire(&self) -> Result<MutexGuard<'_, State>, Error> {
        match self.state.try_lock() {
            Ok(state) => Ok(state),
            Err(TryLockError::WouldBlock) => Err(Error::SessionInUse),
            Err(TryLockError::Poisoned(poisoned)) => {
                self.state.clear_poison();
                let mut state = poisoned.into_inner();
                state.tokens.clear();
                state.context.clear();
                Ok(state)
            }
        }
    }
}
