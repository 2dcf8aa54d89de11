//! Uploads: bytes that are not a blob yet, and may never be.
//!
//! An upload is a folder with the bytes (`data`), the time it was begun (`startedat`) and our note on how far the bytes
//! are hashed (`wharf-upload`). `data` going away is what closes it: a commit renames it, an abort removes it.

mod pump;
mod session;
mod writers;

use std::sync::Arc;

use session::Session;
use wharf_oci::{Algorithm, Digest};
use wharf_store::{ByteStream, Error, Result, UploadKey, UploadStatus};
pub(crate) use writers::Writers;

use crate::{FsStore, blocking};

impl FsStore {
    pub(crate) async fn begin_upload(&self, key: &UploadKey, algorithm: Algorithm) -> Result<()> {
        let now = self.clock.now();
        self.with_writer(key, move |context| session::begin(&context, algorithm, now))
            .await
    }

    pub(crate) async fn append_to_upload(
        &self,
        key: &UploadKey,
        offset: u64,
        bytes: ByteStream,
    ) -> Result<u64> {
        let session = self
            .with_writer(key, move |context| Session::open_at(context, offset))
            .await?;
        pump::run(session, bytes).await
    }

    pub(crate) async fn commit_upload(&self, key: &UploadKey, digest: &Digest) -> Result<u64> {
        let digest = *digest;
        self.with_writer(key, move |context| Session::open(context)?.commit(&digest))
            .await
    }

    pub(crate) async fn abort_upload(&self, key: &UploadKey) -> Result<()> {
        self.with_writer(key, |context| Session::open(context)?.abort())
            .await
    }

    pub(crate) async fn upload_status(&self, key: &UploadKey) -> Result<UploadStatus> {
        let (disk, key) = (Arc::clone(&self.disk), key.clone());
        blocking(move || session::status(&disk, &key)?.ok_or(Error::UploadNotFound { key })).await
    }

    /// Runs `act` as the one writer of the upload in this process; [`Session`] sees to other processes.
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
