//! Findings that are worth saying and are not errors.

use std::fmt;

/// How much a [`Diagnostic`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is wrong.
    Info,
    /// Results may be worse than they could be.
    Warning,
    /// Something asked for does not work.
    Error,
}

impl Severity {
    /// The severity as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A name for a kind of finding that never changes once published, so that
/// programs may match on it. Crates define theirs as constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReasonCode(&'static str);

impl ReasonCode {
    /// A code of the form `AREA_WHAT_HAPPENED`.
    pub const fn new(code: &'static str) -> Self {
        Self(code)
    }

    /// The code as text.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// One finding: a stable code for programs, a sentence for people.
///
/// ```
/// use smallmind_abstractions::{Diagnostic, ReasonCode, Severity};
///
/// let d = Diagnostic::new(
///     ReasonCode::new("MODEL_CONTEXT_CLAMPED"),
///     Severity::Warning,
///     "the context was cut from 9000 to the model's 8192 tokens; pass --ctx 8192",
/// );
/// assert_eq!(d.code.as_str(), "MODEL_CONTEXT_CLAMPED");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of finding this is.
    pub code: ReasonCode,
    /// How much it matters.
    pub severity: Severity,
    /// What was found and what to do about it, in one sentence.
    pub message: String,
}

impl Diagnostic {
    /// Builds a finding.
    pub fn new(code: ReasonCode, severity: Severity, message: impl Into<String>) -> Self {
        Self { code, severity, message: message.into() }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
