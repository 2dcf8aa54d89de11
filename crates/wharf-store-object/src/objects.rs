//! The tree's small objects in a bucket: each is one, and a level is what keys have in common.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{ByteRange, RepositoryName};
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    AgedObject, Error, LockMode, Objects, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock, Result,
};

use crate::BucketStore;
use crate::catalog::{self, Wanted};
use crate::cloud::{Condition, Stored};
use crate::listing::{self, LOOKS_AT_ONCE, Level, Questions};
use crate::store::whole;

/// How many keys are read at a time to be removed.
const REMOVE_PAGE: usize = 1000;

/// A copy onto itself of more than this must be made in parts.
const WHOLE_COPY_BYTES: u64 = 5 << 30;

#[async_trait]
impl Objects for BucketStore {
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>> {
        let key = self.key(key);
        match self.cloud().get(&key, None).await? {
            Some(object) => whole(&key, object.body).await.map(Some),
            None => Ok(None),
        }
    }

    async fn get_with_age(&self, key: &Key<'_>) -> Result<Option<AgedObject>> {
        let key = self.key(key);
        let Some(object) = self.cloud().get(&key, None).await? else { return Ok(None) };
        let (modified, version) = (object.meta.modified, Some(object.meta.etag));
        Ok(Some(AgedObject { bytes: whole(&key, object.body).await?, modified, version }))
    }

    async fn lock(&self, _repository: &RepositoryName, _mode: LockMode) -> Result<RepositoryLock> {
        Ok(RepositoryLock::none())
    }

    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome> {
        let key = self.key(key);
        let condition = match condition {
            PutIf::Any => Condition::Any,
            PutIf::Absent => Condition::Absent,
            PutIf::Is(expected) => match self.etag_of(&key, &expected).await? {
                Some(etag) => Condition::Is(etag),
                None => return Ok(PutOutcome::Refused),
            },
        };
        match self.cloud().put(&key, vec![bytes], condition).await? {
            Stored::Written(_) => Ok(PutOutcome::Written),
            Stored::Refused => Ok(PutOutcome::Refused),
        }
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
        // A bucket does not say whether there was something to remove.
        let key = self.key(key);
        let there = self.cloud().head(&key).await?.is_some();
        if there {
            self.cloud().delete(&key).await?;
        }
        Ok(there)
    }

    async fn remove_if(&self, key: &Key<'_>, seen: &AgedObject) -> Result<RemoveOutcome> {
        match self.get_with_age(key).await? {
            None => Ok(RemoveOutcome::Absent),
            Some(object) if object.version != seen.version => Ok(RemoveOutcome::Changed),
            Some(_) => {
                self.cloud().delete(&self.key(key)).await?;
                Ok(RemoveOutcome::Removed)
            }
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

    async fn renew(&self, key: &Key<'_>, _seen: SystemTime, older_than: Duration) -> Result<bool> {
        let key = self.key(key);
        let Some(meta) = self.cloud().head(&key).await? else { return Ok(false) };
        let age = self.options().clock.now().duration_since(meta.modified).unwrap_or_default();
        if age <= older_than {
            return Ok(true);
        }
        let copied = if meta.size > WHOLE_COPY_BYTES {
            self.copy_in_parts(&key, meta.size).await
        } else {
            self.cloud().copy(&key, &key).await
        };
        match copied {
            Ok(()) => Ok(true),
            // Whoever removes it between our two requests was before us.
            Err(error) => match self.cloud().head(&key).await? {
                None => Ok(false),
                Some(_) => Err(error),
            },
        }
    }
}

impl BucketStore {
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

    /// The tag of what is stored, if it is exactly `expected`.
    async fn etag_of(&self, key: &str, expected: &Bytes) -> Result<Option<String>> {
        let Some(object) = self.cloud().get(key, None).await? else { return Ok(None) };
        let (etag, bytes) = (object.meta.etag, whole(key, object.body).await?);
        Ok((bytes == *expected).then_some(etag))
    }

    /// Writes an object anew from itself, in parts that the cloud copies.
    async fn copy_in_parts(&self, key: &str, size: u64) -> Result<()> {
        let id = self.cloud().create_multipart(key).await?;
        let outcome = self.copy_parts(key, &id, size).await;
        if outcome.is_err() {
            self.cloud().abort_multipart(key, &id).await?;
        }
        outcome
    }

    async fn copy_parts(&self, key: &str, id: &str, size: u64) -> Result<()> {
        // No more than ten thousand parts can be put together.
        let part_bytes = self.options().copy_part_bytes.max(size.div_ceil(10_000));
        let ranges = (0..size.div_ceil(part_bytes)).map(|index| {
            let start = index * part_bytes;
            ByteRange { start, length: part_bytes.min(size - start) }
        });
        let parts: Vec<String> = stream::iter((1..).zip(ranges))
            .map(|(number, range)| self.cloud().copy_part(key, range, key, id, number))
            .buffered(self.options().copy_concurrency.max(1))
            .try_collect()
            .await?;
        if self.cloud().complete_multipart(key, id, &parts).await? {
            return Ok(());
        }
        Err(Error::Backend {
            backend: "bucket",
            operation: format!("renew {key}"),
            retry: wharf_store::Retry::Later,
            source: "its parts were forgotten meanwhile".into(),
        })
    }
}
