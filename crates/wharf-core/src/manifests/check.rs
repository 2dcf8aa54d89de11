//! Whether a manifest has all it needs.
//!
//! Nothing is changed by a check, so it may be dropped at any await.

use std::collections::HashSet;

use futures_util::future::join;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::coop::consume_budget;
use wharf_oci::{Descriptor, Digest, Manifest, RepositoryName};
use wharf_store::{FoundLink, Held, HeldLink, Hold, LinkKind};

use crate::error::{Error, Result};
use crate::registry::Registry;
use crate::validation::{Missing, Validation};

/// How many references are checked at once.
const CONCURRENCY: usize = 16;

/// A check stops after this many missing references. Most clients push one manifest after all its blobs, so one missing
/// reference says as much as all; and what an error lists must not grow with the manifest.
const MISSING_LISTED: usize = 100;

/// What must be in the repository.
enum Needed {
    Blob(Digest),
    Child(Digest),
}

/// A manifest that may be put.
pub(super) struct Checked {
    pub(super) manifest: Manifest,
    /// Everything it references.
    pub(super) references: Vec<Digest>,
    /// Keep a collector from taking any of that before the manifest is there to speak for it.
    pub(super) holds: Vec<Hold>,
}

/// The result of checking one reference.
enum Reference {
    Present(Hold),
    Missing(Digest),
}

impl Registry {
    /// Finds out whether the manifest may be put.
    pub(super) async fn check(&self, repository: &RepositoryName, manifest: Manifest) -> Result<Checked> {
        if let Some(reason) = self.validation().class_refused(&manifest) {
            return Err(Error::ClassRefused { reason });
        }
        let (found, limit) = (manifest.references().count() + manifest.children().len(), self.limits());
        if found > limit.manifest_references {
            return Err(Error::TooManyReferences { found, limit: limit.manifest_references });
        }
        let mut needed = needed(self.validation(), &manifest)?;
        if self.validation().missing == Missing::Allow {
            needed.clear();
        }
        let count = needed.len();
        let checks = stream::iter(needed).map(|needed| self.check_reference(repository, needed));
        let mut checks = checks.buffered(CONCURRENCY);
        let (mut holds, mut digests) = (Vec::new(), Vec::new());
        while let Some(reference) = checks.try_next().await? {
            match reference {
                Reference::Present(hold) => holds.push(hold),
                Reference::Missing(digest) => digests.push(digest),
            }
            if digests.len() == MISSING_LISTED {
                break;
            }
        }
        if !digests.is_empty() {
            let unchecked = count - holds.len() - digests.len();
            return Err(Error::ReferencesUnknown { repository: repository.clone(), digests, unchecked });
        }
        let references = manifest.references().chain(manifest.children());
        let references = references.map(|descriptor| descriptor.digest).collect();
        Ok(Checked { manifest, references, holds })
    }

    async fn check_reference(&self, repository: &RepositoryName, needed: Needed) -> Result<Reference> {
        // A store that answers from memory never waits, and thousands of references would be one long poll.
        consume_budget().await;
        let (Needed::Blob(digest) | Needed::Child(digest)) = needed;
        // A link leads to what it is called after, but for those of an older registry: both are read together.
        let (found, seen) = join(self.found(repository, &needed), self.blobs().stat(&digest)).await;
        let Some((kind, found)) = found? else {
            return Ok(Reference::Missing(digest));
        };
        let content = found.content;
        let seen = if content == digest { seen } else { self.blobs().stat(&content).await };
        let seen = match seen {
            Ok(seen) => seen,
            Err(wharf_store::Error::BlobNotFound { .. }) => {
                // The client was perhaps told that it is here; the next time it is not, and sends it.
                self.is_gone(&content).await;
                return Ok(Reference::Missing(digest));
            }
            Err(error) => return Err(Error::store(error)),
        };
        // A collector may remove either between the read and the hold, which then says so.
        let link = HeldLink { repository, kind, digest: &digest, found };
        let held = Held { content: &content, seen: &seen, link: Some(link) };
        let hold = self.metadata().hold(&held).await.map_err(Error::store)?;
        Ok(hold.map_or(Reference::Missing(digest), Reference::Present))
    }

    /// What the repository has under the digest.
    async fn found(
        &self,
        repository: &RepositoryName,
        needed: &Needed,
    ) -> Result<Option<(LinkKind, FoundLink)>> {
        let link = async |kind, digest| {
            let found = self.metadata().link(repository, kind, digest).await.map_err(Error::store)?;
            Ok(found.map(|found| (kind, found)))
        };
        let (Needed::Blob(digest) | Needed::Child(digest)) = needed;
        if let Needed::Child(digest) = needed
            && let Some(found) = link(LinkKind::Manifest, digest).await?
        {
            return Ok(Some(found));
        }
        // BuildKit's cache is an index whose children are layers; so a blob will do for a child as well.
        link(LinkKind::Blob, digest).await
    }
}

/// What must be there for this manifest, by the operator's rules: each thing once, in the order of the manifest.
fn needed(validation: &Validation, manifest: &Manifest) -> Result<Vec<Needed>> {
    let (mut needed, mut seen) = (Vec::new(), HashSet::new());
    for descriptor in manifest.references() {
        if !validation.disabled {
            check_urls(validation, descriptor)?;
        }
        // A layer that may not be distributed, and says where to get it, need not be here.
        let elsewhere = descriptor.media_type.is_nondistributable() && !descriptor.urls.is_empty();
        if !elsewhere && seen.insert(descriptor.digest) {
            needed.push(Needed::Blob(descriptor.digest));
        }
    }
    for descriptor in manifest.children() {
        let required = !validation.disabled && validation.platforms.require(descriptor.platform.as_ref());
        if required && seen.insert(descriptor.digest) {
            needed.push(Needed::Child(descriptor.digest));
        }
    }
    Ok(needed)
}

fn check_urls(validation: &Validation, descriptor: &Descriptor) -> Result<()> {
    match descriptor.urls.iter().find(|url| !validation.urls.allows(url)) {
        Some(url) => Err(Error::UrlForbidden { digest: descriptor.digest, url: url.clone() }),
        None => Ok(()),
    }
}
