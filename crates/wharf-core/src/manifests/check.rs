//! Whether a manifest has all it needs.

use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Descriptor, Digest, Manifest, Reference, RepositoryName};

use crate::error::{Error, Result};
use crate::registry::Registry;
use crate::validation::{Missing, Validation};

/// How many references are looked for at once.
const CONCURRENCY: usize = 16;

/// What must be in the repository.
enum Needed {
    Blob(Digest),
    Child(Digest),
}

impl Registry {
    /// Everything the manifest references, if it may be put.
    pub(super) async fn check(
        &self,
        repository: &RepositoryName,
        manifest: &Manifest,
    ) -> Result<Vec<Digest>> {
        let needed = needed(self.validation(), manifest)?;
        if self.validation().missing == Missing::Deny {
            let looked: Vec<Option<Digest>> = stream::iter(needed)
                .map(|needed| self.if_missing(repository, needed))
                .buffered(CONCURRENCY)
                .try_collect()
                .await?;
            let mut digests: Vec<Digest> = Vec::new();
            for digest in looked.into_iter().flatten() {
                if !digests.contains(&digest) {
                    digests.push(digest);
                }
            }
            if !digests.is_empty() {
                return Err(Error::ReferencesUnknown {
                    repository: repository.clone(),
                    digests,
                });
            }
        }
        Ok(manifest
            .references()
            .chain(manifest.children())
            .map(|descriptor| descriptor.digest)
            .collect())
    }

    async fn if_missing(&self, repository: &RepositoryName, needed: Needed) -> Result<Option<Digest>> {
        let (digest, held) = match needed {
            Needed::Blob(digest) => (digest, self.has_blob(repository, &digest).await?),
            // BuildKit's cache is an index whose children are layers; so a blob will do as well.
            Needed::Child(digest) => {
                let reference = Reference::Digest(digest);
                let manifest = self
                    .metadata()
                    .manifest(repository, &reference)
                    .await
                    .map_err(Error::store)?;
                (
                    digest,
                    manifest.is_some() || self.has_blob(repository, &digest).await?,
                )
            }
        };
        Ok((!held).then_some(digest))
    }

    async fn has_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        match self.blob(repository, digest).await {
            Ok(_) => Ok(true),
            Err(Error::BlobUnknown { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What must be there for this manifest, by the operator's rules.
fn needed(validation: &Validation, manifest: &Manifest) -> Result<Vec<Needed>> {
    let mut needed = Vec::new();
    for descriptor in manifest.references() {
        if !validation.disabled {
            check_urls(validation, descriptor)?;
        }
        // A layer that may not be distributed, and says where to get it, need not be here.
        let elsewhere = descriptor.media_type.is_nondistributable() && !descriptor.urls.is_empty();
        if !elsewhere {
            needed.push(Needed::Blob(descriptor.digest));
        }
    }
    for descriptor in manifest.children() {
        if !validation.disabled && validation.platforms.require(descriptor.platform.as_ref()) {
            needed.push(Needed::Child(descriptor.digest));
        }
    }
    Ok(needed)
}

fn check_urls(validation: &Validation, descriptor: &Descriptor) -> Result<()> {
    match descriptor.urls.iter().find(|url| !validation.urls.allows(url)) {
        Some(url) => Err(Error::UrlForbidden {
            digest: descriptor.digest,
            url: url.clone(),
        }),
        None => Ok(()),
    }
}
