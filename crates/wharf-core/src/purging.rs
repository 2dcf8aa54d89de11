//! Uploads that nobody will finish.

use std::time::SystemTime;

use futures_util::TryStreamExt;

use crate::error::{Error, Result};
use crate::registry::Registry;

/// What a run of the purger came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Purged {
    /// Uploads that were old enough.
    pub found: usize,
    /// Uploads that are gone now.
    pub removed: usize,
}

impl Registry {
    /// Removes uploads begun before a time, or only counts them.
    ///
    /// Safe beside writers, of this process and others: an upload that is being written is left alone, and one that was
    /// finished or removed meanwhile is nobody's concern.
    pub async fn purge_uploads(&self, begun_before: SystemTime, dry_run: bool) -> Result<Purged> {
        let mut purged = Purged::default();
        if !dry_run && let Err(error) = self.blobs().sweep(begun_before).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not remove what old writers left"
            );
        }
        let mut old = self.blobs().uploads(begun_before);
        while let Some(key) = old.try_next().await.map_err(Error::store)? {
            purged.found += 1;
            if dry_run {
                continue;
            }
            match self.blobs().abort(&key).await {
                Ok(()) => purged.removed += 1,
                Err(wharf_store::Error::UploadNotFound { .. } | wharf_store::Error::UploadBusy { .. }) => {}
                // One that cannot be removed must not keep the others.
                Err(error) => tracing::warn!(
                    repo = %key.repository,
                    upload.id = %key.id,
                    error = &error as &dyn std::error::Error,
                    "could not remove an old upload"
                ),
            }
        }
        Ok(purged)
    }
}
