//! What is asked of a model and what comes back.

use crate::{Diagnostic, PoolStats, SamplingOptions, TokenId, TokenLogprobs};
use smol_str::SmolStr;
use std::time::Duration;

/// The text to continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Text, tokenized with the model's own settings for BOS and EOS. Control
    /// tokens written in it are plain text unless
    /// [`GenerationOptions::parse_special`] is set.
    Text(String),
    /// Token ids, used as they are.
    Tokens(Vec<TokenId>),
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Prompt {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<TokenId>> for Prompt {
    fn from(tokens: Vec<TokenId>) -> Self {
        Self::Tokens(tokens)
    }
}

/// A prompt and how to continue it.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationRequest {
    /// What to continue.
    pub prompt: Prompt,
    /// How to continue it.
    pub options: GenerationOptions,
}

impl GenerationRequest {
    /// A request with default options: greedy, until the model ends its text
    /// or the context is full.
    pub fn new(prompt: impl Into<Prompt>) -> Self {
        Self { prompt: prompt.into(), options: GenerationOptions::default() }
    }

    /// The same request with other options.
    #[must_use]
    pub fn with_options(mut self, options: GenerationOptions) -> Self {
        self.options = options;
        self
    }
}

/// How to continue a prompt.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GenerationOptions {
    /// The largest number of tokens to generate; `None` is until the model
    /// ends its text or the context is full.
    pub max_tokens: Option<usize>,
    /// Texts that end the generation where they appear, across tokens too. They
    /// are no part of the result's text, and nothing of them is streamed.
    pub stop: Vec<String>,
    /// How long the generation may take, from the call on.
    pub timeout: Option<Duration>,
    /// How the next token is chosen.
    pub sampling: SamplingOptions,
    /// Whether control tokens written in a text prompt become those tokens.
    /// Off by default: a user's text must not be able to smuggle them in.
    pub parse_special: bool,
    /// Whether the model's end-of-generation tokens are never chosen.
    pub ignore_eos: bool,
    /// Whether the text begins with that of the prompt.
    pub echo: bool,
    /// Whether each token comes with its probability, and with how many of the
    /// most probable alternatives, at most 20.
    pub logprobs: Option<usize>,
    /// What the text has to follow, from its first token on.
    pub constraint: Option<Constraint>,
}

/// A language that a generated text is a sentence of, or the beginning of one
/// where something else ends it, as [`GenerationOptions::max_tokens`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// Any JSON value.
    Json,
    /// JSON that fits a JSON Schema.
    JsonSchema(String),
    /// A regular expression, which the whole text matches.
    Regex(String),
    /// A context-free grammar in the notation of Lark, as `llguidance` reads
    /// it; its rule `start` is the text.
    Lark(String),
    /// A context-free grammar in llama.cpp's notation, GBNF; its rule `root`
    /// is the text.
    Gbnf(String),
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FinishReason {
    /// The model produced an end-of-generation token.
    EndOfGeneration,
    /// One of [`GenerationOptions::stop`] appeared.
    StopSequence,
    /// [`GenerationOptions::max_tokens`] was reached.
    MaxTokens,
    /// The context window is full.
    ContextFull,
    /// The caller cancelled.
    Cancelled,
    /// The caller's deadline passed.
    TimedOut,
    /// A hard limit of the session's budget was reached; the result's
    /// diagnostics say which.
    BudgetExhausted,
}

impl FinishReason {
    /// A stable lower-case name, for JSON and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EndOfGeneration => "end_of_generation",
            Self::StopSequence => "stop_sequence",
            Self::MaxTokens => "max_tokens",
            Self::ContextFull => "context_full",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::BudgetExhausted => "budget_exhausted",
        }
    }
}

/// How many tokens a generation took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Those of them that the session held already and were not computed.
    pub cached_tokens: usize,
    /// Tokens generated, without the end-of-generation token.
    pub completion_tokens: usize,
    /// Tokens that speculative decoding guessed.
    pub drafted_tokens: usize,
    /// Those of them that were right, and took no forward pass of their own.
    pub accepted_tokens: usize,
}

/// Where the time of a generation went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timings {
    /// Running the prompt through the model.
    pub prefill: Duration,
    /// Producing the tokens after the first: forward passes and sampling.
    pub decode: Duration,
    /// From the call to the first token.
    pub time_to_first_token: Duration,
    /// Tokens sampled in `decode`: one less than all. Each takes a forward pass,
    /// but for those that speculative decoding guessed.
    pub decode_steps: usize,
}

impl Timings {
    /// Prompt tokens computed a second, or `None` where nothing was measured.
    pub fn prefill_rate(&self, usage: &Usage) -> Option<f64> {
        rate(usage.prompt_tokens.saturating_sub(usage.cached_tokens), self.prefill)
    }

    /// Decoded tokens a second, or `None` where nothing was measured.
    pub fn decode_rate(&self) -> Option<f64> {
        rate(self.decode_steps, self.decode)
    }
}

fn rate(count: usize, time: Duration) -> Option<f64> {
    (count > 0 && !time.is_zero()).then(|| count as f64 / time.as_secs_f64())
}

/// What a streaming generation yields.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "the large one comes once, at the end")]
pub enum GenerationEvent {
    /// A token was chosen.
    Token {
        /// Its id.
        id: TokenId,
        /// The text that became complete with it; empty while a UTF-8
        /// character is still incomplete, or where a stop sequence may have
        /// begun. Short texts take no memory of their own.
        text: SmolStr,
        /// How probable it was, where [`GenerationOptions::logprobs`] is set.
        logprobs: Option<TokenLogprobs>,
    },
    /// Text that belongs to no single token: the prompt's where it is echoed,
    /// and what was held back until the end.
    Text(String),
    /// The generation ended; nothing follows.
    Finished(GenerationResult),
}

impl GenerationEvent {
    /// The text that is new with it, to be shown after that of the events
    /// before.
    pub fn text(&self) -> &str {
        match self {
            Self::Token { text, .. } => text,
            Self::Text(text) => text,
            Self::Finished(_) => "",
        }
    }
}

/// A finished generation.
#[derive(Debug, Clone, PartialEq)]
pub struct GenerationResult {
    /// The text generated; after the prompt's where
    /// [`GenerationOptions::echo`] is set.
    pub text: String,
    /// Which of the stop sequences ended it.
    pub stop: Option<String>,
    /// The ids generated, without the end-of-generation token; with those of
    /// the stop sequence.
    pub tokens: Vec<TokenId>,
    /// How probable each of the tokens was; empty unless
    /// [`GenerationOptions::logprobs`] is set.
    pub logprobs: Vec<TokenLogprobs>,
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// How many tokens it took.
    pub usage: Usage,
    /// Where the time went.
    pub timings: Timings,
    /// What the pool of buffers did until its end, for all sessions.
    pub pool: PoolStats,
    /// What is worth saying about it.
    pub diagnostics: Vec<Diagnostic>,
}
