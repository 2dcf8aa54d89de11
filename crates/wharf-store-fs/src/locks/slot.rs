//! One lock file, its turnstile, and who uses them in this process.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::FlockOperation;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use wharf_store::{LockMode, Result};

use crate::disk::{Disk, failed};

/// Where lock files are, beside the tree. They are made when they are first needed and never removed.
const FOLDER: &str = "wharf/locks";

/// One of the locks.
#[derive(Debug)]
pub(super) struct Slot {
    number: u8,
    /// Between the requests of this process, in the order in which they come.
    gate: Arc<RwLock<()>>,
    state: Mutex<State>,
}

/// Only touched for as long as a system call that does not wait takes, unless the file system is remote.
#[derive(Debug, Default)]
struct State {
    files: Option<Arc<Files>>,
    /// Shared users in this process; the first locks the file for all and the last releases it.
    shared: usize,
    /// Shared attempts of this process that are in the turnstile, in the same way.
    passing: usize,
}

#[derive(Debug)]
struct Files {
    lock: File,
    turnstile: File,
    path: PathBuf,
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

/// What an attempt has acquired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Progress {
    #[default]
    Nothing,
    Turnstile,
    Lock,
}

// === impl Slot ===

impl Slot {
    pub(super) fn new(number: u8) -> Self {
        Self { number, gate: Arc::default(), state: Mutex::default() }
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

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The files, opened if they are not; `None` where this process may not make them.
    fn files(&self, disk: &Disk) -> Result<Option<Arc<Files>>> {
        if let Some(files) = self.with(|state| state.files.clone()) {
            return Ok(Some(files));
        }
        let path = disk.path(&self.path());
        match open(disk, path.clone()) {
            // Another request may have opened them meanwhile: all must use the same.
            Ok(files) => Ok(Some(self.with(|state| Arc::clone(state.files.get_or_insert(Arc::new(files)))))),
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
}

fn open(disk: &Disk, path: PathBuf) -> io::Result<Files> {
    let mut options = File::options();
    // For writing: network file systems want that for an exclusive lock.
    options.read(true).write(true).create(true).truncate(false);
    let lock = match options.open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            std::fs::create_dir_all(disk.path(FOLDER))?;
            options.open(&path)?
        }
        opened => opened?,
    };
    let turnstile = options.open(path.with_extension("turnstile"))?;
    Ok(Files { lock, turnstile, path })
}

// === impl Attempt ===

impl Attempt {
    pub(super) fn new(disk: Arc<Disk>, slot: Arc<Slot>, gate: Gate, mode: LockMode) -> Self {
        let inner = Inner { disk, slot, mode, progress: Mutex::default(), _gate: gate };
        Self { inner: Some(inner) }
    }

    /// Whether going on waits for neither a disk nor a server.
    pub(super) fn is_quick(&self) -> bool {
        self.inner
            .as_ref()
            .is_some_and(|inner| !inner.disk.locking.remote && inner.slot.with(|state| state.files.is_some()))
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
        let Some(files) = self.slot.files(&self.disk)? else { return Ok(true) };
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let tried = match self.mode {
            LockMode::Shared => self.slot.with(|state| self.share(&files, state, &mut progress)),
            LockMode::Exclusive => self.take(&files, &mut progress),
        };
        tried.map_err(|source| failed("lock", &files.path, source))
    }

    fn share(&self, files: &Files, state: &mut State, progress: &mut Progress) -> io::Result<bool> {
        if *progress == Progress::Nothing {
            // What waits here waits for an exclusive user of another process that was first.
            if state.passing == 0
                && !self.flock(&files.turnstile, files, FlockOperation::NonBlockingLockShared)?
            {
                return Ok(false);
            }
            state.passing += 1;
            *progress = Progress::Turnstile;
        }
        // What waits here stays in the turnstile, so that the next exclusive user of another process waits for it: one that
        // locks again and again, as a delete of many tags does, would otherwise keep it out.
        if state.shared == 0 && !self.flock(&files.lock, files, FlockOperation::NonBlockingLockShared)? {
            return Ok(false);
        }
        state.shared += 1;
        *progress = Progress::Lock;
        self.leave_turnstile(files, state)?;
        Ok(true)
    }

    /// The turnstile is free for exclusive users when the last shared attempt of this process has left it.
    fn leave_turnstile(&self, files: &Files, state: &mut State) -> io::Result<()> {
        state.passing -= 1;
        if state.passing == 0 {
            self.flock(&files.turnstile, files, FlockOperation::Unlock)?;
        }
        Ok(())
    }

    fn take(&self, files: &Files, progress: &mut Progress) -> io::Result<bool> {
        if *progress == Progress::Nothing {
            if !self.flock(&files.turnstile, files, FlockOperation::NonBlockingLockExclusive)? {
                return Ok(false);
            }
            *progress = Progress::Turnstile;
        }
        if !self.flock(&files.lock, files, FlockOperation::NonBlockingLockExclusive)? {
            return Ok(false);
        }
        *progress = Progress::Lock;
        self.flock(&files.turnstile, files, FlockOperation::Unlock)?;
        Ok(true)
    }

    /// Whether it was done; `false` if another process has the lock.
    fn flock(&self, file: &File, files: &Files, operation: FlockOperation) -> io::Result<bool> {
        match self.disk.locking.flock(file, &files.path, operation) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn release(&self) -> io::Result<()> {
        let progress = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(files) = self.slot.with(|state| state.files.clone()) else { return Ok(()) };
        let unlock = |file: &File| self.flock(file, &files, FlockOperation::Unlock).map(drop);
        match (progress, self.mode) {
            (Progress::Nothing, _) => Ok(()),
            (Progress::Turnstile, LockMode::Exclusive) => unlock(&files.turnstile),
            (Progress::Turnstile, LockMode::Shared) => {
                self.slot.with(|state| self.leave_turnstile(&files, state))
            }
            (Progress::Lock, LockMode::Exclusive) => unlock(&files.lock),
            (Progress::Lock, LockMode::Shared) => self.slot.with(|state| {
                state.shared -= 1;
                if state.shared == 0 { unlock(&files.lock) } else { Ok(()) }
            }),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Err(error) = self.release() {
            tracing::warn!(lock = %self.slot.path(), %error, "could not release a lock");
        }
    }
}
