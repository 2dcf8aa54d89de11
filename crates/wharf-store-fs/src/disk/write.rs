//! Changes that are whole or absent, and stay.
//!
//! A write has two halves, each followed by a wave of syncs: the bytes under a temporary name, in a folder that stays;
//! and the rename. Several writes can go through them together.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::AtFlags;
use wharf_oci::Digest;
use wharf_store::{PutIf, PutOutcome, Result};

use super::moving::Moved;
use super::wave::Wave;
use super::{Disk, Level, Place, absent_as_none, beginning, failed, open_file};

/// How often a write starts again when an object's own folder is removed under its hands. Each time somebody else made
/// progress.
const ATTEMPTS: usize = 32;

/// Something to be written.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) place: Place,
    pub(crate) bytes: Bytes,
    pub(crate) condition: PutIf,
}

/// A write whose bytes are there, under a name that nobody looks for.
#[derive(Debug)]
pub(crate) struct Staged {
    write: Write,
    path: PathBuf,
    temporary: Temporary,
}

impl Staged {
    /// What was to be written, for whoever has to begin again.
    pub(crate) fn into_write(self) -> Write {
        self.write
    }
}

impl Disk {
    /// The first half of a write.
    pub(crate) fn stage(&self, write: Write, wave: &mut Wave) -> Result<Staged> {
        let path = self.path(&write.place.path);
        let temporary = self.in_folder_of(&path, |folder| {
            self.stage_in(folder, &write, &path, wave).inspect_err(|_| wave.doubt_folders())
        })?;
        Ok(Staged { write, path, temporary })
    }

    fn stage_in(&self, folder: &Path, write: &Write, path: &Path, wave: &mut Wave) -> io::Result<Temporary> {
        // The history of a tag may be lost with its folders. It must be whole where it is there.
        let mut unneeded = Wave::default();
        let folders = if write.place.expendable { &mut unneeded } else { &mut *wave };
        self.make_folder(folder, write.place.own_folders, folders)?;
        Temporary::write(path, &write.bytes, wave)
    }

    /// The second half of a write.
    pub(crate) fn publish_staged(&self, staged: Staged, wave: &mut Wave) -> Result<PutOutcome> {
        let Staged { write, path, temporary } = staged;
        let folder = parent(&path);
        let file = Arc::clone(&temporary.file);
        match temporary.publish(&path, &write.condition) {
            Ok(outcome) => {
                if !write.place.expendable {
                    wave.folder(folder);
                }
                if outcome == PutOutcome::Written {
                    wave.published(file, path);
                }
                Ok(outcome)
            }
            // The folder was removed meanwhile, and the bytes with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.write(write),
            Err(source) => Err(failed("write", &path, source)),
        }
    }

    /// Both halves, one sync after the other.
    #[expect(clippy::needless_pass_by_value, reason = "a write is done once")]
    pub(crate) fn write(&self, write: Write) -> Result<PutOutcome> {
        let path = self.path(&write.place.path);
        self.in_folder_of(&path, |folder| {
            let mut wave = Wave::default();
            self.make_folder(folder, write.place.own_folders, &mut wave)?;
            let made = wave.take_made();
            let temporary = Temporary::write(&path, &write.bytes, &mut wave)?;
            if let Err(error) = self.sync_in_turn(wave) {
                drop(temporary);
                made.undo();
                return Err(error);
            }
            let file = Arc::clone(&temporary.file);
            let outcome = temporary.publish(&path, &write.condition)?;
            self.sync_folder(folder)?;
            if outcome == PutOutcome::Written {
                self.remember_durable(&path, &file);
            }
            Ok(outcome)
        })
    }

    /// Makes the folder of `place`.
    pub(crate) fn prepare(&self, place: &Place, wave: &mut Wave) -> Result<()> {
        let path = self.path(&place.path);
        self.in_folder_of(&path, |folder| {
            self.make_folder(folder, place.own_folders, wave).inspect_err(|_| wave.doubt_folders())
        })
    }

    /// Moves the synced file `data` from the path `from` to `place`, over whatever is there; `digest` is that of its bytes.
    /// `prepared` says that the folder of `place` was made, and has been synced.
    pub(crate) fn publish(
        &self,
        from: &Path,
        data: &Arc<File>,
        (place, digest): (&Place, &Digest),
        prepared: bool,
    ) -> Result<()> {
        let path = self.path(&place.path);
        if prepared {
            match self.move_file(from, data, &path, digest) {
                Ok(moved) => return self.settle(from, &path, &moved),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(failed("write", &path, source)),
            }
        }
        let moved = self.in_folder_of(&path, |folder| {
            let mut wave = Wave::default();
            self.make_folder(folder, place.own_folders, &mut wave)?;
            let made = wave.take_made();
            if let Err(error) = self.sync_in_turn(wave) {
                made.undo();
                return Err(error);
            }
            // Told apart here, since below a missing folder and a missing file look the same.
            if !from.exists() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "the upload's bytes are gone"));
            }
            self.move_file(from, data, &path, digest)
        })?;
        self.settle(from, &path, &moved)
    }

    /// Makes a move to `path` stay. Where the folder is gone again, the blob was removed since, and that synced.
    fn settle(&self, from: &Path, path: &Path, Moved { file, is_copy }: &Moved) -> Result<()> {
        let settled = absent_as_none(self.sync_folder(parent(path)));
        if settled.map_err(|source| failed("sync", path, source))?.is_some() {
            self.remember_durable(path, file);
        }
        if *is_copy && let Err(error) = absent_as_none(std::fs::remove_file(from)) {
            // The blob is there. What is left counts as an upload that failed, and goes with the old ones.
            tracing::warn!(path = %from.display(), %error, "could not remove an upload that was copied");
        }
        Ok(())
    }

    /// Removes `place`; returns whether it was there.
    pub(crate) fn remove(&self, place: &Place) -> Result<bool> {
        let path = self.path(&place.path);
        let folder = parent(&path);
        let remove = || -> io::Result<()> {
            // Removed and synced through one handle: by its path the folder can be gone or another one by then, and an
            // object that was removed would be reported as one that was never there.
            let handle = File::open(folder)?;
            let unlinked = rustix::fs::unlinkat(&handle, file_name(&path).as_ref(), AtFlags::empty());
            // Also where it had gone: an earlier removal may have come no further.
            self.sync_handle(&handle, folder)?;
            Ok(unlinked?)
        };
        let removed = absent_as_none(remove()).map_err(|source| failed("remove", &path, source))?;
        self.prune(folder, place.own_folders);
        Ok(removed.is_some())
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

    /// Runs `act`, which makes the folder of `path`, again if that folder is removed meanwhile.
    fn in_folder_of<T>(&self, path: &Path, mut act: impl FnMut(&Path) -> io::Result<T>) -> Result<T> {
        let folder = parent(path);
        let mut result = act(folder);
        for _ in 1..ATTEMPTS {
            match &result {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Also the folders above may be gone: removing a repository's folder by hand is how operators of
                    // older registries get rid of one.
                    self.forget_folders(folder);
                    result = act(folder);
                }
                _ => break,
            }
        }
        result.map_err(|source| failed("write", path, source))
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

fn file_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// A file nobody looks for; removed unless it is published. It must be synced before that.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    /// It has been renamed.
    gone: bool,
}

impl Temporary {
    /// An empty one, beside `target`.
    pub(super) fn create(target: &Path) -> io::Result<Self> {
        // The ending is the one the older registries use, whose collectors know to leave it alone.
        let name = file_name(target);
        let path = target.with_file_name(format!("{name}.{}.tmp", uuid::Uuid::now_v7()));
        let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        Ok(Self { path, file: Arc::new(file), gone: false })
    }

    fn write(target: &Path, bytes: &[u8], wave: &mut Wave) -> io::Result<Self> {
        let temporary = Self::create(target)?;
        (&*temporary.file).write_all(bytes)?;
        wave.file(Arc::clone(&temporary.file), temporary.path.clone());
        Ok(temporary)
    }

    pub(super) fn publish(mut self, target: &Path, condition: &PutIf) -> io::Result<PutOutcome> {
        match condition {
            PutIf::Any => self.rename(target)?,
            PutIf::Absent => match std::fs::hard_link(&self.path, target) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(PutOutcome::Refused),
                linked => linked?,
            },
            PutIf::Is(expected) => {
                let current =
                    absent_as_none(open_file(target).and_then(|file| beginning(file, expected.len())))?;
                if current.as_deref() != Some(expected.as_ref()) {
                    return Ok(PutOutcome::Refused);
                }
                self.rename(target)?;
            }
        }
        Ok(PutOutcome::Written)
    }

    fn rename(&mut self, target: &Path) -> io::Result<()> {
        std::fs::rename(&self.path, target)?;
        self.gone = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.gone {
            // A leftover would only cost space.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
