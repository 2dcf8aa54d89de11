//! Stores that fail when a test says so, and that wait where a test says so.
//!
//! A [`Faults`] is the test's hand on one or several wrapped stores: calls are told apart by what they are
//! ([`Call`]), not by who is asked for what.

mod blobs;
mod objects;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use blobs::FlakyBlobs;
pub use objects::FlakyObjects;
use tokio::sync::oneshot;
use wharf_store::{Error, Result, Retry};

use crate::deadline::within;

/// A method of a port, or a step of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "they are the methods of BlobStore and of Objects")]
pub enum Call {
    Stat,
    Read,
    Put,
    Remove,
    List,
    Begin,
    Append,
    Status,
    Commit,
    /// Before anything of a `finish`.
    Finish,
    /// After a `finish` that has published its blob: a failure is an answer that was lost.
    Finished,
    Close,
    Abort,
    Uploads,
    Sweep,
    GetObject,
    /// A `put`, and of a `put_all` each object: those before it are written.
    PutObject,
    /// After a `put_all` whose groups are all durable: a failure is an answer that was lost.
    AllPut,
    RemoveObject,
    RemoveAllObjects,
    Children,
    HaveChildren,
    Repositories,
    Renew,
    Lock,
}

/// What shall go wrong, and where to wait. Clones are the same hand.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    failures: HashMap<Call, Failures>,
    gates: HashMap<Call, VecDeque<Barred>>,
    counts: HashMap<Call, usize>,
    /// Calls of which the next one panics.
    panics: Vec<Call>,
    /// Whether the next blob that is read panics after its first bytes.
    body_panics: bool,
}

/// Which of the coming calls fail, and how.
#[derive(Debug, Clone, Copy)]
struct Failures {
    after: usize,
    times: usize,
    retry: Retry,
}

/// The store's side of a [`Gate`].
#[derive(Debug)]
struct Barred {
    arrived: oneshot::Sender<()>,
    opened: oneshot::Receiver<()>,
}

/// One call that is going to wait. Dropping the gate opens it.
#[derive(Debug)]
pub struct Gate {
    call: Call,
    arrived: oneshot::Receiver<()>,
    opened: oneshot::Sender<()>,
}

// === impl Call ===

impl Call {
    /// Every call, blobs' first.
    pub const ALL: [Self; 25] = [
        Self::Stat,
        Self::Read,
        Self::Put,
        Self::Remove,
        Self::List,
        Self::Begin,
        Self::Append,
        Self::Status,
        Self::Commit,
        Self::Finish,
        Self::Finished,
        Self::Close,
        Self::Abort,
        Self::Uploads,
        Self::Sweep,
        Self::GetObject,
        Self::PutObject,
        Self::AllPut,
        Self::RemoveObject,
        Self::RemoveAllObjects,
        Self::Children,
        Self::HaveChildren,
        Self::Repositories,
        Self::Renew,
        Self::Lock,
    ];
}

// === impl Faults ===

impl Faults {
    /// The next `times` calls fail, in a way that may pass.
    pub fn fail(&self, call: Call, times: usize) {
        let retry = Retry::Later;
        self.set(call, Failures { after: 0, times, retry });
    }

    /// So many calls go well, and then all fail, in a way that may pass.
    pub fn fail_after(&self, call: Call, after: usize) {
        let (times, retry) = (usize::MAX, Retry::Later);
        self.set(call, Failures { after, times, retry });
    }

    /// So many calls go well, the next one fails in a way that may pass, and all after it go well again.
    pub fn fail_once_after(&self, call: Call, after: usize) {
        let (times, retry) = (1, Retry::Later);
        self.set(call, Failures { after, times, retry });
    }

    /// Everything fails until [`mend`](Self::mend).
    pub fn fail_everything(&self, retry: Retry) {
        let (after, times) = (0, usize::MAX);
        for call in Call::ALL {
            self.set(call, Failures { after, times, retry });
        }
    }

    /// The next call panics.
    pub fn panic_once(&self, call: Call) {
        self.plan().panics.push(call);
    }

    /// The body of the next blob that is read panics after its first half.
    pub fn panic_in_body(&self) {
        self.plan().body_panics = true;
    }

    /// Nothing fails any more.
    pub fn mend(&self) {
        self.plan().failures.clear();
    }

    /// Makes the next call that no other gate waits for stop before it does anything.
    pub fn bar(&self, call: Call) -> Gate {
        let (arrived, has_arrived) = oneshot::channel();
        let (open, opened) = oneshot::channel();
        let barred = Barred { arrived, opened };
        self.plan().gates.entry(call).or_default().push_back(barred);
        Gate { call, arrived: has_arrived, opened: open }
    }

    /// How often this was called.
    pub fn count(&self, call: Call) -> usize {
        self.plan().counts.get(&call).copied().unwrap_or_default()
    }

    /// Lets a call through, in its time, or has it fail.
    async fn pass(&self, call: Call) -> Result<()> {
        let barred = self.arrive(call);
        if let Some(barred) = barred {
            // A test that no longer looks, and a gate that was dropped, are no reason to stop.
            let _ = barred.arrived.send(());
            let _ = barred.opened.await;
        }
        self.verdict(call)
    }

    /// Whether the next call is going to wait or to fail.
    fn interrupts(&self, call: Call) -> bool {
        let plan = self.plan();
        let waits = plan.gates.get(&call).is_some_and(|gates| !gates.is_empty());
        waits
            || plan.panics.contains(&call)
            || plan.failures.get(&call).is_some_and(|failures| failures.times > 0 && failures.after == 0)
    }

    fn arrive(&self, call: Call) -> Option<Barred> {
        let mut plan = self.plan();
        *plan.counts.entry(call).or_default() += 1;
        plan.gates.get_mut(&call).and_then(VecDeque::pop_front)
    }

    fn verdict(&self, call: Call) -> Result<()> {
        let mut plan = self.plan();
        if let Some(index) = plan.panics.iter().position(|panics| *panics == call) {
            plan.panics.remove(index);
            drop(plan);
            panic!("{call:?} panics because a test said so");
        }
        let Some(failures) = plan.failures.get_mut(&call).filter(|failures| failures.times > 0) else {
            return Ok(());
        };
        if failures.after > 0 {
            failures.after -= 1;
            return Ok(());
        }
        failures.times -= 1;
        Err(Error::Backend {
            backend: "flaky",
            operation: format!("{call:?}"),
            retry: failures.retry,
            source: "a test said so".into(),
        })
    }

    fn takes_panic_in_body(&self) -> bool {
        std::mem::take(&mut self.plan().body_panics)
    }

    fn set(&self, call: Call, failures: Failures) {
        self.plan().failures.insert(call, failures);
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Gate ===

impl Gate {
    /// Waits until the call has come to the gate.
    pub async fn reached(&mut self) {
        let reached = within(&format!("{:?} to be called", self.call), &mut self.arrived).await;
        assert!(reached.is_ok(), "{:?} can never be called now", self.call);
    }

    /// Lets the call go on.
    pub fn open(self) {
        // The call may have been dropped meanwhile, as when a client hangs up.
        let _ = self.opened.send(());
    }
}
