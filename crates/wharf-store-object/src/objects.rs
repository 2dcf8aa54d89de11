//! The tree's small objects in a bucket: each is one, and a level is what keys have in common.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::RepositoryName;
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    AgedObject, Error, LockMode, Objects, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock, Result,
    Retry,
};

use crate::BucketStore;
use crate::catalog::{self, Wanted};
use crate::cloud::{Condition, Conditions, Deleted, Meta, Stored};
use crate::listing::{self, LOOKS_AT_ONCE, Level, Questions};
use crate::renewals;
use crate::store::beginning;

/// How many keys are read at a time to be removed.
const REMOVE_PAGE: usize = 1000;

/// How often a renewal begins anew because the object was written meanwhile.
const RENEW_ATTEMPTS: usize = 3;

#[derive(Debug, thiserror::Error)]
#[error(
    "the store does not heed If-Match, so nothing can be removed on the condition that it is still what was read: a tag \
     that another client has just moved could be lost; use a store that has conditional writes"
)]
struct NoConditions;

#[async_trait]
impl Objects for BucketStore {
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>> {
        Ok(self.read_small(key).await?.map(|object| object.bytes))
    }

    async fn get_with_age(&self, key: &Key<'_>) -> Result<Option<AgedObject>> {
        self.read_small(key).await
    }

    async fn lock(&self, _repository: &RepositoryName, _mode: LockMode) -> Result<RepositoryLock> {
        Ok(RepositoryLock::none())
    }

    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome> {
        let condition = match condition {
            PutIf::Any => Condition::Any,
            PutIf::Absent => return self.put_if_absent(&self.key(key), bytes).await,
            PutIf::Is(expected) => match self.read_small(key).await? {
                Some(AgedObject { bytes, version: Some(etag), .. }) if bytes == expected => {
                    Condition::Is(etag)
                }
                _ => return Ok(PutOutcome::Refused),
            },
        };
        self.put_on(&self.key(key), bytes, condition).await
    }

    async fn put_all(&self, groups: Vec<Vec<Put<'_>>>) -> Result<()> {
        for group in groups {
            let writes: Vec<(String, Bytes)> =
                group.into_iter().map(|put| (self.key(&put.key), put.bytes)).collect();
            stream::iter(writes)
                .map(|(key, bytes)| self.write(key, bytes))
                .buffer_unordered(LOOKS_AT_ONCE)
                .try_collect::<()>()
                .await?;
        }
        Ok(())
    }

    async fn remove(&self, key: &Key<'_>) -> Result<bool> {
        // A bucket does not say whether there was something to remove. An empty object stays: it counts as absent, and may
        // have become something else by now.
        let key = self.key(key);
        let there = self.cloud().head(&key).await?.is_some_and(|meta| meta.size > 0);
        if there {
            self.cloud().delete(&key).await?;
        }
        Ok(there)
    }

    async fn remove_if(&self, key: &Key<'_>, seen: &AgedObject) -> Result<RemoveOutcome> {
        let key = self.key(key);
        let etag = seen.version.clone().unwrap_or_default();
        match self.cloud().conditions().await? {
            Conditions::WritesAndDeletes => Ok(match self.cloud().delete_if(&key, &etag).await? {
                Deleted::Deleted => RemoveOutcome::Removed,
                Deleted::Changed => self.unremoved(&key).await?,
                Deleted::Absent => RemoveOutcome::Absent,
            }),
            // What is empty counts as absent, and is taken away by a sweep.
            Conditions::Writes => match self.cloud().put(&key, Vec::new(), Condition::Is(etag)).await? {
                Stored::Written(_) => Ok(RemoveOutcome::Removed),
                Stored::Refused => self.unremoved(&key).await,
            },
            Conditions::Ignored => Err(Error::Backend {
                backend: "bucket",
                operation: format!("remove {key} on a condition"),
                retry: Retry::Later,
                source: NoConditions.into(),
            }),
        }
    }

    async fn remove_all(&self, dir: &Dir<'_>) -> Result<()> {
        let prefix = self.dir(dir);
        let mut start = None;
        loop {
            let page = self.cloud().list(&prefix, start.as_ref(), false, REMOVE_PAGE).await?;
            let keys: Vec<String> = page.entries.iter().map(|entry| entry.key().to_owned()).collect();
            if !keys.is_empty() {
                self.cloud().delete_all(keys).await?;
            }
            start = page.next;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    async fn children(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        listing::names(&Questions::of(self.cloud()), &self.level(dir), after, limit).await
    }

    async fn children_of_each(&self, dirs: &[Dir<'_>], limit: usize) -> Result<Vec<Vec<String>>> {
        self.first_of_each(dirs, limit).await
    }

    async fn have_children(&self, dirs: &[Dir<'_>]) -> Result<Vec<bool>> {
        let each = self.first_of_each(dirs, 1).await?;
        Ok(each.iter().map(|names| !names.is_empty()).collect())
    }

    async fn repositories(
        &self,
        prefix: Option<&RepositoryName>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<RepositoryName>>> {
        catalog::repositories(self, Wanted { prefix, after, limit }).await.map(Some)
    }

    async fn renew(&self, key: &Key<'_>, seen: SystemTime, older_than: Duration) -> Result<bool> {
        let age = self.options().clock.now().duration_since(seen).unwrap_or_default();
        if age <= older_than {
            return Ok(true);
        }
        match key {
            Key::BlobData(digest) => renewals::renew(self, digest, older_than).await,
            link => self.rewrite(link).await,
        }
    }
}

impl BucketStore {
    /// A small object with its tag; one without bytes counts as absent.
    async fn read_small(&self, key: &Key<'_>) -> Result<Option<AgedObject>> {
        let path = self.key(key);
        let Some(object) = self.cloud().get(&path, None).await? else { return Ok(None) };
        let Meta { modified, etag, .. } = object.meta;
        let bytes = beginning(&path, object.body, key.most_bytes().saturating_add(1)).await?;
        Ok((!bytes.is_empty()).then_some(AgedObject { bytes, modified, version: Some(etag) }))
    }

    async fn put_on(&self, key: &str, bytes: Bytes, condition: Condition) -> Result<PutOutcome> {
        match self.cloud().put(key, vec![bytes], condition).await? {
            Stored::Written(_) => Ok(PutOutcome::Written),
            Stored::Refused => Ok(PutOutcome::Refused),
        }
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<PutOutcome> {
        let put = self.put_on(key, bytes.clone(), Condition::Absent).await?;
        if put == PutOutcome::Written {
            return Ok(put);
        }
        match self.cloud().head(key).await? {
            Some(empty) if empty.size == 0 => self.put_on(key, bytes, Condition::Is(empty.etag)).await,
            _ => Ok(PutOutcome::Refused),
        }
    }

    /// Why a removal on a condition has removed nothing.
    async fn unremoved(&self, key: &str) -> Result<RemoveOutcome> {
        let there = self.cloud().head(key).await?.is_some_and(|meta| meta.size > 0);
        Ok(if there { RemoveOutcome::Changed } else { RemoveOutcome::Absent })
    }

    /// Writes a link anew with what it holds; `false` if it is gone. On a condition, or it would come back to life after a
    /// removal between the two requests.
    async fn rewrite(&self, key: &Key<'_>) -> Result<bool> {
        for _ in 0..RENEW_ATTEMPTS {
            let Some(object) = self.read_small(key).await? else { return Ok(false) };
            if object.bytes.len() > key.most_bytes() {
                let problem = format!("more than {} bytes, too many for it", key.most_bytes());
                return Err(Error::Corrupt { path: key.path(), problem });
            }
            let condition = match (self.cloud().conditions().await?, object.version) {
                (Conditions::Writes | Conditions::WritesAndDeletes, Some(etag)) => Condition::Is(etag),
                _ => Condition::Any,
            };
            if self.put_on(&self.key(key), object.bytes, condition).await? == PutOutcome::Written {
                return Ok(true);
            }
        }
        // Written by others each time, so it is young.
        Ok(self.read_small(key).await?.is_some())
    }

    async fn write(&self, key: String, bytes: Bytes) -> Result<()> {
        self.cloud().put(&key, vec![bytes], Condition::Any).await.map(drop)
    }

    /// The first names of each level.
    async fn first_of_each(&self, dirs: &[Dir<'_>], limit: usize) -> Result<Vec<Vec<String>>> {
        let levels: Vec<Level> = dirs.iter().map(|dir| self.level(dir)).collect();
        stream::iter(levels)
            .map(|level| async move { listing::names(&Questions::of(self.cloud()), &level, None, limit).await })
            .buffered(LOOKS_AT_ONCE)
            .try_collect()
            .await
    }

    pub(crate) fn level(&self, dir: &Dir<'_>) -> Level {
        Level { prefix: self.dir(dir), holding: dir.holding() }
    }
}
