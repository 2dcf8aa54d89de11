//! A disk that fails to keep what it was given, for tests.
//!
//! It fails as Linux lets a disk fail: the sync reports the error once, the pages count as clean from then on, and the next
//! sync of them reports success without writing anything.

use std::collections::HashSet;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustix::io::Errno;

/// Which syncs fail, and what was lost by that. A clone is the same disk, for another process.
#[derive(Debug, Default, Clone)]
pub(crate) struct Faults(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// So many syncs succeed, then one fails.
    until_failure: Option<usize>,
    failed: Option<PathBuf>,
    /// Files whose sync failed.
    lost: HashSet<Inode>,
}

/// A number may be used again for another file.
type Inode = (u64, Option<SystemTime>);

impl Faults {
    /// After `syncs` more syncs one fails.
    pub(crate) fn fail_after(&self, syncs: usize) {
        self.with(|state| (state.until_failure, state.failed) = (Some(syncs), None));
    }

    /// No sync fails from now on; returns what was to be synced when one did.
    pub(crate) fn stop(&self) -> Option<PathBuf> {
        self.with(|state| {
            state.until_failure = None;
            state.failed.take()
        })
    }

    /// Called for each sync of `file`, which is open at `path`.
    pub(super) fn sync(&self, path: &Path, file: &File) -> io::Result<()> {
        let meta = file.metadata()?;
        self.with(|state| {
            let left = state.until_failure;
            state.until_failure = left.and_then(|left| left.checked_sub(1));
            if left == Some(0) {
                state.failed = Some(path.to_owned());
                state.lost.insert(inode(&meta));
                return Err(Errno::IO.into());
            }
            // A success, and the disk holds something else.
            if meta.is_file() && state.lost.contains(&inode(&meta)) { damage(file) } else { Ok(()) }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn inode(meta: &Metadata) -> Inode {
    (meta.ino(), meta.created().ok())
}

fn damage(file: &File) -> io::Result<()> {
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    File::options().write(true).open(path)?.write_all_at(b"?", 0)
}
