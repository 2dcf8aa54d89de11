//! A bucket as a store.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use wharf_oci::{ByteRange, Digest};
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    Announced, BlobBody, BlobRead, BlobStat, BlobStore, ByteStream, Clock, Error, ListedBlob, Result,
    SystemClock, UploadKey, UploadStatus,
};

use crate::cloud::{Cloud, Condition, Meta};
use crate::uploads;

/// How a bucket is used.
#[derive(Debug, Clone)]
pub struct BucketOptions {
    /// What every key begins with.
    pub root: String,
    /// The size of a part of an upload.
    pub part_bytes: u64,
    /// How many parts of one upload are sent at once.
    pub upload_parts_in_flight: usize,
    /// The size of a part of a copy.
    pub copy_part_bytes: u64,
    /// How many parts of one copy are made at once.
    pub copy_concurrency: usize,
    /// What is longer is copied in parts.
    pub copy_threshold_bytes: u64,
    /// Where uploads take their time from.
    pub clock: Arc<dyn Clock>,
}

impl Default for BucketOptions {
    fn default() -> Self {
        Self {
            root: String::new(),
            part_bytes: 10 << 20,
            upload_parts_in_flight: 3,
            copy_part_bytes: 32 << 20,
            copy_concurrency: 16,
            copy_threshold_bytes: 32 << 20,
            clock: Arc::new(SystemClock),
        }
    }
}

/// A bucket with a registry in it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BucketStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cloud: Arc<dyn Cloud>,
    options: BucketOptions,
    sessions: uploads::Sessions,
}

impl BucketStore {
    /// Opens the bucket.
    pub fn open(cloud: Arc<dyn Cloud>, options: BucketOptions) -> Self {
        Self(Arc::new(Inner { cloud, options, sessions: uploads::Sessions::default() }))
    }

    pub(crate) fn cloud(&self) -> &Arc<dyn Cloud> {
        &self.0.cloud
    }

    pub(crate) fn options(&self) -> &BucketOptions {
        &self.0.options
    }

    pub(crate) fn sessions(&self) -> &uploads::Sessions {
        &self.0.sessions
    }

    pub(crate) fn key(&self, key: &Key<'_>) -> String {
        format!("{}{}", self.0.options.root, key.path())
    }

    pub(crate) fn dir(&self, dir: &Dir<'_>) -> String {
        format!("{}{}/", self.0.options.root, dir.path())
    }

    async fn meta(&self, digest: &Digest) -> Result<Meta> {
        let found = self.cloud().head(&self.key(&Key::BlobData(digest))).await?;
        found.ok_or(Error::BlobNotFound { digest: *digest })
    }
}

#[async_trait]
impl BlobStore for BucketStore {
    async fn stat(&self, digest: &Digest) -> Result<BlobStat> {
        self.meta(digest).await.map(|meta| BlobStat { size: meta.size, modified: meta.modified })
    }

    async fn read(&self, digest: &Digest, range: Option<ByteRange>) -> Result<BlobRead> {
        let found = self.cloud().get(&self.key(&Key::BlobData(digest)), range).await?;
        let object = found.ok_or(Error::BlobNotFound { digest: *digest })?;
        Ok(BlobRead { size: object.meta.size, body: BlobBody::Stream(object.body) })
    }

    async fn put(&self, digest: &Digest, bytes: Bytes) -> Result<()> {
        self.cloud().put(&self.key(&Key::BlobData(digest)), vec![bytes], Condition::Any).await.map(|_| ())
    }

    async fn remove(&self, digest: &Digest) -> Result<()> {
        self.cloud().delete(&self.key(&Key::BlobData(digest))).await
    }

    async fn remove_if_older(&self, digest: &Digest, than: SystemTime) -> Result<bool> {
        let old = self.meta(digest).await?.modified < than;
        if old {
            self.remove(digest).await?;
        }
        Ok(old)
    }

    fn list(&self, _after: Option<Digest>) -> BoxStream<'_, Result<ListedBlob>> {
        stream::empty().boxed()
    }

    async fn begin(&self, key: &UploadKey, announced: Announced) -> Result<()> {
        uploads::begin(self, key, announced).await
    }

    async fn append(&self, key: &UploadKey, offset: u64, bytes: ByteStream) -> Result<u64> {
        uploads::append(self, key, offset, bytes).await
    }

    async fn status(&self, key: &UploadKey) -> Result<UploadStatus> {
        uploads::status(self, key).await
    }

    async fn commit(&self, key: &UploadKey, digest: &Digest) -> Result<u64> {
        uploads::commit(self, key, digest).await
    }

    async fn finish(&self, key: &UploadKey, offset: u64, bytes: ByteStream, digest: &Digest) -> Result<u64> {
        uploads::finish(self, key, offset, bytes, digest).await
    }

    async fn abort(&self, key: &UploadKey) -> Result<()> {
        uploads::abort(self, key).await
    }

    fn uploads(&self, begun_before: SystemTime) -> BoxStream<'_, Result<UploadKey>> {
        uploads::uploads(self, begun_before)
    }
}
