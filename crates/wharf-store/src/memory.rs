//! Everything in memory: for tests, and for a registry that may forget.

mod blobs;
mod objects;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::RwLock;
use wharf_oci::{Digest, RepositoryName};

use crate::UploadKey;
use crate::clock::{Clock, SystemClock};
use crate::objects::AgedObject;

/// Blobs, uploads and the tree's small objects, in maps.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    shared: Arc<Mutex<State>>,
    /// A lock a repository that was ever written to.
    locks: Arc<Mutex<HashMap<RepositoryName, Arc<RwLock<()>>>>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct State {
    blobs: BTreeMap<Digest, Blob>,
    uploads: HashMap<UploadKey, Upload>,
    objects: BTreeMap<String, AgedObject>,
    /// Counts the writes of objects: the version of each.
    writes: u64,
}

#[derive(Debug, Clone)]
struct Blob {
    bytes: Bytes,
    modified: SystemTime,
}

#[derive(Debug)]
struct Upload {
    bytes: Vec<u8>,
    begun: SystemTime,
    busy: bool,
    /// What it was published as.
    finished: Option<Digest>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }
}

impl MemoryStore {
    /// An empty store that reads the time from `clock`.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { shared: Arc::default(), locks: Arc::default(), clock }
    }

    /// The maps. Nothing that holds this guard can panic half-way through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn lock_of(&self, repository: &RepositoryName) -> Arc<RwLock<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(repository.clone()).or_default())
    }
}
