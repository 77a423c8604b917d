//! What is found while a tokenizer is built.

use smallmind_abstractions::{Diagnostic, ReasonCode, Severity};

/// Things wrong or odd, in the order they were met.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub(crate) Vec<Diagnostic>);

impl Findings {
    pub(crate) fn info(&mut self, code: ReasonCode, message: impl Into<String>) {
        self.0.push(Diagnostic::new(code, Severity::Info, message));
    }

    pub(crate) fn warning(&mut self, code: ReasonCode, message: impl Into<String>) {
        self.0.push(Diagnostic::new(code, Severity::Warning, message));
    }

    /// Writes every finding to the log.
    pub(crate) fn log(&self) {
        for issue in &self.0 {
            let (code, message) = (issue.code.as_str(), issue.message.as_str());
            match issue.severity {
                Severity::Info => tracing::info!(code, message, "tokenizer"),
                Severity::Warning => tracing::warn!(code, message, "tokenizer"),
                Severity::Error => tracing::error!(code, message, "tokenizer"),
            }
        }
    }
}

/// Counts cases of one kind and remembers the first.
#[derive(Debug, Default)]
pub(crate) struct Cases {
    pub(crate) count: usize,
    first: String,
}

impl Cases {
    pub(crate) fn add(&mut self, case: impl FnOnce() -> String) {
        if self.count == 0 {
            self.first = case();
        }
        self.count += 1;
    }

    /// `3 … (the first: …)`, where there are any.
    pub(crate) fn report(&self, what: &str) -> Option<String> {
        (self.count > 0).then(|| format!("{} {what} (the first: {})", self.count, self.first))
    }
}
