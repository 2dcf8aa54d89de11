//! What writers and removers that are gone have left in the tree.

use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wharf_oci::Algorithm;
use wharf_store::Result;
use wharf_store::layout::Dir;

use super::removal::without_aside;
use super::{Disk, absent_as_none, failed};

/// How many entries are looked at in one go: a thread of the pool is not taken for longer.
const STEP_ENTRIES: usize = 4096;

/// A walk over the whole tree, to be gone on with step by step.
#[derive(Debug)]
pub(crate) struct Sweep {
    folders: Vec<PathBuf>,
    begun_before: SystemTime,
}

// === impl Sweep ===

impl Sweep {
    /// A walk that removes temporary files from before `begun_before`, and puts back every file aside.
    pub(crate) fn new(disk: &Disk, begun_before: SystemTime) -> Self {
        let blobs = Algorithm::ALL.into_iter().map(Dir::BlobPrefixes);
        let tree = blobs.chain([Dir::Repositories("")]);
        Self { folders: tree.map(|dir| disk.path(&dir.path())).collect(), begun_before }
    }

    /// Goes on; returns whether there is more to be done.
    pub(crate) fn step(&mut self, disk: &Disk) -> Result<bool> {
        let mut seen = 0;
        while seen < STEP_ENTRIES {
            let Some(folder) = self.folders.pop() else { return Ok(false) };
            let swept = absent_as_none(self.folder(disk, &folder));
            seen += 1 + swept.map_err(|source| failed("sweep", &folder, source))?.unwrap_or_default();
        }
        Ok(true)
    }

    fn folder(&mut self, disk: &Disk, folder: &Path) -> io::Result<usize> {
        let (mut seen, mut moved) = (0, Vec::new());
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            seen += 1;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            // A name that is not UTF-8 is none of ours.
            let Some(name) = name.to_str() else { continue };
            if kind.is_dir() {
                // Uploads are for the purger.
                if name != "_uploads" {
                    self.folders.push(entry.path());
                }
            } else if let Some(original) = without_aside(name) {
                moved.push(folder.join(original));
            } else if name.ends_with(".tmp") && kind.is_file() {
                self.temporary(&entry)?;
            }
        }
        moved.dedup();
        for path in moved {
            disk.put_all_back(&path)?;
        }
        Ok(seen)
    }

    fn temporary(&self, entry: &DirEntry) -> io::Result<()> {
        let modified = absent_as_none(entry.metadata().and_then(|meta| meta.modified()))?;
        if modified.is_some_and(|modified| modified < self.begun_before) {
            absent_as_none(std::fs::remove_file(entry.path()))?;
        }
        Ok(())
    }
}
