//! Locks against other processes: whether there are any here, and on things that may be renamed or removed while one waits.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::mounts;
use crate::ProcessLocks;

/// A file system has no locks if it has never given one and has answered so many times that it has no room for
/// one (`ENOLCK`): a client of NFS answers so where the server has no lock daemon.
const REFUSALS: u32 = 8;

/// What `flock` is worth on the file system of the store.
#[derive(Debug)]
pub(crate) struct Locking {
    scope: AtomicU8,
    /// How often there was no room for a lock, while there was never any.
    refusals: AtomicU32,
    /// A lock was acquired here.
    works: AtomicBool,
    /// Network file systems ask their server for a lock, which takes its time.
    pub(crate) remote: bool,
    /// What the kernel is pretended to answer.
    #[cfg(test)]
    pub(crate) pretended: std::sync::Mutex<Option<Errno>>,
    /// How many more calls are pretended to be interrupted.
    #[cfg(test)]
    interruptions: std::sync::atomic::AtomicUsize,
}

/// Whom a lock excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Scope {
    /// All processes, on this host and on others.
    Everywhere,
    /// There is one process only: the operator has said so.
    OneProcess,
    /// This process, and perhaps not the others.
    Uncertain,
}

// === impl Locking ===

impl Locking {
    /// What there is to know about the file system of `root`, without asking it.
    pub(crate) fn new(root: impl AsFd, path: &Path, configured: ProcessLocks) -> Self {
        let (scope, remote) = match configured {
            ProcessLocks::None => (Scope::OneProcess, false),
            ProcessLocks::Detect => {
                let kind = mounts::kind_of(root);
                if let Some(reason) = &kind.local_locks {
                    warn(path, reason);
                    (Scope::Uncertain, kind.remote)
                } else {
                    (Scope::Everywhere, kind.remote)
                }
            }
        };
        Self {
            scope: AtomicU8::new(scope as u8),
            refusals: AtomicU32::default(),
            works: AtomicBool::default(),
            remote,
            #[cfg(test)]
            pretended: std::sync::Mutex::default(),
            #[cfg(test)]
            interruptions: std::sync::atomic::AtomicUsize::default(),
        }
    }

    pub(crate) fn scope(&self) -> Scope {
        match self.scope.load(Ordering::Relaxed) {
            0 => Scope::Everywhere,
            1 => Scope::OneProcess,
            _ => Scope::Uncertain,
        }
    }

    /// Calls `flock` for a file of the store at `path`. Where it does not work that counts as success, and from then on no
    /// lock excludes other processes. Where there is no room for a lock at this moment (`ENOLCK`) that is an error.
    pub(crate) fn flock(&self, file: &File, path: &Path, operation: FlockOperation) -> io::Result<()> {
        // What was locked before that is unlocked all the same.
        if self.scope() != Scope::Everywhere && operation != FlockOperation::Unlock {
            return Ok(());
        }
        let result = loop {
            match self.call(file, operation) {
                Err(Errno::INTR) => {}
                result => break result,
            }
        };
        let error = match result {
            Ok(()) => {
                self.works.store(true, Ordering::Relaxed);
                return Ok(());
            }
            Err(error) => error,
        };
        let works = match error {
            Errno::NOTSUP | Errno::NOSYS | Errno::INVAL => false,
            Errno::NOLCK => {
                self.works.load(Ordering::Relaxed)
                    || self.refusals.fetch_add(1, Ordering::Relaxed) + 1 < REFUSALS
            }
            _ => true,
        };
        if works {
            return Err(error.into());
        }
        self.distrust(path, &format!("flock: {}", io::Error::from(error)));
        Ok(())
    }

    /// From now on no lock counts as excluding other processes.
    pub(crate) fn distrust(&self, path: &Path, reason: &str) {
        if self.scope() == Scope::Everywhere {
            self.scope.store(Scope::Uncertain as u8, Ordering::Relaxed);
            warn(path, reason);
        }
    }

    /// Locks `file`, which was opened at `path`; dropping it gives the lock back.
    ///
    /// `NotFound` if by then something else, or nothing, stands at `path`. The lock would be worthless: an upload's bytes
    /// may have become a blob between our opening them and our locking them, and must not be written to any more.
    pub(crate) fn lock(&self, file: &File, path: &Path, operation: FlockOperation) -> io::Result<()> {
        self.flock(file, path, operation)?;
        let (held, there) = (file.metadata()?, std::fs::metadata(path)?);
        if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "it was replaced while it was being locked"))
        }
    }

    #[cfg(test)]
    pub(crate) fn interrupt(&self, calls: usize) {
        self.interruptions.store(calls, Ordering::Relaxed);
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the tests' own is pretended")]
    fn call(&self, file: &File, operation: FlockOperation) -> Result<(), Errno> {
        rustix::fs::flock(file, operation)
    }

    #[cfg(test)]
    fn call(&self, file: &File, operation: FlockOperation) -> Result<(), Errno> {
        let interrupted =
            self.interruptions.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if interrupted.is_ok() {
            return Err(Errno::INTR);
        }
        let pretended = *self.pretended.lock().unwrap();
        pretended.map_or_else(|| rustix::fs::flock(file, operation), Err)
    }
}

fn warn(path: &Path, reason: &str) {
    tracing::warn!(
        path = %path.display(),
        reason,
        "locks do not exclude other processes here: deletes and conditional tag writes are answered 503; set \
         storage.filesystem.locks: none if this is the only process that writes to the directory"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_on_what_was_moved_away_is_worthless() {
        let directory = tempfile::tempdir().unwrap();
        let (data, blob) = (directory.path().join("data"), directory.path().join("blob"));
        let root = File::open(directory.path()).unwrap();
        let locking = Locking::new(&root, directory.path(), ProcessLocks::Detect);
        let open = || File::options().write(true).create(true).truncate(false).open(&data).unwrap();
        let late = open();
        std::fs::rename(&data, &blob).unwrap();
        for replaced in [false, true] {
            if replaced {
                open();
            }
            let error = locking.lock(&late, &data, FlockOperation::NonBlockingLockExclusive).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        locking.lock(&open(), &data, FlockOperation::NonBlockingLockExclusive).unwrap();
    }
}
