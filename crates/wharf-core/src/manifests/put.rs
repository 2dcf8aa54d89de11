//! Putting a manifest: bytes, then facts.

use bytes::Bytes;
use wharf_oci::{Digest, Manifest, MediaType, Reference, RepositoryName, Tag};
use wharf_store::{Expect, ManifestFacts, TagWrite};

use super::check::Checked;
use crate::compute::compute;
use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::registry::{Cause, Registry};

/// A manifest to be put.
#[derive(Debug, Clone)]
pub struct PutManifest {
    /// The tag or digest it was put to.
    pub reference: Reference,
    /// The digest to keep it under when it was put to a tag; sha256 unless said.
    pub digest: Option<Digest>,
    /// Further tags (end-7b).
    pub tags: Vec<Tag>,
    /// Those of all these tags that may be made and not be moved.
    pub immutable: Vec<Tag>,
    /// What the client says it is.
    pub content_type: Option<MediaType>,
    /// What it is, byte for byte.
    pub bytes: Bytes,
}

/// A manifest that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestPut {
    /// Its digest.
    pub digest: Digest,
    /// What it refers to; it is listed among the referrers of that now.
    pub subject: Option<Digest>,
    /// The tags that mean it now, of those asked for with `?tag=`.
    pub tags: Vec<Tag>,
}

impl Registry {
    /// Stores a manifest that has all it needs, and makes it visible: itself, its entry among the referrers, its tags.
    ///
    /// Dropped while the manifest is being checked, it ends there. What comes then changes something and runs to its end.
    pub async fn put_manifest(
        &self,
        cause: &Cause,
        repository: &RepositoryName,
        put: PutManifest,
    ) -> Result<ManifestPut> {
        let (parsed, put) = compute(put.bytes.len(), move || (parsed(&put), put)).await;
        let (digest, manifest) = parsed?;
        let checked = self.check(repository, manifest).await?;
        self.check_immutable(repository, &put.immutable, &digest).await?;

        let (registry, cause, repository) = (self.clone(), cause.clone(), repository.clone());
        let publish =
            async move { registry.publish_manifest(&cause, &repository, put, digest, checked).await };
        self.tasks().run(publish).await
    }

    /// Writes a manifest that was checked. The holds of the check end with this.
    async fn publish_manifest(
        &self,
        cause: &Cause,
        repository: &RepositoryName,
        put: PutManifest,
        digest: Digest,
        Checked { manifest, references, holds }: Checked,
    ) -> Result<ManifestPut> {
        let size_bytes = put.bytes.len() as u64;
        self.blobs().put(&digest, put.bytes).await.map_err(Error::store)?;

        let referrer = manifest.referrer_descriptor(&digest, size_bytes);
        let subject = manifest.subject.as_ref().map(|subject| subject.digest);
        let named = match put.reference {
            Reference::Tag(tag) => Some(tag),
            Reference::Digest(_) => None,
        };
        let writes: Vec<TagWrite> = named
            .iter()
            .chain(&put.tags)
            .map(|tag| {
                let expect = if put.immutable.contains(tag) { Expect::Absent } else { Expect::Any };
                TagWrite { tag: tag.clone(), expect }
            })
            .collect();
        let facts = ManifestFacts {
            digest: &digest,
            references: &references,
            subject: subject.as_ref().map(|subject| (subject, &referrer)),
            tags: &writes,
        };
        let written = self.metadata().put_manifest(&self.change(cause), repository, &facts).await;
        drop(holds);
        let written = written.map_err(|error| put_error(error, repository))?;
        self.emit(cause, repository, || EventKind::ManifestPushed {
            digest,
            media_type: manifest.kind.media_type(),
            size_bytes,
            tags: written.tags,
        });
        Ok(ManifestPut { digest, subject, tags: put.tags })
    }
}

impl Registry {
    /// Refuses before anything is written what would be refused in the end; somebody may still come between.
    async fn check_immutable(
        &self,
        repository: &RepositoryName,
        tags: &[Tag],
        digest: &Digest,
    ) -> Result<()> {
        for tag in tags {
            let reference = Reference::Tag(tag.clone());
            let current = self.metadata().manifest(repository, &reference).await.map_err(Error::store)?;
            if current.is_some_and(|current| current != *digest) {
                return Err(Error::TagConflict { repository: repository.clone(), tag: tag.clone(), current });
            }
        }
        Ok(())
    }
}

/// The digest and the content of what was pushed.
fn parsed(put: &PutManifest) -> Result<(Digest, Manifest)> {
    let digest = verified_digest(put)?;
    Ok((digest, Manifest::parse(&put.bytes, put.content_type.as_ref())?))
}

/// The digest to keep the manifest under, which its bytes have been found to hash to.
fn verified_digest(put: &PutManifest) -> Result<Digest> {
    let promised = match &put.reference {
        Reference::Digest(digest) => Some(*digest),
        Reference::Tag(_) => put.digest,
    };
    let Some(expected) = promised else {
        return Ok(Digest::of(&put.bytes));
    };
    let actual = Digest::of_with(expected.algorithm(), &put.bytes);
    if actual == expected { Ok(expected) } else { Err(Error::DigestMismatch { expected, actual }) }
}

fn put_error(error: wharf_store::Error, repository: &RepositoryName) -> Error {
    match error {
        wharf_store::Error::TagConflict { tag, current } => {
            Error::TagConflict { repository: repository.clone(), tag, current }
        }
        other => Error::store(other),
    }
}
