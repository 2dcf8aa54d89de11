//! Operations on the tree, one store call at a time, in every order that two of them can have.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_oci::RepositoryName;

use crate::error::Result;
use crate::layout::{Dir, Key};
use crate::objects::{
    AgedObject, LockMode, Objects, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock, put_in_turn,
};
use crate::{LayoutMetadata, MemoryStore};

/// How a store keeps a decision and the act that follows from it together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Atomicity {
    /// By locks, as a directory does.
    Locks,
    /// By conditions on the content, as a bucket does: equal content is the same version.
    Conditions,
    /// Not at all: whatever is there is removed.
    Neither,
}

/// A memory store each of whose calls is one step: it happens when its operation is polled again.
#[derive(Debug)]
struct Stepwise {
    store: MemoryStore,
    atomicity: Atomicity,
}

/// An operation and where its answer goes.
pub(super) type Operation<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// What a test looks at before, and after, the operations of one run.
pub(super) struct World {
    /// The tree without steps.
    pub(super) direct: LayoutMetadata,
    /// The tree whose calls are steps.
    pub(super) stepwise: LayoutMetadata,
    /// Those calls, for a tree that records them.
    pub(super) steps: Arc<dyn Objects>,
    /// The store below both trees.
    pub(super) store: MemoryStore,
}

/// Gives the other operations their chance, once.
struct Step(bool);

thread_local! {
    /// Counts steps that began or were made, so that a poll that only waits for a lock is seen.
    static STEPS: Cell<u64> = const { Cell::new(0) };
    /// What was touched in this poll.
    static ACCESSES: RefCell<Vec<Access>> = const { RefCell::new(Vec::new()) };
}

/// What a step touches.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    Read(String),
    /// Read everything.
    ReadAll,
    /// Changed an object, or all below a path.
    Write(String),
    /// Changed how a lock is held or waited for.
    Lock,
}

impl Access {
    fn conflicts_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Write(one), Self::Write(other) | Self::Read(other))
            | (Self::Read(one), Self::Write(other)) => one.starts_with(other) || other.starts_with(one),
            (Self::ReadAll, Self::Write(_)) | (Self::Write(_), Self::ReadAll) | (Self::Lock, Self::Lock) => {
                true
            }
            _ => false,
        }
    }

    fn note(self) {
        ACCESSES.with_borrow_mut(|accesses| accesses.push(self));
    }
}

/// A lock whose release is seen.
struct NotedLock(Option<RepositoryLock>);

impl Drop for NotedLock {
    fn drop(&mut self) {
        self.0.take();
        Access::Lock.note();
    }
}

impl World {
    pub(super) fn new(atomicity: Atomicity) -> Self {
        let store = MemoryStore::default();
        let steps: Arc<dyn Objects> = Arc::new(Stepwise { store: store.clone(), atomicity });
        // One at a time, so that the order of steps is the order of polls.
        let tree = |objects: Arc<dyn Objects>| LayoutMetadata::new(objects).with_concurrency(1);
        Self { direct: tree(Arc::new(store.clone())), stepwise: tree(Arc::clone(&steps)), steps, store }
    }
}

/// Polls the operations in the order that `schedule` chooses; what it leaves open, the first of them does. An operation
/// that was found to wait for a lock is no choice until another has made progress. Returns each choice that was made, and
/// among how many.
pub(super) fn run(operations: &mut [Operation<'_>], schedule: &[usize]) -> Vec<(usize, usize)> {
    run_with(operations, schedule, |_, _| false)
}

/// As [`run`], for a check of what the operations answer and leave: of orders that differ only in steps that do not depend
/// on each other, one is enough. Where a step could as well have come before the one of a later operation, nothing after
/// it is reported as a choice.
pub(super) fn run_reduced(operations: &mut [Operation<'_>], schedule: &[usize]) -> Vec<(usize, usize)> {
    run_with(operations, schedule, |before, after| {
        let independent = |one: &Access| after.iter().all(|other| !one.conflicts_with(other));
        !before.is_empty() && !after.is_empty() && before.iter().all(independent)
    })
}

fn run_with(
    operations: &mut [Operation<'_>],
    schedule: &[usize],
    are_independent: impl Fn(&[Access], &[Access]) -> bool,
) -> Vec<(usize, usize)> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut ready: Vec<usize> = (0..operations.len()).collect();
    let (mut waiting, mut choices) = (Vec::new(), Vec::new());
    let (mut last, mut redundant): (Option<(usize, Vec<Access>)>, bool) = (None, false);
    while !(ready.is_empty() && waiting.is_empty()) {
        assert!(!ready.is_empty(), "the operations wait for each other: {choices:?}");
        let choice = schedule.get(choices.len()).copied().unwrap_or_default();
        choices.push((choice, if redundant { 1 } else { ready.len() }));
        let (before, operation) = (STEPS.get(), ready[choice]);
        ACCESSES.take();
        let poll = operations[operation].as_mut().poll(&mut cx);
        let accesses = ACCESSES.take();
        redundant |=
            last.is_some_and(|(later, before)| later > operation && are_independent(&before, &accesses));
        last = Some((operation, accesses));
        if poll.is_pending() && STEPS.get() == before {
            waiting.push(ready.remove(choice));
            continue;
        }
        if poll.is_ready() {
            ready.remove(choice);
        }
        ready.append(&mut waiting);
        ready.sort_unstable();
    }
    choices
}

/// Calls `check` with every schedule in which the operations are polled differently. `check` runs one and returns what
/// [`run`] has returned.
pub(super) fn every_schedule(mut check: impl FnMut(&[usize]) -> Vec<(usize, usize)>) -> usize {
    let (mut schedule, mut runs) = (Vec::new(), 0);
    loop {
        let polled = check(&schedule);
        runs += 1;
        // The last poll that could have gone to a later operation goes to that one next time.
        let Some(last) = polled.iter().rposition(|(chosen, live)| chosen + 1 < *live) else { return runs };
        schedule = polled[..last].iter().map(|(chosen, _)| *chosen).collect();
        schedule.push(polled[last].0 + 1);
    }
}

/// Calls `check` with so many schedules of three operations, drawn at random but the same each time.
pub(super) fn some_schedules(runs: usize, mut check: impl FnMut(&[usize])) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..runs {
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % 3).unwrap()
        };
        let schedule: Vec<usize> = (0..60).map(|_| draw()).collect();
        check(&schedule);
    }
}

impl Future for Step {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        STEPS.set(STEPS.get() + 1);
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn step() {
    Step(false).await;
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Objects for Stepwise {
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>> {
        step().await;
        Access::Read(key.path()).note();
        self.store.get(key).await
    }

    async fn get_with_age(&self, key: &Key<'_>) -> Result<Option<AgedObject>> {
        step().await;
        Access::Read(key.path()).note();
        self.store.get_with_age(key).await
    }

    async fn lock(&self, repository: &RepositoryName, mode: LockMode) -> Result<RepositoryLock> {
        match self.atomicity {
            Atomicity::Locks => {
                step().await;
                Access::Lock.note();
                let lock = self.store.lock(repository, mode).await?;
                Access::Lock.note();
                Ok(RepositoryLock::until_dropped(NotedLock(Some(lock))))
            }
            Atomicity::Conditions | Atomicity::Neither => Ok(RepositoryLock::none()),
        }
    }

    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome> {
        step().await;
        Access::Write(key.path()).note();
        self.store.put(key, bytes, condition).await
    }

    async fn put_all(&self, groups: Vec<Vec<Put<'_>>>) -> Result<()> {
        put_in_turn(self, groups).await
    }

    async fn remove(&self, key: &Key<'_>) -> Result<bool> {
        step().await;
        Access::Write(key.path()).note();
        self.store.remove(key).await
    }

    async fn remove_if(&self, key: &Key<'_>, seen: &AgedObject) -> Result<RemoveOutcome> {
        step().await;
        Access::Write(key.path()).note();
        let current = self.store.get_with_age(key).await?;
        let ignored = match self.atomicity {
            Atomicity::Locks => false,
            Atomicity::Conditions => current.as_ref().is_some_and(|object| object.bytes == seen.bytes),
            Atomicity::Neither => true,
        };
        self.store.remove_if(key, current.as_ref().filter(|_| ignored).unwrap_or(seen)).await
    }

    async fn remove_all(&self, dir: &Dir<'_>) -> Result<()> {
        step().await;
        Access::Write(dir.path()).note();
        self.store.remove_all(dir).await
    }

    async fn children(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        step().await;
        Access::ReadAll.note();
        self.store.children(dir, after, limit).await
    }

    async fn children_of_each(&self, dirs: &[Dir<'_>], limit: usize) -> Result<Vec<Vec<String>>> {
        step().await;
        Access::ReadAll.note();
        self.store.children_of_each(dirs, limit).await
    }

    async fn have_children(&self, dirs: &[Dir<'_>]) -> Result<Vec<bool>> {
        step().await;
        Access::ReadAll.note();
        self.store.have_children(dirs).await
    }

    async fn repositories(
        &self,
        prefix: Option<&RepositoryName>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<RepositoryName>>> {
        self.store.repositories(prefix, after, limit).await
    }

    async fn renew(&self, key: &Key<'_>, seen: SystemTime, older_than: Duration) -> Result<bool> {
        step().await;
        Access::Write(key.path()).note();
        self.store.renew(key, seen, older_than).await
    }
}
