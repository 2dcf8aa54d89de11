//! Blobs and uploads in maps.

use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use wharf_oci::{ByteRange, Digest};

use super::{Blob, MemoryStore, Upload};
use crate::blob::{
    Announced, BlobBody, BlobRead, BlobStat, BlobStore, ByteStream, ListedBlob, UploadKey, UploadStatus,
};
use crate::error::{Error, Result};

/// The right to write one upload; gives it back when dropped, also at an await that never returns.
struct Writer<'a> {
    store: &'a MemoryStore,
    key: &'a UploadKey,
}

#[async_trait]
impl BlobStore for MemoryStore {
    async fn stat(&self, digest: &Digest) -> Result<BlobStat> {
        self.blob(digest).map(|blob| blob.stat())
    }

    async fn read(&self, digest: &Digest, range: Option<ByteRange>) -> Result<BlobRead> {
        let blob = self.blob(digest)?;
        let bytes = match range {
            None => blob.bytes.clone(),
            Some(range) => blob.bytes.slice(index(range.start)..index(range.start + range.length)),
        };
        Ok(BlobRead { size: blob.stat().size, body: BlobBody::Bytes(bytes) })
    }

    async fn put(&self, digest: &Digest, bytes: Bytes) -> Result<()> {
        verify(digest, &bytes)?;
        // A copy of its own: the bytes may be a part of something longer, and their memory counted as a request's.
        self.publish(digest, Bytes::copy_from_slice(&bytes));
        Ok(())
    }

    async fn remove(&self, digest: &Digest) -> Result<()> {
        self.state().blobs.remove(digest);
        Ok(())
    }

    async fn remove_if_older(&self, batch: &[Digest], than: SystemTime) -> Result<Vec<Digest>> {
        let mut state = self.state();
        let mut removed = Vec::new();
        for digest in batch {
            if state.blobs.get(digest).is_some_and(|blob| blob.modified < than) {
                state.blobs.remove(digest);
                removed.push(*digest);
            }
        }
        Ok(removed)
    }

    fn list(&self, after: Option<Digest>) -> BoxStream<'_, Result<ListedBlob>> {
        let state = self.state();
        let listed = state.blobs.iter().filter(|(digest, _)| after.is_none_or(|after| **digest > after));
        let listed: Vec<_> =
            listed.map(|(digest, blob)| Ok(ListedBlob { digest: *digest, stat: blob.stat() })).collect();
        stream::iter(listed).boxed()
    }

    async fn begin(&self, key: &UploadKey, _announced: Announced) -> Result<()> {
        let upload = Upload { bytes: Vec::new(), begun: self.clock.now(), busy: false, finished: None };
        let mut state = self.state();
        if state.uploads.get(key).is_some_and(|upload| upload.busy) {
            return Err(Error::UploadBusy { key: key.clone() });
        }
        state.uploads.insert(key.clone(), upload);
        Ok(())
    }

    async fn append(&self, key: &UploadKey, offset: u64, mut bytes: ByteStream) -> Result<u64> {
        let writer = Writer::take(self, key)?;
        if writer.with(|upload| upload.finished).is_some() {
            return Err(Error::UploadNotFound { key: key.clone() });
        }
        let mut stored = writer.with(|upload| upload.bytes.len() as u64);
        if stored != offset {
            return Err(Error::OffsetMismatch { given: offset, stored });
        }
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(|source| Error::Body { stored, source })?;
            stored += chunk.len() as u64;
            writer.with(|upload| upload.bytes.extend_from_slice(&chunk));
        }
        Ok(stored)
    }

    async fn status(&self, key: &UploadKey) -> Result<UploadStatus> {
        let state = self.state();
        let upload = state.uploads.get(key).ok_or_else(|| Error::UploadNotFound { key: key.clone() })?;
        Ok(UploadStatus { offset: upload.bytes.len() as u64, begun: upload.begun })
    }

    async fn commit(&self, key: &UploadKey, digest: &Digest) -> Result<u64> {
        let writer = Writer::take(self, key)?;
        let bytes = Bytes::from(writer.with(|upload| upload.bytes.clone()));
        let size = bytes.len() as u64;
        match writer.with(|upload| upload.finished) {
            Some(finished) if finished == *digest => return Ok(size),
            Some(_) => return Err(Error::UploadNotFound { key: key.clone() }),
            None => verify(digest, &bytes)?,
        }
        self.publish(digest, bytes);
        writer.with(|upload| upload.finished = Some(*digest));
        Ok(size)
    }

    async fn close(&self, key: &UploadKey) -> Result<()> {
        let mut state = self.state();
        if state.uploads.get(key).is_some_and(|upload| !upload.busy && upload.finished.is_some()) {
            state.uploads.remove(key);
        }
        Ok(())
    }

    async fn abort(&self, key: &UploadKey) -> Result<()> {
        let _writer = Writer::take(self, key)?;
        self.state().uploads.remove(key);
        Ok(())
    }

    fn uploads(&self, begun_before: SystemTime) -> BoxStream<'_, Result<UploadKey>> {
        let state = self.state();
        let old = state.uploads.iter().filter(|(_, upload)| upload.begun < begun_before);
        let mut keys: Vec<UploadKey> = old.map(|(key, _)| key.clone()).collect();
        keys.sort();
        stream::iter(keys.into_iter().map(Ok)).boxed()
    }
}

// === impl MemoryStore ===

impl MemoryStore {
    fn blob(&self, digest: &Digest) -> Result<Blob> {
        self.state().blobs.get(digest).cloned().ok_or(Error::BlobNotFound { digest: *digest })
    }

    fn publish(&self, digest: &Digest, bytes: Bytes) {
        let modified = self.clock.now();
        self.state().blobs.insert(*digest, Blob { bytes, modified });
    }
}

// === impl Blob ===

impl Blob {
    fn stat(&self) -> BlobStat {
        BlobStat { size: self.bytes.len() as u64, modified: self.modified }
    }
}

// === impl Writer ===

impl<'a> Writer<'a> {
    fn take(store: &'a MemoryStore, key: &'a UploadKey) -> Result<Self> {
        let mut state = store.state();
        let upload = state.uploads.get_mut(key).ok_or_else(|| Error::UploadNotFound { key: key.clone() })?;
        if upload.busy {
            return Err(Error::UploadBusy { key: key.clone() });
        }
        upload.busy = true;
        Ok(Self { store, key })
    }

    fn with<T: Default>(&self, act: impl FnOnce(&mut Upload) -> T) -> T {
        self.store.state().uploads.get_mut(self.key).map(act).unwrap_or_default()
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        self.with(|upload| upload.busy = false);
    }
}

fn verify(expected: &Digest, bytes: &[u8]) -> Result<()> {
    let actual = Digest::of_with(expected.algorithm(), bytes);
    if actual == *expected { Ok(()) } else { Err(Error::DigestMismatch { expected: *expected, actual }) }
}

/// An index into what is in memory, so it fits.
fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
