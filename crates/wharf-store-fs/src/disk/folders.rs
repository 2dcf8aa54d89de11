//! Folders that stay.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Disk;
use super::wave::Wave;
use crate::Fsync;

/// How many folders are remembered: some 6 MiB. When there are more, all are forgotten, which costs a sync each.
const REMEMBERED: usize = 65_536;

/// Folders whose own entry in their parent is known to be on disk.
///
/// Only folders that nobody ever removes are remembered: those above what belongs to one object
/// ([`Key::own_folders`](wharf_store::layout::Key::own_folders)).
#[derive(Debug, Default)]
pub(super) struct Folders(Mutex<HashSet<PathBuf>>);

impl Folders {
    fn knows(&self, folder: &Path) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(folder)
    }

    fn learn(&self, folder: &Path) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(folder.to_owned());
    }

    fn forget(&self, folder: &Path) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in folder.ancestors() {
            known.remove(folder);
        }
    }
}

impl Disk {
    /// Makes `folder` and all above it; what must be synced for a power cut to leave them standing goes to `wave`. The
    /// innermost `own` of them may be removed again by anybody at any time.
    ///
    /// The parent of a folder that was there already is synced too: whoever made it may not have come to that yet.
    pub(super) fn make_folder(&self, folder: &Path, own: usize, wave: &mut Wave) -> io::Result<()> {
        if folder == self.root() || (own == 0 && (self.folders.knows(folder) || wave.makes(folder))) {
            return Ok(());
        }
        let Some(parent) = folder.parent() else {
            return Ok(());
        };
        self.make_folder(parent, own.saturating_sub(1), wave)?;
        match std::fs::create_dir(folder) {
            Ok(()) => wave.made(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        wave.folder(parent);
        if own == 0 {
            wave.lasting(folder);
        }
        Ok(())
    }

    /// The folders have been synced, and nobody ever removes them.
    pub(super) fn remember_folders(&self, folders: &[PathBuf]) {
        for folder in folders {
            self.folders.learn(folder);
        }
    }

    /// No longer takes it for granted that `folder` and those above it are there.
    pub(super) fn forget_folders(&self, folder: &Path) {
        self.folders.forget(folder);
    }

    /// Makes what was renamed, linked or removed in `folder` stay so.
    pub(super) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if self.fsync == Fsync::Full { self.sync_handle(&File::open(folder)?, folder) } else { Ok(()) }
    }

    /// As [`sync_folder`](Self::sync_folder), for a folder that is open; `folder` is where it was opened.
    pub(super) fn sync_handle(&self, handle: &File, folder: &Path) -> io::Result<()> {
        if self.fsync != Fsync::Full {
            return Ok(());
        }
        self.note_sync(folder, handle)?;
        handle.sync_all()
    }

    /// Makes the bytes of `file` stay; `path` is where it was opened.
    pub(crate) fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        if self.fsync == Fsync::None {
            return Ok(());
        }
        self.note_sync(path, file)?;
        file.sync_data()
    }

    /// Remembers what is synced, for tests that count, and fails where a test wants that.
    #[cfg(test)]
    fn note_sync(&self, path: &Path, file: &File) -> io::Result<()> {
        let relative = path.strip_prefix(self.root()).unwrap_or(path);
        self.syncs.lock().unwrap_or_else(PoisonError::into_inner).push(relative.to_owned());
        self.faults.sync(relative, file)
    }

    #[cfg(not(test))]
    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "the tests' own can fail")]
    fn note_sync(&self, _path: &Path, _file: &File) -> io::Result<()> {
        Ok(())
    }

    /// Removes what is left of an object's own folders, unless somebody is using them again.
    pub(super) fn prune(&self, folder: &Path, own: usize) {
        let mut folder = folder;
        for _ in 0..own {
            // Not empty, or gone already: both are fine, and an empty folder left behind does no harm either.
            if std::fs::remove_dir(folder).is_err() {
                return;
            }
            let Some(parent) = folder.parent() else { return };
            folder = parent;
        }
    }
}

/// Makes the root and what is missing above it, so that a power cut leaves them standing.
pub(super) fn make_root(root: &Path, fsync: Fsync) -> io::Result<()> {
    let missing: Vec<&Path> =
        root.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    std::fs::create_dir_all(root)?;
    if fsync != Fsync::Full {
        return Ok(());
    }
    let sync = |folder: &&Path| {
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
        File::open(above.unwrap_or(Path::new(".")))?.sync_all()
    };
    missing.iter().try_for_each(sync).inspect_err(|_| {
        // The next start would find them, and take it that they are on disk.
        for folder in &missing {
            let _ = std::fs::remove_dir(folder);
        }
    })
}
