//! The floor the v2 tree stands on: small whole objects by key, and one level of names.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

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

    /// Removes `key`; returns whether it was there.
    async fn remove(&self, key: &Key<'_>) -> Result<bool>;

    /// Removes all objects below `dir`.
    async fn remove_all(&self, dir: &Dir<'_>) -> Result<()>;

    /// The names one level below `dir`, in byte order, after `after`, at most `limit`: those that hold the object
    /// [`Dir::holding`] names, or any if it names none.
    async fn children(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>>;

    /// Of each of `dirs`, whether `children` would give anything at all; often much cheaper.
    async fn have_children(&self, dirs: &[Dir<'_>]) -> Result<Vec<bool>>;

    /// Makes the object young again if it is older than `older_than`; `Ok` when there is none.
    async fn renew(&self, key: &Key<'_>, older_than: Duration) -> Result<()>;
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
