//! Manifests (end-3, end-7, end-9): get, put, delete.

pub(crate) mod cache;
mod check;
mod put;

use bytes::{Bytes, BytesMut};
use cache::{CachedManifest, Known};
use futures_util::StreamExt;
pub use put::{ManifestPut, PutManifest};
use wharf_oci::{Digest, Manifest, ManifestError, ManifestKind, Reference, RepositoryName};
use wharf_store::{BlobBody, BlobRead, ByteStream};

use crate::compute::compute;
use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::registry::{Cause, Registry};

/// The longest manifest that is read back. The specification wants 4 MiB taken; older registries had no limit at all.
const MAX_MANIFEST_BYTES: u64 = 32 * 1024 * 1024;

/// What is wrong with bytes that do not hash to the digest they are stored under.
pub(crate) const DAMAGED: &str = "bytes that do not hash to it";

/// A manifest as it was pushed.
#[derive(Debug, Clone)]
pub struct StoredManifest {
    /// Its digest.
    pub digest: Digest,
    /// What it is.
    pub kind: ManifestKind,
    /// Byte for byte what was pushed.
    pub bytes: Bytes,
}

impl StoredManifest {
    /// Parses the manifest, on the blocking pool if it is long.
    pub async fn parse(&self) -> Result<Manifest> {
        Ok(parse_stored(self.bytes.clone()).await?)
    }
}

impl Registry {
    /// The manifest a tag or digest names.
    pub async fn manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<StoredManifest> {
        let unknown =
            || Error::ManifestUnknown { repository: repository.clone(), reference: reference.clone() };
        let digest = self.metadata().manifest(repository, reference).await.map_err(Error::store)?;
        let digest = digest.ok_or_else(unknown)?;
        // A link whose bytes were collected leads to nothing; the store has looked and is sure.
        let Known { kind, bytes } = self.known(&digest).await?.ok_or_else(unknown)?;
        Ok(StoredManifest { digest, kind, bytes })
    }

    /// What is stored under the digest; `None` if nothing is.
    async fn known(&self, digest: &Digest) -> Result<Option<Known>> {
        let cached_kind = match self.manifest_cache().get(digest) {
            Some(CachedManifest { kind, bytes: Some(bytes) }) => return Ok(Some(Known { kind, bytes })),
            Some(CachedManifest { kind, bytes: None }) => Some(kind),
            None => None,
        };
        let Some(bytes) = self.bytes(digest).await? else { return Ok(None) };
        if let Some(kind) = cached_kind {
            return Ok(Some(Known { kind, bytes }));
        }
        let corrupt = |problem: &str| {
            let problem = problem.to_owned();
            Error::Store(wharf_store::Error::Corrupt { path: digest.to_string(), problem })
        };
        let (expected, input) = (*digest, bytes.clone());
        // What is cached is served for as long as it is asked for, so a flipped bit on a disk must not get in.
        let verify = move || hashes_to(&expected, &input).then(|| ManifestKind::infer(&input));
        let kind = compute(bytes.len(), verify).await.ok_or_else(|| corrupt(DAMAGED))?;
        let kind = kind.ok_or_else(|| corrupt("a manifest of a kind we do not know"))?;
        let known = Known { kind, bytes };
        self.manifest_cache().insert(*digest, &known);
        Ok(Some(known))
    }

    /// Removes a tag, or a manifest and all its tags.
    pub async fn delete_manifest(
        &self,
        cause: &Cause,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<()> {
        self.deletes_allowed()?;
        let (registry, cause) = (self.clone(), cause.clone());
        let (repository, reference) = (repository.clone(), reference.clone());
        let work = async move {
            let deleted = match &reference {
                Reference::Tag(tag) => registry.delete_tag(&cause, &repository, tag).await?,
                Reference::Digest(digest) => registry.delete_revision(&cause, &repository, digest).await?,
            };
            let kind = deleted
                .ok_or_else(|| Error::ManifestUnknown { repository: repository.clone(), reference })?;
            registry.emit(&cause, &repository, || kind);
            Ok(())
        };
        self.tasks().run(work).await
    }

    async fn delete_tag(
        &self,
        cause: &Cause,
        repository: &RepositoryName,
        tag: &wharf_oci::Tag,
    ) -> Result<Option<EventKind>> {
        let deleted =
            self.metadata().delete_tag(&self.change(cause), repository, tag).await.map_err(Error::store)?;
        Ok(deleted.map(EventKind::TagDeleted))
    }

    async fn delete_revision(
        &self,
        cause: &Cause,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<EventKind>> {
        let bytes = match self.bytes(digest).await {
            // Whatever it is, it refers to nothing we have listed, and whoever deletes it may be mending the tree.
            Err(Error::Store(wharf_store::Error::Corrupt { .. })) => None,
            bytes => bytes?,
        };
        let subject = match bytes {
            Some(bytes) => parse_stored(bytes).await.ok().and_then(|manifest| manifest.subject),
            None => None,
        };
        let subject = subject.map(|subject| subject.digest);
        let change = self.change(cause);
        let deleted = self.metadata().delete_manifest(&change, repository, digest, subject.as_ref()).await;
        let deleted = deleted.map_err(Error::store)?;
        Ok(deleted.map(|deleted| EventKind::ManifestDeleted { digest: *digest, tags: deleted.tags }))
    }

    /// All bytes of a manifest; `None` if it is not there. A blob too long to be one is refused before it is read.
    pub(crate) async fn bytes(&self, digest: &Digest) -> Result<Option<Bytes>> {
        let Some(read) = self.open(digest).await? else { return Ok(None) };
        if read.size > MAX_MANIFEST_BYTES {
            return Err(Error::Store(wharf_store::Error::Corrupt {
                path: digest.to_string(),
                problem: format!("{} bytes, too many for a manifest", read.size),
            }));
        }
        gather(read).await.map(Some)
    }

    /// All bytes of a manifest; `None` if it is not there or has more than `limit` bytes.
    pub(crate) async fn bytes_up_to(&self, digest: &Digest, limit: u64) -> Result<Option<Bytes>> {
        match self.open(digest).await? {
            Some(read) if read.size <= limit => gather(read).await.map(Some),
            Some(_) | None => Ok(None),
        }
    }

    async fn open(&self, digest: &Digest) -> Result<Option<BlobRead>> {
        match self.blobs().read(digest, None).await {
            Err(wharf_store::Error::BlobNotFound { .. }) => Ok(None),
            read => read.map(Some).map_err(Error::store),
        }
    }
}

/// Whether these are the bytes of the digest.
pub(crate) fn hashes_to(digest: &Digest, bytes: &[u8]) -> bool {
    Digest::of_with(digest.algorithm(), bytes) == *digest
}

/// Parses what was stored, on the blocking pool if it is long.
pub(crate) async fn parse_stored(bytes: Bytes) -> Result<Manifest, ManifestError> {
    compute(bytes.len(), move || Manifest::parse(&bytes, None)).await
}

async fn gather(BlobRead { size, body }: BlobRead) -> Result<Bytes> {
    let mut stream: ByteStream = match body {
        BlobBody::Bytes(bytes) => return Ok(bytes),
        BlobBody::File(region) => region.boxed(),
        BlobBody::Stream(stream) => stream,
    };
    let mut gathered = BytesMut::new();
    while let Some(block) = stream.next().await {
        let block = block.map_err(unreadable)?;
        // One block is all there is, nearly always.
        if gathered.is_empty() && block.len() as u64 == size {
            return Ok(block);
        }
        gathered.extend_from_slice(&block);
        if gathered.len() as u64 > size {
            break;
        }
    }
    if gathered.len() as u64 != size {
        return Err(unreadable("its length is not what the store said".into()));
    }
    Ok(gathered.freeze())
}

fn unreadable(source: wharf_store::BoxError) -> Error {
    Error::Store(wharf_store::Error::Backend {
        backend: "blob store",
        operation: "read a manifest".to_owned(),
        retry: wharf_store::Retry::Later,
        source,
    })
}
