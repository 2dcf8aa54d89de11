//! Folders that stay.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Disk;
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
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(folder)
    }

    fn learn(&self, folder: &Path) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(folder.to_owned());
    }
}

impl Disk {
    /// Makes `folder` and all above it, so that a power cut leaves them standing. The innermost `own` of them may be
    /// removed again by anybody at any time.
    ///
    /// A folder that was there already is synced too: whoever made it may not have come to that yet.
    pub(super) fn make_folder(&self, folder: &Path, own: usize) -> io::Result<()> {
        if folder == self.root() || (own == 0 && self.folders.knows(folder)) {
            return Ok(());
        }
        let Some(parent) = folder.parent() else {
            return Ok(());
        };
        self.make_folder(parent, own.saturating_sub(1))?;
        match std::fs::create_dir(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        self.sync_folder(parent)?;
        if own == 0 {
            self.folders.learn(folder);
        }
        Ok(())
    }

    /// Makes what was renamed, linked or removed in `folder` stay so.
    pub(super) fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if self.fsync == Fsync::Full {
            File::open(folder)?.sync_all()
        } else {
            Ok(())
        }
    }

    /// Makes the bytes of `file` stay.
    pub(crate) fn sync_file(&self, file: &File) -> io::Result<()> {
        if self.fsync == Fsync::None {
            Ok(())
        } else {
            file.sync_data()
        }
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
