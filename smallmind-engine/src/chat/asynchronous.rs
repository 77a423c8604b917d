//! Replies as streams of the crate `futures-core`.

use super::{ChatEvent, ChatSession, Turn};
use crate::{Error, EventStream};
use smallmind_abstractions::{CancellationToken, GenerationOptions};
use std::sync::Arc;

impl ChatSession {
    /// As [`stream`](Self::stream), computed by a thread of its own. What would
    /// be an error of that is the first and only item here.
    ///
    /// # Errors
    /// [`Error::Runtime`] where the system makes no thread.
    pub fn stream_async(
        self: &Arc<Self>,
        turn: impl Into<Turn>,
        options: GenerationOptions,
        cancel: &CancellationToken,
    ) -> Result<EventStream<ChatEvent>, Error> {
        let (chat, turn) = (Arc::clone(self), turn.into());
        EventStream::start(cancel, move |events, cancel| {
            match chat.stream(turn, &options, cancel) {
                Ok(stream) => stream.for_each(|event| events.send(event)),
                Err(error) => events.send(Err(error)),
            }
        })
    }
}
