//! Looks for uploads that nobody will finish, now and then (`storage.maintenance.uploadpurging`).

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::sleep;
use wharf_core::{Clock, Purged, Registry, SystemClock};

use crate::config::UploadPurging;

/// The first run is at a random time below this, so that replicas that start together do not look together.
const FIRST_RUN_WITHIN: Duration = Duration::from_hours(1);

/// Removes old uploads of one registry.
#[derive(Debug)]
pub(crate) struct Purger {
    registry: Registry,
    purging: UploadPurging,
    clock: Arc<dyn Clock>,
}

// === impl Purger ===

impl Purger {
    pub(crate) fn new(registry: Registry, purging: UploadPurging) -> Self {
        Self { registry, purging, clock: Arc::new(SystemClock) }
    }

    /// Runs until `stop` resolves, also in the middle of a run: what it did not get to is as old the next time.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) {
        tokio::select! {
            () = stop => {}
            () = self.run_for_ever() => {}
        }
    }

    async fn run_for_ever(&self) {
        sleep(random_minutes()).await;
        loop {
            // A run that panics is a run that failed. The panic hook logs it.
            let _ = AssertUnwindSafe(self.purge()).catch_unwind().await;
            sleep(self.purging.interval).await;
        }
    }

    async fn purge(&self) {
        let UploadPurging { age, dry_run, .. } = self.purging;
        // An age longer than time itself finds nothing.
        let Some(begun_before) = self.clock.now().checked_sub(age) else { return };
        match self.registry.purge_uploads(begun_before, dry_run).await {
            Ok(Purged { found, removed }) => {
                tracing::info!(found, removed, dry_run, "looked for abandoned uploads");
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not look for abandoned uploads; trying again at the next interval"
            ),
        }
    }
}

/// 0 to 59 minutes. Whatever hashes maps in this process differently from the next will do.
fn random_minutes() -> Duration {
    let minutes = FIRST_RUN_WITHIN.as_secs() / 60;
    Duration::from_mins(RandomState::new().hash_one("first run") % minutes)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::timeout;
    use wharf_core::{Announced, Options};
    use wharf_store::{LayoutMetadata, MemoryStore};
    use wharf_testkit::clock::ManualClock;
    use wharf_testkit::flaky::{Call, Faults, FlakyBlobs};

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// A registry that holds one upload, begun now.
    async fn registry(clock: &ManualClock) -> Registry {
        let store = Arc::new(MemoryStore::with_clock(Arc::new(clock.clone())));
        let metadata = LayoutMetadata::new(store.clone());
        let registry = Registry::new(store, Arc::new(metadata), Options::default());
        registry.begin_upload(&"acme/app".parse().unwrap(), Announced::Nothing).await.unwrap();
        registry
    }

    /// How many uploads are left after two hours of purging, all `aged` old.
    async fn left(aged: Duration, dry_run: bool) -> usize {
        let clock = ManualClock::default();
        let registry = registry(&clock).await;
        clock.advance(aged);
        let purging = UploadPurging { age: 168 * HOUR, interval: 24 * HOUR, dry_run };
        let purger = Purger { registry: registry.clone(), purging, clock: Arc::new(clock.clone()) };

        assert!(timeout(2 * HOUR, purger.run(pending())).await.is_err(), "it was not stopped");

        registry.purge_uploads(clock.now() + HOUR, true).await.unwrap().found
    }

    #[tokio::test(start_paused = true)]
    async fn old_uploads_are_gone_after_the_first_hour() {
        assert_eq!(left(169 * HOUR, false).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_panics_is_followed_by_another_at_the_next_interval() {
        let (clock, faults) = (ManualClock::default(), Faults::default());
        let store = Arc::new(MemoryStore::with_clock(Arc::new(clock.clone())));
        let metadata = LayoutMetadata::new(store.clone());
        let blobs = Arc::new(FlakyBlobs::new(store, faults.clone()));
        let registry = Registry::new(blobs, Arc::new(metadata), Options::default());
        registry.begin_upload(&"acme/app".parse().unwrap(), Announced::Nothing).await.unwrap();
        clock.advance(169 * HOUR);
        faults.panic_once(Call::Uploads);
        let purging = UploadPurging { age: 168 * HOUR, interval: 24 * HOUR, dry_run: false };
        let purger = Purger { registry: registry.clone(), purging, clock: Arc::new(clock.clone()) };

        assert!(timeout(26 * HOUR, purger.run(pending())).await.is_err(), "it was not stopped");

        assert_eq!(registry.purge_uploads(clock.now() + HOUR, true).await.unwrap().found, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn young_uploads_stay() {
        assert_eq!(left(167 * HOUR, false).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dry_run_removes_nothing() {
        assert_eq!(left(169 * HOUR, true).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_purger_stops_when_the_server_does() {
        let registry = registry(&ManualClock::default()).await;
        let purging = UploadPurging { age: HOUR, interval: HOUR, dry_run: false };
        Purger::new(registry, purging).run(std::future::ready(())).await;
    }

    #[test]
    fn the_first_run_is_within_the_hour() {
        assert!((0..1000).all(|_| random_minutes() < FIRST_RUN_WITHIN));
    }
}
