//! Finds a wrong bucket, or a volume that is not mounted, before the first client does: a look at the root directory before
//! it is opened, and one read from the storage after the start, again until it answers.
//!
//! Serving waits for neither's result, and nothing depends on it.

use std::future::Future;
use std::io::ErrorKind;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::sleep;
use wharf_core::{Error, Registry};
use wharf_oci::{Reference, RepositoryName, Tag};

use crate::config::{StorageConfig, StorageDriver};

mod mounts;

/// The pause after the first attempt that failed; the next is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A name that a check reads. It is as good as any: whether it is there does not matter.
const REPOSITORY: &str = "wharf-storage-check";

/// Where the storage is, for the log.
#[derive(Debug, Clone)]
struct Place {
    location: String,
    /// The server of a bucket, where one is named.
    endpoint: Option<String>,
}

/// Checks until the storage answers or `stop` resolves.
pub(crate) async fn run(registry: Registry, storage: &StorageConfig, stop: impl Future<Output = ()>) {
    let place = Place::of(&storage.driver);
    tokio::select! {
        () = stop => {}
        () = until_it_answers(&registry, &place) => {}
    }
}

async fn until_it_answers(registry: &Registry, place: &Place) {
    let mut pause = FIRST_PAUSE;
    let mut failed = false;
    // A check that panics says nothing of the storage; the panic hook logs it, and there is no other check.
    while let Ok(Err(error)) = AssertUnwindSafe(read(registry)).catch_unwind().await {
        failed = true;
        tracing::warn!(
            storage = place.location,
            storage.endpoint = place.endpoint.as_deref(),
            error = &error as &dyn std::error::Error,
            "storage does not answer: requests fail until it does; checking again in {} s",
            pause.as_secs()
        );
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    let message = if failed { "storage answers again" } else { "storage answers" };
    tracing::info!(storage = place.location, storage.endpoint = place.endpoint.as_deref(), "{message}");
}

/// One read, of the kind every pull begins with. That nothing is there is an answer.
async fn read(registry: &Registry) -> Result<(), wharf_store::Error> {
    let (Ok(repository), Ok(tag)) = (REPOSITORY.parse::<RepositoryName>(), "none".parse::<Tag>()) else {
        return Ok(());
    };
    match registry.manifest(&repository, &Reference::Tag(tag)).await {
        Err(Error::Store(error)) => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Logs that a root directory is not there, before it is opened, which creates it: afterwards a volume that is not mounted
/// looks like an empty registry.
pub(crate) fn log_root(storage: &StorageConfig) {
    let StorageDriver::Filesystem { root, .. } = &storage.driver else { return };
    let path = root.display();
    match Root::examine(root) {
        Root::Present => {}
        Root::Absent => {
            tracing::info!(path = %path, "root directory {path} does not exist: creating it");
        }
        Root::NotMounted { mount_point } => tracing::warn!(
            path = %path,
            mount_point,
            "root directory {path} is on {mount_point}, which is in /etc/fstab and is not mounted: images that are \
             stored there are not found, and new ones are written to the disk below it"
        ),
    }
}

/// What is known of a root directory.
#[derive(Debug)]
enum Root {
    Present,
    Absent,
    /// Its volume is in `/etc/fstab` and not mounted.
    NotMounted {
        mount_point: String,
    },
}

// === impl Place ===

impl Place {
    fn of(driver: &StorageDriver) -> Self {
        let endpoint = match driver {
            StorageDriver::S3(s3) => s3.endpoint.clone(),
            StorageDriver::Filesystem { .. } | StorageDriver::InMemory => None,
        };
        Self { location: driver.location().to_string(), endpoint }
    }
}

// === impl Root ===

impl Root {
    fn examine(root: &Path) -> Self {
        if let Some(mount_point) = mounts::missing(root) {
            return Self::NotMounted { mount_point };
        }
        match std::fs::metadata(root) {
            Err(error) if error.kind() == ErrorKind::NotFound => Self::Absent,
            // What else is wrong with it is the error of opening it.
            Ok(_) | Err(_) => Self::Present,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wharf_core::Options;
    use wharf_store::{LayoutMetadata, MemoryStore};
    use wharf_testkit::flaky::{Call, Faults, FlakyObjects};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_storage_is_checked_until_it_answers_and_not_after_that() {
        let (store, faults) = (Arc::new(MemoryStore::default()), Faults::default());
        let objects = FlakyObjects::new(store.clone(), faults.clone());
        let metadata = LayoutMetadata::new(Arc::new(objects));
        let registry = Registry::new(store, Arc::new(metadata), Options::default());
        faults.fail(Call::GetObject, 5);

        let place = Place { location: "memory".to_owned(), endpoint: None };
        until_it_answers(&registry, &place).await;

        assert_eq!(faults.count(Call::GetObject), 6);
    }
}
