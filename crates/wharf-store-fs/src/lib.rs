#![doc = include_str!("../README.md")]
#![expect(clippy::disallowed_methods, reason = "this crate is where files are touched")]

mod batch;
mod blobs;
mod boot;
mod disk;
mod locks;
mod objects;
#[cfg(test)]
mod tests;
mod uploads;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use boot::Boot;
use disk::Disk;
use locks::RepositoryLocks;
use uploads::Writers;
use wharf_store::{Clock, Error, Result, SystemClock, in_current_span};

/// How much is synced before a change is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fsync {
    /// Files and the folders they appear in: a power cut loses nothing acknowledged.
    #[default]
    Full,
    /// Files only: after a power cut a blob is whole or absent, but one just acknowledged may be absent.
    Data,
    /// Nothing: fast, and a power cut may lose or damage what the last half minute brought.
    None,
}

/// How writers of other processes are excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProcessLocks {
    /// By `flock`. Where that does not exclude other processes, what would rest on it is refused.
    #[default]
    Detect,
    /// Not at all: no other process writes to the directory.
    None,
}

/// Where and how to store.
#[derive(Debug, Clone)]
pub struct FsOptions {
    /// The directory that holds `docker/registry/v2`; made if absent.
    pub root: PathBuf,
    /// How much is synced.
    pub fsync: Fsync,
    /// How other processes are excluded.
    pub locks: ProcessLocks,
    /// Which start of the machine this is.
    pub boot: Boot,
    /// Where uploads take their time from.
    pub clock: Arc<dyn Clock>,
}

/// A directory with a registry in it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct FsStore {
    disk: Arc<Disk>,
    locks: Arc<RepositoryLocks>,
    writers: Writers,
    boot: Boot,
    clock: Arc<dyn Clock>,
}

// === impl FsOptions ===

impl FsOptions {
    /// The usual way of storing in `root`: everything synced.
    pub fn new(root: impl AsRef<Path>) -> Self {
        Self {
            root: root.as_ref().to_owned(),
            fsync: Fsync::default(),
            locks: ProcessLocks::default(),
            boot: Boot::current(),
            clock: Arc::new(SystemClock),
        }
    }
}

// === impl FsStore ===

impl FsStore {
    /// Opens the directory, making it if need be. Reads nothing below it: a start takes the same time on any data size.
    pub fn open(options: FsOptions) -> Result<Self> {
        let disk = Disk::open(options.root, options.fsync, options.locks)?;
        Ok(Self {
            disk: Arc::new(disk),
            locks: Arc::new(RepositoryLocks::new()),
            writers: Writers::default(),
            boot: options.boot,
            clock: options.clock,
        })
    }

    /// Runs `act` where it may wait for the disk.
    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Disk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let disk = Arc::clone(&self.disk);
        blocking(move || act(&disk)).await
    }
}

async fn blocking<T: Send + 'static>(act: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    joined(tokio::task::spawn_blocking(in_current_span(act)).await)
}

/// The result of work on the blocking pool; a panic there goes on here.
fn joined<T>(result: std::result::Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    result.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(cancelled) => Err(Error::Backend {
            backend: disk::BACKEND,
            operation: "finish: the process is stopping".to_owned(),
            retry: wharf_store::Retry::Later,
            source: cancelled.into(),
        }),
    })
}
