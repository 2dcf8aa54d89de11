//! Files and folders: the only place that knows what must be synced, in which order, for a change to stay.
//!
//! Everything here blocks, but for [`Disk::open_if_cached`].

mod durable;
#[cfg(test)]
pub(crate) mod faults;
mod folders;
mod holders;
mod listing;
mod lock;
mod mounts;
mod moving;
mod place;
mod removal;
#[cfg(test)]
pub(crate) mod steps;
mod sweep;
mod wave;
mod write;

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, ResolveFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::{Errno, ReadWriteFlags};
use wharf_oci::Algorithm;
use wharf_store::layout::{Dir, Key};
use wharf_store::{AgedObject, Error, FileRegion, Result, Retry};

use self::durable::Durable;
use self::folders::{Folders, make_root};
use self::holders::Holders;
use self::listing::{Listings, Wanted};
pub(crate) use self::lock::{Locking, Scope};
pub(crate) use self::place::{Level, Place};
pub(crate) use self::sweep::Sweep;
pub(crate) use self::wave::{Synced, Wave};
pub(crate) use self::write::{Staged, Write};
use crate::{Fsync, ProcessLocks};

/// How this backend is called in errors.
pub(crate) const BACKEND: &str = "filesystem";

/// Room for the names in a folder that are read at once when one of them is enough.
const ENTRIES_BYTES: usize = 1024;

/// A directory with a registry in it.
#[derive(Debug)]
pub(crate) struct Disk {
    root: PathBuf,
    /// The root, opened: paths below it are resolved from here.
    handle: OwnedFd,
    /// Whether the tree is on a file system that is all in memory (tmpfs), where nothing waits for a disk.
    in_memory: bool,
    pub(crate) fsync: Fsync,
    folders: Folders,
    listings: Listings,
    holders: Holders,
    durable: Durable,
    pub(crate) locking: Locking,
    /// What was synced, in order, relative to the root.
    #[cfg(test)]
    pub(crate) syncs: std::sync::Mutex<Vec<PathBuf>>,
    #[cfg(test)]
    pub(crate) faults: faults::Faults,
    #[cfg(test)]
    pub(crate) steps: steps::Steps,
}

/// What a look at the cache alone can say.
pub(crate) enum Cached {
    /// The file, open.
    Open(File),
    /// There is surely no such file.
    Absent,
    /// The kernel would have to read the disk to know.
    Unknown,
}

impl Disk {
    pub(crate) fn open(root: PathBuf, fsync: Fsync, locks: ProcessLocks) -> Result<Self> {
        let opened = make_root(&root, fsync)
            .and_then(|()| Ok(rustix::fs::open(&root, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?));
        let handle = opened.map_err(|source| failed("open the directory", &root, source))?;
        let locking = Locking::new(&handle, &root, locks);
        let in_memory = is_all_in_memory(&root, &handle);
        Ok(Self {
            root,
            handle,
            in_memory,
            fsync,
            folders: Folders::default(),
            listings: Listings::default(),
            holders: Holders::default(),
            durable: Durable::default(),
            locking,
            #[cfg(test)]
            syncs: std::sync::Mutex::default(),
            #[cfg(test)]
            faults: faults::Faults::default(),
            #[cfg(test)]
            steps: steps::Steps::default(),
        })
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    #[cfg(test)]
    pub(crate) fn in_memory(&self) -> bool {
        self.in_memory
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a file if that takes no look at the disk, so that it may be done on a reactor thread.
    pub(crate) fn open_if_cached(&self, relative: &str) -> Cached {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = if self.in_memory {
            rustix::fs::openat(&self.handle, relative, flags, Mode::empty())
        } else {
            rustix::fs::openat2(&self.handle, relative, flags, Mode::empty(), ResolveFlags::CACHED)
        };
        match opened {
            Ok(file) => Cached::Open(file.into()),
            Err(Errno::NOENT) => Cached::Absent,
            // EAGAIN: not cached. ENOSYS, EINVAL: a kernel before 5.12. The rest is told by a second, patient try.
            Err(_) => Cached::Unknown,
        }
    }

    /// Reads the beginning of a file if that takes no look at the disk; `None` if it does.
    pub(crate) fn read_if_cached(&self, file: &File, buffer: &mut [u8]) -> Option<usize> {
        let read = if self.in_memory {
            rustix::io::pread(file, buffer, 0)
        } else {
            rustix::io::preadv2(file, &mut [IoSliceMut::new(buffer)], 0, ReadWriteFlags::NOWAIT)
        };
        // EAGAIN: not cached. EOPNOTSUPP, ENOSYS: nobody can say. The rest is told by a second, patient try.
        read.ok()
    }

    /// A part of an open file of this directory, to be read as its file system likes best.
    pub(crate) fn region(&self, file: File, length: u64) -> FileRegion {
        let file = Arc::new(file);
        if self.in_memory { FileRegion::in_memory(file, 0, length) } else { FileRegion::new(file, 0, length) }
    }

    /// The bytes of a small object, as much as [`Key::most_bytes`] says; `None` if there is none.
    pub(crate) fn read(&self, key: &Key<'_>) -> Result<Option<Vec<u8>>> {
        self.read_up_to(&key.path(), key.most_bytes())
    }

    /// As [`read`](Self::read), of the object at `relative`, of which `most` bytes mean something.
    pub(crate) fn read_up_to(&self, relative: &str, most: usize) -> Result<Option<Vec<u8>>> {
        let path = self.path(relative);
        let read = open_file(&path).and_then(|file| beginning(file, most));
        absent_as_none(read).map_err(|source| failed("read", &path, source))
    }

    /// The same with its age.
    pub(crate) fn read_with_age(&self, relative: &str, most: usize) -> Result<Option<AgedObject>> {
        let path = self.path(relative);
        let read = || -> io::Result<AgedObject> {
            let file = open_file(&path)?;
            let meta = file.metadata()?;
            let version = Some(format!("{}:{}", meta.dev(), meta.ino()));
            let modified = meta.modified()?;
            Ok(AgedObject { bytes: beginning(file, most)?.into(), modified, version })
        };
        absent_as_none(read()).map_err(|source| failed("read", &path, source))
    }

    /// The names below `level` that count, after `after`, the first `limit` in byte order.
    pub(crate) fn children(
        &self,
        level: &Level,
        after: Option<&str>,
        limit: usize,
        now: SystemTime,
    ) -> Result<Vec<String>> {
        let folder = self.path(&level.path);
        let found = self.listed(&folder, level, after, limit, now);
        Ok(absent_as_none(found).map_err(|source| failed("list", &folder, source))?.unwrap_or_default())
    }

    fn listed(
        &self,
        folder: &Path,
        level: &Level,
        after: Option<&str>,
        limit: usize,
        now: SystemTime,
    ) -> io::Result<Vec<String>> {
        let wanted = if level.repositories { Wanted::Repositories } else { Wanted::All };
        let Some(listing) = self.listings.get(folder, wanted, now)? else { return Ok(Vec::new()) };
        let names = listing.after(after);
        let Some(holding) = level.holding else {
            return Ok(names.take(limit).map(str::to_owned).collect());
        };
        // Looked at from the folder: the way to it is gone once and not for each name.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let within = rustix::fs::openat(&self.handle, level.path.as_str(), flags, Mode::empty())?;
        let mut found = Vec::new();
        for name in names {
            if found.len() == limit {
                break;
            }
            if holds(&within, name, holding)? {
                found.push(name.to_owned());
            }
        }
        Ok(found)
    }

    /// Whether any name below `level` counts.
    pub(crate) fn has_children(&self, level: &Level) -> Result<bool> {
        let found = absent_as_none(self.find_child(level));
        Ok(found.map_err(|source| failed("list", &self.path(&level.path), source))?.unwrap_or_default())
    }

    /// As few system calls as will do: a page of the catalog asks for every repository on it.
    fn find_child(&self, level: &Level) -> io::Result<bool> {
        if let Some(holding) = level.holding
            && let Some(name) = self.holders.of(&level.path)
            && holds(&self.handle, &[level.path.as_str(), &name].join("/"), holding)?
        {
            return Ok(true);
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(&self.handle, level.path.as_str(), flags, Mode::empty())?;
        let mut buffer = [std::mem::MaybeUninit::uninit(); ENTRIES_BYTES];
        let mut entries = RawDir::new(&folder, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = match entry.file_name().to_str() {
                Ok("." | "..") | Err(_) => continue,
                Ok(_) if entry.file_type() == FileType::RegularFile => continue,
                Ok(name) => name,
            };
            let Some(holding) = level.holding else { return Ok(true) };
            if holds(&folder, name, holding)? {
                self.holders.note(&level.path, name);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A step of a protocol between processes is about to be made: a test may stop here.
    #[cfg(test)]
    fn step(&self, name: &'static str) {
        self.steps.at(name);
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the tests' own can stop")]
    fn step(&self, _name: &'static str) {}
}

/// Whether no part of the tree is on a disk: an operator may have put the blobs or the repositories elsewhere, by a link or a
/// mount.
fn is_all_in_memory(root: &Path, handle: &OwnedFd) -> bool {
    let elsewhere = |dir: &Dir<'_>| {
        let path = root.join(dir.path());
        let folder = path.parent().unwrap_or(root);
        // A folder that is not there yet is made where the root is.
        [&path, folder]
            .iter()
            .any(|folder| File::open(folder).is_ok_and(|folder| !wharf_store::is_in_memory(folder)))
    };
    let parts = [Dir::Repositories(""), Dir::BlobPrefixes(Algorithm::Sha256)];
    wharf_store::is_in_memory(handle) && !parts.iter().any(elsewhere)
}

/// Whether `holding` is in the folder `name` of `folder`.
fn holds(folder: impl AsFd, name: &str, holding: &str) -> io::Result<bool> {
    let looked = rustix::fs::statat(folder, [name, holding].join("/"), AtFlags::empty());
    Ok(absent_as_none(looked.map_err(Into::into))?.is_some())
}

/// Makes an open file look as if it had been written at `now`.
pub(crate) fn touch(file: &File, now: SystemTime) -> io::Result<()> {
    match file.set_modified(now) {
        // The file is another user's, as after a registry that ran as root: only its owner may choose the time, but
        // whoever may write to it may say "now".
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            let times = Timestamps { last_access: now, last_modification: now };
            Ok(rustix::fs::futimens(file, &times)?)
        }
        touched => touched,
    }
}

/// Opens a file to read it. A pipe that stands in its place is opened as well, without waiting for a writer, and has no bytes.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)
}

/// All of a file that has `most` bytes or fewer, and one byte more than these of a longer one.
pub(crate) fn beginning(file: File, most: usize) -> io::Result<Vec<u8>> {
    let most = (most as u64).saturating_add(1);
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, most), &mut bytes)?;
    Ok(bytes)
}

/// "There is no such thing" as an answer; everything else stays an error.
///
/// A path that runs through a file instead of a folder (`ENOTDIR`) leads to nothing either.
pub(crate) fn absent_as_none<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// A failure of the file system, as the port reports it.
pub(crate) fn failed(verb: &str, path: &Path, source: io::Error) -> Error {
    let later = [
        Errno::NOSPC,
        Errno::DQUOT,
        Errno::MFILE,
        Errno::NFILE,
        Errno::TIMEDOUT,
        Errno::STALE,
        Errno::NOMEM,
        Errno::NOLCK,
    ];
    let code = source.raw_os_error();
    let retry = if later.iter().any(|errno| code == Some(errno.raw_os_error())) {
        Retry::Later
    } else {
        Retry::Never
    };
    Error::Backend {
        backend: BACKEND,
        operation: format!("{verb} {}", path.display()),
        retry,
        source: source.into(),
    }
}
