//! Guesses at the next tokens, several of which one forward pass then checks.
//!
//! The choice of each token stays as it is without guesses, from the same
//! logits in the same order; a guess only says which rows to compute ahead.

use crate::{Engine, Error};
use smallmind_abstractions::{CancellationToken, SamplingOptions, TokenId};
use smallmind_runtime::{Context, Logits, Model, Sampler};

/// The most tokens that are guessed at once: the cost of a pass grows slowly
/// up to about this many rows.
const MOST: usize = 8;

/// Tokens at the end of a text that are looked for in what is before, the
/// longest first.
const LONGEST: usize = 4;
const SHORTEST: usize = 2;

/// Where a session gets its guesses from. The tokens are the same with each,
/// only faster where guesses are good.
///
/// ```no_run
/// use smallmind_engine::{Engine, EngineOptions, SessionOptions, Speculation};
/// # let never = smallmind_abstractions::CancellationToken::new();
/// # let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
/// let speculation = Speculation::Lookup;
/// let session = engine.session(SessionOptions { speculation, ..Default::default() })?;
/// # Ok::<(), smallmind_engine::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub enum Speculation {
    /// No guesses.
    #[default]
    Off,
    /// The text so far: what followed where its last tokens stood before. Pays
    /// where an answer repeats its prompt, as summaries and edits do.
    Lookup,
    /// A smaller model of the same vocabulary.
    Draft(Engine),
}

/// What guesses for one session.
#[derive(Debug)]
pub(crate) struct Speculator {
    source: Source,
    /// The tokens of the last pass: one that was chosen, and guesses.
    pass: Vec<TokenId>,
    /// How many of the guesses were right so far.
    right: usize,
    /// How many to guess next: more while guesses are good.
    ahead: usize,
    counts: Counts,
}

/// What became of the guesses of a generation.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) drafted: usize,
    pub(crate) accepted: usize,
}

#[derive(Debug)]
enum Source {
    Lookup,
    Draft(Box<Draft>),
}

#[derive(Debug)]
struct Draft {
    engine: Engine,
    context: Context,
    /// The tokens in the context.
    held: Vec<TokenId>,
    greedy: Sampler,
}

impl Speculator {
    /// What guesses for a context of `capacity` tokens of `engine`.
    pub(crate) fn new(
        speculation: Speculation,
        engine: &Engine,
        capacity: usize,
    ) -> Result<Option<Self>, Error> {
        let source = match speculation {
            Speculation::Off => return Ok(None),
            Speculation::Lookup => Source::Lookup,
            Speculation::Draft(draft) => {
                same_vocabulary(engine, &draft)?;
                Source::Draft(Box::new(Draft::new(draft, capacity)?))
            }
        };
        let pass = Vec::with_capacity(MOST + 1);
        Ok(Some(Self { source, pass, right: 0, ahead: MOST / 2, counts: Counts::default() }))
    }

    /// Forgets what was guessed, for a generation that begins.
    pub(crate) fn reset(&mut self) {
        self.pass.clear();
        self.right = 0;
        self.counts = Counts::default();
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Computes what follows `text`, of which the context lacks the last `new`
    /// tokens, or holds them as guesses. Which row of logits it is.
    pub(crate) fn forward(
        &mut self,
        model: &Model,
        context: &mut Context,
        text: &[TokenId],
        new: usize,
        cancel: &CancellationToken,
    ) -> Result<usize, Error> {
        let (&last, held) = text.split_last().ok_or(Error::EmptyPrompt)?;
        if new == 1 && self.pass.get(self.right + 1) == Some(&last) {
            self.right += 1;
            self.counts.accepted += 1;
            return Ok(self.right);
        }
        self.judge();
        if new > 1 {
            model.forward(context, &text[text.len() - new..], Logits::Last, cancel)?;
            return Ok(0);
        }
        context.truncate(held.len());
        self.guess(text, context.capacity() - text.len(), cancel)?;
        model.forward(context, &self.pass, Logits::All, cancel)?;
        Ok(0)
    }

    /// Makes a pass of the last token of `text` and at most `room` guesses.
    fn guess(
        &mut self,
        text: &[TokenId],
        room: usize,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let most = self.ahead.min(room);
        self.pass.extend(text.last());
        match &mut self.source {
            Source::Lookup => self.pass.extend_from_slice(lookup(text, most)),
            Source::Draft(draft) => draft.guess(text, most, &mut self.pass, cancel)?,
        }
        self.counts.drafted += self.pass.len() - 1;
        Ok(())
    }

    /// Learns from the guesses of the pass that is over.
    fn judge(&mut self) {
        let guesses = self.pass.len().saturating_sub(1);
        if self.right < guesses {
            self.ahead = self.right.max(1);
        } else if guesses > 0 {
            self.ahead = MOST.min(self.ahead + 2);
        }
        self.pass.clear();
        self.right = 0;
    }
}

impl Draft {
    fn new(engine: Engine, capacity: usize) -> Result<Self, Error> {
        let capacity = capacity.min(engine.model().config().context_length);
        let context = engine.model().new_context(capacity)?;
        let greedy = Sampler::new(SamplingOptions::default())?;
        Ok(Self { engine, context, held: Vec::with_capacity(capacity), greedy })
    }

    /// Appends what the model takes for the next `most` tokens; fewer where its
    /// context is full.
    fn guess(
        &mut self,
        text: &[TokenId],
        most: usize,
        guesses: &mut Vec<TokenId>,
        cancel: &CancellationToken,
    ) -> Result<(), Error> {
        let Self { engine, context, held, greedy } = self;
        // The last token is computed again where all are there.
        let known = text[..text.len() - 1].iter().zip(&*held).take_while(|(a, b)| a == b).count();
        context.truncate(known);
        held.truncate(known);
        let (mut new, mut last) = (&text[known..], [0]);
        for _ in 0..most {
            if new.len() > context.capacity() - context.len() {
                break;
            }
            let logits = engine.model().forward(context, new, Logits::Last, cancel);
            let next = logits.map(|logits| greedy.sample(logits));
            // Also after an error: the chunks before it are there.
            held.extend_from_slice(&new[..context.len() - held.len()]);
            last[0] = next??;
            guesses.push(last[0]);
            new = &last;
        }
        Ok(())
    }
}

/// What followed the last tokens of a text where they stood before, the latest
/// place first.
fn lookup(text: &[TokenId], most: usize) -> &[TokenId] {
    for length in (SHORTEST..=LONGEST).rev().filter(|length| *length < text.len()) {
        let (before, end) = (&text[..text.len() - 1], &text[text.len() - length..]);
        if let Some(at) = before.windows(length).rposition(|window| window == end) {
            let follows = &text[at + length..];
            return &follows[..most.min(follows.len())];
        }
    }
    &[]
}

/// Ids have to mean the same to both models.
fn same_vocabulary(engine: &Engine, draft: &Engine) -> Result<(), Error> {
    let (ours, theirs) = (engine.tokenizer(), draft.tokenizer());
    let (tokens, draft_tokens) = (ours.vocab_size(), theirs.vocab_size());
    let differs = |id: &TokenId| ours.token_text(*id) != theirs.token_text(*id);
    let first = (0..tokens.min(draft_tokens) as TokenId).find(differs);
    match first {
        None if tokens == draft_tokens => Ok(()),
        first => Err(Error::DraftVocabulary {
            id: first.unwrap_or(tokens.min(draft_tokens) as TokenId),
            tokens,
            draft_tokens,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_the_longest_matches_is_continued() {
        for (text, most, expected) in [
            (&[][..], 4, &[][..]),
            (&[1], 4, &[]),
            (&[1, 2, 1], 4, &[]),
            (&[1, 2, 3, 4, 1, 2], 4, &[3, 4, 1, 2]),
            (&[1, 2, 3, 4, 1, 2], 1, &[3]),
            (&[1, 2, 3, 1, 2, 4, 1, 2], 2, &[4, 1]),
            (&[9, 1, 2, 3, 1, 2, 4, 9, 1, 2], 2, &[3, 1]),
            (&[7, 7, 7], 4, &[7]),
        ] {
            assert_eq!(lookup(text, most), expected, "{text:?}");
        }
    }
}
