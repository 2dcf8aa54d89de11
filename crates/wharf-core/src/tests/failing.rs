//! A store that fails when it is told to, and remembers what was written to it in which order.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use wharf_oci::{ByteRange, Digest, RepositoryName};
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    AgedObject, Announced, BlobBody, BlobRead, BlobStat, BlobStore, ByteStream, Error, LayoutMetadata,
    ListedBlob, LockMode, MemoryStore, Objects, Put, PutIf, PutOutcome, RemoveOutcome, RepositoryLock,
    Result, Retry, UploadKey, UploadStatus, put_in_turn,
};

use crate::{Options, Registry};

/// A memory store behind a wire that can be cut.
#[derive(Debug, Default, Clone)]
pub(super) struct FailingStore {
    pub(super) inner: MemoryStore,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// How many calls still succeed; `None`: all.
    left: Option<usize>,
    failed: usize,
    calls: usize,
    reads: usize,
    /// Whether a bit of each blob that is read is wrong.
    damaged: bool,
    /// Reads of objects and blobs in progress, and the most there were.
    reading: usize,
    most_reading: usize,
    written: Vec<&'static str>,
}

impl FailingStore {
    /// A registry over this store.
    pub(super) fn registry(&self) -> Registry {
        self.registry_with(Options::default())
    }

    /// A registry over this store, with these options.
    pub(super) fn registry_with(&self, options: Options) -> Registry {
        let metadata = LayoutMetadata::new(Arc::new(self.clone())).with_concurrency(1);
        Registry::new(Arc::new(self.clone()), Arc::new(metadata), options)
    }

    /// The next `calls` succeed and all after them fail.
    pub(super) fn fail_after(&self, calls: usize) {
        self.state.lock().unwrap().left = Some(calls);
    }

    /// From now on everything succeeds; returns how many calls have failed since the last time.
    pub(super) fn repair(&self) -> usize {
        let mut state = self.state.lock().unwrap();
        state.left = None;
        std::mem::take(&mut state.failed)
    }

    /// Whether a bit of each blob that is read is wrong, from now on.
    pub(super) fn damage_reads(&self, damaged: bool) {
        self.state.lock().unwrap().damaged = damaged;
    }

    /// How many calls were made.
    pub(super) fn calls(&self) -> usize {
        self.state.lock().unwrap().calls
    }

    /// How many blobs were read.
    pub(super) fn reads(&self) -> usize {
        self.state.lock().unwrap().reads
    }

    /// The most reads that were in progress at once.
    pub(super) fn most_at_once(&self) -> usize {
        self.state.lock().unwrap().most_reading
    }

    /// Waits once, as for a disk, so that others can be in progress.
    async fn reading(&self) {
        {
            let mut state = self.state.lock().unwrap();
            state.reading += 1;
            state.most_reading = state.most_reading.max(state.reading);
        }
        tokio::task::yield_now().await;
        self.state.lock().unwrap().reading -= 1;
    }

    /// What was written since the last call, in order.
    pub(super) fn written(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state.lock().unwrap().written)
    }

    fn call(&self, operation: &str) -> Result<()> {
        let mut state = self.state.lock().unwrap();
        state.calls += 1;
        match &mut state.left {
            None => Ok(()),
            Some(0) => {
                state.failed += 1;
                Err(Error::Backend {
                    backend: "failing",
                    operation: operation.to_owned(),
                    retry: Retry::Later,
                    source: "the wire is cut".into(),
                })
            }
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn write(&self, what: &'static str) -> Result<()> {
        self.call(what)?;
        self.state.lock().unwrap().written.push(what);
        Ok(())
    }
}

#[async_trait::async_trait]
#[deny(clippy::missing_trait_methods)]
impl BlobStore for FailingStore {
    async fn stat(&self, digest: &Digest) -> Result<BlobStat> {
        self.call("stat a blob")?;
        self.inner.stat(digest).await
    }

    async fn read(&self, digest: &Digest, range: Option<ByteRange>) -> Result<BlobRead> {
        self.call("read a blob")?;
        self.state.lock().unwrap().reads += 1;
        self.reading().await;
        let mut read = self.inner.read(digest, range).await?;
        if self.state.lock().unwrap().damaged
            && let BlobBody::Bytes(bytes) = &read.body
        {
            let mut damaged = bytes.to_vec();
            // In the middle of a digest: it is a manifest still.
            let middle = damaged.len() / 2;
            damaged[middle] ^= 1;
            read.body = BlobBody::Bytes(damaged.into());
        }
        Ok(read)
    }

    async fn put(&self, digest: &Digest, bytes: Bytes) -> Result<()> {
        self.write("bytes")?;
        BlobStore::put(&self.inner, digest, bytes).await
    }

    async fn remove(&self, digest: &Digest) -> Result<()> {
        self.write("-bytes")?;
        BlobStore::remove(&self.inner, digest).await
    }

    async fn remove_if_older(&self, batch: &[Digest], than: SystemTime) -> Result<Vec<Digest>> {
        self.write("-bytes")?;
        self.inner.remove_if_older(batch, than).await
    }

    fn list(&self, after: Option<Digest>) -> BoxStream<'_, Result<ListedBlob>> {
        self.inner.list(after)
    }

    async fn begin(&self, key: &UploadKey, announced: Announced) -> Result<()> {
        self.call("begin an upload")?;
        self.inner.begin(key, announced).await
    }

    async fn append(&self, key: &UploadKey, offset: u64, bytes: ByteStream) -> Result<u64> {
        self.call("append")?;
        self.inner.append(key, offset, bytes).await
    }

    async fn status(&self, key: &UploadKey) -> Result<UploadStatus> {
        self.call("look at an upload")?;
        self.inner.status(key).await
    }

    async fn commit(&self, key: &UploadKey, digest: &Digest) -> Result<u64> {
        self.write("bytes")?;
        self.inner.commit(key, digest).await
    }

    async fn finish(&self, key: &UploadKey, offset: u64, bytes: ByteStream, digest: &Digest) -> Result<u64> {
        self.append(key, offset, bytes).await?;
        self.commit(key, digest).await
    }

    async fn close(&self, key: &UploadKey) -> Result<()> {
        // What is left of a finished upload is in no answer; it goes with the old uploads.
        self.inner.close(key).await
    }

    async fn abort(&self, key: &UploadKey) -> Result<()> {
        self.call("abort")?;
        self.inner.abort(key).await
    }

    fn uploads(&self, begun_before: SystemTime) -> BoxStream<'_, Result<UploadKey>> {
        self.inner.uploads(begun_before)
    }

    async fn sweep(&self, begun_before: SystemTime) -> Result<()> {
        self.inner.sweep(begun_before).await
    }
}

#[async_trait::async_trait]
#[deny(clippy::missing_trait_methods)]
impl Objects for FailingStore {
    async fn get(&self, key: &Key<'_>) -> Result<Option<Bytes>> {
        self.call("get")?;
        self.reading().await;
        self.inner.get(key).await
    }

    async fn get_with_age(&self, key: &Key<'_>) -> Result<Option<AgedObject>> {
        self.call("get")?;
        self.inner.get_with_age(key).await
    }

    async fn lock(&self, repository: &RepositoryName, mode: LockMode) -> Result<RepositoryLock> {
        self.call("lock")?;
        self.inner.lock(repository, mode).await
    }

    async fn put(&self, key: &Key<'_>, bytes: Bytes, condition: PutIf) -> Result<PutOutcome> {
        self.write(kind(key).0)?;
        Objects::put(&self.inner, key, bytes, condition).await
    }

    async fn put_all(&self, groups: Vec<Vec<Put<'_>>>) -> Result<()> {
        put_in_turn(self, groups).await
    }

    async fn remove(&self, key: &Key<'_>) -> Result<bool> {
        self.write(kind(key).1)?;
        Objects::remove(&self.inner, key).await
    }

    async fn remove_if(&self, key: &Key<'_>, seen: &AgedObject) -> Result<RemoveOutcome> {
        self.write(kind(key).1)?;
        self.inner.remove_if(key, seen).await
    }

    async fn remove_all(&self, dir: &Dir<'_>) -> Result<()> {
        // The history of a deleted tag is in no answer, so a failure to remove it is none either.
        self.inner.remove_all(dir).await
    }

    async fn children(&self, dir: &Dir<'_>, after: Option<&str>, limit: usize) -> Result<Vec<String>> {
        self.call("list")?;
        self.inner.children(dir, after, limit).await
    }

    async fn children_of_each(&self, dirs: &[Dir<'_>], limit: usize) -> Result<Vec<Vec<String>>> {
        self.call("list several")?;
        self.inner.children_of_each(dirs, limit).await
    }

    async fn have_children(&self, dirs: &[Dir<'_>]) -> Result<Vec<bool>> {
        self.call("look for any")?;
        self.inner.have_children(dirs).await
    }

    async fn repositories(
        &self,
        prefix: Option<&RepositoryName>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<Vec<RepositoryName>>> {
        self.inner.repositories(prefix, after, limit).await
    }

    async fn renew(&self, key: &Key<'_>, seen: SystemTime, older_than: Duration) -> Result<bool> {
        self.call("renew")?;
        self.inner.renew(key, seen, older_than).await
    }
}

/// What a key is called in the list of what was written, and in that of what was removed.
fn kind(key: &Key<'_>) -> (&'static str, &'static str) {
    match key {
        Key::BlobData(_) => ("bytes", "-bytes"),
        Key::LayerLink(..) => ("blob link", "-blob link"),
        Key::RevisionLink(..) => ("revision", "-revision"),
        Key::TagLink(..) => ("tag", "-tag"),
        Key::TagIndexLink(..) => ("tag history", "-tag history"),
        Key::Referrer(..) => ("referrer", "-referrer"),
        Key::UploadData(_)
        | Key::UploadStartedAt(_)
        | Key::UploadRecord(_)
        | Key::UploadParts(..)
        | Key::UploadPiece(..) => ("upload", "-upload"),
        Key::Renewed(_) => ("renewal", "-renewal"),
    }
}
