//! A store in memory that has the fast paths of a bucket, and notes which of them were taken.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use wharf_oci::{ByteRange, Digest, RepositoryName};
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    AgedObject, Announced, BlobRead, BlobStat, BlobStore, ByteStream, ListedBlob, LockMode, MemoryStore,
    Objects, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock, Result, UploadKey, UploadStatus,
};

#[derive(Debug, Default)]
pub(super) struct Inner {
    store: MemoryStore,
    taken: Mutex<Vec<String>>,
}

impl Inner {
    /// The fast paths taken since the last call, in order.
    pub(super) fn taken(&self) -> Vec<String> {
        std::mem::take(&mut *self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, path: impl Into<String>) {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner).push(path.into());
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl BlobStore for Inner {
    async fn stat(&self, digest: &Digest) -> Result<BlobStat> {
        self.store.stat(digest).await
    }

    async fn read(&self, digest: &Digest, range: Option<ByteRange>) -> Result<BlobRead> {
        self.store.read(digest, range).await
    }

    async fn put(&self, digest: &Digest, bytes: Bytes) -> Result<()> {
        BlobStore::put(&self.store, digest, bytes).await
    }

    async fn remove(&self, digest: &Digest) -> Result<()> {
        BlobStore::remove(&self.store, digest).await
    }

    async fn remove_if_older(&self, batch: &[Digest], than: SystemTime) -> Result<Vec<Digest>> {
        self.store.remove_if_older(batch, than).await
    }

    fn list(&self, after: Option<Digest>) -> BoxStream<'_, Result<ListedBlob>> {
        self.store.list(after)
    }

    async fn begin(&self, key: &UploadKey, announced: Announced) -> Result<()> {
        self.store.begin(key, announced).await
    }

    async fn append(&self, key: &UploadKey, offset: u64, bytes: ByteStream) -> Result<u64> {
        self.store.append(key, offset, bytes).await
    }

    async fn status(&self, key: &UploadKey) -> Result<UploadStatus> {
        self.store.status(key).await
    }

    async fn commit(&self, key: &UploadKey, digest: &Digest) -> Result<u64> {
        self.store.commit(key, digest).await
    }

    async fn finish(&self, key: &UploadKey, offset: u64, bytes: ByteStream, digest: &Digest) -> Result<u64> {
        self.note("finish");
        self.store.finish(key, offset, bytes, digest).await
    }

    async fn close(&self, key: &UploadKey) -> Result<()> {
        self.store.close(key).await
    }

    async fn abort(&self, key: &UploadKey) -> Result<()> {
        self.store.abort(key).await
    }

    fn uploads(&self, begun_before: SystemTime) -> BoxStream<'_, Result<UploadKey>> {
        self.store.uploads(begun_before)
    }

    async fn sweep(&self, begun_before: SystemTime) -> Result<()> {
        self.note("sweep");
        self.store.sweep(begun_before).await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Objects for Inner {
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>> {
        self.store.get(key).await
    }

    async fn get_with_age(&self, key: &Key<'_>) -> Result<Option<AgedObject>> {
        self.store.get_with_age(key).await
    }

    async fn lock(&self, repository: &RepositoryName, mode: LockMode) -> Result<RepositoryLock> {
        self.store.lock(repository, mode).await
    }

    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome> {
        self.note("put");
        Objects::put(&self.store, key, bytes, condition).await
    }

    async fn put_all(&self, groups: Vec<Vec<Put<'_>>>) -> Result<()> {
        let sizes: Vec<String> = groups.iter().map(|group| group.len().to_string()).collect();
        self.note(format!("put_all {}", sizes.join(" ")));
        self.store.put_all(groups).await
    }

    async fn remove(&self, key: &Key<'_>) -> Result<bool> {
        Objects::remove(&self.store, key).await
    }

    async fn remove_if(&self, key: &Key<'_>, seen: &AgedObject) -> Result<RemoveOutcome> {
        self.store.remove_if(key, seen).await
    }

    async fn remove_all(&self, dir: &Dir<'_>) -> Result<()> {
        self.store.remove_all(dir).await
    }

    async fn children(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        self.store.children(dir, after, limit).await
    }

    async fn children_of_each(&self, dirs: &[Dir<'_>], limit: usize) -> Result<Vec<Vec<String>>> {
        self.store.children_of_each(dirs, limit).await
    }

    async fn have_children(&self, dirs: &[Dir<'_>]) -> Result<Vec<bool>> {
        self.store.have_children(dirs).await
    }

    async fn repositories(
        &self,
        _prefix: Option<&RepositoryName>,
        _after: Option<&str>,
        _limit: usize,
    ) -> Result<Option<Vec<RepositoryName>>> {
        self.note("repositories");
        Ok(Some(vec!["a".parse().expect("a name")]))
    }

    async fn renew(&self, key: &Key<'_>, seen: SystemTime, older_than: Duration) -> Result<bool> {
        self.store.renew(key, seen, older_than).await
    }
}
