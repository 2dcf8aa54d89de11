//! One lock file, its turnstile, and who uses them in this process.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::FlockOperation;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use wharf_store::{LockMode, Result};

use crate::disk::{Disk, absent_as_none, failed};

/// Where lock files are, beside the tree. They are made when they are first needed and never removed.
const FOLDER: &str = "wharf/locks";

/// One of the locks.
#[derive(Debug)]
pub(super) struct Slot {
    number: u8,
    /// Between the requests of this process, in the order in which they come.
    gate: Arc<RwLock<()>>,
    /// The files, once they are open and for as long as they are those at their paths.
    files: Mutex<Option<Arc<Files>>>,
}

/// A lock file and its turnstile, open. Closing them releases what is locked.
#[derive(Debug)]
struct Files {
    lock: OpenFile,
    turnstile: OpenFile,
    users: Mutex<Users>,
}

/// An open file, and where it was opened.
#[derive(Debug)]
struct OpenFile {
    file: File,
    path: PathBuf,
    inode: (u64, u64),
}

/// Shared users in this process; the first locks the file for all and the last releases it.
///
/// Only locked for as long as a system call that does not wait takes, unless the file system is remote.
#[derive(Debug, Default)]
struct Users {
    /// Those that have acquired the lock.
    shared: usize,
    /// Attempts that are in the turnstile.
    passing: usize,
}

/// The place in the order of this process; given back when it is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "held until it is dropped")]
pub(super) enum Gate {
    Shared(OwnedRwLockReadGuard<()>),
    Exclusive(OwnedRwLockWriteGuard<()>),
}

/// An attempt to acquire a lock, as far as it has come. What it has is released when it is dropped.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Taken when it is dropped.
    inner: Option<Inner>,
}

#[derive(Debug)]
struct Inner {
    disk: Arc<Disk>,
    slot: Arc<Slot>,
    mode: LockMode,
    progress: Mutex<Progress>,
    /// Goes last.
    _gate: Gate,
}

/// How far an attempt has come.
#[derive(Debug, Default)]
struct Progress {
    /// The files it locks; they may have been replaced at their paths meanwhile.
    files: Option<Arc<Files>>,
    stage: Stage,
}

/// What an attempt has acquired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Nothing,
    Turnstile,
    Lock,
}

// === impl Slot ===

impl Slot {
    pub(super) fn new(number: u8) -> Self {
        Self { number, gate: Arc::default(), files: Mutex::default() }
    }

    /// Where its file is, below the root.
    pub(super) fn path(&self) -> String {
        format!("{FOLDER}/{:02x}", self.number)
    }

    pub(super) async fn pass_gate(&self, mode: LockMode) -> Gate {
        let gate = Arc::clone(&self.gate);
        match mode {
            LockMode::Shared => Gate::Shared(gate.read_owned().await),
            LockMode::Exclusive => Gate::Exclusive(gate.write_owned().await),
        }
    }

    fn opened(&self) -> MutexGuard<'_, Option<Arc<Files>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files, opened if they are not; `None` where this process may not make them.
    fn files(&self, disk: &Disk) -> Result<Option<Arc<Files>>> {
        if let Some(files) = self.opened().clone() {
            return Ok(Some(files));
        }
        let path = disk.path(&self.path());
        match Files::open(disk, &path) {
            // Another request may have opened them meanwhile: all must use the same.
            Ok(files) => Ok(Some(Arc::clone(self.opened().get_or_insert(Arc::new(files))))),
            // One file that another user has made is a fault to be mended, and says nothing of the others.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied && path.exists() => {
                Err(failed("open", &path, error))
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                disk.locking.distrust(&path, &format!("its lock files cannot be opened: {error}"));
                Ok(None)
            }
            Err(source) => Err(failed("open", &path, source)),
        }
    }

    /// The next attempt opens the files anew, unless another one has opened them since.
    fn forget(&self, files: &Arc<Files>) {
        self.opened().take_if(|opened| Arc::ptr_eq(opened, files));
    }
}

// === impl Files ===

impl Files {
    fn open(disk: &Disk, path: &Path) -> io::Result<Self> {
        let lock = match OpenFile::open(path.to_owned()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(disk.path(FOLDER))?;
                OpenFile::open(path.to_owned())?
            }
            opened => opened?,
        };
        let turnstile = OpenFile::open(path.with_extension("turnstile"))?;
        Ok(Self { lock, turnstile, users: Mutex::default() })
    }

    fn users(&self) -> MutexGuard<'_, Users> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether other processes that open the files now open these.
    fn are_in_place(&self, disk: &Disk) -> io::Result<bool> {
        Ok(self.lock.is_in_place(disk)? && self.turnstile.is_in_place(disk)?)
    }
}

// === impl OpenFile ===

impl OpenFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        // For writing: network file systems want that for an exclusive lock.
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        let meta = file.metadata()?;
        Ok(Self { file, path, inode: (meta.dev(), meta.ino()) })
    }

    fn is_in_place(&self, disk: &Disk) -> io::Result<bool> {
        let meta = match disk.locking.remote {
            // Opened anew, so that a network file system asks its server.
            true => File::open(&self.path).and_then(|file| file.metadata()),
            false => std::fs::metadata(&self.path),
        };
        Ok(absent_as_none(meta)?.is_some_and(|meta| (meta.dev(), meta.ino()) == self.inode))
    }
}

// === impl Attempt ===

impl Attempt {
    pub(super) fn new(disk: Arc<Disk>, slot: Arc<Slot>, gate: Gate, mode: LockMode) -> Self {
        let inner = Inner { disk, slot, mode, progress: Mutex::default(), _gate: gate };
        Self { inner: Some(inner) }
    }

    /// Whether going on waits for neither a disk nor a server.
    pub(super) fn is_quick(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| !inner.disk.locking.remote && inner.slot.opened().is_some())
    }

    /// Goes on; returns whether the lock is acquired, or can not be.
    pub(super) fn go_on(&self) -> Result<bool> {
        self.inner.as_ref().map_or(Ok(true), Inner::go_on)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        match tokio::runtime::Handle::try_current() {
            // A server is told where that may take its time.
            Ok(runtime) if inner.disk.locking.remote => drop(runtime.spawn_blocking(move || drop(inner))),
            _ => drop(inner),
        }
    }
}

// === impl Inner ===

impl Inner {
    fn go_on(&self) -> Result<bool> {
        let mut progress = self.progress();
        let files = match &progress.files {
            Some(files) => Arc::clone(files),
            None => match self.slot.files(&self.disk)? {
                Some(files) => Arc::clone(progress.files.insert(files)),
                None => return Ok(true),
            },
        };
        let tried = match self.mode {
            LockMode::Shared => self.share(&files, &mut progress.stage),
            LockMode::Exclusive => self.take(&files, &mut progress.stage),
        };
        // A lock on a file that was removed or replaced excludes no process that has opened the new one.
        let in_place = tried.and_then(|acquired| match acquired {
            true => files.are_in_place(&self.disk).map(Some),
            false => Ok(None),
        });
        match in_place {
            Ok(Some(true)) => Ok(true),
            Ok(None) => Ok(false),
            Ok(Some(false)) => {
                tracing::warn!(
                    path = %files.lock.path.display(),
                    "a lock file was removed or replaced while it was in use; opening it again"
                );
                self.begin_anew(progress);
                Ok(false)
            }
            Err(source) => {
                // Of a file that was removed on a server, no lock would succeed any more.
                self.begin_anew(progress);
                Err(failed("lock", &files.lock.path, source))
            }
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Releases what was acquired, and has the files opened again.
    fn begin_anew(&self, mut progress: MutexGuard<'_, Progress>) {
        self.release(&progress);
        if let Some(files) = std::mem::take(&mut *progress).files {
            self.slot.forget(&files);
        }
    }

    fn share(&self, files: &Files, stage: &mut Stage) -> io::Result<bool> {
        let mut users = files.users();
        if *stage == Stage::Nothing {
            // What waits here waits for an exclusive user of another process that was first.
            if users.passing == 0 && !self.flock(&files.turnstile, FlockOperation::NonBlockingLockShared)? {
                return Ok(false);
            }
            users.passing += 1;
            *stage = Stage::Turnstile;
        }
        // What waits here stays in the turnstile, so that the next exclusive user of another process waits for it: one that
        // locks again and again, as a delete of many tags does, would otherwise keep it out.
        if users.shared == 0 && !self.flock(&files.lock, FlockOperation::NonBlockingLockShared)? {
            return Ok(false);
        }
        users.shared += 1;
        *stage = Stage::Lock;
        self.leave_turnstile(files, &mut users)?;
        Ok(true)
    }

    /// The turnstile is free for exclusive users when the last shared attempt of this process has left it.
    fn leave_turnstile(&self, files: &Files, users: &mut Users) -> io::Result<()> {
        users.passing -= 1;
        if users.passing == 0 {
            self.flock(&files.turnstile, FlockOperation::Unlock)?;
        }
        Ok(())
    }

    fn take(&self, files: &Files, stage: &mut Stage) -> io::Result<bool> {
        if *stage == Stage::Nothing {
            if !self.flock(&files.turnstile, FlockOperation::NonBlockingLockExclusive)? {
                return Ok(false);
            }
            *stage = Stage::Turnstile;
        }
        if !self.flock(&files.lock, FlockOperation::NonBlockingLockExclusive)? {
            return Ok(false);
        }
        *stage = Stage::Lock;
        self.flock(&files.turnstile, FlockOperation::Unlock)?;
        Ok(true)
    }

    /// Whether it was done; `false` if another process has the lock.
    fn flock(&self, OpenFile { file, path, .. }: &OpenFile, operation: FlockOperation) -> io::Result<bool> {
        match self.disk.locking.flock(file, path, operation) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Releases what was acquired. Where that fails the files are closed, which releases it as well.
    fn release(&self, progress: &Progress) {
        let Some(files) = &progress.files else { return };
        let unlock = |file: &OpenFile| self.flock(file, FlockOperation::Unlock).map(drop);
        let released = match (progress.stage, self.mode) {
            (Stage::Nothing, _) => Ok(()),
            (Stage::Turnstile, LockMode::Exclusive) => unlock(&files.turnstile),
            (Stage::Turnstile, LockMode::Shared) => self.leave_turnstile(files, &mut files.users()),
            (Stage::Lock, LockMode::Exclusive) => unlock(&files.lock),
            (Stage::Lock, LockMode::Shared) => {
                let mut users = files.users();
                users.shared -= 1;
                if users.shared == 0 { unlock(&files.lock) } else { Ok(()) }
            }
        };
        if let Err(error) = released {
            self.slot.forget(files);
            tracing::warn!(lock = %self.slot.path(), %error, "could not release a lock");
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let progress = std::mem::take(&mut *self.progress());
        self.release(&progress);
    }
}
