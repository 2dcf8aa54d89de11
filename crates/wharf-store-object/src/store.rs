//! Blobs in a bucket: each an object under the digest of its content.
//!
//! How an upload becomes one is in `uploads`; the tree's small objects are in `objects`.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt, TryStreamExt};
use wharf_oci::{Algorithm, ByteRange, Digest};
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    Announced, BlobBody, BlobRead, BlobStat, BlobStore, ByteStream, Clock, Error, ListedBlob, Result, Retry,
    SystemClock, UploadKey, UploadStatus, in_current_span,
};

use crate::catalog::Foresight;
use crate::cloud::{Cloud, Condition, Entry, Found, Meta, Page, Start};
use crate::listing::LOOKS_AT_ONCE;
use crate::renewals::{self, Renewals};
use crate::uploads;

/// A body up to this size is read into memory, where whoever sends it need not wait for it.
const SMALL_BODY_BYTES: u64 = 64 * 1024;

/// Hashing more than this goes to the blocking pool.
const INLINE_HASH_BYTES: usize = 64 * 1024;

/// How many objects a page of a listing of blobs has.
const LIST_PAGE: usize = 1000;

/// How a bucket is used.
#[derive(Debug, Clone)]
pub struct BucketOptions {
    /// The prefix of all keys, `""` for none.
    pub root: String,
    /// The size of an upload's parts, but the last.
    pub part_bytes: u64,
    /// Parts of one upload under way at once. An upload holds one part more than that in memory.
    pub upload_parts_in_flight: usize,
    /// The size of the parts of a large copy inside the cloud.
    pub copy_part_bytes: u64,
    /// Parts of one copy under way at once.
    pub copy_concurrency: usize,
    /// What is larger than this is copied in parts.
    pub copy_threshold_bytes: u64,
    /// Where the time comes from.
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

/// A bucket as the floor of a registry: a [`BlobStore`], and the [`Objects`](wharf_store::Objects) of the tree. Cheap to
/// clone.
#[derive(Debug, Clone)]
pub struct BucketStore {
    cloud: Arc<dyn Cloud>,
    options: Arc<BucketOptions>,
    sessions: Arc<uploads::Sessions>,
    foresight: Foresight,
    blocks: uploads::Blocks,
    renewals: Renewals,
}

/// A root as keys have it: without a slash at its beginning, with one at its end, or nothing at all.
pub(crate) fn normalised_root(root: &str) -> String {
    let parts: Vec<&str> = root.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { String::new() } else { parts.join("/") + "/" }
}

// === impl BucketStore ===

impl BucketStore {
    /// The tree in `cloud`. Nothing is asked of it yet.
    pub fn open(cloud: Arc<dyn Cloud>, options: BucketOptions) -> Self {
        let root = normalised_root(&options.root);
        let options = Arc::new(BucketOptions { root, ..options });
        Self {
            cloud,
            options,
            sessions: Arc::default(),
            foresight: Foresight::default(),
            blocks: uploads::Blocks::default(),
            renewals: Renewals::default(),
        }
    }

    /// Where the objects are.
    pub fn cloud(&self) -> &Arc<dyn Cloud> {
        &self.cloud
    }

    /// How they are used; the root is as keys have it.
    pub fn options(&self) -> &BucketOptions {
        &self.options
    }

    /// The whole key of an object.
    pub fn key(&self, key: &Key<'_>) -> String {
        format!("{}{}", self.options.root, key.path())
    }

    /// What all keys below a level begin with.
    pub(crate) fn dir(&self, dir: &Dir<'_>) -> String {
        format!("{}{}/", self.options.root, dir.path())
    }

    /// What this process remembers of uploads for a moment.
    pub(crate) fn sessions(&self) -> &uploads::Sessions {
        &self.sessions
    }

    /// What this process has asked for pages of the catalog.
    pub(crate) fn foresight(&self) -> &Foresight {
        &self.foresight
    }

    /// The memory of uploads' parts.
    pub(crate) fn blocks(&self) -> &uploads::Blocks {
        &self.blocks
    }

    /// The renewals this process has seen.
    pub(crate) fn renewals(&self) -> &Renewals {
        &self.renewals
    }

    fn blob_key(&self, digest: &Digest) -> String {
        self.key(&Key::BlobData(digest))
    }
}

#[async_trait]
impl BlobStore for BucketStore {
    async fn stat(&self, digest: &Digest) -> Result<BlobStat> {
        let meta = self.cloud.head(&self.blob_key(digest)).await?;
        meta.map(|meta| stat(&meta)).ok_or(Error::BlobNotFound { digest: *digest })
    }

    async fn read(&self, digest: &Digest, range: Option<ByteRange>) -> Result<BlobRead> {
        let object = self.cloud.get(&self.blob_key(digest), range).await?;
        let object = object.ok_or(Error::BlobNotFound { digest: *digest })?;
        let size = object.meta.size;
        let length = range.map_or(size, |range| range.length);
        let body = if length <= SMALL_BODY_BYTES {
            BlobBody::Bytes(whole(&self.blob_key(digest), object.body).await?)
        } else {
            BlobBody::Stream(object.body)
        };
        Ok(BlobRead { size, body })
    }

    async fn put(&self, digest: &Digest, bytes: Bytes) -> Result<()> {
        verify(digest, &bytes).await?;
        self.cloud.put(&self.blob_key(digest), vec![bytes], Condition::Any).await?;
        Ok(())
    }

    async fn remove(&self, digest: &Digest) -> Result<()> {
        self.renewals.forget(digest);
        self.cloud.delete(&self.blob_key(digest)).await
    }

    /// Not safe beside writers and holders before the batch is announced to them, which it is not yet: one that renews a
    /// blob between the two requests loses it. Nothing calls it while the registry serves.
    async fn remove_if_older(&self, batch: &[Digest], than: SystemTime) -> Result<Vec<Digest>> {
        let old = stream::iter(batch.to_vec())
            .map(|digest| async move {
                let last_use = renewals::last_use(self, &digest).await?;
                Ok::<_, Error>(last_use.is_some_and(|at| at < than).then_some(digest))
            })
            .buffered(LOOKS_AT_ONCE)
            .try_collect::<Vec<Option<Digest>>>();
        let old: Vec<Digest> = old.await?.into_iter().flatten().collect();
        if !old.is_empty() {
            old.iter().for_each(|digest| self.renewals.forget(digest));
            self.cloud.delete_all(old.iter().map(|digest| self.blob_key(digest)).collect()).await?;
            // A renewal that is written meanwhile is one of nothing.
            let renewals = old.iter().map(|digest| self.key(&Key::Renewed(digest))).collect();
            self.cloud.delete_all(renewals).await?;
        }
        Ok(old)
    }

    fn list(&self, after: Option<Digest>) -> BoxStream<'_, Result<ListedBlob>> {
        let algorithms = Algorithm::ALL.into_iter().filter(move |algorithm| {
            after.is_none_or(|after| after.algorithm().as_str() <= algorithm.as_str())
        });
        let of_one = move |algorithm| self.list_algorithm(algorithm, after);
        stream::iter(algorithms).flat_map(of_one).boxed()
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

    async fn close(&self, key: &UploadKey) -> Result<()> {
        uploads::close(self, key).await
    }

    async fn abort(&self, key: &UploadKey) -> Result<()> {
        uploads::abort(self, key).await
    }

    fn uploads(&self, begun_before: SystemTime) -> BoxStream<'_, Result<UploadKey>> {
        uploads::uploads(self, begun_before)
    }

    async fn sweep(&self, begun_before: SystemTime) -> Result<()> {
        uploads::sweep(self, begun_before).await
    }
}

impl BucketStore {
    /// The blobs of one algorithm: their keys are in the order of their digests.
    fn list_algorithm(
        &self,
        algorithm: Algorithm,
        after: Option<Digest>,
    ) -> BoxStream<'_, Result<ListedBlob>> {
        let prefix = self.dir(&Dir::BlobPrefixes(algorithm));
        let start = after.filter(|after| after.algorithm() == algorithm).map(|after| self.blob_key(&after));
        let start = start.map(Start::After);
        let pages = stream::try_unfold(Some(start), move |at| {
            let prefix = prefix.clone();
            async move {
                let Some(start) = at else { return Ok(None) };
                let Page { entries, next } =
                    self.cloud.list(&prefix, start.as_ref(), false, LIST_PAGE).await?;
                let next = next.map(Some);
                let blobs: Vec<Result<ListedBlob>> = entries
                    .into_iter()
                    .filter_map(|entry| match entry {
                        Entry::Object(found) => listed(&prefix, algorithm, &found),
                        Entry::Level(_) => None,
                    })
                    .map(Ok)
                    .collect();
                Ok::<_, Error>(Some((stream::iter(blobs), next)))
            }
        });
        pages.try_flatten().boxed()
    }
}

/// A row of the listing as a blob; `None` for what somebody else has put beside them.
fn listed(prefix: &str, algorithm: Algorithm, found: &Found) -> Option<ListedBlob> {
    let (_, hex) = found.key.strip_prefix(prefix)?.strip_suffix("/data")?.split_once('/')?;
    let digest: Digest = format!("{algorithm}:{hex}").parse().ok()?;
    Some(ListedBlob { digest, stat: BlobStat { size: found.size, modified: found.modified } })
}

fn stat(meta: &Meta) -> BlobStat {
    BlobStat { size: meta.size, modified: meta.modified }
}

/// All of a body that is known to be short.
pub(crate) async fn whole(key: &str, body: ByteStream) -> Result<Bytes> {
    beginning(key, body, usize::MAX).await
}

/// The first `most` bytes of a body, or all of a shorter one. No more is read.
pub(crate) async fn beginning(key: &str, mut body: ByteStream, most: usize) -> Result<Bytes> {
    let failed = |source| Error::Backend {
        backend: "bucket",
        operation: format!("read {key}"),
        retry: Retry::Later,
        source,
    };
    let mut first = body.try_next().await.map_err(failed)?.unwrap_or_default();
    if first.len() >= most {
        first.truncate(most);
        return Ok(first);
    }
    let Some(second) = body.try_next().await.map_err(failed)? else { return Ok(first) };
    let mut bytes = BytesMut::from(&first[..]);
    bytes.extend_from_slice(&second);
    while bytes.len() < most
        && let Some(piece) = body.try_next().await.map_err(failed)?
    {
        bytes.extend_from_slice(&piece);
    }
    bytes.truncate(most);
    Ok(bytes.freeze())
}

async fn verify(expected: &Digest, bytes: &Bytes) -> Result<()> {
    let (algorithm, content) = (expected.algorithm(), bytes.clone());
    let hash = move || Digest::of_with(algorithm, &content);
    let actual = if bytes.len() <= INLINE_HASH_BYTES {
        hash()
    } else {
        match tokio::task::spawn_blocking(in_current_span(hash)).await {
            Ok(digest) => digest,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    };
    if actual == *expected { Ok(()) } else { Err(Error::DigestMismatch { expected: *expected, actual }) }
}
