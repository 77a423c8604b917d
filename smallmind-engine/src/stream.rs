//! A generation as an iterator.

use crate::Error;
use crate::generation::Generation;
use smallmind_abstractions::GenerationEvent;

/// The events of a generation: tokens, then [`GenerationEvent::Finished`] or
/// an error. The session is in use until this is dropped.
#[derive(Debug)]
pub struct GenerationStream<'s> {
    generation: Generation<'s>,
    ended: bool,
}

impl<'s> GenerationStream<'s> {
    pub(crate) fn new(generation: Generation<'s>) -> Self {
        Self { generation, ended: false }
    }
}

impl Iterator for GenerationStream<'_> {
    type Item = Result<GenerationEvent, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        // Set before, so that a panic ends the generation too.
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        let event = self.generation.advance();
        self.ended = !event.as_ref().is_ok_and(|e| !matches!(e, GenerationEvent::Finished(_)));
        Some(event)
    }
}
