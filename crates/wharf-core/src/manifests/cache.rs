//! Manifests kept in memory.
//!
//! Only what cannot lie: the bytes under a digest, and what kind of manifest they are. Whether a repository has the
//! manifest is asked of the store each time, since another process may have deleted it. Of long manifests only the kind is
//! cached, so that they are scanned for it once.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use wharf_oci::{Digest, ManifestKind};

/// What the manifests in memory may come to, in bytes. A manifest of a usual image has 1 to 10 KiB, so these are a
/// thousand or more.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// The longest manifest whose bytes are cached: one of a few huge ones must not push out the many that are asked for.
const LONGEST_CACHED: usize = 128 * 1024;

/// What an entry costs besides the manifest's bytes.
const ENTRY_BYTES: u64 = 192;

/// How many entries to expect; the rest follows by itself.
const EXPECTED: usize = 1024;

/// A manifest's bytes and what they are.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) kind: ManifestKind,
    pub(crate) bytes: Bytes,
}

/// What is cached of a manifest.
#[derive(Debug, Clone)]
pub(crate) struct CachedManifest {
    pub(crate) kind: ManifestKind,
    /// `None` if there are too many of them.
    pub(crate) bytes: Option<Bytes>,
}

/// Manifests by digest. Cheap to clone.
#[derive(Clone)]
pub(crate) struct ManifestCache(Arc<Cache<Digest, CachedManifest, ByBytes>>);

#[derive(Clone)]
struct ByBytes;

impl Weighter<Digest, CachedManifest> for ByBytes {
    fn weight(&self, _digest: &Digest, cached: &CachedManifest) -> u64 {
        cached.bytes.as_ref().map_or(0, Bytes::len) as u64 + ENTRY_BYTES
    }
}

// === impl ManifestCache ===

impl Default for ManifestCache {
    fn default() -> Self {
        Self(Arc::new(Cache::with_weighter(EXPECTED, CACHE_BYTES, ByBytes)))
    }
}

impl ManifestCache {
    pub(crate) fn get(&self, digest: &Digest) -> Option<CachedManifest> {
        self.0.get(digest)
    }

    pub(crate) fn insert(&self, digest: Digest, known: &Known) {
        // A copy of its own: the bytes may be a part of something much longer.
        let bytes = (known.bytes.len() <= LONGEST_CACHED).then(|| Bytes::copy_from_slice(&known.bytes));
        self.0.insert(digest, CachedManifest { kind: known.kind, bytes });
    }
}

impl fmt::Debug for ManifestCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManifestCache")
            .field("manifests", &self.0.len())
            .field("bytes", &self.0.weight())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_memory_is_bounded_and_of_a_huge_manifest_only_the_kind_is_cached() {
        let cache = ManifestCache::default();
        let known =
            |length: usize| Known { kind: ManifestKind::OciImage, bytes: Bytes::from(vec![b' '; length]) };
        for number in 0..1000_u32 {
            cache.insert(Digest::of(&number.to_le_bytes()), &known(64 * 1024));
        }
        assert!(cache.0.weight() <= CACHE_BYTES, "{cache:?}");
        assert!(cache.0.len() > 100, "{cache:?}");
        let huge = Digest::of(b"huge");
        cache.insert(huge, &known(LONGEST_CACHED + 1));
        let cached = cache.get(&huge).unwrap();
        assert_eq!((cached.kind, cached.bytes), (ManifestKind::OciImage, None));
    }
}
