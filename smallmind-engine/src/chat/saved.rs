//! Chats in a store.
//!
//! ```text
//! magic, version, length of the description     8, 4 and 8 bytes
//! description                                    JSON
//! SHA-256 of all that                            32 bytes
//! keys and values, and their SHA-256             where the description says so
//! ```

use super::history::History;
use super::session::{ChatOptions, ChatSession, ChatState};
use super::store::SessionStore;
use super::transcript::Transcript;
use crate::session::State;
use crate::{Engine, Error};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use smallmind_abstractions::{Diagnostic, ReasonCode, Severity, TokenId};
use std::io::{self, Read, Write};

const MAGIC: &[u8; 8] = b"SMCHAT\r\n";
/// 2 since the keys and values of a saved chat lie in blocks.
const VERSION: u32 = 2;

/// Keys and values were saved that cannot be used; they are computed again.
pub const CACHE_UNUSED: ReasonCode = ReasonCode::new("CHAT_CACHE_UNUSED");

/// A chat but for its keys and values.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    /// The fingerprint of the model.
    model: String,
    /// What the model is called, for people.
    model_name: String,
    history: History,
    transcript: Transcript,
    mark: Option<char>,
    cache: Option<Cache>,
}

/// What keys and values follow.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cache {
    tokens: Vec<TokenId>,
    cache_type: String,
    precision: String,
}

impl Cache {
    fn of(engine: &Engine, state: &State) -> Self {
        Self {
            tokens: state.tokens.clone(),
            cache_type: state.context.cache_type().to_string(),
            precision: engine.model().precision().to_string(),
        }
    }
}

impl ChatSession {
    /// Keeps the chat in a store under `name`. With `cache` keys and values are
    /// kept too: more bytes by far, and opening it again computes nothing.
    ///
    /// # Errors
    /// [`Error::SessionInUse`], [`Error::ChatStore`].
    pub fn save(&self, store: &dyn SessionStore, name: &str, cache: bool) -> Result<(), Error> {
        let _held = self.acquire()?;
        let ChatState { history, transcript, mark } = self.state().clone();
        let lease = self.session().acquire()?;
        let mut state = lease.state();
        state.forget_guesses();
        let description = Description {
            model: self.engine().chat_parts().fingerprint().to_owned(),
            model_name: model_name(self.engine()),
            history,
            transcript,
            mark,
            cache: cache.then(|| Cache::of(self.engine(), &state)),
        };
        let failed = |source| Error::ChatStore { chat: name.to_owned(), action: "save", source };
        let json = serde_json::to_vec(&description).map_err(|e| failed(e.into()))?;
        let mut write = |to: &mut dyn Write| {
            let mut to = Hashing { inner: to, hash: Sha256::new() };
            to.write_all(MAGIC)?;
            to.write_all(&VERSION.to_le_bytes())?;
            to.write_all(&(json.len() as u64).to_le_bytes())?;
            to.write_all(&json)?;
            to.write_hash()?;
            if cache {
                state.context.save(&mut to)?;
                to.write_hash()?;
            }
            Ok(())
        };
        store.save(name, &mut write).map_err(failed)
    }

    /// Opens a chat that was saved; its own system prompt stands in place of
    /// that of `options`. Keys and values that were saved are used where the
    /// context is of the same type and long enough; a diagnostic says where
    /// not.
    ///
    /// # Errors
    /// [`Error::NoSuchChat`], [`Error::ChatDamaged`],
    /// [`Error::ChatOfAnotherModel`], [`Error::ChatStore`], and as
    /// [`new`](Self::new).
    pub fn open(
        engine: &Engine,
        options: ChatOptions,
        store: &dyn SessionStore,
        name: &str,
    ) -> Result<Self, Error> {
        let failed = |source| Error::ChatStore { chat: name.to_owned(), action: "load", source };
        let from = store.load(name).map_err(failed)?;
        let from = from.ok_or_else(|| Error::NoSuchChat { chat: name.to_owned() })?;
        let mut from = Hashing { inner: from, hash: Sha256::new() };
        let damaged = |error: io::Error| match error.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Error::ChatDamaged { chat: name.to_owned(), what: error.to_string() }
            }
            _ => failed(error),
        };
        let description = read_description(&mut from).map_err(damaged)?;
        let Description { model, model_name: saved, history, transcript, mark, cache } =
            description;
        if model != engine.chat_parts().fingerprint() {
            let (chat, loaded) = (name.to_owned(), model_name(engine));
            return Err(Error::ChatOfAnotherModel { chat, saved, loaded });
        }
        check(engine, &history, &transcript, cache.as_ref()).map_err(damaged)?;
        let state = ChatState { history, transcript, mark };
        let mut chat = Self::with_state(engine, options, state)?;
        if let Some(cache) = cache
            && let Some(finding) = chat.restore(cache, &mut from).map_err(damaged)?
        {
            chat.push_diagnostic(finding);
        }
        Ok(chat)
    }

    /// Takes keys and values, or says why they are of no use.
    fn restore(
        &self,
        cache: Cache,
        from: &mut Hashing<impl Read>,
    ) -> Result<Option<Diagnostic>, io::Error> {
        // Nobody else has this session yet.
        let lease = self.session().acquire().map_err(io::Error::other)?;
        let mut state = lease.state();
        let own = Cache { tokens: cache.tokens, ..Cache::of(self.engine(), &state) };
        let len = own.tokens.len();
        if (&own.cache_type, &own.precision) != (&cache.cache_type, &cache.precision)
            || len > state.context.capacity()
        {
            let text = format!(
                "keys and values of {len} tokens in {}, computed in {}, do not fit {} tokens in {}, \
                 computed in {}; they are computed again",
                cache.cache_type,
                cache.precision,
                state.context.capacity(),
                own.cache_type,
                own.precision
            );
            return Ok(Some(Diagnostic::new(CACHE_UNUSED, Severity::Info, text)));
        }
        state.context.restore(len, from)?;
        if let Err(error) = from.check_hash() {
            state.truncate(0);
            return Err(error);
        }
        state.tokens.extend(own.tokens);
        Ok(None)
    }
}

/// What people call the model.
fn model_name(engine: &Engine) -> String {
    let name = engine.metadata().get_optional("general.name").ok().flatten();
    name.unwrap_or(engine.model().config().architecture).to_owned()
}

fn read_description(from: &mut Hashing<impl Read>) -> io::Result<Description> {
    let mut head = [0; 20];
    from.read_exact(&mut head)?;
    let (magic, rest) = head.split_at(MAGIC.len());
    let (version, len) = rest.split_at(4);
    if magic != MAGIC {
        return Err(invalid("it does not begin as a saved chat does".to_owned()));
    }
    if version != VERSION.to_le_bytes() {
        let version = version.iter().rev().fold(0u32, |v, b| v << 8 | u32::from(*b));
        return Err(invalid(format!("its version is {version}; expected {VERSION}")));
    }
    let len = len.iter().rev().fold(0u64, |v, b| v << 8 | u64::from(*b));
    let mut json = Vec::new();
    // Takes no more memory than there are bytes.
    from.by_ref().take(len).read_to_end(&mut json)?;
    from.check_hash()?;
    serde_json::from_slice(&json).map_err(|error| invalid(error.to_string()))
}

/// Whether a description is one that this crate writes.
fn check(
    engine: &Engine,
    history: &History,
    transcript: &Transcript,
    cache: Option<&Cache>,
) -> io::Result<()> {
    let vocab_size = engine.model().config().vocab_size;
    let held = cache.map_or(&[][..], |cache| &cache.tokens);
    if history.unsent > history.messages.len()
        || !transcript.is_sound(vocab_size)
        || held.iter().any(|id| *id as usize >= vocab_size)
    {
        return Err(invalid("its description contradicts itself".to_owned()));
    }
    Ok(())
}

fn invalid(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Hashes what goes through.
struct Hashing<T> {
    inner: T,
    hash: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Write> Hashing<W> {
    /// Writes the hash of all since the last one.
    fn write_hash(&mut self) -> io::Result<()> {
        let hash = self.hash.finalize_reset();
        self.inner.write_all(&hash)
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(bytes)?;
        self.hash.update(&bytes[..read]);
        Ok(read)
    }
}

impl<R: Read> Hashing<R> {
    /// Whether the hash that follows is that of all since the last one.
    fn check_hash(&mut self) -> io::Result<()> {
        let hash = self.hash.finalize_reset();
        let mut expected = [0; 32];
        self.inner.read_exact(&mut expected)?;
        if hash[..] == expected { Ok(()) } else { Err(invalid("its checksum is wrong".to_owned())) }
    }
}
