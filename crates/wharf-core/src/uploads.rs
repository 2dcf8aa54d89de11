//! Uploads (end-4 to end-6, end-13, end-14): bytes come in, in any of the shapes clients know, and become a blob.

use std::future::ready;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::timeout;
use wharf_oci::{Digest, RepositoryName, UploadId};
use wharf_store::{Announced, ByteStream, Held, HeldLink, LinkKind, UploadKey};

use crate::commits::{Claim, Commit};
use crate::error::{Error, Result};
use crate::events::EventKind;
use crate::registry::{Cause, Registry};

/// How long a repeated final request waits for the commit that runs already, before it is told to come back. A layer of
/// 100 GB in a bucket is copied in less.
const COMMIT_WAIT: Duration = Duration::from_mins(5);

/// How many failed commits of others a final request waits for before it is told to come back.
const COMMIT_WAITS: usize = 3;

/// Where the bytes of a request belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// At the end, wherever that is: the client said nothing.
    End,
    /// Exactly here (`Content-Range`).
    At(u64),
    /// Where the `Location` that the client uses was handed out.
    ///
    /// A body sent to the very first one of them, when bytes are there already, is a repetition by a client that does
    /// not know how far it got (jib does this after a timeout): the upload starts over with its first byte. Appending
    /// would give the blob twice in a row.
    Location(u64),
}

/// An open upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadState {
    /// Its id.
    pub id: UploadId,
    /// Bytes stored.
    pub offset: u64,
}

/// Where a body goes.
enum Placed {
    At(u64, ByteStream),
    /// It has no bytes, and so no place.
    Nowhere {
        stored: u64,
    },
}

impl Registry {
    /// Opens an upload.
    pub async fn begin_upload(
        &self,
        repository: &RepositoryName,
        announced: Announced,
    ) -> Result<UploadState> {
        let key = self.new_upload(repository, announced).await?;
        Ok(UploadState { id: key.id, offset: 0 })
    }

    /// How far an upload is.
    pub async fn upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<UploadState> {
        let key = key(repository, id);
        let status = self.blobs().status(&key).await.map_err(|error| upload_error(error, &key))?;
        Ok(UploadState { id: id.clone(), offset: status.offset })
    }

    /// Adds bytes. When the client hangs up half-way, what it sent is kept.
    pub async fn append(
        &self,
        repository: &RepositoryName,
        id: &UploadId,
        placement: Placement,
        body: ByteStream,
    ) -> Result<UploadState> {
        let (registry, key) = (self.clone(), key(repository, id));
        let offset = self.tasks().run(async move { registry.append_to(&key, placement, body).await }).await?;
        Ok(UploadState { id: id.clone(), offset })
    }

    /// Adds the last bytes, if any, and makes a blob of the upload.
    ///
    /// Saying it again after it was done is answered with the same success.
    pub async fn finish(
        &self,
        cause: &Cause,
        repository: &RepositoryName,
        id: &UploadId,
        digest: &Digest,
        last: Option<(Placement, ByteStream)>,
    ) -> Result<()> {
        let (registry, cause, key, digest) = (self.clone(), cause.clone(), key(repository, id), *digest);
        let work = async move {
            let mut waits = 0;
            loop {
                match registry.commits().claim(&key, &digest) {
                    Claim::Ours(commit) => {
                        return registry.finish_as(&cause, &key, &digest, last, commit).await;
                    }
                    // Another client's bytes are waited for by no one.
                    Claim::Receiving => return Err(registry.busy(&key).await),
                    Claim::Committing(other, _) if other != digest || waits == COMMIT_WAITS => {
                        return Err(in_use(&key));
                    }
                    Claim::Committing(_, outcome) => match timeout(COMMIT_WAIT, outcome.succeeded()).await {
                        Ok(true) => return Ok(()),
                        // It failed: this request tries itself. Its bytes are there already, or it sends them again.
                        Ok(false) => waits += 1,
                        Err(_) => return Err(in_use(&key)),
                    },
                }
            }
        };
        self.tasks().run(work).await
    }

    /// [`finish`](Self::finish) as the one request of this process that commits the upload.
    async fn finish_as(
        &self,
        cause: &Cause,
        key: &UploadKey,
        digest: &Digest,
        last: Option<(Placement, ByteStream)>,
        commit: Commit,
    ) -> Result<()> {
        let last = match last {
            Some((placement, body)) => Some((placement, commit.watch(body))),
            None => {
                commit.received();
                None
            }
        };
        let finished = match self.publish(cause, key, digest, last).await {
            Err(error @ Error::UploadUnknown { .. }) => self.already(cause, key, digest, error).await,
            result => result,
        };
        if finished.is_ok() {
            commit.succeeded();
        }
        finished
    }

    /// Makes a blob of one body (end-4b). Nothing is left when that fails.
    pub async fn put_blob(
        &self,
        cause: &Cause,
        repository: &RepositoryName,
        digest: &Digest,
        body: ByteStream,
    ) -> Result<()> {
        let (registry, cause, repository, digest) =
            (self.clone(), cause.clone(), repository.clone(), *digest);
        let work = async move {
            let key = registry.new_upload(&repository, Announced::Digest(digest)).await?;
            let result = registry.publish(&cause, &key, &digest, Some((Placement::At(0), body))).await;
            if result.is_err() {
                registry.discard(&key).await;
            }
            result
        };
        self.tasks().run(work).await
    }

    /// Forgets an upload (end-14).
    pub async fn cancel_upload(&self, repository: &RepositoryName, id: &UploadId) -> Result<()> {
        let (registry, key) = (self.clone(), key(repository, id));
        let work = async move {
            match registry.blobs().abort(&key).await {
                Err(wharf_store::Error::UploadBusy { .. }) => Err(registry.busy(&key).await),
                result => result.map_err(|error| upload_error(error, &key)),
            }
        };
        self.tasks().run(work).await
    }

    async fn discard(&self, key: &UploadKey) {
        match self.blobs().abort(key).await {
            // The bytes were published before something else failed; the upload is closed.
            Ok(()) | Err(wharf_store::Error::UploadNotFound { .. }) => {}
            Err(error) => {
                tracing::warn!(upload.id = %key.id, error = &error as &dyn std::error::Error, "could not remove a failed upload");
            }
        }
    }

    async fn new_upload(&self, repository: &RepositoryName, announced: Announced) -> Result<UploadKey> {
        let key = UploadKey { repository: repository.clone(), id: new_id() };
        self.blobs().begin(&key, announced).await.map_err(Error::store)?;
        Ok(key)
    }

    async fn append_to(&self, key: &UploadKey, placement: Placement, body: ByteStream) -> Result<u64> {
        let _append = self.commits().append(key);
        let (offset, body) = match self.place(key, placement, body).await? {
            Placed::At(offset, body) => (offset, body),
            Placed::Nowhere { stored } => return Ok(stored),
        };
        match self.blobs().append(key, offset, body).await {
            Ok(end) => Ok(end),
            Err(error) => Err(self.upload_write_error(error, key).await),
        }
    }

    /// Where a body goes.
    async fn place(&self, key: &UploadKey, placement: Placement, body: ByteStream) -> Result<Placed> {
        match placement {
            Placement::End => Ok(Placed::At(self.stored(key).await?, body)),
            Placement::Location(0) => self.start_over(key, body).await,
            Placement::At(offset) | Placement::Location(offset) => Ok(Placed::At(offset, body)),
        }
    }

    /// Makes sure that the upload is empty for `body`, which was sent to its first location.
    ///
    /// What is there goes only when the first byte has come: a final request without a body repeats nothing, and a
    /// connection that breaks at once must not cost what an earlier one has brought.
    async fn start_over(&self, key: &UploadKey, mut body: ByteStream) -> Result<Placed> {
        let stored = self.stored(key).await?;
        if stored == 0 {
            return Ok(Placed::At(0, body));
        }
        let first = loop {
            match body.next().await {
                Some(Ok(chunk)) if chunk.is_empty() => {}
                Some(Ok(chunk)) => break chunk,
                Some(Err(source)) => return Err(Error::BodyBroken { source }),
                None => return Ok(Placed::Nowhere { stored }),
            }
        };
        if let Err(error) = self.blobs().begin(key, Announced::Nothing).await {
            return Err(self.upload_write_error(error, key).await);
        }
        Ok(Placed::At(0, stream::once(ready(Ok(first))).chain(body).boxed()))
    }

    async fn stored(&self, key: &UploadKey) -> Result<u64> {
        Ok(self.upload(&key.repository, &key.id).await?.offset)
    }

    /// Publishes the bytes, the last of which may come with it, then links the blob: published, it is young, and safe from
    /// a collector until it is linked.
    async fn publish(
        &self,
        cause: &Cause,
        key: &UploadKey,
        digest: &Digest,
        last: Option<(Placement, ByteStream)>,
    ) -> Result<()> {
        let placed = match last {
            Some((placement, body)) => self.place(key, placement, body).await?,
            None => Placed::Nowhere { stored: 0 },
        };
        let published = match placed {
            Placed::At(offset, body) => self.blobs().finish(key, offset, body, digest).await,
            Placed::Nowhere { .. } => self.blobs().commit(key, digest).await,
        };
        let size_bytes = match published {
            Ok(size) => size,
            // While a client of this process sends bytes, a second one is told how far it is. Otherwise it is another process
            // that writes or commits, which this one cannot tell apart.
            Err(wharf_store::Error::UploadBusy { .. }) if self.commits().is_appended_to(key) => {
                return Err(self.busy(key).await);
            }
            Err(wharf_store::Error::UploadBusy { .. }) => return Err(in_use(key)),
            Err(error) => return Err(upload_error(error, key)),
        };
        self.link_finished(cause, key, digest, size_bytes).await
    }

    /// Links a blob that its upload was published as, then closes the upload: until then a repeated request finds it.
    async fn link_finished(
        &self,
        cause: &Cause,
        key: &UploadKey,
        digest: &Digest,
        size_bytes: u64,
    ) -> Result<()> {
        let change = self.change(cause);
        self.metadata().link_blob(&change, &key.repository, digest, digest).await.map_err(Error::store)?;
        if let Err(error) = self.blobs().close(key).await {
            // The blob is there and linked; what is left of the upload goes with the old ones.
            tracing::warn!(upload.id = %key.id, error = &error as &dyn std::error::Error, "could not close a finished upload");
        }
        self.emit(cause, &key.repository, || EventKind::BlobPushed { digest: *digest, size_bytes });
        Ok(())
    }

    /// The answer to a final request for an upload that takes no more bytes: success if the upload was finished under this
    /// digest before, by its own record or, once it is closed, by the repository's link.
    async fn already(&self, cause: &Cause, key: &UploadKey, digest: &Digest, unknown: Error) -> Result<()> {
        match self.blobs().commit(key, digest).await {
            Ok(size_bytes) => return self.link_finished(cause, key, digest, size_bytes).await,
            Err(wharf_store::Error::UploadNotFound { .. }) => {}
            Err(wharf_store::Error::UploadBusy { .. }) => return Err(in_use(key)),
            Err(error) => return Err(upload_error(error, key)),
        }
        match self.durable_blob(&key.repository, digest).await? {
            true => Ok(()),
            false => Err(unknown),
        }
    }

    /// Whether the repository has the blob, for an answer that promises it: what another process may not have synced yet
    /// is synced before.
    async fn durable_blob(&self, repository: &RepositoryName, digest: &Digest) -> Result<bool> {
        let kind = LinkKind::Blob;
        let Some(found) = self.metadata().link(repository, kind, digest).await.map_err(Error::store)? else {
            return Ok(false);
        };
        let seen = match self.blobs().stat(&found.content).await {
            Err(wharf_store::Error::BlobNotFound { .. }) => return Ok(false),
            seen => seen.map_err(Error::store)?,
        };
        let link = Some(HeldLink { repository, kind, digest, found });
        let held = Held { content: &found.content, seen: &seen, link };
        Ok(self.metadata().hold(&held).await.map_err(Error::store)?.is_some())
    }

    async fn upload_write_error(&self, error: wharf_store::Error, key: &UploadKey) -> Error {
        match error {
            wharf_store::Error::UploadBusy { .. } => self.busy(key).await,
            error => upload_error(error, key),
        }
    }

    /// Another request writes: this one is told how far that is, as if it had come with a wrong offset.
    async fn busy(&self, key: &UploadKey) -> Error {
        match self.upload(&key.repository, &key.id).await {
            Ok(state) => {
                Error::UploadOffset { repository: key.repository.clone(), id: state.id, stored: state.offset }
            }
            Err(error) => error,
        }
    }
}

/// Another request, perhaps of another process, writes or commits the upload.
fn in_use(key: &UploadKey) -> Error {
    Error::UploadBusy { repository: key.repository.clone(), id: key.id.clone() }
}

fn key(repository: &RepositoryName, id: &UploadId) -> UploadKey {
    UploadKey { repository: repository.clone(), id: id.clone() }
}

fn upload_error(error: wharf_store::Error, key: &UploadKey) -> Error {
    match error {
        wharf_store::Error::UploadNotFound { .. } => {
            Error::UploadUnknown { repository: key.repository.clone(), id: key.id.clone() }
        }
        wharf_store::Error::OffsetMismatch { stored, .. } => {
            Error::UploadOffset { repository: key.repository.clone(), id: key.id.clone(), stored }
        }
        other => Error::store(other),
    }
}

/// A new id: time-ordered, as the registry we succeed makes them.
fn new_id() -> UploadId {
    let id = uuid::Uuid::now_v7().hyphenated().to_string();
    id.parse().expect("a UUID is a valid upload id")
}
