//! Locks of repositories: between the requests of this process, and between processes.
//!
//! There is a fixed number of lock files, and each repository has one of them. In the process a fair lock of the runtime
//! comes first, so that no thread waits. Between processes it is `flock` on the file: one open file of the process for all
//! its shared users, and a second file, the turnstile: an exclusive user locks it while it waits, so that the shared users
//! of another process cannot keep it waiting by overlapping each other; a shared user shares it while it waits, so that an
//! exclusive user of another process that locks again and again lets it in.

mod slot;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use wharf_oci::{Digest, RepositoryName};
use wharf_store::{Error, LockMode, Result, Retry};

use self::slot::{Attempt, Slot};
use crate::blocking;
use crate::disk::{BACKEND, Disk, Scope};

/// How many lock files there are. Part of the layout: all processes on one directory must have the same number.
const SLOTS: u8 = 64;

/// How long a lock is waited for. A shared user holds it while a manifest is brought to disk; clients give up after 30 s.
const WAIT: Duration = Duration::from_secs(30);

/// The pauses between two attempts to lock a file that another process has locked.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The locks of all repositories.
#[derive(Debug)]
pub(crate) struct RepositoryLocks {
    slots: Vec<Arc<Slot>>,
}

/// An acquired lock; dropping it releases it.
#[derive(Debug)]
pub(crate) struct Acquired {
    _attempt: Arc<Attempt>,
}

// === impl RepositoryLocks ===

impl RepositoryLocks {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|number| Arc::new(Slot::new(number))).collect() }
    }

    /// Acquires the lock of `repository`.
    pub(crate) async fn acquire(
        &self,
        disk: &Arc<Disk>,
        repository: &RepositoryName,
        mode: LockMode,
    ) -> Result<Acquired> {
        let slot = &self.slots[usize::from(slot_of(repository))];
        match timeout(WAIT, acquire(disk, slot, mode)).await {
            Ok(Ok(acquired)) => Ok(acquired),
            Ok(Err(error)) => Err(error),
            Err(elapsed) => Err(unavailable(
                format!("acquire the lock {} of {repository} within {WAIT:?}", slot.path()),
                elapsed.into(),
            )),
        }
    }
}

/// Which lock file a repository has: the same in every version and process.
fn slot_of(repository: &RepositoryName) -> u8 {
    Digest::of(repository.as_str().as_bytes()).as_bytes()[0] % SLOTS
}

async fn acquire(disk: &Arc<Disk>, slot: &Arc<Slot>, mode: LockMode) -> Result<Acquired> {
    let gate = slot.pass_gate(mode).await;
    let attempt = Arc::new(Attempt::new(Arc::clone(disk), Arc::clone(slot), gate, mode));
    let mut pause = FIRST_PAUSE;
    while disk.locking.scope() == Scope::Everywhere && !try_once(&attempt).await? {
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
    if mode == LockMode::Exclusive && disk.locking.scope() == Scope::Uncertain {
        return Err(unavailable(
            format!(
                "exclude other processes by {}; set storage.filesystem.locks: none if this is the only process that \
                 writes to the directory",
                slot.path()
            ),
            "locks do not exclude other processes here".into(),
        ));
    }
    Ok(Acquired { _attempt: attempt })
}

/// One attempt; on the spot if that can wait for neither a disk nor a server.
async fn try_once(attempt: &Arc<Attempt>) -> Result<bool> {
    if attempt.is_quick() {
        return attempt.go_on();
    }
    let attempt = Arc::clone(attempt);
    blocking(move || attempt.go_on()).await
}

fn unavailable(operation: String, source: wharf_store::BoxError) -> Error {
    Error::Backend { backend: BACKEND, operation, retry: Retry::Later, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Processes of different versions must agree.
    #[test]
    fn a_repository_has_the_same_lock_file_for_ever() {
        for (name, expected) in [("acme/app", 31), ("library/alpine", 12), ("a", 10), ("b", 62)] {
            assert_eq!(slot_of(&name.parse().unwrap()), expected, "{name}");
        }
    }
}
