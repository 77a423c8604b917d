//! Passages in the order in which a language model would ask the question.

use crate::answer::{LanguageModel, stopped};
use crate::{Generator, Messages};
use smallmind_abstractions::{CancellationToken, EncodeOptions, Error, Reranker, TokenId};

/// What the question is taken for the reply to.
const INSTRUCTION: &str = "Write a question that the passage answers.";

/// Ranks passages by how probable a language model finds the question after
/// each: by the mean logarithm of the probabilities of its tokens (query
/// likelihood; Sachan et al. 2022, "Improving Passage Retrieval with Zero-Shot
/// Question Generation"). Any model that follows instructions will do; none
/// is trained for it.
///
/// A passage that is too long for the model's context is cut at its end.
///
/// ```no_run
/// use smallmind_abstractions::CancellationToken;
/// use smallmind_engine::{Engine, EngineOptions};
/// use smallmind_rag::{Bm25, LanguageModel, LikelihoodReranker, Reranked, Store};
/// use std::sync::Arc;
///
/// let never = CancellationToken::new();
/// let store = Store::open_existing("kb".as_ref(), &never)?;
/// let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
/// let reranker = LikelihoodReranker::new(LanguageModel::new(engine)?);
/// let first = Arc::new(Bm25::new(store.clone()));
/// let retriever = Reranked::new(store, first, Arc::new(reranker));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LikelihoodReranker {
    model: LanguageModel,
}

impl LikelihoodReranker {
    /// Ranks by the judgement of `model`.
    pub fn new(model: LanguageModel) -> Self {
        Self { model }
    }

    /// What `passage` has the model write a question after, in at most `room`
    /// tokens.
    fn prompt(&self, passage: &str, room: usize) -> Result<Vec<TokenId>, Error> {
        let mut kept = passage;
        loop {
            let user = format!("Passage: {kept}");
            let messages = Messages { system: INSTRUCTION.to_owned(), user };
            let prompt = self.model.tokens(&messages)?;
            if prompt.len() <= room {
                return Ok(prompt);
            }
            if kept.is_empty() {
                let reason = format!("the question leaves {room} tokens for a passage");
                return Err(Error::Part { part: "reranker".to_owned(), reason });
            }
            // Less by the share that is too much, and by one byte at least.
            let length = (kept.len() * room / prompt.len()).min(kept.len() - 1);
            kept = &kept[..kept.floor_char_boundary(length)];
        }
    }
}

impl Reranker for LikelihoodReranker {
    fn score(
        &self,
        question: &str,
        passages: &[&str],
        cancel: &CancellationToken,
    ) -> Result<Vec<f32>, Error> {
        let plain = EncodeOptions { add_special: false, parse_special: false };
        let question = self.model.engine().tokenizer().encode(question, plain)?;
        if question.is_empty() {
            return Ok(vec![0.0; passages.len()]);
        }
        let room = self.model.context().saturating_sub(question.len());
        let prompts = passages.iter().map(|passage| {
            cancel.check()?;
            self.prompt(passage, room)
        });
        let prompts: Vec<_> = prompts.collect::<Result<_, Error>>()?;
        let longest = prompts.iter().map(Vec::len).max().unwrap_or(0);
        // The session holds the instruction from one passage to the next.
        let session = self.model.session(longest + question.len())?;
        let score = |prompt: &Vec<TokenId>| {
            let logprobs = session.logprobs(prompt, &question, cancel).map_err(stopped(cancel))?;
            Ok(logprobs.iter().sum::<f32>() / question.len() as f32)
        };
        prompts.iter().map(score).collect()
    }
}
