//! Blobs that are removed while other requests and processes publish, rely on and read them, without a lock.
//!
//! The remover renames the file aside within its folder, looks at its time there, and unlinks it or puts it back. A caller
//! who relies on a blob makes it young and then checks that its name still leads to the same file. A reader looks aside, too.
//! So a blob is kept for its holder, or was gone when that looked. Every shorter way loses blobs; the model of this
//! protocol tries all interleavings, and the tests replay them on files.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use wharf_store::{Error, Result, Retry};

use super::wave::{Synced, Wave};
use super::{BACKEND, Disk, Place, absent_as_none, failed, open_file, touch};

/// What a file that is being removed has behind its name. The older registries read only the name itself.
const ASIDE: &str = ".removing-";

/// How often a holder begins anew because its file was moved under its hands. Each time another process made progress.
const HOLD_ATTEMPTS: usize = 32;

/// How often a reader or a holder looks both aside and at the name before it finds a blob absent.
///
/// Each remover that once found the blob old may move it between two looks, and so may a publisher for a holder. A reader
/// misses nothing beside three removers, a holder nothing beside three, or two and a publisher. Collectors take turns, so a
/// second remover is one that was paused.
const SEARCH_ROUNDS: usize = 3;

impl Disk {
    /// Removes the file of `place` if it was not written or renewed since `than`; returns whether it did.
    ///
    /// Not synced: a removal that a power cut undoes costs space until the next collection.
    pub(crate) fn remove_if_older(&self, place: &Place, than: SystemTime) -> Result<bool> {
        let path = self.path(&place.path);
        let removed = absent_as_none(self.remove_old(&path, than));
        let removed = removed.map_err(|source| failed("remove", &path, source))?.unwrap_or_default();
        if removed {
            self.prune(parent(&path), place.own_folders);
        }
        Ok(removed)
    }

    fn remove_old(&self, path: &Path, than: SystemTime) -> io::Result<bool> {
        self.step("stat data");
        let meta = std::fs::metadata(path)?;
        if !meta.is_file() || meta.modified()? >= than {
            return Ok(false);
        }
        let aside = aside_of(path);
        self.step("rename aside");
        std::fs::rename(path, &aside)?;
        self.step("reopen aside");
        // Opened anew, so that a network file system asks its server.
        let modified = open_file(&aside).and_then(|file| file.metadata()?.modified());
        match absent_as_none(modified) {
            Ok(Some(modified)) if modified < than => {
                self.step("unlink aside");
                let unlinked = absent_as_none(std::fs::remove_file(&aside))?.is_some();
                // A holder may have given it its name back before that.
                Ok(unlinked && !path.try_exists()?)
            }
            // Another process has put it back.
            Ok(None) => Ok(false),
            Ok(Some(_)) => self.put_back(&aside, path).map(|()| false),
            Err(error) => self.put_back(&aside, path).and(Err(error)),
        }
    }

    /// Gives a file its name back, unless there is another by that name or it is gone.
    fn put_back(&self, aside: &Path, path: &Path) -> io::Result<()> {
        self.step("put back");
        match renameat_with(CWD, aside, CWD, path, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::EXIST) => {}
            // A file system that cannot do this in one step.
            Err(_) => match absent_as_none(link(aside, path))? {
                Some(()) => {}
                None => return Ok(()),
            },
        }
        self.step("unlink aside");
        absent_as_none(std::fs::remove_file(aside)).map(drop)
    }

    /// Puts back what removers that are gone have left aside at `path`: a file is unlinked there only after it was seen.
    pub(super) fn put_all_back(&self, path: &Path) -> io::Result<()> {
        self.step("readdir");
        for aside in asides(path)? {
            self.step("link back");
            if absent_as_none(link(&aside, path))?.is_some() {
                self.step("unlink aside");
                absent_as_none(std::fs::remove_file(&aside))?;
            }
        }
        Ok(())
    }

    /// Removes what lies aside, for a removal without a condition.
    pub(crate) fn remove_aside(&self, place: &Place) -> Result<()> {
        let path = self.path(&place.path);
        let remove = || -> io::Result<()> {
            for aside in asides(&path)? {
                absent_as_none(std::fs::remove_file(aside))?;
            }
            Ok(())
        };
        remove().map_err(|source| failed("remove", &path, source))
    }

    /// Opens a file that may be on its way aside or back; `None` if there is none.
    pub(crate) fn open_blob(&self, relative: &str) -> Result<Option<File>> {
        let path = self.path(relative);
        let open = || -> io::Result<Option<File>> {
            for _ in 0..SEARCH_ROUNDS {
                self.step("open data");
                if let Some(file) = absent_as_none(open_file(&path))? {
                    return Ok(Some(file));
                }
                self.step("readdir");
                // A folder that is gone had no file.
                let Some(asides) = absent_as_none(list_asides(&path))? else { return Ok(None) };
                for aside in asides {
                    self.step("open aside");
                    if let Some(file) = absent_as_none(open_file(&aside))? {
                        return Ok(Some(file));
                    }
                }
            }
            self.step("open data");
            absent_as_none(open_file(&path))
        };
        open().map_err(|source| failed("open", &path, source))
    }

    /// Makes sure that the file of `place` is there, was written or renewed within `older_than`, and is on disk, for a
    /// caller that relies on it; `false` if it is gone.
    pub(crate) fn renew(
        self: &Arc<Self>,
        place: &Place,
        older_than: Duration,
        now: SystemTime,
    ) -> Result<bool> {
        let path = self.path(&place.path);
        for _ in 0..HOLD_ATTEMPTS {
            match self
                .try_renew(&path, place, older_than, now)
                .map_err(|source| failed("renew", &path, source))?
            {
                Renewed::Held(file, meta) => {
                    if self.make_durable(place, &path, file, &meta)? == Synced::Done {
                        return Ok(true);
                    }
                }
                Renewed::Moved => {}
                Renewed::Gone => return Ok(false),
            }
        }
        Err(Error::Backend {
            backend: BACKEND,
            operation: format!("renew {}", path.display()),
            retry: Retry::Later,
            source: "it was moved again and again".into(),
        })
    }

    fn try_renew(
        &self,
        path: &Path,
        place: &Place,
        older_than: Duration,
        now: SystemTime,
    ) -> io::Result<Renewed> {
        self.step("open data");
        let Some(file) = absent_as_none(open_file(path))? else { return self.bring_back(path, place) };
        self.step("stat data");
        let meta = file.metadata()?;
        if now.duration_since(meta.modified()?).unwrap_or_default() > older_than {
            self.step("utimes");
            touch(&file, now)?;
        }
        // Also if it was young: another holder may have made it so, too late for a remover's look.
        self.step("verify name");
        match absent_as_none(std::fs::metadata(path))? {
            Some(there) if (there.dev(), there.ino()) == (meta.dev(), meta.ino()) => {
                Ok(Renewed::Held(Arc::new(file), meta))
            }
            _ => self.bring_back(path, place),
        }
    }

    /// Gives what lies aside its name again. The caller begins anew.
    fn bring_back(&self, path: &Path, place: &Place) -> io::Result<Renewed> {
        // Nothing else is moved aside.
        let rounds = if place.removed_aside { SEARCH_ROUNDS } else { 1 };
        for _ in 0..rounds {
            if place.removed_aside {
                self.step("readdir");
                let Some(asides) = absent_as_none(list_asides(path))? else { return Ok(Renewed::Gone) };
                for aside in &asides {
                    self.step("link back");
                    absent_as_none(link(aside, path))?;
                }
                if !asides.is_empty() {
                    return Ok(Renewed::Moved);
                }
            }
            self.step("find data");
            if path.try_exists()? {
                return Ok(Renewed::Moved);
            }
        }
        Ok(Renewed::Gone)
    }

    /// Syncs what this process has not itself brought to disk: who made it may not have come to that.
    fn make_durable(
        self: &Arc<Self>,
        place: &Place,
        path: &Path,
        file: Arc<File>,
        meta: &Metadata,
    ) -> Result<Synced> {
        if self.durable.knows(path, meta) {
            return Ok(Synced::Done);
        }
        let mut wave = Wave::default();
        self.prepare(place, &mut wave)?;
        wave.file(file, path.to_owned());
        wave.folder(parent(path));
        let synced = self.sync_or_undo(wave, || ())?;
        if synced == Synced::Done {
            self.durable.learn(path, meta);
        }
        Ok(synced)
    }
}

/// What became of an attempt to hold a file.
enum Renewed {
    /// It is there and young.
    Held(Arc<File>, Metadata),
    /// It was moved meanwhile.
    Moved,
    Gone,
}

/// A name aside that no other removal has.
fn aside_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!("{ASIDE}{}", uuid::Uuid::now_v7().simple()));
    name.into()
}

/// Whether `name` is that of a file aside; returns what it was called.
pub(super) fn without_aside(name: &str) -> Option<&str> {
    name.split_once(ASIDE).map(|(name, _)| name)
}

/// What lies aside of `path`; nothing if its folder is gone.
fn asides(path: &Path) -> io::Result<Vec<PathBuf>> {
    Ok(absent_as_none(list_asides(path))?.unwrap_or_default())
}

fn list_asides(path: &Path) -> io::Result<Vec<PathBuf>> {
    let own = path.file_name().and_then(|name| name.to_str());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent(path))? {
        let entry = entry?;
        if entry.file_name().to_str().and_then(without_aside).is_some_and(|name| Some(name) == own) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

/// Gives a file a second name unless there is a file by that name.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without hard links: then by renaming it, which is as good where nothing else stands there.
        Err(error)
            if matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported) =>
        {
            match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
        linked => linked,
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
