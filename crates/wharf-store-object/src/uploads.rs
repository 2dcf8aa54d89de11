//! Uploads in a bucket: bytes that are not a blob yet, and may never be.
//!
//! | State | What there is below `_uploads/<id>/` |
//! |---|---|
//! | begun | the record |
//! | short | the record with the bytes in it |
//! | longer | the record, and bytes in parts of an unfinished object, the last ones in pieces |
//! | read again | the record, and the finished object: the final digest was of another algorithm |
//! | finished | as before it was published, until it is closed; parts have become an object, and the record says of what |
//!
//! An object cannot grow, so what is too short for a part waits in pieces until there is enough, and is read back once:
//! every byte is sent at most twice and read at most once, however the client cuts its body. An object is never completed
//! before its digest was verified, unless its key is one that nobody serves.
//!
//! Knows nothing of S3: only of [`Cloud`](crate::Cloud).

mod blocks;
mod direct;
mod filling;
mod ledger;
mod parts;
mod publish;
mod pump;
mod purge;
mod record;
mod session;
mod sessions;
mod tail;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

pub(crate) use blocks::Blocks;
use futures_util::stream::BoxStream;
use ledger::Ledger;
use record::Record;
use session::Session;
pub(crate) use sessions::Sessions;
use sessions::{Finished, Found, Writer};
use wharf_oci::Digest;
use wharf_store::layout::Key;
use wharf_store::{Announced, ByteStream, Error, Result, UploadKey, UploadStatus};

use crate::BucketStore;

/// How errors name us.
const BACKEND: &str = "bucket";

/// Opens an upload, empty; what is there under its key goes.
pub(crate) async fn begin(store: &BucketStore, key: &UploadKey, announced: Announced) -> Result<()> {
    let now = store.options().clock.now();
    let (mut writer, _) = store.sessions().write(key, now)?;
    store.sessions().unfinish(key);
    let record = Record::new(now, announced.algorithm(), store.options().part_bytes.max(1));
    let ledger = ledger::start(store, key, record, announced).await?;
    writer.leave(ledger.found, store.options().clock.now());
    Ok(())
}

/// Appends at the end; returns the new end.
pub(crate) async fn append(
    store: &BucketStore,
    key: &UploadKey,
    offset: u64,
    bytes: ByteStream,
) -> Result<u64> {
    let (session, mut writer) = open_at(store, key, offset).await?;
    let etag = session.ledger.found.etag.clone();
    let appended = async {
        session.expect(offset)?;
        session.receive(bytes).await?.keep().await
    };
    let found = settle(store, key, &etag, appended.await).await?;
    let end = found.record.offset();
    // The request that comes next may be the last, and goes on from here.
    writer.leave(found, store.options().clock.now());
    Ok(end)
}

/// Where the upload ends and when it was begun.
pub(crate) async fn status(store: &BucketStore, key: &UploadKey) -> Result<UploadStatus> {
    let now = store.options().clock.now();
    if let Some(finished) = store.sessions().finished(key, now) {
        return Ok(UploadStatus { offset: finished.size, begun: finished.begun });
    }
    let reading = store.sessions().reading(key, now);
    let session = read_again(store, key).await?;
    let finish = session.noted().await?;
    let found = session.ledger.found;
    let offset = finish.map_or_else(|| found.record.offset(), |finish| finish.size);
    let status = UploadStatus { offset, begun: found.record.begun };
    if let Some(reading) = reading {
        reading.keep(found);
    }
    Ok(status)
}

/// Publishes the upload and leaves it finished.
pub(crate) async fn commit(store: &BucketStore, key: &UploadKey, digest: &Digest) -> Result<u64> {
    let now = store.options().clock.now();
    let (writer, found) = store.sessions().write(key, now)?;
    if let Some(finished) = store.sessions().finished(key, now) {
        if finished.digest != *digest {
            return Err(lost(key));
        }
        let blob = store.cloud().head(&store.key(&Key::BlobData(digest))).await?;
        if blob.is_some_and(|meta| meta.size == finished.size) {
            return Ok(finished.size);
        }
        store.sessions().unfinish(key);
    }
    let remembered = found.is_some();
    let session = session_of(store, key, found).await?;
    let mut etag = session.ledger.found.etag.clone();
    let mut committed = commit_or_repeat(session, digest).await?;
    // What was remembered may be old. Nobody is told that they are wrong before the bucket was asked.
    if remembered && committed.is_err() {
        let fresh = read_again(store, key).await?;
        if fresh.ledger.found.etag != etag {
            etag = fresh.ledger.found.etag.clone();
            committed = commit_or_repeat(fresh, digest).await?;
        }
    }
    let finished = settle(store, key, &etag, committed).await?;
    let size = finished.size;
    store.sessions().finish(key, finished);
    drop(writer);
    Ok(size)
}

/// Publishes the upload, again if it is finished. The outer error is about an upload that is finished and stays as it is.
async fn commit_or_repeat(session: Session, digest: &Digest) -> Result<Result<Finished>> {
    match session.noted().await? {
        None => Ok(session.commit(digest).await),
        Some(finish) if finish.digest == *digest => session.publish_again(&finish).await.map(Ok),
        Some(_) => Err(lost(&session.key)),
    }
}

/// Appends the last bytes, which are all of them if `offset` is 0, and publishes the upload.
pub(crate) async fn finish(
    store: &BucketStore,
    key: &UploadKey,
    offset: u64,
    bytes: ByteStream,
    digest: &Digest,
) -> Result<u64> {
    let (session, writer) = open_at(store, key, offset).await?;
    let etag = session.ledger.found.etag.clone();
    let finished = async {
        session.expect(offset)?;
        if offset == 0 {
            return session.publish_whole(bytes, digest).await;
        }
        let same_algorithm = session.ledger.record().algorithm == digest.algorithm();
        let received = session.receive(bytes).await?;
        if same_algorithm && matches!(received.end, pump::End::Whole) {
            return received.publish(digest).await;
        }
        received.keep().await?;
        // Once more from the record: this is the rare way.
        read_again(store, key).await?.commit(digest).await
    };
    let finished = settle(store, key, &etag, finished.await).await?;
    let size = finished.size;
    store.sessions().finish(key, finished);
    drop(writer);
    Ok(size)
}

/// Forgets a finished upload and what is left of it.
pub(crate) async fn close(store: &BucketStore, key: &UploadKey) -> Result<()> {
    let Ok((_writer, _)) = store.sessions().write(key, store.options().clock.now()) else {
        // Another request works on it, and closes it.
        return Ok(());
    };
    match store.sessions().unfinish(key) {
        Some(finished) => ledger::close(store, key, finished).await,
        None => Ok(()),
    }
}

/// Forgets the upload and its bytes.
pub(crate) async fn abort(store: &BucketStore, key: &UploadKey) -> Result<()> {
    let (_writer, _) = store.sessions().write(key, store.options().clock.now())?;
    store.sessions().unfinish(key);
    purge::abort(store, key).await
}

/// Aborts unfinished objects begun before the given time that are nobody's upload.
pub(crate) async fn sweep(store: &BucketStore, begun_before: SystemTime) -> Result<()> {
    purge::sweep(store, begun_before).await
}

/// Every open upload begun before the given time, and what else is left of uploads from before then.
pub(crate) fn uploads(store: &BucketStore, begun_before: SystemTime) -> BoxStream<'_, Result<UploadKey>> {
    purge::old(store, begun_before)
}

/// The upload, for its one writer in this process, to go on at `offset`. What was read of it a moment ago stands for it
/// unless it ends elsewhere: then another replica has gone on with it, and the bucket is asked.
async fn open_at(store: &BucketStore, key: &UploadKey, offset: u64) -> Result<(Session, Writer)> {
    let now = store.options().clock.now();
    let (writer, found) = store.sessions().write(key, now)?;
    let found = found.filter(|found| found.record.offset() == offset);
    if store.sessions().finished(key, now).is_some() {
        return Err(lost(key));
    }
    let session = session_of(store, key, found).await?;
    if session.noted().await?.is_some() {
        return Err(lost(key));
    }
    Ok((session, writer))
}

async fn session_of(store: &BucketStore, key: &UploadKey, found: Option<Found>) -> Result<Session> {
    match found {
        Some(found) => Ok(Session::new(store, key, Ledger::new(store, key, found))),
        None => read_again(store, key).await,
    }
}

async fn read_again(store: &BucketStore, key: &UploadKey) -> Result<Session> {
    let found = ledger::read(store, key).await?.ok_or_else(|| lost(key))?;
    Ok(Session::new(store, key, Ledger::new(store, key, found)))
}

/// Removes what is left of an upload that turned out to be lost, so that every answer from now on is the same; unless it
/// is another one by now than that of the tag: then it is not lost, but in the hands of another replica.
async fn settle<T>(store: &BucketStore, key: &UploadKey, etag: &str, result: Result<T>) -> Result<T> {
    if !matches!(&result, Err(Error::UploadNotFound { .. })) {
        return result;
    }
    match ledger::read(store, key).await? {
        Some(found) if found.etag != etag => Err(Error::UploadBusy { key: key.clone() }),
        Some(_) | None => {
            purge::clear(store, key).await?;
            result
        }
    }
}

/// The error of an upload that is not there, or of which something is missing.
fn lost(key: &UploadKey) -> Error {
    Error::UploadNotFound { key: key.clone() }
}

/// A name for an object at `offset` of an upload, never used before. Short: a record may hold hundreds.
fn name(offset: u64) -> String {
    let random = uuid::Uuid::now_v7().simple().to_string();
    format!("{offset}-{}", &random[random.len() - 8..])
}
