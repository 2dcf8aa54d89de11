//! Uploads that nobody will finish: forgetting one, and finding them all.
//!
//! A folder below `_uploads` is an upload, whatever is left in it; so is an unfinished object with such a key.

use std::collections::HashSet;
use std::time::SystemTime;

use futures_util::stream::{self, BoxStream, StreamExt};
use wharf_oci::RepositoryName;
use wharf_store::layout::{Dir, Key};
use wharf_store::{Error, Result, UploadKey};

use super::record::Body;
use super::{ledger, lost};
use crate::BucketStore;
use crate::cloud::{Entry, Multipart, Start};

/// Keys asked for in one listing, and removed in one request: the most that S3 takes.
const PAGE: usize = 1000;

/// Removes all that there is of an upload; whether there was anything.
pub(super) async fn clear(store: &BucketStore, key: &UploadKey) -> Result<bool> {
    let (cloud, folder) = (store.cloud(), store.dir(&Dir::Upload(key)));
    let record = ledger::read(store, key).await;
    // A record that cannot be read names nothing, but its upload must be removable.
    let record = match record {
        Err(Error::Corrupt { .. }) => None,
        read => read?.map(|found| found.record),
    };
    // First the record: it must not speak of what is gone.
    cloud.delete(&store.key(&Key::UploadRecord(key))).await?;
    let mut found = record.is_some();
    if let Some(Body::Parts { name, id, .. }) = record.map(|record| record.body) {
        cloud.abort_multipart(&store.key(&Key::UploadParts(key, &name)), &id).await?;
    }
    for Multipart { key, id, .. } in cloud.multiparts(&folder).await?.unwrap_or_default() {
        cloud.abort_multipart(&key, &id).await?;
        found = true;
    }
    loop {
        let page = cloud.list(&folder, None, false, PAGE).await?;
        let keys: Vec<String> = page.entries.into_iter().map(key_of).collect();
        if keys.is_empty() {
            return Ok(found);
        }
        cloud.delete_all(keys).await?;
        found = true;
        if page.next.is_none() {
            return Ok(found);
        }
    }
}

/// Aborts unfinished objects begun before a time that are nobody's upload: a replica that died while it wrote straight to a
/// blob's key left them, or an older registry's copy, or an upload that goes on and no longer needs them.
pub(super) async fn sweep(store: &BucketStore, before: SystemTime) -> Result<()> {
    for left in unfinished(store, before).await? {
        if let Left::Nobodys(Multipart { key, id, .. }) = left {
            store.cloud().abort_multipart(&key, &id).await?;
        }
    }
    Ok(())
}

/// What an unfinished object is part of.
enum Left {
    Nobodys(Multipart),
    /// An upload without a record that can be read.
    Upload(UploadKey),
}

/// The unfinished objects begun before a time, but for those that the record of their upload speaks of.
async fn unfinished(store: &BucketStore, before: SystemTime) -> Result<Vec<Left>> {
    let root = store.dir(&Dir::Repositories(""));
    let mut left = Vec::new();
    let Some(tree) = root.strip_suffix("repositories/") else { return Ok(left) };
    for place in [format!("{tree}blobs/"), root.clone()] {
        let Some(multiparts) = store.cloud().multiparts(&place).await? else { return Ok(left) };
        for multipart in multiparts.into_iter().filter(|multipart| multipart.begun < before) {
            let Some(key) = upload_of(store, &multipart.key) else {
                left.push(Left::Nobodys(multipart));
                continue;
            };
            match ledger::read(store, &key).await {
                Ok(Some(found)) => match &found.record.body {
                    Body::Parts { id, .. } if *id == multipart.id => {}
                    _ => left.push(Left::Nobodys(multipart)),
                },
                Ok(None) | Err(Error::Corrupt { .. }) => left.push(Left::Upload(key)),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(left)
}

/// The upload that a key belongs to.
fn upload_of(store: &BucketStore, place: &str) -> Option<UploadKey> {
    let below = place.strip_prefix(&store.dir(&Dir::Repositories("")))?;
    let (name, rest) = below.split_once("/_uploads/")?;
    let repository: RepositoryName = name.parse().ok()?;
    let id = rest.split('/').next()?.parse().ok()?;
    Some(UploadKey { repository, id })
}

/// Every upload begun before a time.
pub(super) fn old(store: &BucketStore, before: SystemTime) -> BoxStream<'_, Result<UploadKey>> {
    let walk = Walk {
        store,
        before,
        folders: vec![Folder::at(store.dir(&Dir::Repositories("")))],
        found: Vec::new(),
        known: HashSet::new(),
        looked: false,
    };
    stream::try_unfold(walk, step).boxed()
}

async fn step(mut walk: Walk<'_>) -> Result<Option<(UploadKey, Walk<'_>)>> {
    Ok(walk.next().await?.map(|key| (key, walk)))
}

/// The way through all folders of repositories, deepest first.
struct Walk<'a> {
    store: &'a BucketStore,
    before: SystemTime,
    folders: Vec<Folder>,
    /// Found and not yet given out.
    found: Vec<UploadKey>,
    /// Given out for an unfinished object of theirs.
    known: HashSet<UploadKey>,
    looked: bool,
}

/// A folder being listed.
struct Folder {
    prefix: String,
    /// Levels read and not visited, the last first.
    levels: Vec<String>,
    /// Where the next page of it begins; `None` after the last.
    next: Option<Option<Start>>,
}

// === impl Folder ===

impl Folder {
    fn at(prefix: String) -> Self {
        Self { prefix, levels: Vec::new(), next: Some(None) }
    }
}

// === impl Walk ===

impl Walk<'_> {
    async fn next(&mut self) -> Result<Option<UploadKey>> {
        if !self.looked {
            self.look_at_unfinished().await?;
            self.looked = true;
        }
        loop {
            if let Some(key) = self.found.pop() {
                return Ok(Some(key));
            }
            let Some(folder) = self.folders.last_mut() else { return Ok(None) };
            let Some(level) = folder.levels.pop() else {
                if !self.list().await? {
                    self.folders.pop();
                }
                continue;
            };
            let name = level.strip_prefix(&folder.prefix).unwrap_or_default();
            if name == "_uploads/" {
                self.look_into(&level).await?;
            } else if !name.starts_with('_') {
                self.folders.push(Folder::at(level));
            }
        }
    }

    /// Lists more of the innermost folder; `false` if there is no more.
    async fn list(&mut self) -> Result<bool> {
        let Some(folder) = self.folders.last_mut() else { return Ok(false) };
        let Some(start) = folder.next.take() else { return Ok(false) };
        let page = self.store.cloud().list(&folder.prefix, start.as_ref(), true, PAGE).await?;
        folder.next = page.next.map(Some);
        let levels = page.entries.into_iter().filter_map(|entry| match entry {
            Entry::Level(level) => Some(level),
            Entry::Object(_) => None,
        });
        folder.levels = levels.collect();
        folder.levels.reverse();
        Ok(true)
    }

    /// Finds the old uploads of one repository.
    async fn look_into(&mut self, uploads: &str) -> Result<()> {
        let mut start: Option<Start> = None;
        loop {
            let page = self.store.cloud().list(uploads, start.as_ref(), true, PAGE).await?;
            for entry in page.entries {
                if let Entry::Level(level) = entry
                    && let Some(key) = upload_of(self.store, &level)
                    && !self.known.contains(&key)
                    && self.is_old(&key).await?
                {
                    self.found.push(key);
                }
            }
            start = page.next;
            if start.is_none() {
                self.found.reverse();
                return Ok(());
            }
        }
    }

    /// Whether an upload was begun before the time; without a record, whether nothing was written since.
    async fn is_old(&self, key: &UploadKey) -> Result<bool> {
        match ledger::read(self.store, key).await {
            Ok(Some(found)) => return Ok(found.record.begun < self.before),
            Ok(None) | Err(Error::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        let folder = self.store.dir(&Dir::Upload(key));
        let page = self.store.cloud().list(&folder, None, false, PAGE).await?;
        let young = |entry: &Entry| matches!(entry, Entry::Object(found) if found.modified >= self.before);
        Ok(!page.entries.is_empty() && !page.entries.iter().any(young))
    }

    /// Finds the uploads of which there is nothing but an unfinished object.
    async fn look_at_unfinished(&mut self) -> Result<()> {
        for left in unfinished(self.store, self.before).await? {
            if let Left::Upload(key) = left
                && self.known.insert(key.clone())
            {
                self.found.push(key);
            }
        }
        Ok(())
    }
}

fn key_of(entry: Entry) -> String {
    match entry {
        Entry::Object(found) => found.key,
        Entry::Level(level) => level,
    }
}

/// Forgets an upload.
pub(super) async fn abort(store: &BucketStore, key: &UploadKey) -> Result<()> {
    if clear(store, key).await? { Ok(()) } else { Err(lost(key)) }
}
