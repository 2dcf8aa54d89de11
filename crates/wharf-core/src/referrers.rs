//! Who refers to a manifest (end-12).

use std::collections::VecDeque;

use wharf_oci::{Descriptor, Digest, Manifest, Reference, RepositoryName, referrers_tag};
use wharf_store::Page;

use crate::error::{Error, Result};
use crate::registry::Registry;

/// Entries read from the store at a time.
const READ_PAGE: usize = 100;

/// A page is cut before it grows longer than this, so that clients, most of which stop at 4 MiB, can read it.
const PAGE_BYTES: usize = 3 * 1024 * 1024;

/// Two sorted sources of one list: what this registry noted when manifests were pushed to it, and what clients noted in
/// an index under the subject's fallback tag when they pushed to a registry without this API.
struct Merge<'a> {
    registry: &'a Registry,
    repository: &'a RepositoryName,
    subject: &'a Digest,
    noted: VecDeque<Descriptor>,
    noted_after: Option<Digest>,
    noted_more: bool,
    fallback: VecDeque<Digest>,
}

impl Registry {
    /// A page of the manifests that refer to `subject`, of the given artifact types or all, in the order of their
    /// digests. A subject or a repository nobody has heard of has no referrers.
    pub async fn referrers(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        artifact_types: &[String],
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Descriptor>> {
        let fallback = self.fallback(repository, subject, after).await?;
        let mut merge = Merge {
            registry: self,
            repository,
            subject,
            noted: VecDeque::new(),
            noted_after: after.copied(),
            noted_more: true,
            fallback,
        };
        let (mut items, mut bytes) = (Vec::new(), 0);
        while let Some(descriptor) = merge.next().await? {
            if !artifact_types.is_empty() && !matches(&descriptor, artifact_types) {
                continue;
            }
            bytes += serde_json::to_vec(&descriptor).map_or(0, |json| json.len());
            if items.len() == limit || (bytes > PAGE_BYTES && !items.is_empty()) {
                return Ok(Page { items, more: true });
            }
            items.push(descriptor);
        }
        Ok(Page { items, more: false })
    }

    /// The digests in the index under the fallback tag, those after `after`, in order.
    async fn fallback(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        after: Option<&Digest>,
    ) -> Result<VecDeque<Digest>> {
        let tag = Reference::Tag(referrers_tag(subject));
        let Some(manifest) = self.known_manifest(repository, &tag).await? else {
            return Ok(VecDeque::new());
        };
        let due = manifest
            .children()
            .iter()
            .map(|child| child.digest)
            .filter(|digest| after.is_none_or(|after| digest > after));
        let mut digests: Vec<Digest> = due.collect();
        digests.sort();
        digests.dedup();
        Ok(digests.into())
    }

    /// A manifest that may be absent, or be something a client made of the tag that is not ours to judge.
    async fn known_manifest(
        &self,
        repository: &RepositoryName,
        reference: &Reference,
    ) -> Result<Option<Manifest>> {
        let Some(digest) = self.metadata().manifest(repository, reference).await.map_err(Error::store)?
        else {
            return Ok(None);
        };
        let Some(bytes) = self.bytes(&digest).await? else {
            return Ok(None);
        };
        Ok(Manifest::parse(&bytes, None).ok())
    }

    /// The entry of a manifest that is said to refer to `subject`; `None` if it does not, or is gone.
    async fn referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        digest: &Digest,
    ) -> Result<Option<Descriptor>> {
        let reference = Reference::Digest(*digest);
        let Some(found) = self.metadata().manifest(repository, &reference).await.map_err(Error::store)?
        else {
            return Ok(None);
        };
        let Some(bytes) = self.bytes(&found).await? else {
            return Ok(None);
        };
        let Ok(manifest) = Manifest::parse(&bytes, None) else {
            return Ok(None);
        };
        let refers = manifest.subject.as_ref().is_some_and(|found| found.digest == *subject);
        Ok(refers.then(|| manifest.referrer_descriptor(digest, bytes.len() as u64)))
    }
}

// === impl Merge ===

impl Merge<'_> {
    async fn next(&mut self) -> Result<Option<Descriptor>> {
        loop {
            self.refill().await?;
            let due = match (self.noted.front(), self.fallback.front()) {
                (Some(noted), Some(fallback)) if *fallback < noted.digest => self.fallback.pop_front(),
                (None, Some(_)) => self.fallback.pop_front(),
                (noted, fallback) => {
                    // The same manifest from both sources counts once.
                    if noted.is_some_and(|noted| Some(&noted.digest) == fallback) {
                        self.fallback.pop_front();
                    }
                    return Ok(self.noted.pop_front());
                }
            };
            let Some(digest) = due else { return Ok(None) };
            if let Some(descriptor) = self.registry.referrer(self.repository, self.subject, &digest).await? {
                return Ok(Some(descriptor));
            }
        }
    }

    async fn refill(&mut self) -> Result<()> {
        while self.noted.is_empty() && self.noted_more {
            let metadata = self.registry.metadata();
            let page =
                metadata.referrers(self.repository, self.subject, self.noted_after.as_ref(), READ_PAGE).await;
            let page = page.map_err(Error::store)?;
            self.noted_after = page.items.last().map(|item| item.digest).or(self.noted_after);
            self.noted_more = page.more && !page.items.is_empty();
            self.noted.extend(page.items);
        }
        Ok(())
    }
}

fn matches(descriptor: &Descriptor, artifact_types: &[String]) -> bool {
    descriptor.artifact_type.as_ref().is_some_and(|found| artifact_types.contains(found))
}
