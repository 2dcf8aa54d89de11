//! The tree's small objects as files.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use wharf_oci::RepositoryName;
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    AgedObject, LockMode, Objects, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock, Result,
};

use crate::disk::{Cached, Disk, Level, Place, Write};
use crate::{FsStore, blocking};

/// Room for a link (136 bytes for sha512) and then some; a longer object is read where it may wait.
const SHORT_BYTES: usize = 512;

#[async_trait]
impl Objects for FsStore {
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>> {
        let path = key.path();
        match self.disk.open_if_cached(&path) {
            Cached::Absent => return Ok(None),
            Cached::Open(file) => {
                if let Some(bytes) = read_short_if_cached(&self.disk, &file) {
                    return Ok(Some(bytes));
                }
            }
            Cached::Unknown => {}
        }
        let (disk, most) = (Arc::clone(&self.disk), key.most_bytes());
        blocking(move || Ok(disk.read_up_to(&path, most)?.map(Bytes::from))).await
    }

    async fn get_with_age(&self, key: &Key<'_>) -> Result<Option<AgedObject>> {
        let (path, most) = (key.path(), key.most_bytes());
        self.blocking(move |disk| disk.read_with_age(&path, most)).await
    }

    async fn lock(&self, repository: &RepositoryName, mode: LockMode) -> Result<RepositoryLock> {
        Ok(RepositoryLock::until_dropped(self.locks.acquire(&self.disk, repository, mode).await?))
    }

    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome> {
        self.write(Write { place: Place::from(key), bytes, condition }).await
    }

    async fn put_all(&self, groups: Vec<Vec<Put<'_>>>) -> Result<()> {
        let write =
            |put: Put<'_>| Write { place: Place::from(&put.key), bytes: put.bytes, condition: PutIf::Any };
        let group = |group: Vec<Put<'_>>| group.into_iter().map(write).collect();
        self.write_all(groups.into_iter().map(group).collect()).await.map(drop)
    }

    async fn remove(&self, key: &Key<'_>) -> Result<bool> {
        let place = Place::from(key);
        self.blocking(move |disk| disk.remove(&place)).await
    }

    async fn remove_if(&self, key: &Key<'_>, seen: &AgedObject) -> Result<RemoveOutcome> {
        let (place, path, seen, most) = (Place::from(key), key.path(), seen.clone(), key.most_bytes());
        self.blocking(move |disk| match disk.read_with_age(&path, most)? {
            None => Ok(RemoveOutcome::Absent),
            Some(object) if object != seen => Ok(RemoveOutcome::Changed),
            Some(_) => Ok(if disk.remove(&place)? { RemoveOutcome::Removed } else { RemoveOutcome::Absent }),
        })
        .await
    }

    async fn remove_all(&self, dir: &Dir<'_>) -> Result<()> {
        let level = Level::from(dir);
        self.blocking(move |disk| disk.remove_all(&level)).await
    }

    async fn children(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        let (level, after, now) = (Level::from(dir), after.map(str::to_owned), self.clock.now());
        self.blocking(move |disk| disk.children(&level, after.as_deref(), limit, now)).await
    }

    async fn children_of_each(&self, dirs: &[Dir<'_>], limit: usize) -> Result<Vec<Vec<String>>> {
        let (levels, now) = (dirs.iter().map(Level::from).collect::<Vec<_>>(), self.clock.now());
        let children =
            move |disk: &Disk| levels.iter().map(|level| disk.children(level, None, limit, now)).collect();
        self.blocking(children).await
    }

    async fn have_children(&self, dirs: &[Dir<'_>]) -> Result<Vec<bool>> {
        let levels: Vec<Level> = dirs.iter().map(Level::from).collect();
        self.blocking(move |disk| levels.iter().map(|level| disk.has_children(level)).collect()).await
    }

    async fn renew(&self, key: &Key<'_>, _seen: SystemTime, older_than: Duration) -> Result<bool> {
        let (disk, place, now) = (Arc::clone(&self.disk), Place::from(key), self.clock.now());
        blocking(move || disk.renew(&place, older_than, now)).await
    }
}

/// The whole of a short file, if the page cache holds it.
fn read_short_if_cached(disk: &Disk, file: &File) -> Option<Bytes> {
    let mut buffer = [0; SHORT_BYTES];
    let length = disk.read_if_cached(file, &mut buffer)?;
    // A full buffer may be the beginning of something longer.
    (length < SHORT_BYTES).then(|| Bytes::copy_from_slice(&buffer[..length]))
}
