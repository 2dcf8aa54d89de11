//! An upload opened for writing: the file, locked, and what is known of its bytes.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use rustix::io::Errno;
use wharf_oci::{Algorithm, Digest, Hasher};
use wharf_store::layout::Key;
use wharf_store::{Error, Result, UploadRecord};

use super::folder;
use super::note::Note;
use super::writers::Writer;
use crate::Boot;
use crate::disk::{Disk, Place, Scope, Wave, failed, touch};

/// Bytes read at once when an upload must be hashed again.
const REHASH_BLOCK_BYTES: usize = 256 * 1024;

/// Chunks written at once: what the kernel takes without allocating would be 8, what it takes at all 1024.
const VECTORED: usize = 64;

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
    /// An attempt to publish the bytes has not come to its end: a sync of them may have failed.
    doubtful: bool,
    context: Context,
}

/// An upload whose bytes are those of the blob it is to be.
pub(super) struct Verified {
    opened: Opened,
    digest: Digest,
    size: u64,
}

/// An upload that grows: written and hashed side by side.
pub(super) struct Session {
    pub(super) data: Growing,
    /// Has seen exactly the bytes in `data` when both have taken in the same chunks.
    pub(super) hasher: Hasher,
}

/// The bytes of an upload that grows.
pub(super) struct Growing {
    opened: Opened,
    end: u64,
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
        let record = disk.read(&Key::UploadRecord(key))?.unwrap_or_default();
        let doubtful = Note::decode(&record).is_some();
        let record = UploadRecord::decode(&record);
        Ok(Self { data: Arc::new(data), stored: meta.len(), record, doubtful, context })
    }

    /// Opens the upload to add to it or to publish it. One whose bytes may not be on disk, whatever the next sync of them
    /// reports, is closed instead: its client starts over.
    pub(super) fn open_to_write(context: Context) -> Result<Self> {
        let key = context.writer.key.clone();
        let opened = Self::open(context)?;
        if !opened.doubtful {
            return Ok(opened);
        }
        opened.abort()?;
        Err(Error::UploadNotFound { key })
    }

    /// Goes on at `offset`, which must be the end.
    pub(super) fn go_on_at(self, offset: u64) -> Result<Session> {
        if self.stored != offset {
            return Err(Error::OffsetMismatch { given: offset, stored: self.stored });
        }
        let algorithm = self.record.as_ref().map_or(Algorithm::Sha256, |record| record.algorithm);
        let hasher = self.hasher(algorithm)?;
        Ok(Session { data: Growing { end: self.stored, opened: self }, hasher })
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
        // Before the sync: should this process die of that, the next one must know.
        folder::write_note(&self.context.disk, &self.context.writer.key, &Note { digest: *digest, size })?;
        // A blob's age counts from here, and a collector goes by it: the last byte may have come hours ago.
        touch(&self.data, now).map_err(|source| self.failed("renew", source))?;
        let (mut wave, place) = (Wave::default(), Place::from(&Key::BlobData(digest)));
        let path = self.context.disk.path(&Key::UploadData(&self.context.writer.key).path());
        wave.file(Arc::clone(&self.data), path);
        self.context.disk.prepare(&place, &mut wave)?;
        Ok((Verified { opened: self, digest: *digest, size }, wave))
    }

    /// Forgets the upload.
    pub(super) fn abort(self) -> Result<()> {
        let (disk, key) = (&self.context.disk, &self.context.writer.key);
        let path = disk.path(&Key::UploadData(key).path());
        folder::unstart(disk, key)?;
        // A note that outlived the bytes would call the upload finished.
        folder::forget_record(disk, key)?;
        std::fs::remove_file(&path).map_err(|source| self.failed("remove", source))?;
        folder::clear(disk, key);
        Ok(())
    }

    /// A hasher that has seen all that is stored: the one of the record if that can be believed.
    fn hasher(&self, algorithm: Algorithm) -> Result<Hasher> {
        // Where a writer of another process cannot be kept off, the bytes may be partly its own.
        let alone = self.context.disk.locking.scope() != Scope::Uncertain;
        let believed = self.record.as_ref().filter(|record| {
            let covers = record.covers(self.stored, self.context.boot.as_str());
            alone && covers && record.algorithm == algorithm
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
    /// A sync of the bytes has failed: closes the upload.
    pub(super) fn give_up(self) {
        let id = self.opened.context.writer.key.id.clone();
        if let Err(error) = self.opened.abort() {
            // The note is there, and closes it when it is opened the next time.
            tracing::warn!(upload.id = %id, error = &error as &dyn std::error::Error, "could not remove an upload that could not be synced");
        }
    }

    /// Moves the bytes to their place, for good, which finishes the upload; `prepared` says that the folder of that place
    /// has been synced.
    pub(super) fn publish(self, prepared: bool) -> Result<u64> {
        let (disk, key) = (&self.opened.context.disk, &self.opened.context.writer.key);
        let data = disk.path(&Key::UploadData(key).path());
        let place = Place::from(&Key::BlobData(&self.digest));
        if let Err(error) = disk.publish(&data, &self.opened.data, (&place, &self.digest), prepared) {
            // Where the bytes are still the upload's, they are synced, and can be published by the next attempt.
            return if data.exists() { folder::forget_record(disk, key).and(Err(error)) } else { Err(error) };
        }
        Ok(self.size)
    }
}

// === impl Growing ===

impl Growing {
    /// Writes `chunks` at the end. When that fails the file may end after them; the record says how much is good.
    pub(super) fn write(&mut self, chunks: &[Bytes]) -> Result<()> {
        for some in chunks.chunks(VECTORED) {
            let written = write_vectored(&self.opened.data, some, self.end);
            self.end += written.map_err(|source| self.opened.failed("write", source))?;
        }
        Ok(())
    }
}

// === impl Session ===

impl Session {
    /// Notes how far the bytes are hashed, for whoever goes on. Returns where the upload ends.
    pub(super) fn pause(self) -> Result<u64> {
        let Growing { opened, end } = self.data;
        // One that is there is not left behind: what it says of the algorithm is still needed.
        let worth_noting = end > folder::WORTH_NOTING_BYTES || opened.record.is_some();
        if end > opened.stored && worth_noting {
            folder::write_record(&opened.context, &self.hasher)?;
        }
        Ok(end)
    }
}

/// Writes all of `chunks` at `offset`; returns how long they are.
fn write_vectored(data: &File, chunks: &[Bytes], offset: u64) -> io::Result<u64> {
    let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
    let (mut left, mut written) = (slices.as_mut_slice(), 0);
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        match rustix::io::pwritev(data, left, offset + written) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(length) => {
                written += length as u64;
                IoSlice::advance_slices(&mut left, length);
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(written)
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
