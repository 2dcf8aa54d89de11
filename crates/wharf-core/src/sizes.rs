//! Sizes of blobs in this process's memory.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use quick_cache::sync::Cache;
use wharf_oci::Digest;
use wharf_store::{BlobSizes, Clock, Grace};

/// Sizes of as many blobs as one likes, each for a while.
pub struct MemorySizes {
    kept: Cache<Digest, Kept>,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
}

#[derive(Clone, Copy)]
struct Kept {
    size: u64,
    since: SystemTime,
}

// === impl MemorySizes ===

impl MemorySizes {
    /// At most `entries` of them, for as long as `grace` allows; an entry is about 150 bytes.
    pub fn new(entries: usize, grace: Grace, clock: Arc<dyn Clock>) -> Self {
        Self { kept: Cache::new(entries.max(1)), lifetime: grace.size_lifetime(), clock }
    }

    /// Whether an entry is young enough. One from the future is not: somebody has set the clock.
    fn is_fresh(&self, kept: &Kept) -> bool {
        self.clock.now().duration_since(kept.since).is_ok_and(|age| age < self.lifetime)
    }
}

#[async_trait]
impl BlobSizes for MemorySizes {
    async fn get(&self, digest: &Digest) -> Option<u64> {
        let kept = self.kept.get(digest)?;
        if !self.is_fresh(&kept) {
            self.kept.remove(digest);
            return None;
        }
        Some(kept.size)
    }

    async fn keep(&self, digest: &Digest, size: u64) {
        self.kept.insert(*digest, Kept { size, since: self.clock.now() });
    }

    async fn forget(&self, digest: &Digest) {
        self.kept.remove(digest);
    }
}

impl fmt::Debug for MemorySizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySizes")
            .field("kept", &self.kept.len())
            .field("at_most", &self.kept.capacity())
            .finish_non_exhaustive()
    }
}
