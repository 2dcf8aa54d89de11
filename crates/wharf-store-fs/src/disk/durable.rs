//! Files that are known to be on disk, with the folders they are in.
//!
//! A success that rests on a file which is there already syncs it first, unless this process has synced that very file
//! before. What is remembered is the file and not only its path: another process may have removed it and written it anew.

use std::fmt;
use std::fs::Metadata;
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use quick_cache::sync::Cache;

use super::listing::Each;

/// How many files are remembered: some 4 MiB. One that was forgotten costs its syncs again.
const REMEMBERED: u64 = 65_536;

/// Files by the hash of their path.
pub(super) struct Durable {
    files: Cache<u64, Identity, Each>,
    hash: RandomState,
}

/// Which file it is: an inode's number can be used again, but not at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    inode: u64,
    /// When it was created; on a file system that does not say, when anything about it last changed.
    since: SystemTime,
}

// === impl Durable ===

impl Durable {
    pub(super) fn knows(&self, path: &Path, meta: &Metadata) -> bool {
        self.files.get(&self.hash.hash_one(path)) == Some(Identity::of(meta))
    }

    /// The file and its folders have been synced.
    pub(super) fn learn(&self, path: &Path, meta: &Metadata) {
        self.files.insert(self.hash.hash_one(path), Identity::of(meta));
    }
}

impl Default for Durable {
    fn default() -> Self {
        Self { files: Cache::with_weighter(64, REMEMBERED, Each), hash: RandomState::new() }
    }
}

impl fmt::Debug for Durable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Durable").field("files", &self.files.len()).finish()
    }
}

// === impl Identity ===

impl Identity {
    fn of(meta: &Metadata) -> Self {
        let changed = || {
            let whole = Duration::from_secs(u64::try_from(meta.ctime()).unwrap_or_default());
            let nanos = Duration::from_nanos(u64::try_from(meta.ctime_nsec()).unwrap_or_default());
            SystemTime::UNIX_EPOCH + whole + nanos
        };
        Self { inode: meta.ino(), since: meta.created().unwrap_or_else(|_| changed()) }
    }
}
