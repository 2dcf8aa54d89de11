//! Changes that are whole or absent, and stay.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{AtFlags, FlockOperation};
use wharf_store::{PutIf, PutOutcome, Result};

use super::lock::lock_folder;
use super::{Disk, Level, Place, absent_as_none, failed, lock};

/// How often a write starts again when an object's own folder is removed under its hands. Each time somebody else made
/// progress.
const ATTEMPTS: usize = 32;

impl Disk {
    /// Writes `bytes` at `place`: temporary file, sync, rename, sync of the folder.
    pub(crate) fn write(&self, place: &Place, bytes: &[u8], condition: &PutIf) -> Result<PutOutcome> {
        let path = self.path(&place.path);
        self.in_folder_of(place, &path, |folder| {
            let _lock = locked(place, condition, folder)?;
            let temporary = Temporary::write(self, &path, bytes)?;
            let outcome = temporary.publish(&path, condition)?;
            self.sync_folder(folder)?;
            Ok(outcome)
        })
    }

    /// Moves the synced file `from` to `place`, over whatever is there.
    pub(crate) fn publish(&self, from: &Path, place: &Place) -> Result<()> {
        let path = self.path(&place.path);
        self.in_folder_of(place, &path, |folder| {
            // Told apart here, since below a missing folder and a missing file look the same.
            if !from.exists() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the upload's bytes are gone"));
            }
            std::fs::rename(from, &path)?;
            // Where the folder is gone again, somebody has removed the blob since, and synced that.
            absent_as_none(self.sync_folder(folder)).map(drop)
        })
    }

    /// Removes `place`; returns whether it was there.
    pub(crate) fn remove(&self, place: &Place) -> Result<bool> {
        let path = self.path(&place.path);
        let folder = parent(&path);
        let remove = || -> io::Result<()> {
            // Removed and synced through one handle: by its path the folder can be gone or another one by then, and an
            // object that was removed would be reported as one that was never there.
            let handle = match place.changes {
                true => lock_folder(folder)?,
                false => File::open(folder)?,
            };
            rustix::fs::unlinkat(&handle, file_name(&path).as_ref(), AtFlags::empty())?;
            self.sync_handle(&handle, folder)
        };
        let removed = absent_as_none(remove()).map_err(|source| failed("remove", &path, source))?;
        self.prune(folder, place.own_folders);
        Ok(removed.is_some())
    }

    /// Removes `place` if it was not written or renewed since `than`; returns whether it did.
    ///
    /// Locked from the look to the removal, as [`renew`](Self::renew) is.
    pub(crate) fn remove_if_older(&self, place: &Place, than: SystemTime) -> Result<bool> {
        let path = self.path(&place.path);
        let look = || -> io::Result<Option<File>> {
            // For writing as well: network file systems want that for an exclusive lock.
            let file = File::options().read(true).write(true).open(&path)?;
            lock(&file, &path, FlockOperation::LockExclusive)?;
            let old = file.metadata()?.modified()? < than;
            Ok(old.then_some(file))
        };
        match absent_as_none(look()).map_err(|source| failed("look at", &path, source))?.flatten() {
            Some(_locked) => self.remove(place),
            None => Ok(false),
        }
    }

    /// Removes everything below `level`, and the folder around it if nothing else is in there.
    pub(crate) fn remove_all(&self, level: &Level) -> Result<()> {
        let folder = self.path(&level.path);
        match absent_as_none(std::fs::remove_dir_all(&folder)) {
            // Somebody is writing here again; what they write is theirs.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => return Ok(()),
            Err(source) => return Err(failed("remove", &folder, source)),
            Ok(_) => {}
        }
        self.prune(parent(&folder), level.own_folders);
        Ok(())
    }

    /// Runs `act` with the folder of `place` in place, again if that folder is removed meanwhile.
    fn in_folder_of<T>(&self, place: &Place, path: &Path, act: impl Fn(&Path) -> io::Result<T>) -> Result<T> {
        let folder = parent(path);
        let attempt = || {
            self.make_folder(folder, place.own_folders)?;
            act(folder)
        };
        let mut result = attempt();
        for _ in 1..ATTEMPTS {
            match &result {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Also the folders above may be gone: removing a repository's folder by hand is how operators of
                    // older registries get rid of one.
                    self.forget_folders(folder);
                    result = attempt();
                }
                _ => break,
            }
        }
        result.map_err(|source| failed("write", path, source))
    }
}

/// What a tag means is decided by one writer at a time, so that a conditional write can look and then write. Other
/// objects never change, so their writers need not wait for each other.
fn locked(place: &Place, condition: &PutIf, folder: &Path) -> io::Result<Option<File>> {
    if !place.changes && *condition == PutIf::Any {
        return Ok(None);
    }
    lock_folder(folder).map(Some)
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn file_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// A synced file nobody looks for; removed unless it is published.
struct Temporary(PathBuf);

impl Temporary {
    fn write(disk: &Disk, target: &Path, bytes: &[u8]) -> io::Result<Self> {
        // The ending is the one the older registries use, whose collectors know to leave it alone.
        let name = file_name(target);
        let path = target.with_file_name(format!("{name}.{}.tmp", uuid::Uuid::now_v7()));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        let temporary = Self(path);
        file.write_all(bytes)?;
        disk.sync_file(&file, &temporary.0)?;
        Ok(temporary)
    }

    fn publish(self, target: &Path, condition: &PutIf) -> io::Result<PutOutcome> {
        match condition {
            PutIf::Any => std::fs::rename(&self.0, target)?,
            PutIf::Absent => match std::fs::hard_link(&self.0, target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(PutOutcome::Refused),
                linked => linked?,
            },
            PutIf::Is(expected) => {
                let current = absent_as_none(std::fs::read(target))?;
                if current.as_deref() != Some(expected.as_ref()) {
                    return Ok(PutOutcome::Refused);
                }
                std::fs::rename(&self.0, target)?;
            }
        }
        Ok(PutOutcome::Written)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename it is not there any more. After a failure it may be, and a leftover would only cost space.
        let _ = std::fs::remove_file(&self.0);
    }
}
