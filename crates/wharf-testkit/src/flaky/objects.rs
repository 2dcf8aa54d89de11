//! The wrapper of the v2 tree's floor: with it, whatever asks for a fact can be made to fail.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_oci::RepositoryName;
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    AgedObject, LockMode, Objects, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock, Result,
};

use super::{Call, Faults};

/// Small objects in the hands of a test.
#[derive(Debug)]
pub struct FlakyObjects {
    store: Arc<dyn Objects>,
    faults: Faults,
}

impl FlakyObjects {
    /// `store`, but for what `faults` has in mind.
    pub fn new(store: Arc<dyn Objects>, faults: Faults) -> Self {
        Self { store, faults }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Objects for FlakyObjects {
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>> {
        self.faults.pass(Call::GetObject).await?;
        self.store.get(key).await
    }

    async fn get_with_age(&self, key: &Key<'_>) -> Result<Option<AgedObject>> {
        self.faults.pass(Call::GetObject).await?;
        self.store.get_with_age(key).await
    }

    async fn lock(&self, repository: &RepositoryName, mode: LockMode) -> Result<RepositoryLock> {
        self.faults.pass(Call::Lock).await?;
        self.store.lock(repository, mode).await
    }

    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome> {
        self.faults.pass(Call::PutObject).await?;
        self.store.put(key, bytes, condition).await
    }

    async fn put_all(&self, groups: Vec<Vec<Put<'_>>>) -> Result<()> {
        // What comes before a call that waits or fails is written; if none does, the store gets all groups at once.
        let mut reached = Vec::new();
        for group in groups {
            let mut last = Vec::new();
            for put in group {
                if self.faults.interrupts(Call::PutObject) {
                    reached.push(std::mem::take(&mut last));
                    self.store.put_all(std::mem::take(&mut reached)).await?;
                }
                self.faults.pass(Call::PutObject).await?;
                last.push(put);
            }
            reached.push(last);
        }
        self.store.put_all(reached).await?;
        self.faults.pass(Call::AllPut).await
    }

    async fn remove(&self, key: &Key<'_>) -> Result<bool> {
        self.faults.pass(Call::RemoveObject).await?;
        self.store.remove(key).await
    }

    async fn remove_if(&self, key: &Key<'_>, seen: &AgedObject) -> Result<RemoveOutcome> {
        self.faults.pass(Call::RemoveObject).await?;
        self.store.remove_if(key, seen).await
    }

    async fn remove_all(&self, dir: &Dir<'_>) -> Result<()> {
        self.faults.pass(Call::RemoveAllObjects).await?;
        self.store.remove_all(dir).await
    }

    async fn children(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        self.faults.pass(Call::Children).await?;
        self.store.children(dir, after, limit).await
    }

    async fn children_of_each(&self, dirs: &[Dir<'_>], limit: usize) -> Result<Vec<Vec<String>>> {
        self.faults.pass(Call::Children).await?;
        self.store.children_of_each(dirs, limit).await
    }

    async fn have_children(&self, dirs: &[Dir<'_>]) -> Result<Vec<bool>> {
        self.faults.pass(Call::HaveChildren).await?;
        self.store.have_children(dirs).await
    }

    async fn repositories(
        &self,
        prefix: Option<&RepositoryName>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<RepositoryName>>> {
        self.faults.pass(Call::Repositories).await?;
        self.store.repositories(prefix, after, limit).await
    }

    async fn renew(&self, key: &Key<'_>, seen: SystemTime, older_than: Duration) -> Result<bool> {
        self.faults.pass(Call::Renew).await?;
        self.store.renew(key, seen, older_than).await
    }
}
