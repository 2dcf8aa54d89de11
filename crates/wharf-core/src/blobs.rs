//! Blobs of a repository: look, read, delete.

use wharf_oci::{ByteRange, Digest, RepositoryName};
use wharf_store::BlobBody;

use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::registry::{Cause, Registry};

/// A blob as a repository knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobInfo {
    /// The name it was asked for by.
    pub digest: Digest,
    /// The name its bytes are stored under: another one for aliases that older registries wrote.
    pub content: Digest,
    /// Its size.
    pub size_bytes: u64,
}

/// A blob opened for reading.
#[derive(Debug)]
pub struct OpenBlob {
    /// What is known of it.
    pub info: BlobInfo,
    /// All its bytes.
    pub body: BlobBody,
}

impl Registry {
    /// Whether the repository has the blob, and how long it is.
    pub async fn blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<BlobInfo> {
        let content = self.blob_content(repository, digest).await?;
        if let Some(sizes) = self.sizes()
            && let Some(size_bytes) = sizes.get(&content).await
        {
            return Ok(BlobInfo { digest: *digest, content, size_bytes });
        }
        let info = self.look_at(repository, digest, content).await?;
        if let Some(sizes) = self.sizes() {
            sizes.keep(&content, info.size_bytes).await;
        }
        Ok(info)
    }

    /// Opens the whole blob.
    pub async fn open_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<OpenBlob> {
        let content = self.blob_content(repository, digest).await?;
        let read = match self.blobs().read(&content, None).await {
            Ok(read) => read,
            Err(error) => return Err(self.blob_error(error, repository, digest, &content).await),
        };
        Ok(OpenBlob { info: BlobInfo { digest: *digest, content, size_bytes: read.size }, body: read.body })
    }

    /// Where the client may fetch the blob itself; `None` if it has to be read here.
    ///
    /// A blob that is not there has no such place: it is looked for first.
    pub async fn blob_elsewhere(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<String>> {
        if self.urls().is_none() {
            return Ok(None);
        }
        let info = self.blob(repository, digest).await?;
        self.url_of(&info).await
    }

    /// Where the client may fetch a blob that [`blob`](Self::blob) has found; `None` if it has to be read here.
    pub async fn url_of(&self, info: &BlobInfo) -> Result<Option<String>> {
        let Some(urls) = self.urls() else { return Ok(None) };
        urls.url(&info.content).await.map_err(Error::store)
    }

    /// Opens a part of a blob that [`blob`](Self::blob) has found; the range must lie within it.
    pub async fn open_range(
        &self,
        repository: &RepositoryName,
        info: &BlobInfo,
        range: ByteRange,
    ) -> Result<BlobBody> {
        match self.blobs().read(&info.content, Some(range)).await {
            Ok(read) => Ok(read.body),
            Err(error) => Err(self.blob_error(error, repository, &info.digest, &info.content).await),
        }
    }

    /// Takes the blob out of the repository. Its bytes stay for the collector: other repositories may have it too.
    pub async fn delete_blob(
        &self,
        cause: &Cause,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<()> {
        self.deletes_allowed()?;
        let (registry, cause, repository, digest) =
            (self.clone(), cause.clone(), repository.clone(), *digest);
        let work = async move {
            let change = registry.change(&cause);
            if !registry.metadata().unlink_blob(&change, &repository, &digest).await.map_err(Error::store)? {
                return Err(Error::BlobUnknown { repository, digest });
            }
            registry.emit(&cause, &repository, || EventKind::BlobDeleted { digest });
            Ok(())
        };
        self.tasks().run(work).await
    }

    async fn blob_content(&self, repository: &RepositoryName, digest: &Digest) -> Result<Digest> {
        let content = self.metadata().blob(repository, digest).await.map_err(Error::store)?;
        content.ok_or_else(|| Error::BlobUnknown { repository: repository.clone(), digest: *digest })
    }

    async fn look_at(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
        content: Digest,
    ) -> Result<BlobInfo> {
        match self.blobs().stat(&content).await {
            Ok(stat) => Ok(BlobInfo { digest: *digest, content, size_bytes: stat.size }),
            Err(error) => Err(self.blob_error(error, repository, digest, &content).await),
        }
    }

    /// A link whose bytes were collected leads to nothing; the store has looked and is sure.
    async fn blob_error(
        &self,
        error: wharf_store::Error,
        repository: &RepositoryName,
        digest: &Digest,
        content: &Digest,
    ) -> Error {
        match error {
            wharf_store::Error::BlobNotFound { .. } => {
                self.is_gone(content).await;
                Error::BlobUnknown { repository: repository.clone(), digest: *digest }
            }
            other => Error::store(other),
        }
    }

    /// The store has looked for the bytes and they are gone: nobody shall go on saying how many they are.
    pub(crate) async fn is_gone(&self, content: &Digest) {
        if let Some(sizes) = self.sizes() {
            sizes.forget(content).await;
        }
    }
}
