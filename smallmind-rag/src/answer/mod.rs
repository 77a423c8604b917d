//! Answers from documents, with the passages they rest on.

mod citations;
#[cfg(feature = "engine")]
mod model;
mod prompt;
mod rewrite;

#[cfg(feature = "engine")]
pub use model::LanguageModel;
#[cfg(feature = "engine")]
pub(crate) use model::stopped;
pub use prompt::Messages;
pub use rewrite::{Exchange, standalone_question};

use crate::{Error, Passage, Stage, Store};
use citations::Citations;
use smallmind_abstractions::{CancellationToken, Error as AbstractError, Retriever, SearchRequest};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// Writes what follows a prompt: a language model.
pub trait Generator: Send + Sync {
    /// The tokens that prompt and answer may have together.
    fn context(&self) -> usize;

    /// The tokens of a prompt.
    ///
    /// # Errors
    /// What the tokenizer reports.
    fn count(&self, messages: &Messages) -> Result<usize, AbstractError>;

    /// Writes at most `limit` tokens, and gives the text to `show` as it comes.
    /// Control tokens that stand in `messages` are plain text.
    ///
    /// # Errors
    /// [`AbstractError::Cancelled`], or what the model reports.
    fn generate(
        &self,
        messages: &Messages,
        limit: usize,
        show: &mut dyn FnMut(&str),
        cancel: &CancellationToken,
    ) -> Result<(), AbstractError>;
}

/// What an [`Answerer`] says while it works.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum AnswerEvent<'a> {
    /// The passages that the model is given, in the order of their numbers,
    /// before any text.
    Sources(&'a [Passage]),
    /// More of the answer. Citations in it are of passages that were given.
    Text(&'a str),
}

/// What became of a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// An answer.
    Answered {
        /// The text, with numbers of passages in square brackets.
        text: String,
        /// The passages the model was given; `[1]` is the first.
        sources: Vec<Passage>,
        /// The numbers of those that the text cites.
        cited: Vec<usize>,
        /// Citations of passages that were not given, taken out of the text.
        removed: Vec<String>,
    },
    /// The documents do not say, as far as they were found.
    InsufficientEvidence {
        /// What was found, and is not enough.
        sources: Vec<Passage>,
    },
}

/// Answers questions from a store.
#[derive(Clone)]
pub struct Answerer {
    store: Arc<Store>,
    retriever: Arc<dyn Retriever>,
    generator: Arc<dyn Generator>,
    /// The most tokens of an answer.
    pub max_tokens: usize,
    /// The share of the question's terms, stop words aside, that the passages
    /// must hold between them. Where they hold fewer, no model is asked.
    pub grounding: f32,
}

impl Answerer {
    /// Answers from what `retriever` finds in `store`, in the words of
    /// `generator`: at most 256 tokens, and where three fifths of the question's
    /// terms are found.
    pub fn new(
        store: Arc<Store>,
        retriever: Arc<dyn Retriever>,
        generator: Arc<dyn Generator>,
    ) -> Self {
        Self { store, retriever, generator, max_tokens: 256, grounding: 0.6 }
    }

    /// Answers from the passages that `request` finds; `request.limit` of them
    /// at most, and as many as fit into the model's context.
    ///
    /// # Errors
    /// What the parts report; [`Error::Cancelled`] names the stage.
    pub fn answer(
        &self,
        request: &SearchRequest,
        show: &mut dyn FnMut(AnswerEvent<'_>),
        cancel: &CancellationToken,
    ) -> Result<Answer, Error> {
        let hits = self.retriever.retrieve(request, cancel)?;
        let chunks: Vec<_> = hits.iter().map(|h| h.chunk).collect();
        let mut sources = self.store.passages(&chunks, &request.access, cancel)?;
        if self.found(&request.text, &sources) < self.grounding {
            return Ok(Answer::InsufficientEvidence { sources });
        }
        let (messages, count) =
            prompt::compose(&*self.generator, &request.text, &sources, self.max_tokens, cancel)
                .map_err(Error::at(Stage::Prompting))?;
        sources.truncate(count);
        if sources.is_empty() {
            return Ok(Answer::InsufficientEvidence { sources });
        }
        show(AnswerEvent::Sources(&sources));
        self.write(&messages, sources, show, cancel)
    }

    fn write(
        &self,
        messages: &Messages,
        sources: Vec<Passage>,
        show: &mut dyn FnMut(AnswerEvent<'_>),
        cancel: &CancellationToken,
    ) -> Result<Answer, Error> {
        let mut citations = Citations::new(sources.len());
        let mut text = String::new();
        let mut say = |shown: String| {
            if !shown.is_empty() {
                show(AnswerEvent::Text(&shown));
                text += &shown;
            }
        };
        let mut push = |piece: &str| say(citations.push(piece));
        self.generator
            .generate(messages, self.max_tokens, &mut push, cancel)
            .map_err(Error::at(Stage::Generation))?;
        say(citations.finish());
        let text = text.trim().to_owned();
        if text.is_empty() || text.starts_with(prompt::NOTHING.trim_end_matches('.')) {
            return Ok(Answer::InsufficientEvidence { sources });
        }
        let Citations { cited, removed, .. } = citations;
        Ok(Answer::Answered { text, sources, cited: cited.into_iter().collect(), removed })
    }

    /// The share of the question's terms that the passages hold.
    fn found(&self, question: &str, passages: &[Passage]) -> f32 {
        let terms = |text: &str| self.store.analyzer().terms(text);
        let asked: HashSet<_> = terms(question).into_iter().collect();
        if passages.is_empty() || asked.is_empty() {
            return 0.0;
        }
        let texts = passages.iter().flat_map(|p| [&p.title, &p.heading, &p.text]);
        let held: HashSet<_> = texts.flat_map(|t| terms(t)).collect();
        asked.intersection(&held).count() as f32 / asked.len() as f32
    }
}

impl fmt::Debug for Answerer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Answerer");
        debug.field("retriever", &self.retriever.name()).field("max_tokens", &self.max_tokens);
        debug.field("grounding", &self.grounding).finish_non_exhaustive()
    }
}
