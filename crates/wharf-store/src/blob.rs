//! The port that owns bytes.

use std::fmt;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use wharf_oci::{Algorithm, ByteRange, Digest, RepositoryName, UploadId};

use crate::error::{BoxError, Result};
use crate::region::FileRegion;

/// Bytes on their way in or out.
pub type ByteStream = BoxStream<'static, Result<Bytes, BoxError>>;

/// Immutable bytes under the digest of their content.
///
/// # Contract
/// - **Verified.** `commit` and `put` publish only bytes that hash to the digest; on a mismatch nothing becomes visible.
/// - **Atomic.** A blob is absent or whole; no reader sees a prefix of one.
/// - **Durable.** When `commit`, `put` or `remove` has answered `Ok`, a power cut does not undo it (unless the operator
///   asked the backend for less).
/// - **Idempotent.** Committing a digest already held, and removing one that is not, are `Ok`.
/// - **Cancel-safe.** A future dropped at any await leaves at most an unfinished upload.
/// - **Young.** `commit` and `put` leave a blob whose age counts from then, also one that was there before: a collector
///   that spares the young leaves whoever publishes the time to write the link.
/// - **Resumable.** An upload lives by its key, not by a handle: another process, and the same machine after a power
///   cut, can go on with it, and `commit` never trusts a hash that does not cover exactly the bytes stored.
/// - **One writer.** Of two writers on one upload one gets [`Error::UploadBusy`]; bytes of two never mix.
///
/// A backend runs `blob_store_suite!`; a wrapper carries `#[deny(clippy::missing_trait_methods)]`.
///
/// [`Error::UploadBusy`]: crate::Error::UploadBusy
#[async_trait]
pub trait BlobStore: fmt::Debug + Send + Sync + 'static {
    /// Size in bytes and age, or [`Error::BlobNotFound`](crate::Error::BlobNotFound).
    async fn stat(&self, digest: &Digest) -> Result<BlobStat>;

    /// What the bytes of `range` (or all of them) are: a region of a file, a buffer, or a stream.
    ///
    /// `range` must lie within the blob; the caller has learnt the size from `stat`.
    async fn read(&self, digest: &Digest, range: Option<ByteRange>) -> Result<BlobRead>;

    /// Stores a small blob whole, verified. Nothing of `bytes` is kept after the call: their memory is counted as the
    /// caller's.
    async fn put(&self, digest: &Digest, bytes: Bytes) -> Result<()>;

    /// Removes a blob; `Ok` when there was none.
    async fn remove(&self, digest: &Digest) -> Result<()>;

    /// Removes those of a batch of blobs (up to 1,000) that were neither published nor renewed since `than`, for a
    /// collector; returns the removed ones in the order of the batch.
    ///
    /// Atomic for each blob with respect to publishers and to [`hold`](crate::MetadataStore::hold): either the hold
    /// succeeds and the blob survives, or the hold returns `None`. A reader that has found a blob finds it until it is
    /// removed. Backends that cannot do this without announcing the batch first say so.
    async fn remove_if_older(&self, batch: &[Digest], than: SystemTime) -> Result<Vec<Digest>>;

    /// Every blob after `after` in the order of digests, for a collector.
    fn list(&self, after: Option<Digest>) -> BoxStream<'_, Result<ListedBlob>>;

    /// Opens the upload `key`, empty; one already open under this key starts over. With [`Announced::Nothing`] what was
    /// announced for it still counts.
    async fn begin(&self, key: &UploadKey, announced: Announced) -> Result<()>;

    /// Appends at `offset`, which must be the current end; returns the new end.
    ///
    /// When the stream fails, what came before stays and [`Error::Body`](crate::Error::Body) says where it ends.
    async fn append(&self, key: &UploadKey, offset: u64, bytes: ByteStream) -> Result<u64>;

    /// Where the upload ends and when it was begun. A finished one ends where the blob does.
    async fn status(&self, key: &UploadKey) -> Result<UploadStatus>;

    /// Publishes the upload under `digest` and leaves it finished, or fails with
    /// [`Error::DigestMismatch`](crate::Error::DigestMismatch) and leaves it open. Returns the blob's size.
    ///
    /// Repeated with the same digest before [`close`](Self::close), also by another process after this one died, it
    /// answers the same. It rests on what the upload itself recorded, never on bytes of that digest being somewhere.
    async fn commit(&self, key: &UploadKey, digest: &Digest) -> Result<u64>;

    /// [`append`](Self::append) of the last bytes and [`commit`](Self::commit) in one step: whoever knows the digest before
    /// the bytes come can be spared a detour.
    ///
    /// What was not published is not promised to be kept: after a failure [`status`](Self::status) says what is left.
    async fn finish(&self, key: &UploadKey, offset: u64, bytes: ByteStream, digest: &Digest) -> Result<u64> {
        self.append(key, offset, bytes).await?;
        self.commit(key, digest).await
    }

    /// Forgets a finished upload, once what refers to the blob is written; `Ok` when there is none. An upload that is not
    /// finished stays.
    async fn close(&self, key: &UploadKey) -> Result<()>;

    /// Forgets the upload and its bytes, whether finished or not; [`Error::UploadNotFound`](crate::Error::UploadNotFound) when it is not open.
    async fn abort(&self, key: &UploadKey) -> Result<()>;

    /// Every open upload begun before the given time, for the purger.
    ///
    /// Looking removes nothing.
    fn uploads(&self, begun_before: SystemTime) -> BoxStream<'_, Result<UploadKey>>;

    /// Removes what writers that are gone have left, if it is older than the given time and no upload's. Most stores have no
    /// such things.
    async fn sweep(&self, _begun_before: SystemTime) -> Result<()> {
        Ok(())
    }
}

/// What a store knows about a blob without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobStat {
    /// Size in bytes.
    pub size: u64,
    /// When it was published or last renewed.
    pub modified: SystemTime,
}

/// One row of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedBlob {
    /// The blob.
    pub digest: Digest,
    /// Its size and age.
    pub stat: BlobStat,
}

/// A blob opened for reading.
#[derive(Debug)]
pub struct BlobRead {
    /// Size in bytes of the whole blob, whatever range was asked for.
    pub size: u64,
    /// The bytes of the range.
    pub body: BlobBody,
}

/// What a blob's bytes are, so that the edge can choose the cheapest way to send them.
pub enum BlobBody {
    /// A region of an open file.
    File(FileRegion),
    /// They are in memory.
    Bytes(Bytes),
    /// They arrive from elsewhere.
    Stream(ByteStream),
}

/// What the client has said at the start about the digest it will finish with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Announced {
    /// Nothing: sha256 is the guess that is nearly always right.
    #[default]
    Nothing,
    /// The algorithm (`?digest-algorithm=`, end-4c), so that the bytes are hashed once.
    Algorithm(Algorithm),
    /// The digest itself (end-4b): a backend may write straight to the final place.
    Digest(Digest),
}

impl Announced {
    /// The algorithm to hash with while the bytes come in.
    pub fn algorithm(&self) -> Algorithm {
        match self {
            Self::Nothing => Algorithm::Sha256,
            Self::Algorithm(algorithm) => *algorithm,
            Self::Digest(digest) => digest.algorithm(),
        }
    }
}

/// The name of an upload: it belongs to the repository it was begun in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UploadKey {
    /// The repository the blob will be linked into.
    pub repository: RepositoryName,
    /// The upload's own id.
    pub id: UploadId,
}

/// How far an upload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadStatus {
    /// Bytes stored.
    pub offset: u64,
    /// When it was begun.
    pub begun: SystemTime,
}

// === impl BlobBody ===

impl fmt::Debug for BlobBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(region) => f.debug_tuple("File").field(region).finish(),
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(&bytes.len()).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}
