//! What was said, and how much of it the model still sees.

use super::{Message, Role};
use serde::{Deserialize, Serialize};

/// What stands before a summary in the system prompt.
const SUMMARY: &str = "Summary of the conversation so far:";

/// The messages of a chat.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct History {
    pub(super) system: Option<String>,
    pub(super) messages: Vec<Message>,
    /// Messages, the oldest, that the model does not see any more.
    pub(super) unsent: usize,
    /// What stands for them.
    pub(super) summary: Option<String>,
    /// Tokens after the first few that the model does not see any more.
    pub(super) cut: usize,
}

impl History {
    /// What the model sees.
    pub(super) fn sent(&self) -> impl Iterator<Item = Message> {
        let parts = [self.system.clone(), self.summary.as_ref().map(|s| format!("{SUMMARY}\n{s}"))];
        let system = parts.into_iter().flatten().reduce(|a, b| format!("{a}\n\n{b}"));
        let messages = self.messages.iter().skip(self.unsent).cloned();
        system.map(Message::system).into_iter().chain(messages)
    }

    /// Forgets the messages from `len` on, and where that goes back to what the
    /// model does not see any more, it sees all of the rest again.
    pub(super) fn truncate(&mut self, len: usize) {
        self.messages.truncate(len);
        self.cut = 0;
        if len <= self.unsent {
            self.unsent = 0;
            self.summary = None;
        }
    }

    /// Where the last `count` turns begin that the model sees, at least one.
    pub(super) fn last_turns(&self, count: usize) -> usize {
        self.turns().rev().nth(count.max(1) - 1).unwrap_or(self.unsent)
    }

    /// Where the second turn begins that the model sees.
    pub(super) fn second_turn(&self) -> Option<usize> {
        self.turns().find(|at| *at > self.unsent)
    }

    /// Where turns begin: at what a user says.
    fn turns(&self) -> impl DoubleEndedIterator<Item = usize> {
        let messages = self.messages.iter().enumerate().skip(self.unsent);
        messages.filter(|(_, message)| message.role == Role::User).map(|(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        let messages = (0..3)
            .flat_map(|i| [Message::user(format!("u{i}")), Message::assistant(format!("a{i}"))]);
        History { system: Some("rules".into()), messages: messages.collect(), ..Default::default() }
    }

    fn sent(history: &History) -> Vec<String> {
        history.sent().map(|message| message.content).collect()
    }

    #[test]
    fn the_model_sees_the_last_turns_and_a_summary_of_the_rest() {
        let mut history = history();
        assert_eq!([0, 1, 2, 3, 9].map(|n| history.last_turns(n)), [4, 4, 2, 0, 0]);
        assert_eq!(history.second_turn(), Some(2));
        history.unsent = 4;
        assert_eq!(sent(&history), ["rules", "u2", "a2"]);
        assert_eq!((history.last_turns(9), history.second_turn()), (4, None));
        history.summary = Some("short".into());
        assert_eq!(sent(&history)[0], "rules\n\nSummary of the conversation so far:\nshort");
        history.system = None;
        assert_eq!(sent(&history)[0], "Summary of the conversation so far:\nshort");
    }

    #[test]
    fn what_is_taken_back_is_seen_again() {
        let mut history = history();
        (history.unsent, history.summary) = (4, Some("short".into()));
        let mut kept = history.clone();
        kept.truncate(5);
        assert_eq!((kept.unsent, kept.summary.is_some()), (4, true));
        history.truncate(3);
        assert_eq!(sent(&history), ["rules", "u0", "a0", "u1"]);
    }
}
