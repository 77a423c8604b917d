//! A reply in progress.

use super::calls::CallReader;
use super::history::History;
use super::session::ChatSession;
use super::{ContextTruncation, Message};
use crate::guard::Held;
use crate::{Error, GenerationStream};
use smallmind_abstractions::{DecodeOptions, GenerationEvent, GenerationResult, TokenId};
use smol_str::SmolStr;

/// What a streaming reply yields.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ChatEvent {
    /// The window was full, and this is what was done.
    Truncated(ContextTruncation),
    /// More of the reply's text, as the model writes it; calls of functions are
    /// no text, and come with the reply.
    Text(SmolStr),
    /// The reply is there; nothing follows.
    Finished(Box<ChatReply>),
}

impl ChatEvent {
    /// The text that is new with it.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }
}

/// A reply.
#[derive(Debug, Clone, PartialEq)]
pub struct ChatReply {
    /// What the model said, and calls.
    pub message: Message,
    /// The text as it was generated, why it ended and what it took.
    pub result: GenerationResult,
    /// What was kept from the model so that the prompt fits.
    pub truncation: Option<ContextTruncation>,
}

/// The events of a reply; see [`ChatSession::stream`].
#[derive(Debug)]
pub struct ChatStream<'s> {
    // In this order: the chat is free when nothing runs any more.
    generation: GenerationStream<'s>,
    _held: Held<'s>,
    chat: &'s ChatSession,
    /// What the chat's history becomes with the reply; taken with it.
    history: Option<History>,
    /// The reply so far.
    tokens: Vec<TokenId>,
    text: String,
    /// Tells calls from text, where the model may call anything.
    reader: Option<CallReader>,
    truncation: Option<ContextTruncation>,
    /// Whether the truncation was told.
    told: bool,
}

impl<'s> ChatStream<'s> {
    pub(super) fn new(
        chat: &'s ChatSession,
        held: Held<'s>,
        generation: GenerationStream<'s>,
        history: History,
        truncation: Option<ContextTruncation>,
    ) -> Self {
        let (history, told) = (Some(history), truncation.is_none());
        Self {
            generation,
            _held: held,
            chat,
            history,
            tokens: Vec::new(),
            text: String::new(),
            reader: chat.call_reader(),
            truncation,
            told,
        }
    }

    /// Generates to the end.
    pub(super) fn finish(&mut self) -> Result<ChatReply, Error> {
        let end = self.find_map(|event| match event {
            Ok(ChatEvent::Finished(reply)) => Some(Ok(*reply)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        });
        // Whoever has read to the end has the reply.
        end.unwrap_or(Err(Error::NothingToReplyTo))
    }

    fn finished(&mut self, result: GenerationResult) -> ChatReply {
        self.tokens.clear();
        let exact = result.stop.is_none();
        let message = self.keep(&result.text, &result.tokens, exact);
        ChatReply { message, result, truncation: self.truncation.take() }
    }

    /// Makes a text the chat's reply. `exact` says that it is the text of just
    /// these tokens.
    fn keep(&mut self, text: &str, tokens: &[TokenId], exact: bool) -> Message {
        let mut message = Message::assistant(text);
        if let Some(mut reader) = self.reader.take() {
            reader.finish();
            (message.content, message.tool_calls) = reader.into_parts();
        }
        if let Some(mut history) = self.history.take() {
            name_calls(&mut message, &history);
            history.messages.push(message.clone());
            let mut state = self.chat.state();
            state.history = history;
            if exact {
                self.chat.note_reply(&mut state, text, tokens);
            }
        }
        message
    }

    /// Keeps what there is of a reply that nobody waits for any more.
    fn keep_partial(&mut self) {
        if self.tokens.is_empty() {
            return;
        }
        let (text, tokens) = (std::mem::take(&mut self.text), std::mem::take(&mut self.tokens));
        let options = DecodeOptions { continuation: true, ..Default::default() };
        let whole = self.chat.engine().tokenizer().decode(&tokens, options);
        // Part of a character or of a stop sequence was not shown.
        let exact = whole.is_ok_and(|whole| whole == text.as_bytes());
        self.keep(&text, &tokens, exact);
    }
}

/// Gives calls a name to be answered by: templates of some models want one of
/// nine letters and digits.
fn name_calls(message: &mut Message, history: &History) {
    let before: usize = history.messages.iter().map(|message| message.tool_calls.len()).sum();
    for (i, call) in message.tool_calls.iter_mut().enumerate() {
        call.id.get_or_insert_with(|| format!("call{:05}", before + i));
    }
}

impl ChatStream<'_> {
    /// What of new text is to be shown.
    fn shown(&mut self, text: SmolStr) -> SmolStr {
        self.text += &text;
        self.reader.as_mut().map_or(text.clone(), |reader| reader.push(&text).into())
    }

    /// A control token is no text, but may begin a call.
    fn spelled(&self, id: TokenId, text: SmolStr) -> SmolStr {
        let mark = self.reader.as_ref().map_or("", CallReader::mark);
        let spelling = self.chat.engine().tokenizer().token_text(id);
        let begins = text.is_empty() && spelling == Some(mark.as_bytes());
        if begins { mark.into() } else { text }
    }
}

impl Iterator for ChatStream<'_> {
    type Item = Result<ChatEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if !std::mem::replace(&mut self.told, true) {
            return self.truncation.clone().map(|truncation| Ok(ChatEvent::Truncated(truncation)));
        }
        loop {
            let text = match self.generation.next()? {
                Ok(GenerationEvent::Token { id, text, .. }) => {
                    self.tokens.push(id);
                    self.spelled(id, text)
                }
                Ok(GenerationEvent::Finished(result)) => {
                    return Some(Ok(ChatEvent::Finished(Box::new(self.finished(result)))));
                }
                Ok(event) => event.text().into(),
                Err(error) => {
                    self.keep_partial();
                    return Some(Err(error));
                }
            };
            let shown = self.shown(text);
            if !shown.is_empty() {
                return Some(Ok(ChatEvent::Text(shown)));
            }
        }
    }
}

impl Drop for ChatStream<'_> {
    fn drop(&mut self) {
        self.keep_partial();
    }
}
