//! Mounts (end-11): a blob that is there already becomes a blob of this repository too.

use wharf_oci::{Digest, RepositoryName};
use wharf_store::Held;

use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::registry::{Cause, Registry};

impl Registry {
    /// Links the blob `digest` of `from` into `repository`; `None` if there is nothing to link.
    ///
    /// Without `from` any bytes of that digest will do, so the caller must have made sure that whoever asks may pull
    /// from every repository: the answer tells that somebody has the blob.
    pub async fn mount(
        &self,
        cause: &Cause,
        repository: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<Option<Digest>> {
        let (registry, cause, repository) = (self.clone(), cause.clone(), repository.clone());
        let (digest, from) = (*digest, from.cloned());
        self.tasks()
            .run(async move { registry.link(&cause, &repository, &digest, from.as_ref()).await })
            .await
    }

    async fn link(
        &self,
        cause: &Cause,
        repository: &RepositoryName,
        digest: &Digest,
        from: Option<&RepositoryName>,
    ) -> Result<Option<Digest>> {
        let content = match from {
            Some(from) => self.metadata().blob(from, digest).await.map_err(Error::store)?,
            None => Some(*digest),
        };
        let Some(content) = content else { return Ok(None) };
        let stat = match self.blobs().stat(&content).await {
            Err(wharf_store::Error::BlobNotFound { .. }) => {
                self.is_gone(&content).await;
                return Ok(None);
            }
            stat => stat.map_err(Error::store)?,
        };
        let held = Held { content: &content, seen: &stat, link: None };
        let Some(_hold) = self.metadata().hold(&held).await.map_err(Error::store)? else {
            return Ok(None);
        };
        let change = self.change(cause);
        self.metadata().link_blob(&change, repository, digest, &content).await.map_err(Error::store)?;
        self.emit(cause, repository, || EventKind::BlobMounted {
            digest: *digest,
            size_bytes: stat.size,
            from: from.cloned(),
        });
        Ok(Some(*digest))
    }
}
