//! Signed addresses that are good for a while and given out more than once.
//!
//! Signing costs time, and one address for everybody lets caches on the way do their work.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use quick_cache::sync::Cache;
use wharf_oci::Digest;
use wharf_store::{Clock, Result};

use crate::cloud::{CredentialExpiry, SigningCredential};

/// How many addresses are kept. One has some 600 bytes, so these come to 5 MiB.
const ADDRESSES: usize = 8192;

/// How long a credential without a stated end is good at least: object_store gets another one when less is left
/// (`min_ttl` of its `TokenCache`), which is also how long before the end Amazon has the next one ready.
const LEAST_CREDENTIAL_LIFE: Duration = Duration::from_mins(5);

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
    /// The credential that signed it.
    fingerprint: u64,
}

// === impl Kept ===

impl Kept {
    pub(super) fn new(lifetime: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { addresses: Cache::new(ADDRESSES), lifetime, clock }
    }

    /// The cached address, while `credential` signs and more than half of the address's life is left, which ends with the
    /// credential's; else the one that `sign` makes, given its end.
    pub(super) async fn get<F>(
        &self,
        digest: &Digest,
        credential: SigningCredential,
        sign: impl FnOnce(SystemTime) -> F,
    ) -> Result<Option<String>>
    where
        F: Future<Output = Result<Option<String>>>,
    {
        let SigningCredential { fingerprint, expiry } = credential;
        let now = self.clock.now();
        if let Some(kept) = self.addresses.get(digest)
            && now < kept.fresh_until
            && kept.fingerprint == fingerprint
        {
            return Ok(Some(kept.url.to_string()));
        }
        let Some(url) = sign(now + self.lifetime).await? else { return Ok(None) };
        let credential_life = match expiry {
            CredentialExpiry::Never => self.lifetime,
            CredentialExpiry::At(end) => end.duration_since(now).unwrap_or_default(),
            CredentialExpiry::Unknown => LEAST_CREDENTIAL_LIFE,
        };
        let fresh_until = now + self.lifetime.min(credential_life) / 2;
        let address = Address { url: Arc::from(url.as_str()), fresh_until, fingerprint };
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
