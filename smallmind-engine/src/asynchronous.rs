//! Generations as streams of the crate `futures-core`, for any executor.

use crate::events::{Receiver, Sender, channel};
use crate::scheduler::ScheduledStream;
use crate::thread::spawn;
use crate::{Error, InferenceSession};
use futures_core::{FusedStream, Stream};
use smallmind_abstractions::{CancellationToken, GenerationEvent, GenerationRequest};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

impl Stream for ScheduledStream {
    type Item = Result<GenerationEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_terminated() {
            return Poll::Ready(None);
        }
        self.events.poll(context).map(|event| Some(self.given(event)))
    }
}

impl FusedStream for ScheduledStream {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

/// The events of something that a thread of its own computes. When it is
/// dropped, that is cancelled.
#[derive(Debug)]
pub struct EventStream<E> {
    events: Receiver<Result<E, Error>>,
    cancel: CancellationToken,
}

impl<E: Send + 'static> EventStream<E> {
    /// Starts a thread; `work` sends what it has.
    pub(crate) fn start(
        cancel: &CancellationToken,
        work: impl FnOnce(&Sender<Result<E, Error>>, &CancellationToken) + Send + 'static,
    ) -> Result<Self, Error> {
        let (sender, events) = channel();
        let cancel = cancel.child();
        let token = cancel.clone();
        spawn("smallmind-stream", move || work(&sender, &token))?;
        Ok(Self { events, cancel })
    }
}

impl<E> Stream for EventStream<E> {
    type Item = Result<E, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll(context)
    }
}

impl<E> Drop for EventStream<E> {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl InferenceSession {
    /// As [`stream`](Self::stream), computed by a thread of its own. What would
    /// be an error of that is the first and only item here.
    ///
    /// ```no_run
    /// use smallmind_abstractions::{CancellationToken, GenerationRequest};
    /// use smallmind_engine::{Engine, EngineOptions, SessionOptions};
    /// use std::future::poll_fn;
    /// use std::pin::pin;
    /// use std::sync::Arc;
    ///
    /// # async fn tell() -> Result<(), smallmind_engine::Error> {
    /// use futures_core::Stream;
    ///
    /// let never = CancellationToken::new();
    /// let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
    /// let session = Arc::new(engine.session(SessionOptions::default())?);
    /// let request = GenerationRequest::new("Once upon a time");
    /// let mut stream = pin!(session.stream_async(request, &never)?);
    /// while let Some(event) = poll_fn(|context| stream.as_mut().poll_next(context)).await {
    ///     print!("{}", event?.text());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Runtime`] where the system makes no thread.
    pub fn stream_async(
        self: &Arc<Self>,
        request: GenerationRequest,
        cancel: &CancellationToken,
    ) -> Result<EventStream<GenerationEvent>, Error> {
        let session = Arc::clone(self);
        EventStream::start(cancel, move |events, cancel| {
            match session.stream(request, cancel.clone()) {
                Ok(stream) => stream.for_each(|event| events.send(event)),
                Err(error) => events.send(Err(error)),
            }
        })
    }
}
