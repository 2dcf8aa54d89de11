//! Who refers to a manifest: finished descriptors, so that a page of them opens no manifest.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use wharf_oci::{Descriptor, Digest, RepositoryName};

use super::{Dir, GrowingReads, Key, LayoutMetadata};
use crate::error::{Error, Result, Retry};
use crate::metadata::Page;
use crate::objects::Put;

/// The entry of a manifest among the referrers of `subject`.
pub(super) fn entry<'a>(
    repository: &'a RepositoryName,
    subject: &'a Digest,
    descriptor: &'a Descriptor,
) -> Result<Put<'a>> {
    let key = Key::Referrer(repository, subject, &descriptor.digest);
    let json = serde_json::to_vec(descriptor).map_err(|error| Error::Backend {
        backend: "tree",
        operation: format!("serialize {}", key.path()),
        retry: Retry::Never,
        source: error.into(),
    })?;
    Ok(Put { key, bytes: Bytes::from(json) })
}

impl LayoutMetadata {
    pub(super) async fn referrer_page(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        after: Option<&Digest>,
        limit: usize,
    ) -> Result<Page<Descriptor>> {
        let (mut items, mut reads) = (Vec::new(), GrowingReads::default());
        let mut after = after.copied();
        loop {
            let dir = |algorithm| Dir::Referrers(repository, subject, algorithm);
            let page = self.digests(dir, after.as_ref(), reads.next(limit - items.len())).await?;
            after = page.items.last().copied();
            let entries: Vec<Option<Descriptor>> = stream::iter(page.items)
                .map(|digest| self.referrer(repository, subject, digest))
                .buffered(self.concurrency)
                .try_collect()
                .await?;
            items.extend(entries.into_iter().flatten());
            if !page.more || items.len() >= limit {
                let more = page.more || items.len() > limit;
                items.truncate(limit);
                return Ok(Page { items, more });
            }
        }
    }

    /// One entry; `None` if its manifest is gone (an old registry deletes the manifest and leaves our entry).
    async fn referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        digest: Digest,
    ) -> Result<Option<Descriptor>> {
        if !self.has_revision(repository, &digest).await? {
            return Ok(None);
        }
        let key = Key::Referrer(repository, subject, &digest);
        let Some(bytes) = self.objects.get(&key).await? else {
            return Ok(None);
        };
        if bytes.len() > key.most_bytes() {
            let problem = format!("more than {} bytes, too many for a referrer", key.most_bytes());
            return Err(Error::Corrupt { path: key.path(), problem });
        }
        serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| Error::Corrupt { path: key.path(), problem: error.to_string() })
    }
}
