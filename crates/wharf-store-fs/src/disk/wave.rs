//! What must be on disk before the next step, all at once.
//!
//! A sync is mostly waiting. Those that do not wait for each other are therefore started together: a journal writes them
//! as one, and a disk flushes its cache once for all. So what a change costs is its waves, not its syncs.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use wharf_store::{Result, in_current_span};

use super::{Disk, failed};
use crate::Fsync;

/// Things to be synced together.
#[derive(Debug, Default)]
pub(crate) struct Wave {
    syncs: Vec<Sync>,
    lasting: Vec<PathBuf>,
    made: Vec<PathBuf>,
    published: Vec<(Arc<File>, PathBuf)>,
}

/// One of them.
#[derive(Debug)]
enum Sync {
    /// The bytes of a file, and the path it was opened at.
    File(Arc<File>, PathBuf),
    /// What was made, renamed or removed in a folder.
    Folder(PathBuf),
}

/// Folders made for a wave, outermost first.
///
/// Where a sync of the folder around one fails it must not stay: the next writer that finds it there syncs that folder
/// again, which succeeds because the kernel has given up on what it could not write.
#[derive(Debug)]
pub(super) struct Made(Vec<PathBuf>);

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

    /// A folder that was not there before.
    pub(super) fn made(&mut self, folder: &Path) {
        self.made.push(folder.to_owned());
    }

    /// A file that is on disk under its name once the wave is.
    pub(super) fn published(&mut self, file: Arc<File>, path: PathBuf) {
        self.published.push((file, path));
    }

    /// What to remove if a sync fails.
    pub(super) fn take_made(&mut self) -> Made {
        Made(std::mem::take(&mut self.made))
    }

    /// Whether it was made for this wave, and will stay.
    pub(super) fn makes(&self, folder: &Path) -> bool {
        self.lasting.iter().any(|lasting| lasting == folder)
    }

    /// Somebody has removed folders that nobody should remove, so those of this wave may be gone too.
    pub(super) fn doubt_folders(&mut self) {
        self.lasting.clear();
    }

    /// The syncs, and what to remember when they are done.
    fn into_parts(self) -> (Vec<Sync>, Vec<PathBuf>) {
        (self.syncs, self.lasting)
    }
}

// === impl Made ===

impl Made {
    /// Removes those with nothing in them: what else is in one is another writer's, and that writer syncs it.
    pub(super) fn undo(self) {
        for folder in self.0.iter().rev() {
            // Not empty, or gone already: then nothing is left to be done.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Syncs nobody has begun, each with where to say how it went.
type Open = Mutex<Vec<(Sync, Sender<Result<Synced>>)>>;

// === impl Disk ===

impl Disk {
    /// Syncs all of a wave at the same time. If that fails, `give_up` is to remove the files that were made for it, and then
    /// the folders go.
    pub(crate) fn sync_or_undo(self: &Arc<Self>, mut wave: Wave, give_up: impl FnOnce()) -> Result<Synced> {
        let made = wave.take_made();
        self.sync_together(wave).inspect_err(|_| {
            give_up();
            made.undo();
        })
    }

    /// Syncs all of a wave at the same time: this thread, which is one of the blocking pool, and others that help it.
    ///
    /// It waits only for what has begun and does the rest itself, so it is never held up by a pool that is busy.
    pub(crate) fn sync_together(self: &Arc<Self>, mut wave: Wave) -> Result<Synced> {
        let published = std::mem::take(&mut wave.published);
        let (mut syncs, lasting) = wave.into_parts();
        syncs.retain(|sync| self.cares_for(sync));
        let count = syncs.len();
        let (said, results) = mpsc::channel();
        let open: Open = Mutex::new(syncs.into_iter().rev().map(|sync| (sync, said.clone())).collect());
        drop(said);
        let open = Arc::new(open);
        for _ in 1..count {
            let (disk, open) = (Arc::clone(self), Arc::clone(&open));
            // Its result comes through the channel; one that comes too late finds nothing to do.
            drop(tokio::task::spawn_blocking(in_current_span(move || disk.sync_open(&open))));
        }
        self.sync_open(&open);
        let results: Vec<_> = results.into_iter().collect();
        assert_eq!(results.len(), count, "a sync panicked");
        let results: Vec<Synced> = results.into_iter().collect::<Result<_>>()?;
        if results.contains(&Synced::Gone) {
            return Ok(Synced::Gone);
        }
        self.remember_folders(&lasting);
        for (file, path) in &published {
            self.remember_durable(path, file);
        }
        Ok(Synced::Done)
    }

    /// `file` is on disk at `path`, with the folders it is in.
    pub(super) fn remember_durable(&self, path: &Path, file: &File) {
        // One that cannot be looked at is synced once more by a request that relies on it.
        if let Ok(meta) = file.metadata() {
            self.durable.learn(path, &meta);
        }
    }

    /// Does what nobody has begun.
    fn sync_open(&self, open: &Open) {
        let next = || open.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some((sync, said)) = next() {
            // Nobody listens any more only if another sync has panicked.
            let _ = said.send(self.sync(&sync));
        }
    }

    /// Whether the operator wants this synced.
    fn cares_for(&self, sync: &Sync) -> bool {
        match sync {
            Sync::File(..) => self.fsync != Fsync::None,
            Sync::Folder(_) => self.fsync == Fsync::Full,
        }
    }

    /// Syncs one thing.
    fn sync(&self, sync: &Sync) -> Result<Synced> {
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
