//! Signed addresses that are good for a while and given out more than once.
//!
//! Signing costs time, and one address for everybody lets caches on the way do their work.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use quick_cache::sync::Cache;
use wharf_oci::Digest;
use wharf_store::{Clock, Result};

/// How many addresses are kept. One has some 600 bytes, so these come to 5 MiB.
const ADDRESSES: usize = 8192;

/// Addresses by digest.
pub(super) struct Kept {
    addresses: Cache<Digest, Address>,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
}

#[derive(Clone)]
struct Address {
    url: Arc<str>,
    fresh_until: SystemTime,
}

// === impl Kept ===

impl Kept {
    pub(super) fn new(lifetime: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { addresses: Cache::new(ADDRESSES), lifetime, clock }
    }

    /// The address kept, while more than half of its life is left; else the one that `sign` makes, given its end.
    pub(super) async fn get<F>(
        &self,
        digest: &Digest,
        sign: impl FnOnce(SystemTime) -> F,
    ) -> Result<Option<String>>
    where
        F: Future<Output = Result<Option<String>>>,
    {
        let now = self.clock.now();
        if let Some(kept) = self.addresses.get(digest)
            && now < kept.fresh_until
        {
            return Ok(Some(kept.url.to_string()));
        }
        let Some(url) = sign(now + self.lifetime).await? else { return Ok(None) };
        let address = Address { url: Arc::from(url.as_str()), fresh_until: now + self.lifetime / 2 };
        self.addresses.insert(*digest, address);
        Ok(Some(url))
    }
}

/// Addresses are as good as passwords for as long as they live.
impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}
