//! An upload opened for writing: the file, locked, and a hasher that has seen all of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use wharf_oci::{Algorithm, Digest, Hasher};
use wharf_store::layout::{Dir, Key};
use wharf_store::{Error, Result, UploadKey, UploadRecord, UploadStatus};

use super::writers::Writer;
use crate::Boot;
use crate::disk::{Disk, Level, Place, absent_as_none, failed};

/// Bytes read at once when an upload must be hashed again.
const REHASH_BLOCK_BYTES: usize = 256 * 1024;

/// What a session needs from the store.
pub(super) struct Context {
    pub(super) disk: Arc<Disk>,
    pub(super) boot: Boot,
    pub(super) writer: Writer,
}

/// An upload opened for writing.
pub(super) struct Session {
    context: Context,
    /// Locked against other processes for as long as it is open.
    data: File,
    /// Has seen exactly the bytes in `data`.
    hasher: Hasher,
    /// Whether bytes came after the record was written.
    dirty: bool,
}

/// Opens a new upload, or starts an old one over.
///
/// Nothing is synced: an upload promises only that a later status tells the truth, and a power cut that takes it away
/// makes that status a 404.
pub(super) fn begin(context: &Context, algorithm: Algorithm, now: SystemTime) -> Result<()> {
    let (disk, key) = (&context.disk, &context.writer.key);
    let started = disk.path(&Key::UploadStartedAt(key).path());
    let folder = disk.path(&Dir::Upload(key).path());
    let text = humantime::format_rfc3339_seconds(now).to_string();
    let noted = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&started, text));
    noted.map_err(|source| failed("write", &started, source))?;
    let path = disk.path(&Key::UploadData(key).path());
    let create = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let data = create.map_err(|source| failed("create", &path, source))?;
    lock(&data, key)?;
    data.set_len(0).map_err(|source| failed("empty", &path, source))?;
    write_record(context, &Hasher::new(algorithm))
}

/// How far an upload is; `None` if it is not open.
pub(super) fn status(disk: &Disk, key: &UploadKey) -> Result<Option<UploadStatus>> {
    let path = disk.path(&Key::UploadData(key).path());
    let data = absent_as_none(std::fs::metadata(&path)).map_err(|source| failed("look at", &path, source))?;
    let started = disk.read(&Key::UploadStartedAt(key).path())?;
    let begun =
        started.and_then(|text| humantime::parse_rfc3339_weak(std::str::from_utf8(&text).ok()?.trim()).ok());
    match (data, begun) {
        (Some(data), begun) => {
            let begun = begun
                .or_else(|| data.modified().ok())
                .unwrap_or(SystemTime::UNIX_EPOCH);
            Ok(Some(UploadStatus {
                offset: data.len(),
                begun,
            }))
        }
        // An older registry makes `data` with the first byte. We make it at once, so where our record stands without it
        // the upload was just committed.
        (None, Some(begun)) if disk.read(&Key::UploadRecord(key).path())?.is_none() => {
            Ok(Some(UploadStatus { offset: 0, begun }))
        }
        (None, _) => Ok(None),
    }
}

// === impl Session ===

impl Session {
    /// Opens the upload to go on at `offset`, which must be its end.
    pub(super) fn open_at(context: Context, offset: u64) -> Result<Self> {
        let session = Self::open(context)?;
        let stored = session.offset();
        if stored == offset {
            Ok(session)
        } else {
            Err(Error::OffsetMismatch {
                given: offset,
                stored,
            })
        }
    }

    /// Opens the upload as it is.
    pub(super) fn open(context: Context) -> Result<Self> {
        let key = &context.writer.key;
        if status(&context.disk, key)?.is_none() {
            return Err(Error::UploadNotFound { key: key.clone() });
        }
        let path = context.disk.path(&Key::UploadData(key).path());
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let data = opened.map_err(|source| failed("open", &path, source))?;
        lock(&data, key)?;
        let stored = data
            .metadata()
            .map_err(|source| failed("look at", &path, source))?
            .len();
        let record = context
            .disk
            .read(&Key::UploadRecord(key).path())?
            .as_deref()
            .and_then(UploadRecord::decode);
        let trusted = record
            .as_ref()
            .filter(|record| record.covers(stored, context.boot.as_str()));
        let hasher = match trusted.and_then(UploadRecord::hasher) {
            Some(hasher) => hasher,
            None => {
                let algorithm = record.map_or(Algorithm::Sha256, |record| record.algorithm);
                rehash(&data, algorithm).map_err(|source| failed("read", &path, source))?
            }
        };
        Ok(Self {
            context,
            data,
            hasher,
            dirty: false,
        })
    }

    /// Where the upload ends.
    pub(super) fn offset(&self) -> u64 {
        self.hasher.bytes_hashed()
    }

    /// Hashes and writes `chunks` at the end. The file may then end after them, the hasher knows how much is good.
    pub(super) fn write(&mut self, chunks: &[Bytes]) -> Result<()> {
        self.dirty = true;
        for chunk in chunks {
            let written = self.data.write_all_at(chunk, self.offset());
            written.map_err(|source| self.failed("write", source))?;
            self.hasher.update(chunk);
        }
        Ok(())
    }

    /// Notes how far the bytes are hashed, for whoever goes on.
    pub(super) fn pause(mut self) -> Result<u64> {
        if self.dirty {
            write_record(&self.context, &self.hasher)?;
            self.dirty = false;
        }
        Ok(self.offset())
    }

    /// Publishes the bytes under `digest`: data to disk, digest checked, renamed to its place, folder to disk.
    pub(super) fn commit(self, digest: &Digest) -> Result<u64> {
        let (size, disk) = (self.offset(), Arc::clone(&self.context.disk));
        let key = self.context.writer.key.clone();
        let actual = if self.hasher.algorithm() == digest.algorithm() {
            self.hasher.clone().finish()
        } else {
            // The client announced another algorithm, or none: this costs one more reading.
            rehash(&self.data, digest.algorithm())
                .map_err(|source| self.failed("read", source))?
                .finish()
        };
        if actual != *digest {
            return Err(Error::DigestMismatch {
                expected: *digest,
                actual,
            });
        }
        disk.sync_file(&self.data)
            .map_err(|source| self.failed("sync", source))?;
        disk.publish(
            &disk.path(&Key::UploadData(&key).path()),
            &Place::from(&Key::BlobData(digest)),
        )?;
        // From here on the upload is closed; what is left of its folder is for the purger if we do not get to it.
        if let Err(error) = disk.remove_all(&Level::from(&Dir::Upload(&key))) {
            tracing::warn!(upload.id = %key.id, error = &error as &dyn std::error::Error, "a finished upload left its folder");
        }
        Ok(size)
    }

    /// Forgets the upload.
    pub(super) fn abort(self) -> Result<()> {
        let key = &self.context.writer.key;
        let (disk, path) = (
            &self.context.disk,
            self.context.disk.path(&Key::UploadData(key).path()),
        );
        std::fs::remove_file(&path).map_err(|source| failed("remove", &path, source))?;
        disk.remove_all(&Level::from(&Dir::Upload(key)))
    }

    fn failed(&self, verb: &str, source: io::Error) -> Error {
        failed(
            verb,
            &self
                .context
                .disk
                .path(&Key::UploadData(&self.context.writer.key).path()),
            source,
        )
    }
}

/// Takes the lock that keeps other processes off. It goes with the file.
fn lock(data: &File, key: &UploadKey) -> Result<()> {
    match rustix::fs::flock(data, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => Err(Error::UploadBusy { key: key.clone() }),
        // A network file system without locks has one writer for each upload only if there is one process.
        _ => Ok(()),
    }
}

/// Written in place and not synced: a torn record does not match its checksum and is not believed.
fn write_record(context: &Context, hasher: &Hasher) -> Result<()> {
    let path = context.disk.path(&Key::UploadRecord(&context.writer.key).path());
    let record = UploadRecord::of(hasher, context.boot.as_str()).encode();
    std::fs::write(&path, record).map_err(|source| failed("write", &path, source))
}

fn rehash(data: &File, algorithm: Algorithm) -> io::Result<Hasher> {
    let (mut hasher, mut buffer) = (Hasher::new(algorithm), vec![0; REHASH_BLOCK_BYTES]);
    let mut reader = Positioned {
        file: data,
        offset: 0,
    };
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher),
            length => hasher.update(&buffer[..length]),
        }
    }
}

/// Reads from the beginning, whatever the file's own position is.
struct Positioned<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for Positioned<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.offset)?;
        self.offset += length as u64;
        Ok(length)
    }
}
