//! The tree's floor in a map of paths.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_oci::RepositoryName;

use super::{MemoryStore, State};
use crate::error::Result;
use crate::layout::{Dir, Key};
use crate::objects::{
    AgedObject, LockMode, Objects, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock, put_in_turn,
};

#[async_trait]
impl Objects for MemoryStore {
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>> {
        Ok(self.get_with_age(key).await?.map(|object| object.bytes))
    }

    async fn get_with_age(&self, key: &Key<'_>) -> Result<Option<AgedObject>> {
        Ok(self.state().objects.get(&key.path()).map(|object| read(object, key)))
    }

    async fn lock(&self, repository: &RepositoryName, mode: LockMode) -> Result<RepositoryLock> {
        let lock = self.lock_of(repository);
        Ok(match mode {
            LockMode::Shared => RepositoryLock::until_dropped(lock.read_owned().await),
            LockMode::Exclusive => RepositoryLock::until_dropped(lock.write_owned().await),
        })
    }

    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome> {
        let mut state = self.state();
        let path = key.path();
        let holds = match &condition {
            PutIf::Any => true,
            PutIf::Absent => !state.objects.contains_key(&path),
            PutIf::Is(expected) => state.objects.get(&path).is_some_and(|object| object.bytes == *expected),
        };
        if !holds {
            return Ok(PutOutcome::Refused);
        }
        state.write(path, bytes, self.clock.now());
        Ok(PutOutcome::Written)
    }

    async fn put_all(&self, groups: Vec<Vec<Put<'_>>>) -> Result<()> {
        put_in_turn(self, groups).await
    }

    async fn remove(&self, key: &Key<'_>) -> Result<bool> {
        Ok(self.state().objects.remove(&key.path()).is_some())
    }

    async fn remove_if(&self, key: &Key<'_>, seen: &AgedObject) -> Result<RemoveOutcome> {
        let mut state = self.state();
        let path = key.path();
        Ok(match state.objects.get(&path) {
            None => RemoveOutcome::Absent,
            Some(object) if read(object, key) != *seen => RemoveOutcome::Changed,
            Some(_) => {
                state.objects.remove(&path);
                RemoveOutcome::Removed
            }
        })
    }

    async fn remove_all(&self, dir: &Dir<'_>) -> Result<()> {
        let below = format!("{}/", dir.path());
        self.state().objects.retain(|path, _| !path.starts_with(&below));
        Ok(())
    }

    async fn children(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let below = format!("{}/", dir.path());
        let state = self.state();
        let paths = state.objects.range(below.clone()..).map(|(path, _)| path);
        let names: BTreeSet<&str> = paths
            .map_while(|path| path.strip_prefix(&below))
            .filter_map(|rest| rest.split_once('/'))
            .filter(|(_, inside)| dir.holding().is_none_or(|holding| *inside == holding))
            .map(|(name, _)| name)
            .filter(|name| after.is_none_or(|after| *name > after))
            .collect();
        Ok(names.into_iter().take(limit).map(str::to_owned).collect())
    }

    async fn children_of_each(&self, dirs: &[Dir<'_>], limit: usize) -> Result<Vec<Vec<String>>> {
        let mut each = Vec::with_capacity(dirs.len());
        for dir in dirs {
            each.push(self.children(dir, None, limit).await?);
        }
        Ok(each)
    }

    async fn have_children(&self, dirs: &[Dir<'_>]) -> Result<Vec<bool>> {
        let mut have = Vec::with_capacity(dirs.len());
        for dir in dirs {
            have.push(!self.children(dir, None, 1).await?.is_empty());
        }
        Ok(have)
    }

    async fn renew(&self, key: &Key<'_>, _seen: SystemTime, older_than: Duration) -> Result<bool> {
        let now = self.clock.now();
        let mut state = self.state();
        let modified = match key {
            Key::BlobData(digest) => state.blobs.get_mut(*digest).map(|blob| &mut blob.modified),
            _ => state.objects.get_mut(&key.path()).map(|object| &mut object.modified),
        };
        let Some(modified) = modified else { return Ok(false) };
        if now.duration_since(*modified).unwrap_or_default() > older_than {
            *modified = now;
        }
        Ok(true)
    }
}

// === impl State ===

impl State {
    fn write(&mut self, path: String, bytes: Bytes, modified: SystemTime) {
        self.writes += 1;
        let version = Some(self.writes.to_string());
        self.objects.insert(path, AgedObject { bytes, modified, version });
    }
}

/// As much of an object as is read under `key`.
fn read(object: &AgedObject, key: &Key<'_>) -> AgedObject {
    let mut object = object.clone();
    object.bytes.truncate(key.most_bytes().saturating_add(1));
    object
}
