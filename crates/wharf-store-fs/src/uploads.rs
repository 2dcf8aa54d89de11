//! Uploads: bytes that are not a blob yet, and may never be.
//!
//! An upload is a folder with the bytes (`data`), the time it was begun (`startedat`) and our note on how far the bytes
//! are hashed, or as what they are being published (`wharf-upload`). `data` going away is what closes it: a commit
//! renames it, an abort removes it.

pub(crate) mod folder;
mod note;
mod pump;
mod session;
mod writers;

use std::sync::Arc;
use std::time::SystemTime;

#[cfg(test)]
pub(crate) use note::Note;
use session::Opened;
use wharf_oci::{Algorithm, Digest};
use wharf_store::{ByteStream, Error, Result, UploadKey, UploadStatus};
pub(crate) use writers::Writers;

use crate::disk::Synced;
use crate::{FsStore, blocking};

impl FsStore {
    pub(crate) async fn begin_upload(&self, key: &UploadKey, algorithm: Algorithm) -> Result<()> {
        let now = self.clock.now();
        self.with_writer(key, move |context| folder::begin(&context, algorithm, now)).await
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
            let disk = Arc::clone(&context.disk);
            let (verified, wave) = Opened::open_to_write(context)?.verify(&digest, now)?;
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

    pub(crate) async fn abort_upload(&self, key: &UploadKey) -> Result<()> {
        self.with_writer(key, |context| {
            let (disk, key) = (Arc::clone(&context.disk), context.writer.key.clone());
            match Opened::open(context) {
                // Closed, but somebody was interrupted while clearing up.
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

    /// When the upload was begun; for one that is closed and not cleared away, when it was last touched.
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
