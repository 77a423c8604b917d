//! What happens when the context window is full.

use super::history::History;
use super::session::{ChatSession, ChatState};
use super::{Message, prompt};
use crate::Error;
use smallmind_abstractions::{CancellationToken, GenerationOptions, GenerationRequest, TokenId};

/// What is done where the prompt leaves no room for a reply.
///
/// The messages stay in the chat in any case; only the model does not see all
/// of them any more, and is not shown them again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ContextPolicy {
    /// Nothing: [`Error::PromptTooLong`] says both lengths.
    #[default]
    Refuse,
    /// The system prompt and so many of the last turns are kept, the one to be
    /// replied to among them.
    KeepTurns(usize),
    /// The first and the last tokens of the whole prompt are kept, wherever
    /// that cuts. Attention leans on the first few, whatever they are (Xiao et
    /// al. 2023), and wants them kept.
    KeepTokens {
        /// How many of the first.
        sinks: usize,
        /// How many of the last.
        recent: usize,
    },
    /// The model summarises all but the last turns; the summary becomes a part
    /// of the system prompt.
    Summarise {
        /// How many of the last turns are kept as they are.
        keep_turns: usize,
        /// The longest summary.
        max_tokens: usize,
    },
}

/// What was kept from the model so that the rest fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextTruncation {
    /// Messages that it does not see any more.
    pub messages: usize,
    /// By how many tokens the prompt is shorter.
    pub tokens: usize,
    /// Tokens that the prompt had before.
    pub prompt_tokens: usize,
    /// Tokens that the context holds.
    pub capacity: usize,
    /// What stands for the messages, where they were summarised.
    pub summary: Option<String>,
}

/// What is asked for a summary.
const INSTRUCTION: &str = "Summarise our conversation so far, so that it can be continued from your \
summary alone. Keep names, numbers, decisions and open questions. Write the summary only.";

impl ChatSession {
    /// The prompt that a chat's messages make, and what had to go for it to fit.
    pub(super) fn fit(
        &self,
        history: &mut History,
        state: &mut ChatState,
        options: &GenerationOptions,
        cancel: &CancellationToken,
    ) -> Result<(Vec<TokenId>, Option<ContextTruncation>), Error> {
        let capacity = self.capacity()?;
        let prompt = self.prompt(history, state)?;
        let reply = options.max_tokens.unwrap_or(capacity / 8).min(capacity / 4).max(1);
        if prompt.len() + reply <= capacity {
            return Ok((prompt, None));
        }
        let before = history.clone();
        match self.policy() {
            ContextPolicy::Refuse => {}
            ContextPolicy::KeepTurns(turns) => history.unsent = history.last_turns(turns),
            ContextPolicy::KeepTokens { sinks, recent } => {
                let more = prompt.len().saturating_sub(sinks.saturating_add(recent));
                history.cut += more;
            }
            ContextPolicy::Summarise { keep_turns, max_tokens } => {
                let from = history.last_turns(keep_turns);
                if from > history.unsent {
                    let summary = self.summarise(history, state, from, max_tokens, cancel)?;
                    (history.unsent, history.summary) = (from, Some(summary));
                }
            }
        }
        if *history == before {
            return Ok((prompt, None));
        }
        let shorter = self.prompt(history, state)?;
        let truncation = ContextTruncation {
            messages: history.unsent - before.unsent,
            tokens: prompt.len().saturating_sub(shorter.len()),
            prompt_tokens: prompt.len(),
            capacity,
            summary: history.summary.clone().filter(|_| history.summary != before.summary),
        };
        Ok((shorter, Some(truncation)))
    }

    /// The tokens of what the model sees.
    fn prompt(&self, history: &History, state: &mut ChatState) -> Result<Vec<TokenId>, Error> {
        let (messages, options) = (history.sent().collect(), self.render_options());
        let (text, mark) = self.template().marked(self.engine(), messages, options)?;
        if state.mark.replace(mark) != Some(mark) {
            state.transcript = Default::default();
        }
        let tokenizer = self.engine().tokenizer();
        let encode = |text: &str, whole: bool| prompt::encode(tokenizer, text, mark, whole);
        let mut tokens = state.transcript.prompt(text, encode)?.to_vec();
        if let ContextPolicy::KeepTokens { sinks, .. } = self.policy() {
            let first = sinks.min(tokens.len());
            tokens.drain(first..tokens.len().min(first + history.cut));
        }
        Ok(tokens)
    }

    /// Has the model summarise the messages before `from`. Where they leave no
    /// room for that, the oldest turns are not in the summary.
    fn summarise(
        &self,
        history: &History,
        state: &ChatState,
        from: usize,
        max_tokens: usize,
        cancel: &CancellationToken,
    ) -> Result<String, Error> {
        let mut part = history.clone();
        part.messages.truncate(from);
        part.messages.push(Message::user(INSTRUCTION));
        let mut state = state.clone();
        let capacity = self.capacity()?;
        let prompt = loop {
            let prompt = self.prompt(&part, &mut state)?;
            if prompt.len() + max_tokens <= capacity {
                break prompt;
            }
            match part.second_turn().filter(|at| *at < from) {
                Some(at) => part.unsent = at,
                None => return Err(Error::PromptTooLong { tokens: prompt.len(), capacity }),
            }
        };
        let options = GenerationOptions { max_tokens: Some(max_tokens), ..Default::default() };
        let request = GenerationRequest::new(prompt).with_options(options);
        let result = self.session().generate(&request, cancel).map_err(Error::without_text)?;
        Ok(result.text.trim().to_owned())
    }
}
