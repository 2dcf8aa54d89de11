//! An upload opened for writing: the file, locked, and what is known of its bytes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use wharf_oci::{Algorithm, Digest, Hasher};
use wharf_store::layout::Key;
use wharf_store::{Error, Result, UploadRecord};

use super::folder;
use super::writers::Writer;
use crate::Boot;
use crate::disk::{Disk, Place, Wave, failed, touch};

/// Bytes read at once when an upload must be hashed again.
const REHASH_BLOCK_BYTES: usize = 256 * 1024;

/// What a session needs from the store.
pub(super) struct Context {
    pub(super) disk: Arc<Disk>,
    pub(super) boot: Boot,
    pub(super) writer: Writer,
}

/// An upload opened for writing, not yet hashed.
///
/// The fields go in this order: when another writer of this process has its turn, the file is no longer locked.
pub(super) struct Opened {
    /// Locked against other processes for as long as it is open.
    data: Arc<File>,
    /// Bytes in `data`.
    stored: u64,
    record: Option<UploadRecord>,
    context: Context,
}

/// An upload whose bytes are those of the blob it is to be.
pub(super) struct Verified {
    opened: Opened,
    place: Place,
    size: u64,
}

/// An upload that grows.
pub(super) struct Session {
    opened: Opened,
    /// Has seen exactly the bytes in `data`.
    hasher: Hasher,
    /// Whether bytes came after the record was written.
    dirty: bool,
}

// === impl Opened ===

impl Opened {
    /// Opens the upload as it is.
    pub(super) fn open(context: Context) -> Result<Self> {
        let (disk, key) = (&context.disk, &context.writer.key);
        let data = folder::open(disk, key)?;
        let meta = data.metadata();
        let meta =
            meta.map_err(|source| failed("look at", &disk.path(&Key::UploadData(key).path()), source))?;
        let record = disk.read(&Key::UploadRecord(key).path())?.as_deref().and_then(UploadRecord::decode);
        Ok(Self { data: Arc::new(data), stored: meta.len(), record, context })
    }

    /// Goes on at `offset`, which must be the end.
    pub(super) fn go_on_at(self, offset: u64) -> Result<Session> {
        if self.stored != offset {
            return Err(Error::OffsetMismatch { given: offset, stored: self.stored });
        }
        let algorithm = self.record.as_ref().map_or(Algorithm::Sha256, |record| record.algorithm);
        let hasher = self.hasher(algorithm)?;
        Ok(Session { opened: self, hasher, dirty: false })
    }

    /// Checks the bytes against `digest` and makes the blob's folder. What comes with it must be synced before they are
    /// published.
    pub(super) fn verify(self, digest: &Digest, now: SystemTime) -> Result<(Verified, Wave)> {
        // Where the client announced another algorithm, or none, this costs one more reading.
        let hasher = self.hasher(digest.algorithm())?;
        let size = hasher.bytes_hashed();
        let actual = hasher.finish();
        if actual != *digest {
            return Err(Error::DigestMismatch { expected: *digest, actual });
        }
        // A blob's age counts from here, and a collector goes by it: the last byte may have come hours ago.
        touch(&self.data, now).map_err(|source| self.failed("renew", source))?;
        let (mut wave, place) = (Wave::default(), Place::from(&Key::BlobData(digest)));
        let path = self.context.disk.path(&Key::UploadData(&self.context.writer.key).path());
        wave.file(Arc::clone(&self.data), path);
        self.context.disk.prepare(&place, &mut wave)?;
        Ok((Verified { opened: self, place, size }, wave))
    }

    /// Forgets the upload.
    pub(super) fn abort(self) -> Result<()> {
        let (disk, key) = (&self.context.disk, &self.context.writer.key);
        let path = disk.path(&Key::UploadData(key).path());
        folder::unstart(disk, key)?;
        std::fs::remove_file(&path).map_err(|source| self.failed("remove", source))?;
        folder::clear(disk, key);
        Ok(())
    }

    /// A hasher that has seen all that is stored: the one of the record if that can be believed.
    fn hasher(&self, algorithm: Algorithm) -> Result<Hasher> {
        let believed = self.record.as_ref().filter(|record| {
            record.algorithm == algorithm && record.covers(self.stored, self.context.boot.as_str())
        });
        match believed.and_then(UploadRecord::hasher) {
            Some(hasher) => Ok(hasher),
            None => rehash(&self.data, algorithm).map_err(|source| self.failed("read", source)),
        }
    }

    fn failed(&self, verb: &str, source: io::Error) -> Error {
        let path = Key::UploadData(&self.context.writer.key).path();
        failed(verb, &self.context.disk.path(&path), source)
    }
}

// === impl Verified ===

impl Verified {
    /// Renames the bytes to their place, for good; `prepared` says that its folder has been synced.
    pub(super) fn publish(self, prepared: bool) -> Result<u64> {
        let (disk, key) = (&self.opened.context.disk, &self.opened.context.writer.key);
        folder::unstart(disk, key)?;
        disk.publish(&disk.path(&Key::UploadData(key).path()), &self.place, prepared)?;
        folder::clear(disk, key);
        Ok(self.size)
    }
}

// === impl Session ===

impl Session {
    /// Hashes and writes `chunks` at the end. The file may then end after them, the hasher knows how much is good.
    pub(super) fn write(&mut self, chunks: &[Bytes]) -> Result<()> {
        self.dirty = true;
        for chunk in chunks {
            let written = self.opened.data.write_all_at(chunk, self.hasher.bytes_hashed());
            written.map_err(|source| self.opened.failed("write", source))?;
            self.hasher.update(chunk);
        }
        Ok(())
    }

    /// Notes how far the bytes are hashed, for whoever goes on. Returns where the upload ends.
    pub(super) fn pause(self) -> Result<u64> {
        // One that is there is not left behind: what it says of the algorithm is still needed.
        let worth_noting =
            self.hasher.bytes_hashed() > folder::WORTH_NOTING_BYTES || self.opened.record.is_some();
        if self.dirty && worth_noting {
            folder::write_record(&self.opened.context, &self.hasher)?;
        }
        Ok(self.hasher.bytes_hashed())
    }
}

/// Reads from the beginning, whatever the file's own position is.
fn rehash(data: &File, algorithm: Algorithm) -> io::Result<Hasher> {
    let (mut hasher, mut buffer) = (Hasher::new(algorithm), vec![0; REHASH_BLOCK_BYTES]);
    loop {
        match data.read_at(&mut buffer, hasher.bytes_hashed()) {
            Ok(0) => return Ok(hasher),
            Ok(length) => hasher.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
