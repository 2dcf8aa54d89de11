//! What must be on disk before the next step, all at once.
//!
//! A sync is mostly waiting. Those that do not wait for each other are therefore started together: a journal writes them
//! as one, and a disk flushes its cache once for all. So what a change costs is its waves, not its syncs.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wharf_store::Result;

use super::{Disk, failed};
use crate::Fsync;

/// Things to be synced together.
#[derive(Debug, Default)]
pub(crate) struct Wave {
    syncs: Vec<Sync>,
    lasting: Vec<PathBuf>,
}

/// One of them.
#[derive(Debug)]
pub(crate) enum Sync {
    /// The bytes of a file, and the path it was opened at.
    File(Arc<File>, PathBuf),
    /// What was made, renamed or removed in a folder.
    Folder(PathBuf),
}

/// What became of a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synced {
    /// It is on disk.
    Done,
    /// The folder is gone: somebody has removed what was in it.
    Gone,
}

// === impl Wave ===

impl Wave {
    pub(crate) fn file(&mut self, file: Arc<File>, path: PathBuf) {
        self.syncs.push(Sync::File(file, path));
    }

    pub(crate) fn folder(&mut self, folder: &Path) {
        let there = self.syncs.iter().any(|sync| matches!(sync, Sync::Folder(known) if known == folder));
        if !there {
            self.syncs.push(Sync::Folder(folder.to_owned()));
        }
    }

    /// A folder that nobody ever removes, to be remembered when all is synced.
    pub(super) fn lasting(&mut self, folder: &Path) {
        self.lasting.push(folder.to_owned());
    }

    /// The syncs, and what to remember when they are done.
    pub(crate) fn into_parts(self) -> (Vec<Sync>, Vec<PathBuf>) {
        (self.syncs, self.lasting)
    }
}

// === impl Disk ===

impl Disk {
    /// Whether the operator wants this synced.
    pub(crate) fn cares_for(&self, sync: &Sync) -> bool {
        match sync {
            Sync::File(..) => self.fsync != Fsync::None,
            Sync::Folder(_) => self.fsync == Fsync::Full,
        }
    }

    /// Syncs one thing.
    pub(crate) fn sync(&self, sync: &Sync) -> Result<Synced> {
        let (result, path) = match sync {
            Sync::File(file, path) => (self.sync_file(file, path), path),
            Sync::Folder(folder) => (self.sync_folder(folder), folder),
        };
        match (result, sync) {
            (Ok(()), _) => Ok(Synced::Done),
            (Err(error), Sync::Folder(_)) if error.kind() == io::ErrorKind::NotFound => Ok(Synced::Gone),
            (Err(source), _) => Err(failed("sync", path, source)),
        }
    }

    /// Syncs a wave, one after the other, where there is nobody to share the waiting with.
    pub(super) fn sync_in_turn(&self, wave: Wave) -> io::Result<()> {
        let (syncs, lasting) = wave.into_parts();
        for sync in &syncs {
            match sync {
                Sync::File(file, path) => self.sync_file(file, path)?,
                Sync::Folder(folder) => self.sync_folder(folder)?,
            }
        }
        self.remember_folders(&lasting);
        Ok(())
    }
}
