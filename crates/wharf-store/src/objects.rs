//! The floor the v2 tree stands on: small whole objects by key, and one level of names.

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_oci::RepositoryName;

use crate::error::Result;
use crate::layout::{Dir, Key};

/// Small objects by key: what a file system and a bucket have in common.
///
/// Only [`LayoutMetadata`](crate::LayoutMetadata) calls it.
///
/// # Contract
/// - `put` is atomic (a reader sees the old bytes or the new, whole) and durable when it answers.
/// - `put` with a condition and `remove_if` decide and act as one step, also beside writers in other processes: in a
///   bucket by the condition of the request; on a disk because the caller has acquired the repository's exclusive lock,
///   and every other writer its shared one. Of two writers under [`PutIf::Absent`] one is refused.
/// - `remove` and `remove_if` are durable when they answer, and leave other objects alone whatever stands beside them.
/// - Absent is `None` or `false`; an error means that the store could not look.
///
/// A backend runs `objects_suite!`.
#[async_trait]
pub trait Objects: fmt::Debug + Send + Sync + 'static {
    /// The bytes under `key`; of an object longer than [`Key::most_bytes`] its beginning, one byte more than these.
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>>;

    /// The bytes under `key` and when they were last written or renewed, for a caller that will rely on the object. Costs
    /// as many requests as `get`.
    async fn get_with_age(&self, key: &Key<'_>) -> Result<Option<AgedObject>>;

    /// Acquires the lock of a repository's small objects, in this process and in all others on the same store.
    ///
    /// Writers without a condition acquire it shared; conditional writes and removals acquire it exclusive. A store that
    /// decides conditions itself excludes no one and answers [`RepositoryLock::none`]; readers need no lock on any store.
    /// Several repositories may share a lock, so a caller acquires at most one at a time. The wait is bounded: a lock that
    /// is not free in time is a [`Backend`](crate::Error::Backend) error that may succeed later.
    async fn lock(&self, repository: &RepositoryName, mode: LockMode) -> Result<RepositoryLock>;

    /// Writes `bytes` under `key`, on a condition.
    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome>;

    /// Writes every group of `groups`, one group after the other: no object of a later group is seen, or is there after a
    /// power cut, before the earlier groups are durable. All are durable when it answers. Where waiting can be shared this
    /// costs little more than one `put`.
    async fn put_all(&self, groups: Vec<Vec<Put<'_>>>) -> Result<()>;

    /// Removes `key`; returns whether it was there.
    async fn remove(&self, key: &Key<'_>) -> Result<bool>;

    /// Removes `key` if what [`get_with_age`](Self::get_with_age) has read is still what is stored under it.
    async fn remove_if(&self, key: &Key<'_>, seen: &AgedObject) -> Result<RemoveOutcome>;

    /// Removes all objects below `dir`.
    async fn remove_all(&self, dir: &Dir<'_>) -> Result<()>;

    /// The names one level below `dir`, in byte order, after `after`, at most `limit`: those that hold the object
    /// [`Dir::holding`] names, or any if it names none.
    async fn children(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>>;

    /// `children` of each of `dirs` from the beginning, many questions for the price of a few. The first is always
    /// answered; a store that would have to ask anew for those at the end may leave them out.
    async fn children_of_each(&self, dirs: &[Dir<'_>], limit: usize) -> Result<Vec<Vec<String>>>;

    /// Of each of `dirs`, whether `children` would give anything at all; often much cheaper.
    async fn have_children(&self, dirs: &[Dir<'_>]) -> Result<Vec<bool>>;

    /// Names of repositories that hold a manifest, in byte order of the whole name, after `after`, at most `limit`, with a
    /// prefix only that name and those below it: from a store that has a better way than to be asked level by level.
    async fn repositories(
        &self,
        _prefix: Option<&RepositoryName>,
        _after: Option<&str>,
        _limit: usize,
    ) -> Result<Option<Vec<RepositoryName>>> {
        Ok(None)
    }

    /// Makes sure that an object is there, durable, and younger than `older_than`, for a caller that relies on it; `false`
    /// if it is gone. `seen` is its time as the caller has just read it: a store where each question is a round trip may
    /// answer from it alone if it is young.
    ///
    /// A collector that removes only what is older than twice `older_than` and this method exclude each other: either it
    /// answers `true` and the object stays, or it answers `false`.
    async fn renew(&self, key: &Key<'_>, seen: SystemTime, older_than: Duration) -> Result<bool>;
}

/// An object with its age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgedObject {
    /// The whole object.
    pub bytes: Bytes,
    /// When it was last written or renewed, by the store's clock.
    pub modified: SystemTime,
    /// The store's own mark of exactly this object (an ETag, an inode); `None` from a store without one.
    pub version: Option<String>,
}

/// How a repository's lock is acquired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockMode {
    /// Beside others that are shared.
    Shared,
    /// Alone.
    Exclusive,
}

/// A repository's lock; dropping it releases it.
#[derive(Default)]
pub struct RepositoryLock(Option<Box<dyn Send + Sync>>);

/// One of several writes.
#[derive(Debug, Clone)]
pub struct Put<'a> {
    /// Where.
    pub key: Key<'a>,
    /// What.
    pub bytes: Bytes,
}

/// [`Objects::put_all`] as so many calls of [`put`](Objects::put), for a store that gains nothing from knowing more.
pub async fn put_in_turn<O: Objects + ?Sized>(objects: &O, groups: Vec<Vec<Put<'_>>>) -> Result<()> {
    for put in groups.into_iter().flatten() {
        objects.put(&put.key, put.bytes, PutIf::Any).await?;
    }
    Ok(())
}

/// The condition of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutIf {
    /// None: the last writer wins.
    Any,
    /// Nothing is stored under the key.
    Absent,
    /// Exactly this is stored under the key.
    Is(Bytes),
}

/// Whether the write happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    /// It did.
    Written,
    /// The condition did not hold; nothing changed.
    Refused,
}

/// What a conditional removal did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoveOutcome {
    /// The object was as expected and is gone.
    Removed,
    /// Something else is stored under the key; nothing changed.
    Changed,
    /// Nothing is stored under the key.
    Absent,
}

// === impl RepositoryLock ===

impl RepositoryLock {
    /// The lock of a store that decides conditions itself: it excludes no one.
    pub fn none() -> Self {
        Self(None)
    }

    /// A lock that is released when `guard` is dropped.
    pub fn until_dropped(guard: impl Send + Sync + 'static) -> Self {
        Self(Some(Box::new(guard)))
    }

    /// Whether other writers are excluded while this lives.
    pub fn excludes(&self) -> bool {
        self.0.is_some()
    }
}

impl fmt::Debug for RepositoryLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RepositoryLock").field("excludes", &self.excludes()).finish()
    }
}
