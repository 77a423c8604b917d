//! Cooperative cancellation with children, deadlines and a cause.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

const LIVE: u8 = 0;
const CANCELLED: u8 = 1;
const TIMED_OUT: u8 = 2;

/// Why work was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CancelCause {
    /// Somebody called [`CancellationToken::cancel`].
    Cancelled,
    /// The deadline passed.
    TimedOut,
}

/// The error of work that was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cancelled {
    /// Somebody called [`CancellationToken::cancel`].
    #[error("the operation was cancelled")]
    Cancelled,
    /// The deadline passed.
    #[error("the operation timed out after {after:?}")]
    TimedOut {
        /// The time allowed, from the token's creation to its deadline.
        after: Duration,
    },
}

impl Cancelled {
    /// The cause without its details.
    pub fn cause(self) -> CancelCause {
        match self {
            Self::Cancelled => CancelCause::Cancelled,
            Self::TimedOut { .. } => CancelCause::TimedOut,
        }
    }
}

/// A flag that long work looks at, shared by whoever may stop it.
///
/// Clones share one flag. A [child](Self::child) is stopped with its parent,
/// but stopping the child leaves the parent alone. A check is one atomic load
/// (and one clock reading where a deadline is set).
///
/// ```
/// use smallmind_abstractions::{CancelCause, CancellationToken};
///
/// let request = CancellationToken::new();
/// let stage = request.child();
/// request.cancel();
/// assert_eq!(stage.cause(), Some(CancelCause::Cancelled));
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancellationToken {
    node: Arc<Node>,
}

#[derive(Debug, Default)]
struct Node {
    state: AtomicU8,
    deadline: Option<Deadline>,
    children: Mutex<Vec<Weak<Node>>>,
}

#[derive(Debug, Clone, Copy)]
struct Deadline {
    at: Instant,
    after: Duration,
}

impl CancellationToken {
    /// A token that nobody has cancelled and that has no deadline.
    pub fn new() -> Self {
        Self::default()
    }

    /// A token whose deadline is `timeout` from now.
    ///
    /// A `timeout` too far away for the clock to express is no deadline.
    pub fn with_timeout(timeout: Duration) -> Self {
        Self::from_node(Node { deadline: Deadline::after(timeout), ..Node::default() })
    }

    /// A token that is stopped when this one is, or by itself.
    pub fn child(&self) -> Self {
        self.child_with(None)
    }

    /// A [child](Self::child) with a deadline of its own, `timeout` from now;
    /// the parent's deadline still holds where it is earlier.
    pub fn child_with_timeout(&self, timeout: Duration) -> Self {
        self.child_with(Deadline::after(timeout))
    }

    fn child_with(&self, own: Option<Deadline>) -> Self {
        let deadline = match (self.node.deadline, own) {
            (Some(a), Some(b)) => Some(if b.at < a.at { b } else { a }),
            (a, b) => a.or(b),
        };
        let child = Self::from_node(Node { deadline, ..Node::default() });
        let mut children = self.node.lock_children();
        // Reading the state under the lock pairs with `stop`, which sets it
        // before it takes the lock: a child is either stopped here or there.
        let state = self.node.state.load(Ordering::Acquire);
        if state == LIVE {
            children.retain(|c| c.strong_count() > 0);
            children.push(Arc::downgrade(&child.node));
        } else {
            child.node.state.store(state, Ordering::Release);
        }
        drop(children);
        child
    }

    fn from_node(node: Node) -> Self {
        Self { node: Arc::new(node) }
    }

    /// Stops this token, its clones and its children. The first cause stays.
    pub fn cancel(&self) {
        self.node.stop(CANCELLED);
    }

    /// True once the work should stop.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.cause().is_some()
    }

    /// Why the work should stop, or `None` while it may go on.
    #[inline]
    pub fn cause(&self) -> Option<CancelCause> {
        match self.node.state.load(Ordering::Acquire) {
            LIVE => match self.node.deadline {
                Some(d) if Instant::now() >= d.at => self.time_out(),
                _ => None,
            },
            CANCELLED => Some(CancelCause::Cancelled),
            _ => Some(CancelCause::TimedOut),
        }
    }

    #[cold]
    fn time_out(&self) -> Option<CancelCause> {
        self.node.stop(TIMED_OUT);
        self.cause()
    }

    /// `Ok` while the work may go on.
    ///
    /// # Errors
    /// [`Cancelled`] with the cause once it should stop.
    #[inline]
    pub fn check(&self) -> Result<(), Cancelled> {
        match self.cause() {
            None => Ok(()),
            Some(CancelCause::Cancelled) => Err(Cancelled::Cancelled),
            Some(CancelCause::TimedOut) => Err(Cancelled::TimedOut {
                after: self.node.deadline.map(|d| d.after).unwrap_or_default(),
            }),
        }
    }

    /// The moment at which this token times out, if it does.
    pub fn deadline(&self) -> Option<Instant> {
        self.node.deadline.map(|d| d.at)
    }
}

impl Deadline {
    fn after(timeout: Duration) -> Option<Self> {
        Instant::now().checked_add(timeout).map(|at| Self { at, after: timeout })
    }
}

impl Node {
    fn stop(&self, cause: u8) {
        if self.state.compare_exchange(LIVE, cause, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return;
        }
        // Taken out first, so that no lock is held while children are stopped.
        let children = std::mem::take(&mut *self.lock_children());
        for child in children.iter().filter_map(Weak::upgrade) {
            child.stop(cause);
        }
    }

    fn lock_children(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Node>>> {
        // The list is valid after any panic: every change to it is one call.
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_and_children_follow_but_do_not_lead() {
        let root = CancellationToken::new();
        let (a, b) = (root.child(), root.child());
        let grandchild = a.child();
        a.clone().cancel();
        assert_eq!(grandchild.check(), Err(Cancelled::Cancelled));
        assert!(b.check().is_ok() && root.check().is_ok());
        root.cancel();
        assert!(b.is_cancelled());
        assert!(root.child().is_cancelled(), "a child of a stopped token is born stopped");
    }

    #[test]
    fn a_deadline_is_a_cause_of_its_own() {
        let token = CancellationToken::with_timeout(Duration::ZERO);
        assert_eq!(token.check(), Err(Cancelled::TimedOut { after: Duration::ZERO }));
        token.cancel();
        assert_eq!(token.cause(), Some(CancelCause::TimedOut), "the first cause stays");
    }

    #[test]
    fn a_child_keeps_the_earlier_deadline() {
        let hour = Duration::from_secs(3600);
        let parent = CancellationToken::with_timeout(hour);
        assert_eq!(parent.child_with_timeout(hour * 2).deadline(), parent.deadline());
        assert!(parent.child_with_timeout(Duration::ZERO).is_cancelled());
        assert!(!parent.is_cancelled());
    }

    #[test]
    fn an_inexpressible_timeout_never_fires() {
        assert!(CancellationToken::with_timeout(Duration::MAX).check().is_ok());
    }

    #[test]
    fn dropped_children_are_forgotten() {
        let root = CancellationToken::new();
        for _ in 0..1000 {
            drop(root.child());
        }
        assert!(root.node.lock_children().len() <= 1);
    }
}
