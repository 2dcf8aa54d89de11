//! From an upload to a blob: the digest is checked first, and only then does anything appear under a blob's key.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use wharf_oci::{ByteRange, Digest, Hasher};
use wharf_store::layout::Key;
use wharf_store::{Error, Result, Retry};

use super::ledger::{self, broken};
use super::parts::MAX_PARTS;
use super::pump::{hash, hashed};
use super::record::{Body, Finish, Record, Tail};
use super::session::{Received, Session, verify};
use super::sessions::Finished;
use super::tail::{self, unexpected};
use super::{BACKEND, lost};
use crate::BucketStore;
use crate::cloud::{Condition, Payload};
use crate::renewals;

/// The most that a cloud copies in one request, whatever is configured.
const MAX_COPY_BYTES: u64 = 5 << 30;

/// Bytes read for hashing are handed over in batches of this size.
const BATCH_BYTES: usize = 1024 * 1024;

/// What became of an object in parts.
#[derive(PartialEq, Eq)]
enum Completed {
    /// It was made of the parts of the record.
    Now,
    /// It was there: an earlier try got so far. What it is made of must be read.
    Before,
}

impl Session {
    /// What the upload was finished as by an earlier request, perhaps of a process that has died since: by the note in its
    /// record and the object that was made after that.
    pub(super) async fn noted(&self) -> Result<Option<Finish>> {
        let Some(finish) = &self.ledger.record().finish else { return Ok(None) };
        let object = self.store.key(&Key::UploadParts(&self.key, &finish.name));
        let meta = self.store.cloud().head(&object).await?;
        Ok(meta.is_some_and(|meta| meta.size == finish.size).then(|| finish.clone()))
    }

    /// Publishes once more what was finished before.
    pub(super) async fn publish_again(self, finish: &Finish) -> Result<Finished> {
        let Finish { digest, size, name } = finish;
        let from = self.store.key(&Key::UploadParts(&self.key, name));
        // Another writer may have made the object of parts of its own, so only its bytes are believed.
        verify(self.hash_object(&from, *size, digest).await?, digest)?;
        copy(&self.store, &from, *size, digest).await?;
        Ok(self.ledger.finished(self.ledger.record(), digest, *size))
    }

    /// Publishes all that is stored.
    pub(super) async fn commit(mut self, digest: &Digest) -> Result<Finished> {
        if digest.algorithm() != self.ledger.record().algorithm {
            return self.commit_rehashed(digest).await;
        }
        verify(self.hasher()?, digest)?;
        let record = self.ledger.record().clone();
        self.publish(&record, Vec::new(), digest).await
    }

    /// Publishes the bytes of `record` and those after them, which have been found to hash to the digest.
    async fn publish(&mut self, record: &Record, rest: Payload, digest: &Digest) -> Result<Finished> {
        let size = record.offset() + rest.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        let place = self.store.key(&Key::BlobData(digest));
        match &record.body {
            Body::Nothing => self.publish_short(&record.tail, rest, &place).await?,
            Body::Whole { name, .. } => {
                let from = self.store.key(&Key::UploadParts(&self.key, name));
                copy(&self.store, &from, size, digest).await?;
            }
            Body::Parts { name, .. } => {
                let from = self.store.key(&Key::UploadParts(&self.key, name));
                self.ledger.note(Finish { digest: *digest, size, name: name.clone() }).await?;
                if self.complete(record, rest).await? == Completed::Before {
                    verify(self.hash_object(&from, size, digest).await?, digest)?;
                }
                copy(&self.store, &from, size, digest).await?;
            }
        }
        Ok(self.ledger.finished(record, digest, size))
    }

    /// Less than a part: one object from the start.
    async fn publish_short(&self, tail: &Tail, mut rest: Payload, place: &str) -> Result<()> {
        let cloud = self.store.cloud();
        if let ([piece], true, true) = (tail.pieces.as_slice(), tail.inline.is_empty(), rest.is_empty()) {
            let from = self.store.key(&Key::UploadPiece(&self.key, &piece.name));
            let Err(error) = cloud.copy(&from, place).await else { return Ok(()) };
            return match cloud.head(&from).await? {
                Some(_) => Err(error),
                None => Err(lost(&self.key)),
            };
        }
        let mut bytes = tail::read(&self.store, &self.key, tail).await?;
        bytes.append(&mut rest);
        cloud.put(place, bytes, Condition::Any).await.map(|_| ())
    }

    /// Makes one object of the parts, the tail and the rest. Nobody but us looks at its key.
    async fn complete(&self, record: &Record, mut rest: Payload) -> Result<Completed> {
        let Body::Parts { name, id, tags } = &record.body else { return Err(lost(&self.key)) };
        let (cloud, place) = (self.store.cloud(), self.store.key(&Key::UploadParts(&self.key, name)));
        let size = record.offset() + rest.iter().map(|chunk| chunk.len() as u64).sum::<u64>();
        let mut tags = tags.clone();
        let completed = async {
            if size > record.body_size() {
                let mut last = tail::read(&self.store, &self.key, &record.tail).await?;
                last.append(&mut rest);
                let number = u32::try_from(tags.len()).unwrap_or(u32::MAX).saturating_add(1);
                tags.push(cloud.put_part(&place, id, number, last).await?);
            }
            cloud.complete_multipart(&place, id, &tags).await
        };
        let completed = completed.await;
        if matches!(completed, Ok(true)) {
            return Ok(Completed::Now);
        }
        match (cloud.head(&place).await?, completed) {
            (Some(meta), _) if meta.size == size => Ok(Completed::Before),
            (_, Err(error)) => Err(error),
            // A part is gone or is not the one we know, and nothing brings it back.
            (_, Ok(_)) => Err(lost(&self.key)),
        }
    }

    /// Publishes what was hashed by another algorithm: it is read once more. If it is not what it was said to be, it can
    /// still be gone on with.
    async fn commit_rehashed(mut self, digest: &Digest) -> Result<Finished> {
        let mut record = self.ledger.record().clone();
        let size = record.offset();
        let from = match &record.body {
            Body::Nothing => return self.commit_short_rehashed(&record, digest).await,
            Body::Whole { name, .. } => self.store.key(&Key::UploadParts(&self.key, name)),
            Body::Parts { name, .. } => {
                let name = name.clone();
                let completed = self.complete(&record, Vec::new()).await?;
                let from = self.store.key(&Key::UploadParts(&self.key, &name));
                if completed == Completed::Before {
                    // From now on the record's own hash is believed of it.
                    let own = self.hasher()?.finish();
                    let read = self.hash_object(&from, size, &own).await?;
                    verify(read, &own).map_err(|_| lost(&self.key))?;
                }
                (record.body, record.tail) = (Body::Whole { name, size }, Tail::default());
                self.ledger.replace(record.clone()).await?;
                from
            }
        };
        verify(self.hash_object(&from, size, digest).await?, digest)?;
        self.publish(&record, Vec::new(), digest).await
    }

    async fn commit_short_rehashed(&mut self, record: &Record, digest: &Digest) -> Result<Finished> {
        let bytes = tail::read(&self.store, &self.key, &record.tail).await?;
        let mut hashing = Some(hash(Hasher::new(digest.algorithm()), bytes.clone()));
        verify(hashed(&mut hashing).await?, digest)?;
        let place = self.store.key(&Key::BlobData(digest));
        self.store.cloud().put(&place, bytes, Condition::Any).await?;
        Ok(self.ledger.finished(record, digest, record.offset()))
    }

    /// Reads an object of ours and hashes it.
    async fn hash_object(&self, place: &str, size: u64, digest: &Digest) -> Result<Hasher> {
        let object = self.store.cloud().get(place, None).await?.ok_or_else(|| lost(&self.key))?;
        let (mut body, mut hasher) = (object.body, Hasher::new(digest.algorithm()));
        loop {
            let (mut batch, mut length) = (Payload::new(), 0);
            while length < BATCH_BYTES
                && let Some(chunk) = body.try_next().await.map_err(broken)?
            {
                length += chunk.len();
                batch.push(chunk);
            }
            if batch.is_empty() {
                break;
            }
            hasher = hashed(&mut Some(hash(hasher, batch))).await?;
        }
        if hasher.bytes_hashed() == size {
            Ok(hasher)
        } else {
            Err(unexpected("read an upload", "its object has another size than its record says"))
        }
    }
}

impl Received {
    /// Publishes the bytes if they are what they were said to be; if not, or if that fails, keeps them.
    pub(super) async fn publish(mut self, digest: &Digest) -> Result<Finished> {
        let published = match self.verify(digest) {
            Ok(()) => self.session.publish(&self.record, self.rest.clone(), digest).await,
            Err(mismatch) => Err(mismatch),
        };
        if let Err(error) = published {
            if let Err(kept) = self.keep().await {
                tracing::warn!(
                    error = &kept as &dyn std::error::Error,
                    "could not keep an unpublished upload"
                );
            }
            return Err(error);
        }
        published
    }
}

/// Copies a whole object to the place of a blob, inside the cloud.
async fn copy(store: &BucketStore, from: &str, size: u64, digest: &Digest) -> Result<()> {
    let (cloud, options) = (store.cloud(), store.options());
    let to = &store.key(&Key::BlobData(digest));
    if size <= options.copy_threshold_bytes.min(MAX_COPY_BYTES) {
        return cloud.copy(from, to).await;
    }
    let id = cloud.create_multipart(to).await?;
    let part_bytes = options.copy_part_bytes.clamp(1, MAX_COPY_BYTES).max(size.div_ceil(MAX_PARTS.into()));
    let copied = async {
        let tags = copy_ranges(store, from, to, &id, size, part_bytes).await?;
        complete_blob(store, digest, &id, &tags, size).await
    };
    let copied = copied.await;
    if copied.is_err() {
        ledger::abandon(store, to, &id).await;
    }
    copied
}

/// Makes parts, from part 1, of the first `size` bytes of an object; returns their tags.
pub(super) async fn copy_ranges(
    store: &BucketStore,
    from: &str,
    to: &str,
    id: &str,
    size: u64,
    part_bytes: u64,
) -> Result<Vec<String>> {
    let parts = u32::try_from(size.div_ceil(part_bytes)).unwrap_or(u32::MAX);
    let copy = |index: u32| {
        let start = u64::from(index) * part_bytes;
        let range = ByteRange { start, length: part_bytes.min(size - start) };
        store.cloud().copy_part(from, range, to, id, index + 1)
    };
    stream::iter((0..parts).map(copy)).buffered(store.options().copy_concurrency.max(1)).try_collect().await
}

/// Publishes a blob that was written, or copied, in parts.
pub(super) async fn complete_blob(
    store: &BucketStore,
    digest: &Digest,
    id: &str,
    tags: &[String],
    size: u64,
) -> Result<()> {
    let (cloud, place) = (store.cloud(), store.key(&Key::BlobData(digest)));
    if cloud.complete_multipart(&place, id, tags).await? {
        return Ok(());
    }
    // The answer to an earlier try may have been lost. What is there under this key has the digest in its name, whoever
    // put it there; what matters is that it is young, and still there then.
    if cloud.head(&place).await?.is_some_and(|meta| meta.size == size) {
        renewals::write(store, digest).await?;
        if cloud.head(&place).await?.is_some() {
            return Ok(());
        }
    }
    Err(Error::Backend {
        backend: BACKEND,
        operation: "complete a blob: push it again".to_owned(),
        retry: Retry::Later,
        source: "the cloud has forgotten a part of it".into(),
    })
}
