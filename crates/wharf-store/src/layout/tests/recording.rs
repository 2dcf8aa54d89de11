//! A store that records the calls of one operation under the names of a model's steps.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_models::replay::ActorRecorder;
use wharf_models::{tags_in_bucket, tags_on_disk};
use wharf_oci::RepositoryName;

use super::stepwise::Atomicity;
use crate::MemoryStore;
use crate::error::Result;
use crate::layout::{Dir, Key};
use crate::objects::{
    AgedObject, LockMode, Objects, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock, put_in_turn,
};

/// Records a call in the same poll in which the store below makes it, so that the trace has the order of the calls.
///
/// What no model has, such as a tag's history, is not recorded.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) steps: Arc<dyn Objects>,
    /// The same store without steps, for what is not recorded: it would only multiply the orders.
    pub(super) store: MemoryStore,
    pub(super) recorder: ActorRecorder,
    pub(super) atomicity: Atomicity,
}

/// Records the release of a lock.
struct RecordedLock {
    recorder: ActorRecorder,
    _lock: RepositoryLock,
}

impl Recording {
    fn read(&self, key: &Key<'_>) {
        match key {
            Key::TagLink(..) => self.recorder.record(tags_on_disk::step::GET_TAG),
            Key::RevisionLink(..) => self.recorder.record(tags_on_disk::step::GET_REVISION),
            _ => {}
        }
    }
}

impl Drop for RecordedLock {
    fn drop(&mut self) {
        self.recorder.record(tags_on_disk::step::UNLOCK);
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Objects for Recording {
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>> {
        let found = self.steps.get(key).await;
        self.read(key);
        found
    }

    async fn get_with_age(&self, key: &Key<'_>) -> Result<Option<AgedObject>> {
        let found = self.steps.get_with_age(key).await;
        self.read(key);
        found
    }

    async fn lock(&self, repository: &RepositoryName, mode: LockMode) -> Result<RepositoryLock> {
        let lock = self.steps.lock(repository, mode).await?;
        if !lock.excludes() {
            return Ok(lock);
        }
        self.recorder.record(match mode {
            LockMode::Shared => tags_on_disk::step::LOCK_SHARED,
            LockMode::Exclusive => tags_on_disk::step::LOCK_EXCLUSIVE,
        });
        Ok(RepositoryLock::until_dropped(RecordedLock { recorder: self.recorder.clone(), _lock: lock }))
    }

    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome> {
        if let Key::TagIndexLink(..) = key {
            return self.store.put(key, bytes, condition).await;
        }
        let outcome = self.steps.put(key, bytes, condition).await;
        match key {
            Key::TagLink(..) => self.recorder.record(tags_on_disk::step::PUT_TAG),
            Key::RevisionLink(..) => self.recorder.record(tags_on_disk::step::PUT_REVISION),
            Key::Referrer(..) => self.recorder.record(tags_on_disk::step::PUT_REFERRER),
            _ => {}
        }
        outcome
    }

    async fn put_all(&self, groups: Vec<Vec<Put<'_>>>) -> Result<()> {
        put_in_turn(self, groups).await
    }

    async fn remove(&self, key: &Key<'_>) -> Result<bool> {
        let removed = self.steps.remove(key).await;
        match key {
            Key::RevisionLink(..) => self.recorder.record(tags_on_disk::step::REMOVE_REVISION),
            Key::Referrer(..) => self.recorder.record(tags_on_disk::step::REMOVE_REFERRER),
            _ => {}
        }
        removed
    }

    async fn remove_if(&self, key: &Key<'_>, seen: &AgedObject) -> Result<RemoveOutcome> {
        let outcome = self.steps.remove_if(key, seen).await?;
        if self.atomicity == Atomicity::Locks {
            self.recorder.record(tags_on_disk::step::COMPARE_TAG);
            if outcome == RemoveOutcome::Removed {
                self.recorder.record(tags_on_disk::step::REMOVE_TAG);
            }
        } else {
            self.recorder.record(tags_in_bucket::step::REMOVE_TAG);
        }
        Ok(outcome)
    }

    async fn remove_all(&self, dir: &Dir<'_>) -> Result<()> {
        self.store.remove_all(dir).await
    }

    async fn children(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let names = self.steps.children(dir, after, limit).await?;
        // A tag that is not listed is not read: the listing was the read.
        if matches!(dir, Dir::Tags(_)) && names.is_empty() {
            self.recorder.record(tags_on_disk::step::GET_TAG);
        }
        Ok(names)
    }

    async fn children_of_each(&self, dirs: &[Dir<'_>], limit: usize) -> Result<Vec<Vec<String>>> {
        self.steps.children_of_each(dirs, limit).await
    }

    async fn have_children(&self, dirs: &[Dir<'_>]) -> Result<Vec<bool>> {
        self.steps.have_children(dirs).await
    }

    async fn repositories(
        &self,
        prefix: Option<&RepositoryName>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<RepositoryName>>> {
        self.steps.repositories(prefix, after, limit).await
    }

    async fn renew(&self, key: &Key<'_>, seen: SystemTime, older_than: Duration) -> Result<bool> {
        self.steps.renew(key, seen, older_than).await
    }
}
