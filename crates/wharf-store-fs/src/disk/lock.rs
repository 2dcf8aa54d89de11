//! Locks against other processes, on things that may be renamed or removed while one waits for them.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// Locks `file`, which was opened at `path`, for this process alone; dropping it gives the lock back.
///
/// `NotFound` if by then something else, or nothing, stands at `path`. The lock would be worthless: an upload's bytes
/// may have become a blob between our opening them and our locking them, and must not be written to any more.
pub(crate) fn lock(file: &File, path: &Path, operation: FlockOperation) -> io::Result<()> {
    match rustix::fs::flock(file, operation) {
        // A network file system without locks: then the last writer wins, as it does for every other registry there.
        Ok(()) | Err(Errno::NOTSUP | Errno::NOLCK | Errno::NOSYS | Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let (held, there) = (file.metadata()?, std::fs::metadata(path)?);
    if (held.dev(), held.ino()) == (there.dev(), there.ino()) {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::NotFound, "it was replaced while it was being locked"))
    }
}

/// Opens and locks a folder, waiting for whoever holds it.
pub(super) fn lock_folder(folder: &Path) -> io::Result<File> {
    let handle = File::open(folder)?;
    lock(&handle, folder, FlockOperation::LockExclusive)?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_on_what_was_moved_away_is_worthless() {
        let directory = tempfile::tempdir().unwrap();
        let (data, blob) = (directory.path().join("data"), directory.path().join("blob"));
        let open = || File::options().write(true).create(true).truncate(false).open(&data).unwrap();
        let late = open();
        std::fs::rename(&data, &blob).unwrap();
        for replaced in [false, true] {
            if replaced {
                open();
            }
            let error = lock(&late, &data, FlockOperation::NonBlockingLockExclusive).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
        }
        lock(&open(), &data, FlockOperation::NonBlockingLockExclusive).unwrap();
    }
}
