//! What a session may use in all.

use crate::Error;
use smallmind_abstractions::{Diagnostic, ReasonCode, Severity};
use std::time::Duration;

/// Two limits: beyond the soft one results carry a warning, at the hard one
/// work ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits<T> {
    /// Where warnings begin.
    pub soft: Option<T>,
    /// Where work ends.
    pub hard: Option<T>,
}

impl<T> Default for Limits<T> {
    /// No limits.
    fn default() -> Self {
        Self { soft: None, hard: None }
    }
}

/// What a session may use in all its generations.
///
/// A generation that reaches a hard limit ends there with
/// [`FinishReason::BudgetExhausted`](smallmind_abstractions::FinishReason);
/// the next one is refused with [`Error::BudgetExhausted`].
///
/// ```
/// use smallmind_engine::{Limits, SessionBudget};
/// use std::time::Duration;
///
/// let budget = SessionBudget {
///     tokens: Limits { soft: Some(50_000), hard: Some(60_000) },
///     time: Limits { soft: None, hard: Some(Duration::from_secs(120)) },
///     ..Default::default()
/// };
/// # let _ = budget;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SessionBudget {
    /// Tokens computed: those of prompts that the session did not hold yet,
    /// and those generated.
    pub tokens: Limits<u64>,
    /// Time spent computing.
    pub time: Limits<Duration>,
    /// Bytes of keys and values, checked when the session is opened.
    pub memory: Limits<u64>,
}

/// More tokens were computed than the soft limit.
pub const TOKENS_SOFT_LIMIT: ReasonCode = ReasonCode::new("SESSION_TOKENS_SOFT_LIMIT");
/// As many tokens were computed as the hard limit allows.
pub const TOKENS_HARD_LIMIT: ReasonCode = ReasonCode::new("SESSION_TOKENS_HARD_LIMIT");
/// More time was spent than the soft limit.
pub const TIME_SOFT_LIMIT: ReasonCode = ReasonCode::new("SESSION_TIME_SOFT_LIMIT");
/// As much time was spent as the hard limit allows.
pub const TIME_HARD_LIMIT: ReasonCode = ReasonCode::new("SESSION_TIME_HARD_LIMIT");
/// Keys and values take more memory than the soft limit.
pub const MEMORY_SOFT_LIMIT: ReasonCode = ReasonCode::new("SESSION_MEMORY_SOFT_LIMIT");
/// Keys and values would take more memory than the hard limit.
pub const MEMORY_HARD_LIMIT: ReasonCode = ReasonCode::new("SESSION_MEMORY_HARD_LIMIT");

/// What a session has used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) tokens: u64,
    pub(crate) time: Duration,
}

impl SessionBudget {
    /// A warning where `bytes` are above the soft limit.
    pub(crate) fn check_memory(&self, bytes: usize) -> Result<Option<Diagnostic>, Error> {
        let bytes = bytes as u64;
        if let Some(hard) = self.memory.hard.filter(|hard| bytes > *hard) {
            return Err(exhausted(MEMORY_HARD_LIMIT, "0 bytes", format!("{hard} bytes"), bytes));
        }
        let soft = self.memory.soft.filter(|soft| bytes > *soft);
        Ok(soft.map(|soft| {
            let text = format!("keys and values take {bytes} bytes; the soft limit is {soft}");
            Diagnostic::new(MEMORY_SOFT_LIMIT, Severity::Warning, text)
        }))
    }

    /// Refuses a generation that a hard limit leaves no room for: one of
    /// `wanted` tokens at least.
    pub(crate) fn check(&self, spent: Spent, wanted: u64) -> Result<(), Error> {
        if let Some(hard) = self.tokens.hard.filter(|hard| spent.tokens + wanted > *hard) {
            let used = format!("{} tokens", spent.tokens);
            return Err(exhausted(TOKENS_HARD_LIMIT, &used, hard, format!("{wanted} tokens")));
        }
        match self.time.hard.filter(|hard| spent.time >= *hard) {
            None => Ok(()),
            Some(hard) => {
                let used = format!("{:?}", spent.time);
                Err(exhausted(TIME_HARD_LIMIT, &used, format!("{hard:?}"), "time"))
            }
        }
    }

    /// The time that the hard limit leaves.
    pub(crate) fn time_left(&self, spent: Spent) -> Option<Duration> {
        self.time.hard.map(|hard| hard.saturating_sub(spent.time))
    }

    /// The finding where no further token may be computed.
    pub(crate) fn tokens_exhausted(&self, spent: Spent) -> Option<Diagnostic> {
        let hard = self.tokens.hard.filter(|hard| spent.tokens >= *hard)?;
        let text = format!("the session has computed the {hard} tokens it may");
        Some(Diagnostic::new(TOKENS_HARD_LIMIT, Severity::Error, text))
    }

    /// The finding where the time is over.
    pub(crate) fn time_exhausted(&self) -> Diagnostic {
        let text = format!("the session has computed for the {:?} it may", self.time.hard);
        Diagnostic::new(TIME_HARD_LIMIT, Severity::Error, text)
    }

    /// The soft limits that are behind.
    pub(crate) fn warnings(&self, spent: Spent) -> Vec<Diagnostic> {
        let tokens = self.tokens.soft.filter(|soft| spent.tokens > *soft).map(|soft| {
            let text = format!("{} tokens are computed; the soft limit is {soft}", spent.tokens);
            Diagnostic::new(TOKENS_SOFT_LIMIT, Severity::Warning, text)
        });
        let time = self.time.soft.filter(|soft| spent.time > *soft).map(|soft| {
            let text = format!("{:?} are spent; the soft limit is {soft:?}", spent.time);
            Diagnostic::new(TIME_SOFT_LIMIT, Severity::Warning, text)
        });
        tokens.into_iter().chain(time).collect()
    }
}

fn exhausted(code: ReasonCode, used: &str, limit: impl ToString, wanted: impl ToString) -> Error {
    Error::BudgetExhausted {
        code,
        used: used.to_owned(),
        limit: limit.to_string(),
        wanted: wanted.to_string(),
    }
}
