//! The wrapper of a blob store.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{ByteRange, Digest};
use wharf_store::{
    Announced, BlobBody, BlobRead, BlobStat, BlobStore, ByteStream, ListedBlob, Result, UploadKey,
    UploadStatus,
};

use super::{Call, Faults};

/// A blob store in the hands of a test.
#[derive(Debug)]
pub struct FlakyBlobs {
    store: Arc<dyn BlobStore>,
    faults: Faults,
}

impl FlakyBlobs {
    /// `store`, but for what `faults` has in mind.
    pub fn new(store: Arc<dyn BlobStore>, faults: Faults) -> Self {
        Self { store, faults }
    }

    fn streamed<'a, T: Send + 'a>(
        &'a self,
        call: Call,
        rest: BoxStream<'a, Result<T>>,
    ) -> BoxStream<'a, Result<T>> {
        let pass = async move { self.faults.pass(call).await.map(|()| rest) };
        stream::once(pass).try_flatten().boxed()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl BlobStore for FlakyBlobs {
    async fn stat(&self, digest: &Digest) -> Result<BlobStat> {
        self.faults.pass(Call::Stat).await?;
        self.store.stat(digest).await
    }

    async fn read(&self, digest: &Digest, range: Option<ByteRange>) -> Result<BlobRead> {
        self.faults.pass(Call::Read).await?;
        let read = self.store.read(digest, range).await?;
        if !self.faults.takes_panic_in_body() {
            return Ok(read);
        }
        let half = Bytes::from(vec![0; usize::try_from(read.size / 2).unwrap_or(usize::MAX)]);
        let panics = stream::once(async { panic!("a body panics because a test said so") });
        let body = stream::once(async { Ok(half) }).chain(panics).boxed();
        Ok(BlobRead { body: BlobBody::Stream(body), ..read })
    }

    async fn put(&self, digest: &Digest, bytes: Bytes) -> Result<()> {
        self.faults.pass(Call::Put).await?;
        self.store.put(digest, bytes).await
    }

    async fn remove(&self, digest: &Digest) -> Result<()> {
        self.faults.pass(Call::Remove).await?;
        self.store.remove(digest).await
    }

    async fn remove_if_older(&self, batch: &[Digest], than: SystemTime) -> Result<Vec<Digest>> {
        self.faults.pass(Call::Remove).await?;
        self.store.remove_if_older(batch, than).await
    }

    fn list(&self, after: Option<Digest>) -> BoxStream<'_, Result<ListedBlob>> {
        self.streamed(Call::List, self.store.list(after))
    }

    async fn begin(&self, key: &UploadKey, announced: Announced) -> Result<()> {
        self.faults.pass(Call::Begin).await?;
        self.store.begin(key, announced).await
    }

    async fn append(&self, key: &UploadKey, offset: u64, bytes: ByteStream) -> Result<u64> {
        self.faults.pass(Call::Append).await?;
        self.store.append(key, offset, bytes).await
    }

    async fn status(&self, key: &UploadKey) -> Result<UploadStatus> {
        self.faults.pass(Call::Status).await?;
        self.store.status(key).await
    }

    async fn commit(&self, key: &UploadKey, digest: &Digest) -> Result<u64> {
        self.faults.pass(Call::Commit).await?;
        self.store.commit(key, digest).await
    }

    async fn finish(&self, key: &UploadKey, offset: u64, bytes: ByteStream, digest: &Digest) -> Result<u64> {
        self.faults.pass(Call::Finish).await?;
        let size = self.store.finish(key, offset, bytes, digest).await?;
        self.faults.pass(Call::Finished).await?;
        Ok(size)
    }

    async fn close(&self, key: &UploadKey) -> Result<()> {
        self.faults.pass(Call::Close).await?;
        self.store.close(key).await
    }

    async fn abort(&self, key: &UploadKey) -> Result<()> {
        self.faults.pass(Call::Abort).await?;
        self.store.abort(key).await
    }

    fn uploads(&self, begun_before: SystemTime) -> BoxStream<'_, Result<UploadKey>> {
        self.streamed(Call::Uploads, self.store.uploads(begun_before))
    }

    async fn sweep(&self, begun_before: SystemTime) -> Result<()> {
        self.faults.pass(Call::Sweep).await?;
        self.store.sweep(begun_before).await
    }
}
