//! The index under the fallback tag of a subject, and the manifests it lists.
//!
//! Clients write both, so neither is believed: that a child refers to the subject is read from the child.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::task::coop::consume_budget;
use wharf_oci::{Descriptor, Digest, Reference, RepositoryName, referrers_tag};

use crate::compute::compute;
use crate::error::{Error, Result};
use crate::manifests::cache::{CachedManifest, Known};
use crate::manifests::{DAMAGED, hashes_to, parse_stored};
use crate::registry::Registry;

/// Longest index and longest child that are read: no registry accepts longer manifests.
const MANIFEST_BYTES: u64 = 4 * 1024 * 1024;

/// Reading so many bytes of a child costs as much as looking up another.
const BYTES_PER_LOOKUP: usize = 64 * 1024;

/// Memory of the cache, in bytes. An index of the longest kind takes 3 MiB.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// How many indexes to expect in the cache. Below 64, it has one shard, of which an index may take any part.
const EXPECTED: usize = 32;

/// What an entry costs besides the digests.
const ENTRY_BYTES: usize = 192;

/// What was found of a child.
pub(super) struct Lookup {
    /// Its entry among the referrers; `None` if it does not refer to the subject, or does not exist.
    pub(super) descriptor: Option<Descriptor>,
    /// One, and one more for each 64 KiB that were read.
    pub(super) cost: usize,
}

/// Children of fallback indexes by the digest of the index, sorted and each once. Bounded in bytes.
pub(crate) struct FallbackCache(Cache<Digest, Arc<[Digest]>, ByBytes>);

#[derive(Clone)]
struct ByBytes;

impl Weighter<Digest, Arc<[Digest]>> for ByBytes {
    fn weight(&self, _index: &Digest, children: &Arc<[Digest]>) -> u64 {
        (size_of_val::<[Digest]>(children) + ENTRY_BYTES) as u64
    }
}

// === impl FallbackCache ===

impl Default for FallbackCache {
    fn default() -> Self {
        Self(Cache::with_weighter(EXPECTED, CACHE_BYTES, ByBytes))
    }
}

impl fmt::Debug for FallbackCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FallbackCache")
            .field("indexes", &self.0.len())
            .field("bytes", &self.0.weight())
            .finish()
    }
}

// === impl Registry ===

impl Registry {
    /// The digests in the index under the fallback tag, sorted and each once. None if there is no such tag, or something
    /// else under it.
    pub(super) async fn fallback_children(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
    ) -> Result<Arc<[Digest]>> {
        let tag = Reference::Tag(referrers_tag(subject));
        let Some(index) = self.metadata().manifest(repository, &tag).await.map_err(Error::store)? else {
            return Ok(Arc::default());
        };
        let parse = async {
            let bytes = self.short_manifest(&index).await.map_err(Some)?.ok_or(None)?;
            Ok::<_, Option<Error>>(children(bytes).await)
        };
        // Requests for the same index wait for the first one.
        match self.fallback_cache().0.get_or_insert_async(&index, parse).await {
            Ok(children) => Ok(children),
            Err(Some(error)) => Err(error),
            Err(None) => Ok(Arc::default()),
        }
    }

    /// Reads whether the manifest refers to `subject`.
    pub(super) async fn look_up_referrer(
        &self,
        repository: &RepositoryName,
        subject: &Digest,
        digest: &Digest,
    ) -> Result<Lookup> {
        consume_budget().await;
        let none = |cost| Ok(Lookup { descriptor: None, cost });
        let reference = Reference::Digest(*digest);
        let Some(found) = self.metadata().manifest(repository, &reference).await.map_err(Error::store)?
        else {
            return none(1);
        };
        let Some(bytes) = self.short_manifest(&found).await? else { return none(1) };
        let (size, cost) = (bytes.len(), 1 + bytes.len() / BYTES_PER_LOOKUP);
        let Ok(manifest) = parse_stored(bytes.clone()).await else { return none(cost) };
        self.manifest_cache().insert(found, &Known { kind: manifest.kind, bytes });
        let refers = manifest.subject.as_ref().is_some_and(|found| found.digest == *subject);
        let descriptor = refers.then(|| manifest.referrer_descriptor(digest, size as u64));
        Ok(Lookup { descriptor, cost })
    }

    /// The bytes of a manifest, verified; `None` if it is not there, or longer than any that is accepted.
    async fn short_manifest(&self, digest: &Digest) -> Result<Option<Bytes>> {
        if let Some(CachedManifest { bytes: Some(bytes), .. }) = self.manifest_cache().get(digest) {
            return Ok(Some(bytes));
        }
        let Some(bytes) = self.bytes_up_to(digest, MANIFEST_BYTES).await? else { return Ok(None) };
        let (expected, input) = (*digest, bytes.clone());
        if !compute(bytes.len(), move || hashes_to(&expected, &input)).await {
            let (path, problem) = (digest.to_string(), DAMAGED.to_owned());
            return Err(Error::Store(wharf_store::Error::Corrupt { path, problem }));
        }
        Ok(Some(bytes))
    }
}

/// The children of an index, sorted and each once; none of what is no manifest.
async fn children(bytes: Bytes) -> Arc<[Digest]> {
    let length = bytes.len();
    let Ok(manifest) = parse_stored(bytes).await else { return Arc::default() };
    let sorted = move || {
        let mut digests: Vec<Digest> = manifest.children().iter().map(|child| child.digest).collect();
        digests.sort_unstable();
        digests.dedup();
        Arc::from(digests)
    };
    compute(length, sorted).await
}
