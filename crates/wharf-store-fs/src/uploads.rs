//! Uploads: bytes that are not a blob yet, and may never be.
//!
//! An upload is a folder with the bytes (`data`), the time it was begun (`startedat`) and our note on how far the bytes
//! are hashed, or as what they are being published (`wharf-upload`). A commit renames `data`: then the upload is finished
//! for as long as the note stands. An abort removes the note and then `data`.

pub(crate) mod folder;
mod note;
mod pump;
mod session;
mod writers;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[cfg(test)]
pub(crate) use note::Note;
use session::Opened;
use wharf_oci::Digest;
use wharf_store::layout::Key;
use wharf_store::{Announced, ByteStream, Error, Result, UploadKey, UploadStatus};
pub(crate) use writers::Writers;

use crate::disk::{Disk, Place, Synced};
use crate::{FsStore, blocking};

impl FsStore {
    pub(crate) async fn begin_upload(&self, key: &UploadKey, announced: Announced) -> Result<()> {
        let now = self.clock.now();
        self.with_writer(key, move |context| folder::begin(&context, announced, now)).await
    }

    pub(crate) async fn append_to_upload(
        &self,
        key: &UploadKey,
        offset: u64,
        bytes: ByteStream,
    ) -> Result<u64> {
        let session =
            self.with_writer(key, move |context| Opened::open_to_write(context)?.go_on_at(offset)).await?;
        pump::run(session, bytes).await
    }

    pub(crate) async fn commit_upload(&self, key: &UploadKey, digest: &Digest) -> Result<u64> {
        let (digest, now) = (*digest, self.clock.now());
        self.with_writer(key, move |context| {
            let (disk, key) = (Arc::clone(&context.disk), context.writer.key.clone());
            let opened = match Opened::open_to_write(context) {
                Err(error @ Error::UploadNotFound { .. }) => {
                    return finished_before(&disk, &key, &digest, now)?.ok_or(error);
                }
                opened => opened?,
            };
            let (verified, wave) = opened.verify(&digest, now)?;
            match disk.sync_or_undo(wave, || ()) {
                Ok(synced) => verified.publish(synced == Synced::Done),
                Err(error) => {
                    verified.give_up();
                    Err(error)
                }
            }
        })
        .await
    }

    pub(crate) async fn close_upload(&self, key: &UploadKey) -> Result<()> {
        let closed = self.with_writer(key, |context| {
            let (disk, key) = (&context.disk, &context.writer.key);
            if folder::finished(disk, key)?.is_some() {
                folder::clear_finished(disk, key);
            }
            Ok(())
        });
        match closed.await {
            // A repeated request has it, perhaps to begin it anew. What is left goes with the old uploads.
            Err(Error::UploadBusy { .. }) => Ok(()),
            closed => closed,
        }
    }

    pub(crate) async fn abort_upload(&self, key: &UploadKey) -> Result<()> {
        self.with_writer(key, |context| {
            let (disk, key) = (Arc::clone(&context.disk), context.writer.key.clone());
            match Opened::open(context) {
                // Finished, or closed by a process that was interrupted while it cleared up.
                Err(Error::UploadNotFound { .. }) if folder::last_change(&disk, &key)?.is_some() => {
                    folder::clear(&disk, &key);
                    Ok(())
                }
                opened => opened?.abort(),
            }
        })
        .await
    }

    pub(crate) async fn upload_status(&self, key: &UploadKey) -> Result<UploadStatus> {
        let (disk, key) = (Arc::clone(&self.disk), key.clone());
        blocking(move || folder::status(&disk, &key)?.ok_or(Error::UploadNotFound { key })).await
    }

    /// When the upload was begun; for one that is finished, when that was; for one that is closed and not cleared away,
    /// when it was last touched.
    pub(crate) async fn upload_age(&self, key: &UploadKey) -> Result<Option<SystemTime>> {
        let (disk, key) = (Arc::clone(&self.disk), key.clone());
        blocking(move || match folder::status(&disk, &key)? {
            Some(status) => Ok(Some(status.begun)),
            None => folder::last_change(&disk, &key),
        })
        .await
    }

    /// Runs `act` as the one writer of the upload in this process; [`Opened`] sees to other processes.
    async fn with_writer<T: Send + 'static>(
        &self,
        key: &UploadKey,
        act: impl FnOnce(session::Context) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let context = session::Context {
            disk: Arc::clone(&self.disk),
            boot: self.boot.clone(),
            writer: self.writers.take(key)?,
        };
        blocking(move || act(context)).await
    }
}

/// The size of the blob that the upload was published as, if its record says that it was published under this digest.
///
/// The record alone proves nothing: a power cut may have kept it and lost the rename. So the blob must be there, and what
/// the process that published it did not sync is synced.
fn finished_before(
    disk: &Arc<Disk>,
    key: &UploadKey,
    digest: &Digest,
    now: SystemTime,
) -> Result<Option<u64>> {
    let note = folder::finished(disk, key)?.filter(|note| note.digest == *digest);
    let Some(note) = note else { return Ok(None) };
    let there = disk.renew(&Place::from(&Key::BlobData(digest)), Duration::ZERO, now)?;
    Ok(there.then_some(note.size))
}
