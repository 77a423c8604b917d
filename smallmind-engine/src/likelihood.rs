//! How probable a text is that is given.

use crate::{Error, InferenceSession};
use smallmind_abstractions::{CancellationToken, TokenId};
use smallmind_runtime::{Logits, logprobs};
use std::time::Instant;

/// Rows of logits that are held at a time.
const ROWS: usize = 16;

impl InferenceSession {
    /// The natural logarithms of the probabilities that the model gives to the
    /// tokens of `text`, each after those before it and after `prompt`. Their
    /// sum is that of the whole text; e to minus their mean its perplexity.
    ///
    /// A prompt that begins as the session's tokens do is computed from where
    /// it differs.
    ///
    /// ```no_run
    /// use smallmind_abstractions::{CancellationToken, EncodeOptions};
    /// use smallmind_engine::{Engine, EngineOptions, SessionOptions};
    ///
    /// let never = CancellationToken::new();
    /// let engine = Engine::load("model.gguf", EngineOptions::default(), &never)?;
    /// let session = engine.session(SessionOptions::default())?;
    /// let plain = EncodeOptions { add_special: false, parse_special: false };
    /// let prompt = engine.tokenizer().encode("The capital of France is", EncodeOptions::default())?;
    /// let text = engine.tokenizer().encode(" Paris", plain)?;
    /// let probability = session.logprobs(&prompt, &text, &never)?.iter().sum::<f32>().exp();
    /// # Ok::<(), smallmind_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::SessionInUse`], [`Error::EmptyPrompt`],
    /// [`Error::PromptTooLong`], [`Error::BudgetExhausted`], or what the model
    /// reports: a token outside the vocabulary, or that `cancel` was cancelled.
    pub fn logprobs(
        &self,
        prompt: &[TokenId],
        text: &[TokenId],
        cancel: &CancellationToken,
    ) -> Result<Vec<f32>, Error> {
        let lease = self.acquire()?;
        let mut state = lease.state();
        state.forget_guesses();
        let known = prompt.len().checked_sub(1).ok_or(Error::EmptyPrompt)?;
        // Nothing follows the last token.
        let tokens = [prompt, &text[..text.len().saturating_sub(1)]].concat();
        let capacity = state.context.capacity();
        if tokens.len() > capacity {
            return Err(Error::PromptTooLong { tokens: tokens.len(), capacity });
        }
        let cached = tokens[..known].iter().zip(&state.tokens).take_while(|(a, b)| a == b).count();
        self.budget().check(state.spent, (tokens.len() - cached) as u64)?;
        let (began, model) = (Instant::now(), self.engine().model());
        state.truncate(cached);
        state.extend(model, &tokens[cached..known], Logits::None, cancel)?;
        let mut found = Vec::with_capacity(text.len());
        for (new, next) in tokens[known..].chunks(ROWS).zip(text.chunks(ROWS)) {
            let logits = state.extend(model, new, Logits::All, cancel)?;
            let rows = logits.chunks_exact(model.config().vocab_size);
            found.extend(rows.zip(next).map(|(row, id)| logprobs(row, *id, 0).logprob));
        }
        state.spent.time += began.elapsed();
        Ok(found)
    }
}
