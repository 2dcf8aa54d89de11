//! The record in the bucket: reading it, and replacing it only if it is still the one that was read.

use bytes::Bytes;
use futures_util::TryStreamExt;
use wharf_oci::Digest;
use wharf_store::layout::Key;
use wharf_store::{Announced, Error, Result, Retry, UploadKey};

use super::BACKEND;
use super::record::{Body, Finish, Record};
use super::sessions::{Finished, Found};
use crate::BucketStore;
use crate::cloud::{Condition, Conditions, Object, Stored};

/// The record of one upload, in the hands of its writer.
#[derive(Debug)]
pub(super) struct Ledger {
    store: BucketStore,
    key: UploadKey,
    /// What stands in the bucket, as far as we know.
    pub(super) found: Found,
}

/// The record as it stands.
pub(super) async fn read(store: &BucketStore, key: &UploadKey) -> Result<Option<Found>> {
    let place = Key::UploadRecord(key);
    let Some(object) = store.cloud().get(&store.key(&place), None).await? else { return Ok(None) };
    let etag = object.meta.etag.clone();
    if object.meta.size > place.most_bytes() as u64 {
        let problem = format!("{} bytes, too many for the record of an upload", object.meta.size);
        return Err(Error::Corrupt { path: place.path(), problem });
    }
    let problem = || "no record of an upload that this version can read".to_owned();
    let record = Record::decode(&collect(object).await?);
    let record = record.ok_or_else(|| Error::Corrupt { path: place.path(), problem: problem() })?;
    Ok(Some(Found { record, etag }))
}

/// All of an object's bytes; only for small ones.
pub(super) async fn collect(object: Object) -> Result<Bytes> {
    let size = usize::try_from(object.meta.size).unwrap_or_default();
    let bytes = object.body.try_fold(Vec::with_capacity(size), |mut bytes, block| async move {
        bytes.extend_from_slice(&block);
        Ok(bytes)
    });
    Ok(bytes.await.map_err(broken)?.into())
}

/// The error of a body that did not arrive whole.
pub(super) fn broken(source: wharf_store::BoxError) -> Error {
    Error::Backend { backend: BACKEND, operation: "read an object".to_owned(), retry: Retry::Later, source }
}

/// Writes the first record of an upload, and clears away what was there under the same key.
pub(super) async fn start(
    store: &BucketStore,
    key: &UploadKey,
    mut record: Record,
    announced: Announced,
) -> Result<Ledger> {
    let conditions = store.cloud().conditions().await? != Conditions::Ignored;
    if conditions && let Some(etag) = write(store, key, &record, Condition::Absent).await? {
        return Ok(Ledger { store: store.clone(), key: key.clone(), found: Found { record, etag } });
    }
    let Some(found) = read(store, key).await? else {
        let etag = write(store, key, &record, Condition::Any).await?;
        let etag = etag.ok_or_else(|| Error::UploadBusy { key: key.clone() })?;
        return Ok(Ledger { store: store.clone(), key: key.clone(), found: Found { record, etag } });
    };
    if announced == Announced::Nothing {
        record = Record::new(record.begun, found.record.algorithm, record.part_bytes);
    }
    let mut ledger = Ledger { store: store.clone(), key: key.clone(), found };
    ledger.replace(record).await?;
    Ok(ledger)
}

/// Writes a record on a condition; the new tag, or `None` if the condition does not hold.
async fn write(
    store: &BucketStore,
    key: &UploadKey,
    record: &Record,
    condition: Condition,
) -> Result<Option<String>> {
    let (place, bytes) = (store.key(&Key::UploadRecord(key)), record.encode());
    if let Stored::Written(etag) = store.cloud().put(&place, vec![bytes.clone()], condition).await? {
        return Ok(Some(etag));
    }
    // The answer to our own write may have been lost, and its repetition refused.
    let Some(object) = store.cloud().get(&place, None).await? else { return Ok(None) };
    let etag = object.meta.etag.clone();
    let as_long = object.meta.size == bytes.len() as u64;
    Ok((as_long && collect(object).await? == bytes).then_some(etag))
}

// === impl Ledger ===

impl Ledger {
    pub(super) fn new(store: &BucketStore, key: &UploadKey, found: Found) -> Self {
        Self { store: store.clone(), key: key.clone(), found }
    }

    /// What stands in the bucket.
    pub(super) fn record(&self) -> &Record {
        &self.found.record
    }

    /// Writes `record` over the one that was read, then removes what only the old one named. [`Error::UploadBusy`] if
    /// another replica was faster; then what only the new one names is removed.
    pub(super) async fn replace(&mut self, record: Record) -> Result<()> {
        let condition = match self.store.cloud().conditions().await? {
            Conditions::Writes | Conditions::WritesAndDeletes => Condition::Is(self.found.etag.clone()),
            Conditions::Ignored => Condition::Any,
        };
        match write(&self.store, &self.key, &record, condition).await? {
            Some(etag) => {
                let old = std::mem::replace(&mut self.found, Found { record, etag });
                self.forget(&old.record, self.record()).await;
                Ok(())
            }
            None => {
                self.forget(&record, self.record()).await;
                Err(Error::UploadBusy { key: self.key.clone() })
            }
        }
    }

    /// Removes what `record` names and `kept` does not. What stays behind after a failure is the purger's.
    async fn forget(&self, record: &Record, kept: &Record) {
        let name = |body: &Body| match body {
            Body::Nothing => None,
            Body::Parts { name, .. } | Body::Whole { name, .. } => Some(name.clone()),
        };
        let mut rubbish = Vec::new();
        if let Some(gone) = name(&record.body)
            && name(&kept.body).as_ref() != Some(&gone)
        {
            let place = self.store.key(&Key::UploadParts(&self.key, &gone));
            match &record.body {
                Body::Parts { id, .. } => abandon(&self.store, &place, id).await,
                Body::Nothing | Body::Whole { .. } => rubbish.push(place),
            }
        }
        if let Some(finish) = &record.finish
            && kept.finish.as_ref() != Some(finish)
            && name(&kept.body).as_ref() != Some(&finish.name)
        {
            rubbish.push(self.store.key(&Key::UploadParts(&self.key, &finish.name)));
        }
        let gone = record.tail.pieces.iter().filter(|piece| !kept.tail.pieces.contains(piece));
        rubbish.extend(gone.map(|piece| self.store.key(&Key::UploadPiece(&self.key, &piece.name))));
        if !rubbish.is_empty()
            && let Err(error) = self.store.cloud().delete_all(rubbish).await
        {
            tracing::warn!(upload.id = %self.key.id, error = &error as &dyn std::error::Error, "could not remove what an upload no longer needs");
        }
    }

    /// The upload as published from `last`, of which the bucket may know an older state.
    pub(super) fn finished(&self, last: &Record, digest: &Digest, size: u64) -> Finished {
        let mut objects = Vec::new();
        for record in [self.record(), last] {
            let pieces = record.tail.pieces.iter();
            objects.extend(pieces.map(|piece| self.store.key(&Key::UploadPiece(&self.key, &piece.name))));
            if let Body::Parts { name, .. } | Body::Whole { name, .. } = &record.body {
                objects.push(self.store.key(&Key::UploadParts(&self.key, name)));
            }
            if let Some(finish) = &record.finish {
                objects.push(self.store.key(&Key::UploadParts(&self.key, &finish.name)));
            }
        }
        if !objects.is_empty() {
            objects.push(self.store.key(&Key::UploadStartedAt(&self.key)));
        }
        objects.sort();
        objects.dedup();
        let at = self.store.options().clock.now();
        Finished { digest: *digest, size, begun: self.record().begun, at, objects }
    }

    /// Writes down what the bytes are found to be, before the parts become an object and are parts no longer.
    pub(super) async fn note(&mut self, finish: Finish) -> Result<()> {
        let record = Record { finish: Some(finish), ..self.record().clone() };
        self.replace(record).await
    }
}

/// Removes the record of a finished upload, and its other objects: in one request.
pub(super) async fn close(store: &BucketStore, key: &UploadKey, finished: Finished) -> Result<()> {
    let record = store.key(&Key::UploadRecord(key));
    if finished.objects.is_empty() {
        return store.cloud().delete(&record).await;
    }
    let mut all = vec![record];
    all.extend(finished.objects);
    store.cloud().delete_all(all).await
}

/// Aborts an unfinished object that nobody needs. What stays behind after a failure is the purger's.
pub(super) async fn abandon(store: &BucketStore, place: &str, id: &str) {
    if let Err(error) = store.cloud().abort_multipart(place, id).await {
        tracing::warn!(key = %place, error = &error as &dyn std::error::Error, "could not abort an unfinished object");
    }
}
