//! The floor the v2 tree stands on: small whole objects by key, and one level of names.

use std::fmt;
use std::time::Duration;

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
/// - `put` with a condition decides and writes as one step: of two writers under [`PutIf::Absent`] one is refused.
/// - `remove` is durable when it answers, and leaves other objects alone whatever stands beside them.
/// - Absent is `None` or `false`; an error means that the store could not look.
///
/// A backend runs `objects_suite!`.
#[async_trait]
pub trait Objects: fmt::Debug + Send + Sync + 'static {
    /// The bytes under `key`.
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>>;

    /// Writes `bytes` under `key`, on a condition.
    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome>;

    /// Writes every group of `groups`, one group after the other: no object of a later group is seen, or is there after a
    /// power cut, before the earlier groups are durable. All are durable when it answers. Where waiting can be shared this
    /// costs little more than one `put`.
    async fn put_all(&self, groups: Vec<Vec<Put<'_>>>) -> Result<()>;

    /// Removes `key`; returns whether it was there.
    async fn remove(&self, key: &Key<'_>) -> Result<bool>;

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

    /// Makes the object young again if it is older than `older_than`; returns whether it is there.
    async fn renew(&self, key: &Key<'_>, older_than: Duration) -> Result<bool>;
}

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
