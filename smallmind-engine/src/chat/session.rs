//! Chats: what was said, and the session that answers.

use super::calls::{CallReader, CallSyntax};
use super::history::History;
use super::stream::ChatStream;
use super::transcript::Transcript;
use super::{ChatReply, ChatTemplate, ContextPolicy, Message, RenderOptions, Role, ToolDefinition};
use crate::guard::{Guard, Held};
use crate::{Engine, Error, InferenceSession, SessionOptions};
use smallmind_abstractions::{
    CancellationToken, Diagnostic, GenerationOptions, GenerationRequest, TokenId,
};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How a chat is opened.
#[derive(Debug, Clone, Default)]
pub struct ChatOptions {
    /// The session that computes.
    pub session: SessionOptions,
    /// What the model is told first.
    pub system: Option<String>,
    /// What is done when the context window is full.
    pub policy: ContextPolicy,
    /// Functions that the model may call, where its template has a way to tell
    /// it; a reply's calls are in its message.
    pub tools: Vec<ToolDefinition>,
    /// Whether the model should think before it answers, where its template
    /// asks.
    pub thinking: Option<bool>,
}

/// What a reply is asked for to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Turn {
    /// More messages.
    Say(Vec<Message>),
    /// The last messages anew, without the reply they had.
    Regenerate,
    /// Other words of the user in the place of message `index`; what came after
    /// it is forgotten.
    Edit {
        /// Which of [`ChatSession::messages`].
        index: usize,
        /// The new words.
        content: String,
    },
}

impl From<&str> for Turn {
    fn from(text: &str) -> Self {
        Self::from(Message::user(text))
    }
}

impl From<String> for Turn {
    fn from(text: String) -> Self {
        Self::from(Message::user(text))
    }
}

impl From<Message> for Turn {
    fn from(message: Message) -> Self {
        Self::Say(vec![message])
    }
}

impl From<Vec<Message>> for Turn {
    fn from(messages: Vec<Message>) -> Self {
        Self::Say(messages)
    }
}

/// What changes from turn to turn.
#[derive(Debug, Clone, Default)]
pub(super) struct ChatState {
    pub(super) history: History,
    pub(super) transcript: Transcript,
    /// The mark in the transcript.
    pub(super) mark: Option<char>,
}

/// A chat with a model, one reply at a time.
///
/// Each turn computes only what the context does not hold yet: what is new, and
/// after an edit what follows it.
///
/// ```no_run
/// use smallmind_abstractions::{CancellationToken, GenerationOptions};
/// use smallmind_engine::chat::{ChatOptions, ChatSession, Turn};
/// use smallmind_engine::{Engine, EngineOptions};
///
/// let never = CancellationToken::new();
/// let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
/// let system = Some("You answer in one sentence.".to_owned());
/// let chat = ChatSession::new(&engine, ChatOptions { system, ..Default::default() })?;
/// let options = GenerationOptions::default();
/// println!("{}", chat.send("What is a KV cache?", &options, &never)?.message.content);
/// println!("{}", chat.send("And why is it large?", &options, &never)?.message.content);
/// println!("{}", chat.send(Turn::Regenerate, &options, &never)?.message.content);
/// # Ok::<(), smallmind_engine::Error>(())
/// ```
///
/// What users and tools say is data: control tokens written in it stay text. A
/// turn that fails or is cancelled before there is any reply is as if it had
/// never been; a reply that was cut short is kept.
///
/// A chat may be shared by threads, but serves one at a time: a call while
/// another runs, or while a stream is not yet dropped, is refused with
/// [`Error::SessionInUse`].
#[derive(Debug)]
pub struct ChatSession {
    guard: Guard,
    session: InferenceSession,
    template: ChatTemplate,
    policy: ContextPolicy,
    tools: Vec<ToolDefinition>,
    thinking: Option<bool>,
    diagnostics: Vec<Diagnostic>,
    state: Mutex<ChatState>,
}

impl ChatSession {
    /// A chat in which nothing was said yet.
    ///
    /// # Errors
    /// As [`Engine::session`], and what is wrong with the model's template.
    pub fn new(engine: &Engine, options: ChatOptions) -> Result<Self, Error> {
        let history = History { system: options.system.clone(), ..Default::default() };
        Self::with_state(engine, options, ChatState { history, ..Default::default() })
    }

    pub(super) fn with_state(
        engine: &Engine,
        options: ChatOptions,
        state: ChatState,
    ) -> Result<Self, Error> {
        let template = ChatTemplate::of(engine)?;
        let session = engine.session(options.session)?;
        let mut diagnostics = session.diagnostics().to_vec();
        diagnostics.extend(template.diagnostics().iter().cloned());
        Ok(Self {
            guard: Guard::new(),
            session,
            template,
            policy: options.policy,
            tools: options.tools,
            thinking: options.thinking,
            diagnostics,
            state: Mutex::new(state),
        })
    }

    /// What errors call the chat.
    pub fn id(&self) -> &str {
        self.session.id()
    }

    /// The engine that this chat computes with.
    pub fn engine(&self) -> &Engine {
        self.session.engine()
    }

    /// What was found when the chat was opened.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// What was said, without the system prompt.
    ///
    /// # Errors
    /// [`Error::SessionInUse`].
    pub fn messages(&self) -> Result<Vec<Message>, Error> {
        let _held = self.acquire()?;
        Ok(self.state().history.messages.clone())
    }

    /// What the model is told first.
    ///
    /// # Errors
    /// [`Error::SessionInUse`].
    pub fn system(&self) -> Result<Option<String>, Error> {
        let _held = self.acquire()?;
        Ok(self.state().history.system.clone())
    }

    /// The tokens whose keys and values the chat holds.
    ///
    /// # Errors
    /// [`Error::SessionInUse`].
    pub fn tokens(&self) -> Result<Vec<TokenId>, Error> {
        let _held = self.acquire()?;
        self.session.tokens()
    }

    /// Takes a turn and returns the whole reply.
    ///
    /// # Errors
    /// [`Error::SessionInUse`], [`Error::NotAUserMessage`],
    /// [`Error::NothingToReplyTo`], what the template refuses,
    /// [`Error::PromptTooLong`] where the policy leaves it so;
    /// [`Error::Cancelled`] and [`Error::TimedOut`], both with the reply until
    /// then.
    pub fn send(
        &self,
        turn: impl Into<Turn>,
        options: &GenerationOptions,
        cancel: &CancellationToken,
    ) -> Result<ChatReply, Error> {
        self.begin(self.acquire()?, turn.into(), options, cancel)?.finish()
    }

    /// Takes a turn and gives the reply piece by piece, as the iterator is
    /// asked for it. The chat is in use until the iterator is dropped; what was
    /// generated until then is its reply. Where a full window has the model
    /// summarise, that is done before this returns.
    ///
    /// # Errors
    /// As [`send`](Self::send); what goes wrong later comes out of the
    /// iterator.
    pub fn stream(
        &self,
        turn: impl Into<Turn>,
        options: &GenerationOptions,
        cancel: &CancellationToken,
    ) -> Result<ChatStream<'_>, Error> {
        self.begin(self.acquire()?, turn.into(), options, cancel)
    }

    /// A chat in which the same was said, which goes its own way from here
    /// without computing it again.
    ///
    /// # Errors
    /// As [`InferenceSession::fork`].
    pub fn fork(&self, id: Option<String>) -> Result<Self, Error> {
        let _held = self.acquire()?;
        let state = Mutex::new(self.state().clone());
        Ok(Self {
            guard: Guard::new(),
            session: self.session.fork(id)?,
            template: self.template.clone(),
            policy: self.policy,
            tools: self.tools.clone(),
            thinking: self.thinking,
            diagnostics: self.diagnostics.clone(),
            state,
        })
    }

    /// Forgets what was said; the system prompt stays.
    ///
    /// # Errors
    /// [`Error::SessionInUse`].
    pub fn clear(&self) -> Result<(), Error> {
        let _held = self.acquire()?;
        let mut state = self.state();
        let system = state.history.system.take();
        *state =
            ChatState { history: History { system, ..Default::default() }, ..Default::default() };
        self.session.clear()
    }

    /// Begins a turn. Until there is a reply, the chat's own history stays.
    pub(super) fn begin<'s>(
        &'s self,
        held: Held<'s>,
        turn: Turn,
        options: &GenerationOptions,
        cancel: &CancellationToken,
    ) -> Result<ChatStream<'s>, Error> {
        let mut state = self.state();
        let mut history = state.history.clone();
        take(&mut history, turn)?;
        let (prompt, truncation) = self.fit(&mut history, &mut state, options, cancel)?;
        drop(state);
        // The text is to be the reply alone.
        let options = GenerationOptions { echo: false, ..options.clone() };
        let request = GenerationRequest::new(prompt).with_options(options);
        let generation = self.session.stream(request, cancel.clone())?;
        Ok(ChatStream::new(self, held, generation, history, truncation))
    }

    /// What tells calls from text, where the model may call anything.
    pub(super) fn call_reader(&self) -> Option<CallReader> {
        let syntax = || CallSyntax::of(self.template.source());
        (!self.tools.is_empty()).then(|| CallReader::new(syntax()))
    }

    /// How prompts are rendered.
    pub(super) fn render_options(&self) -> RenderOptions {
        RenderOptions {
            add_generation_prompt: true,
            tools: self.tools.clone(),
            thinking: self.thinking,
            time: None,
        }
    }

    /// Takes note of which tokens a reply was made of.
    pub(super) fn note_reply(&self, state: &mut ChatState, text: &str, tokens: &[TokenId]) {
        let spellings = self.engine().chat_parts().spellings(self.engine().tokenizer());
        if let Some(mark) = state.mark {
            state.transcript.reply(&spellings.mark(text, mark), tokens);
        }
    }

    /// Takes the chat's guard.
    pub(super) fn acquire(&self) -> Result<Held<'_>, Error> {
        let in_use = || Error::SessionInUse { kind: "ChatSession", id: self.id().to_owned() };
        self.guard.acquire().ok_or_else(in_use)
    }

    /// Never waits: only the holder of the guard locks.
    pub(super) fn state(&self) -> MutexGuard<'_, ChatState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn capacity(&self) -> Result<usize, Error> {
        Ok(self.session.acquire()?.state().context.capacity())
    }

    pub(super) fn session(&self) -> &InferenceSession {
        &self.session
    }

    pub(super) fn policy(&self) -> ContextPolicy {
        self.policy
    }

    pub(super) fn template(&self) -> &ChatTemplate {
        &self.template
    }

    pub(super) fn push_diagnostic(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }
}

/// Brings a history to where a reply is due.
fn take(history: &mut History, turn: Turn) -> Result<(), Error> {
    match turn {
        Turn::Say(messages) => history.messages.extend(messages),
        Turn::Regenerate => {
            let replied = |m: &Message| m.role == Role::Assistant;
            let len = history.messages.iter().rposition(|m| !replied(m)).map_or(0, |at| at + 1);
            history.truncate(len);
        }
        Turn::Edit { index, content } => {
            let message = history.messages.get_mut(index);
            let message = message.filter(|message| message.role == Role::User);
            message.ok_or(Error::NotAUserMessage { index })?.content = content;
            history.truncate(index + 1);
        }
    }
    match history.messages.last() {
        Some(message) if message.role != Role::Assistant => Ok(()),
        _ => Err(Error::NothingToReplyTo),
    }
}
