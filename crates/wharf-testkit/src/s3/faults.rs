//! What goes wrong, and when: rules that count the requests they fit.

use std::sync::Mutex;
use std::time::Duration;

use super::operation::{Asked, Operation};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection is reset, and nothing was done.
    ResetBefore,
    /// What was asked for is done, and then the connection is reset.
    ResetAfter,
    /// 500 InternalError, and nothing was done.
    Internal,
    /// 503 SlowDown, and nothing was done.
    SlowDown,
    /// 403 AccessDenied, and nothing was done.
    Forbidden,
    /// The answer's body ends in its middle, with the connection. An answer without a body does not come.
    Truncated,
    /// The answer comes so much later.
    SlowFirstByte(Duration),
    /// The answer's body rests so long in its middle, and goes on.
    Stalled(Duration),
}

/// Which requests meet a fault.
///
/// A rule made by [`always`](Self::always) fits every request; each further word narrows it.
#[derive(Debug, Clone)]
pub struct Rule {
    fault: Fault,
    operation: Option<Operation>,
    key: String,
    skipped: usize,
    times: usize,
    seen: usize,
}

/// The rules that hold.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    met: usize,
}

// === impl Rule ===

impl Rule {
    /// Every request.
    pub fn always(fault: Fault) -> Self {
        Self { fault, operation: None, key: String::new(), skipped: 0, times: usize::MAX, seen: 0 }
    }

    /// The n-th request from now on, which is 1 for the next, and no other.
    pub fn nth(n: usize, fault: Fault) -> Self {
        Self { skipped: n.saturating_sub(1), times: 1, ..Self::always(fault) }
    }

    /// Only requests of this kind are counted and meet it.
    #[must_use]
    pub fn of(mut self, operation: Operation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// Only requests for keys that have this in them.
    #[must_use]
    pub fn key(mut self, part: impl Into<String>) -> Self {
        self.key = part.into();
        self
    }

    /// So many requests, one after the other.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn fits(&self, asked: &Asked) -> bool {
        self.operation.is_none_or(|operation| operation == asked.operation) && asked.key.contains(&self.key)
    }

    /// Counts one that fits; whether it is one of those that fail.
    fn strikes(&mut self) -> bool {
        self.seen += 1;
        let turn = self.seen - 1;
        turn >= self.skipped && turn - self.skipped < self.times
    }
}

// === impl Faults ===

impl Faults {
    pub(super) fn add(&self, rule: Rule) {
        self.0.lock().unwrap().rules.push(rule);
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap().rules.clear();
    }

    pub(super) fn met(&self) -> usize {
        self.0.lock().unwrap().met
    }

    /// What happens to this request. All rules that fit it count it.
    pub(super) fn strike(&self, asked: &Asked) -> Option<Fault> {
        let mut state = self.0.lock().unwrap();
        let mut struck = None;
        for rule in state.rules.iter_mut().filter(|rule| rule.fits(asked)) {
            if rule.strikes() {
                struck = struck.or(Some(rule.fault));
            }
        }
        state.met += usize::from(struck.is_some());
        struck
    }
}
