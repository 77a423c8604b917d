//! One sequence of tokens and the generations that extend it.

use crate::budget::Spent;
use crate::generation::Generation;
use crate::guard::{Guard, Held};
use crate::memory::require_context;
use crate::speculation::{Counts, Speculation, Speculator};
use crate::stream::GenerationStream;
use crate::{Engine, Error, SessionBudget};
use smallmind_abstractions::{
    CancellationToken, Diagnostic, GenerationRequest, GenerationResult, TokenId,
};
use smallmind_runtime::{CacheType, Context, Logits, Model};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

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
    /// What errors call the session; a number of its own where `None`.
    pub id: Option<String>,
    /// What the session may use in all; everything by default.
    pub budget: SessionBudget,
    /// Where guesses at the next tokens come from; nowhere by default. The
    /// result is the same.
    pub speculation: Speculation,
}

/// A context and the tokens in it.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) context: Context,
    /// The tokens whose keys and values the context holds.
    pub(crate) tokens: Vec<TokenId>,
    /// What all generations took.
    pub(crate) spent: Spent,
    pub(crate) speculator: Option<Speculator>,
}

impl State {
    /// Appends `new` tokens and gives the logits that follow them. The context
    /// may hold guesses after the tokens.
    pub(crate) fn forward(
        &mut self,
        model: &Model,
        new: &[TokenId],
        cancel: &CancellationToken,
    ) -> Result<&[f32], Error> {
        let before = self.tokens.len();
        self.tokens.extend_from_slice(new);
        let (context, tokens) = (&mut self.context, &self.tokens);
        let row = match &mut self.speculator {
            Some(speculator) => speculator.forward(model, context, tokens, new.len(), cancel),
            None => {
                model.forward(context, new, Logits::Last, cancel).map(|_| 0).map_err(Error::from)
            }
        };
        // Also after an error: the chunks before it are there.
        self.tokens.truncate(self.context.len());
        self.spent.tokens += (self.tokens.len() - before) as u64;
        let vocab_size = model.config().vocab_size;
        Ok(&self.context.logits()[row? * vocab_size..][..vocab_size])
    }

    /// Appends `new` tokens, whatever may be guessed, and gives the rows of
    /// logits that are wanted.
    pub(crate) fn extend(
        &mut self,
        model: &Model,
        new: &[TokenId],
        want: Logits,
        cancel: &CancellationToken,
    ) -> Result<&[f32], Error> {
        let done = model.forward(&mut self.context, new, want, cancel).map(|_| ());
        // Also after an error: the chunks before it are there.
        let computed = self.context.len() - self.tokens.len();
        self.tokens.extend_from_slice(&new[..computed]);
        self.spent.tokens += computed as u64;
        done?;
        Ok(self.context.logits())
    }

    /// Prepares for a generation.
    pub(crate) fn begin(&mut self) {
        self.speculator.iter_mut().for_each(Speculator::reset);
    }

    /// What became of the guesses of this generation.
    pub(crate) fn guesses(&self) -> Counts {
        self.speculator.as_ref().map(Speculator::counts).unwrap_or_default()
    }

    /// Leaves in the context what belongs to the tokens.
    pub(crate) fn forget_guesses(&mut self) {
        self.context.truncate(self.tokens.len());
        self.begin();
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.context.truncate(len);
        self.tokens.truncate(len);
    }
}

/// The use of a session's state until it is dropped.
#[derive(Debug)]
pub(crate) struct Lease<'s> {
    state: &'s Mutex<State>,
    _held: Held<'s>,
}

impl<'s> Lease<'s> {
    /// Never waits: only the holder of the guard locks.
    pub(crate) fn state(&self) -> MutexGuard<'s, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sequence of tokens to generate with, one generation at a time.
///
/// A prompt that begins as the tokens before it did is computed from where it
/// differs; the result is the same to the bit.
///
/// ```no_run
/// use smallmind_abstractions::{CancellationToken, GenerationRequest};
/// use smallmind_engine::{Engine, EngineOptions, SessionOptions};
///
/// let never = CancellationToken::new();
/// let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
/// let session = engine.session(SessionOptions { context: Some(1024), ..Default::default() })?;
/// for event in session.stream(GenerationRequest::new("Once upon a time"), never)? {
///     print!("{}", event?.text());
/// }
/// # Ok::<(), smallmind_engine::Error>(())
/// ```
///
/// A session may be shared by threads, but serves one at a time: a call while
/// another runs, or while a stream is not yet dropped, is refused with
/// [`Error::SessionInUse`].
#[derive(Debug)]
pub struct InferenceSession {
    engine: Engine,
    id: String,
    budget: SessionBudget,
    speculation: Speculation,
    diagnostics: Vec<Diagnostic>,
    guard: Guard,
    state: Mutex<State>,
}

impl InferenceSession {
    pub(crate) fn new(engine: Engine, options: SessionOptions) -> Result<Self, Error> {
        let trained = engine.model().config().context_length;
        let capacity = options.context.unwrap_or(DEFAULT_CONTEXT.min(trained));
        let bytes = engine.model().context_bytes(capacity, options.cache_type);
        let diagnostics = options.budget.check_memory(bytes)?.into_iter().collect();
        if capacity <= trained {
            require_context(bytes as u64)?;
        }
        let context = engine.model().new_context_with(capacity, options.cache_type)?;
        let tokens = Vec::with_capacity(capacity);
        let speculator = Speculator::new(options.speculation.clone(), &engine, capacity)?;
        let state = State { context, tokens, spent: Spent::default(), speculator };
        Ok(Self {
            engine,
            id: options.id.unwrap_or_else(next_id),
            budget: options.budget,
            speculation: options.speculation,
            diagnostics,
            guard: Guard::new(),
            state: Mutex::new(state),
        })
    }

    /// A session that holds the same tokens, without computing them again, and
    /// goes its own way from there. It has a budget of its own, of which
    /// nothing is used.
    ///
    /// # Errors
    /// [`Error::SessionInUse`], [`Error::BudgetExhausted`],
    /// [`Error::Runtime`] where there is no memory.
    pub fn fork(&self, id: Option<String>) -> Result<Self, Error> {
        let lease = self.acquire()?;
        let mut state = lease.state();
        state.forget_guesses();
        let bytes =
            self.engine.model().context_bytes(state.context.capacity(), state.context.cache_type());
        let diagnostics = self.budget.check_memory(bytes)?.into_iter().collect();
        let context = self.engine.model().fork_context(&state.context)?;
        let capacity = context.capacity();
        let mut tokens = Vec::with_capacity(capacity);
        tokens.extend_from_slice(&state.tokens);
        let speculation = self.speculation.clone();
        let speculator = Speculator::new(speculation.clone(), &self.engine, capacity)?;
        let state = State { context, tokens, spent: Spent::default(), speculator };
        Ok(Self {
            engine: self.engine.clone(),
            id: id.unwrap_or_else(next_id),
            budget: self.budget,
            speculation,
            diagnostics,
            guard: Guard::new(),
            state: Mutex::new(state),
        })
    }

    /// What errors call the session.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What was found when the session was opened.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The tokens whose keys and values the session holds.
    ///
    /// # Errors
    /// [`Error::SessionInUse`].
    pub fn tokens(&self) -> Result<Vec<TokenId>, Error> {
        Ok(self.acquire()?.state().tokens.clone())
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
        Generation::new(self, self.acquire()?, request, cancel)?.run()
    }

    /// Generates `n` completions of one prompt, which is computed once. The
    /// first uses the seed given, each other one the next seed, and each is
    /// what [`generate`](Self::generate) gives with its seed. The session is
    /// in use until all are done.
    ///
    /// # Errors
    /// As [`generate`](Self::generate): that of the first that fails, without
    /// the completions before it.
    pub fn generate_n(
        &self,
        request: &GenerationRequest,
        n: usize,
        cancel: &CancellationToken,
    ) -> Result<Vec<GenerationResult>, Error> {
        let mut request = request.clone();
        let mut results = Vec::new();
        let mut lease = self.acquire()?;
        for _ in 0..n {
            let mut generation = Generation::new(self, lease, &request, cancel)?;
            results.push(generation.run()?);
            lease = generation.into_lease();
            request.options.sampling.seed = request.options.sampling.seed.wrapping_add(1);
        }
        Ok(results)
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
        Ok(GenerationStream::new(Generation::new(self, self.acquire()?, &request, &cancel)?))
    }

    /// Forgets all tokens.
    ///
    /// # Errors
    /// [`Error::SessionInUse`].
    pub fn clear(&self) -> Result<(), Error> {
        self.acquire()?.state().truncate(0);
        Ok(())
    }

    pub(crate) fn budget(&self) -> &SessionBudget {
        &self.budget
    }

    /// Takes the session's guard. After a panic in the middle of a change the
    /// context starts anew.
    pub(crate) fn acquire(&self) -> Result<Lease<'_>, Error> {
        let held = self
            .guard
            .acquire()
            .ok_or_else(|| Error::SessionInUse { kind: "InferenceSession", id: self.id.clone() })?;
        let lease = Lease { state: &self.state, _held: held };
        if self.state.is_poisoned() {
            lease.state().truncate(0);
            self.state.clear_poison();
        }
        Ok(lease)
    }
}

/// What errors call a session that has no other name.
fn next_id() -> String {
    static NEXT_ID: AtomicU64 = AtomicU64::new(1);
    NEXT_ID.fetch_add(1, Ordering::Relaxed).to_string()
}
