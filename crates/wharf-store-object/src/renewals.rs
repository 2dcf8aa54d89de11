//! Renewals of blobs: small objects that say when a blob was last relied on, as copying the blob onto itself would take as
//! long as the blob is large.
//!
//! The collector takes the younger of a blob's own time and its renewal's. What it announces before it removes, so that no
//! renewal comes too late, is not here.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use quick_cache::sync::Cache;
use wharf_oci::Digest;
use wharf_store::Result;
use wharf_store::layout::Key;

use crate::BucketStore;
use crate::cloud::Condition;

/// Renewals that are remembered, of about a hundred bytes each: up to two megabytes.
const REMEMBERED: usize = 16 * 1024;

/// The last renewal of each blob that this process has seen, where the blob was there after it. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Renewals(Arc<Cache<Digest, SystemTime>>);

impl Default for Renewals {
    fn default() -> Self {
        Self(Arc::new(Cache::new(REMEMBERED)))
    }
}

impl Renewals {
    fn is_young(&self, digest: &Digest, now: SystemTime, older_than: Duration) -> bool {
        self.0.get(digest).is_some_and(|at| is_young(at, now, older_than))
    }

    /// Forgets the renewals of a blob that is removed.
    pub(crate) fn forget(&self, digest: &Digest) {
        self.0.remove(digest);
    }
}

/// Renews an old blob; `false` if it is gone.
pub(crate) async fn renew(store: &BucketStore, digest: &Digest, older_than: Duration) -> Result<bool> {
    let now = store.options().clock.now();
    if store.renewals().is_young(digest, now, older_than) {
        return Ok(true);
    }
    let renewed = store.cloud().head(&store.key(&Key::Renewed(digest))).await?.map(|meta| meta.modified);
    let at = match renewed.filter(|at| is_young(*at, now, older_than)) {
        Some(at) => at,
        None => {
            write(store, digest).await?;
            now
        }
    };
    // After the renewal, whichever process wrote it: a remover that looked before it may have removed the blob since.
    let there = store.cloud().head(&store.key(&Key::BlobData(digest))).await?.is_some();
    if there {
        store.renewals().0.insert(*digest, at);
    }
    Ok(there)
}

/// Makes a blob as young as if it were written now.
pub(crate) async fn write(store: &BucketStore, digest: &Digest) -> Result<()> {
    let text = Bytes::from_static(b"renewed\n");
    store.cloud().put(&store.key(&Key::Renewed(digest)), vec![text], Condition::Any).await?;
    Ok(())
}

/// When a blob was last written or renewed; `None` if it is gone.
pub(crate) async fn last_use(store: &BucketStore, digest: &Digest) -> Result<Option<SystemTime>> {
    let (blob, renewed) = (store.key(&Key::BlobData(digest)), store.key(&Key::Renewed(digest)));
    let (blob, renewed) = tokio::try_join!(store.cloud().head(&blob), store.cloud().head(&renewed))?;
    Ok(blob.map(|blob| renewed.map_or(blob.modified, |renewed| renewed.modified.max(blob.modified))))
}

fn is_young(at: SystemTime, now: SystemTime, older_than: Duration) -> bool {
    now.duration_since(at).unwrap_or_default() <= older_than
}
