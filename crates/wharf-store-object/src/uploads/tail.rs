//! The bytes of an upload that are not a part yet: writing them down and reading them back.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use wharf_store::layout::Key;
use wharf_store::{Error, Result, Retry, UploadKey};

use super::ledger::broken;
use super::parts::{Before, Beside};
use super::record::{Piece, Record, Tail};
use super::{BACKEND, lost, name};
use crate::BucketStore;
use crate::cloud::{Condition, Payload};

/// Pieces read at once: small objects, for which the way takes longer than the bytes.
const PIECES_AT_ONCE: usize = 8;

/// Reads the tail back.
pub(super) fn read(store: &BucketStore, key: &UploadKey, tail: &Tail) -> Before {
    let (store, key, tail) = (store.clone(), key.clone(), tail.clone());
    Box::pin(async move {
        let pieces = tail.pieces.iter().map(|piece| read_piece(&store, &key, piece));
        // In a list first: otherwise the compiler cannot tell that the future may change threads.
        let pieces: Vec<_> = pieces.collect();
        let mut payload: Payload = stream::iter(pieces).buffered(PIECES_AT_ONCE).try_concat().await?;
        if !tail.inline.is_empty() {
            payload.push(tail.inline);
        }
        Ok(payload)
    })
}

async fn read_piece(store: &BucketStore, key: &UploadKey, piece: &Piece) -> Result<Payload> {
    let place = store.key(&Key::UploadPiece(key, &piece.name));
    let object = store.cloud().get(&place, None).await?.ok_or_else(|| lost(key))?;
    let bytes: Payload = object.body.try_collect().await.map_err(broken)?;
    let size: u64 = bytes.iter().map(|chunk| chunk.len() as u64).sum();
    if size == piece.size {
        return Ok(bytes);
    }
    Err(Error::Corrupt {
        path: place,
        problem: format!("{size} bytes of an upload instead of {}", piece.size),
    })
}

/// Adds to the tail, in an object of its own if the upload is not short. Nothing is known of it until the record says so.
pub(super) async fn extend(
    store: &BucketStore,
    key: &UploadKey,
    record: &mut Record,
    mut bytes: Payload,
    short: u64,
) -> Result<()> {
    let size: u64 = bytes.iter().map(|chunk| chunk.len() as u64).sum();
    if size == 0 {
        return Ok(());
    }
    if record.is_alone() && record.offset() + size <= short {
        bytes.insert(0, std::mem::take(&mut record.tail.inline));
        record.tail.inline = bytes.concat().into();
        return Ok(());
    }
    let started = record.is_alone().then(|| started_at(store, key, record));
    let inline = std::mem::take(&mut record.tail.inline);
    let piece =
        Piece { name: name(record.body_size() + record.tail.size()), size: size + inline.len() as u64 };
    if !inline.is_empty() {
        bytes.insert(0, inline);
    }
    let place = store.key(&Key::UploadPiece(key, &piece.name));
    let put = async { store.cloud().put(&place, bytes, Condition::Any).await.map(|_| ()) };
    match started {
        Some(started) => futures_util::future::try_join(put, started).await.map(|_| ())?,
        None => put.await?,
    }
    record.tail.pieces.push(piece);
    Ok(())
}

/// Writes when the upload was begun, where the purger of an older registry looks.
pub(super) fn started_at(store: &BucketStore, key: &UploadKey, record: &Record) -> Beside {
    let (store, place) = (store.clone(), store.key(&Key::UploadStartedAt(key)));
    let text = Bytes::from(humantime::format_rfc3339_seconds(record.begun).to_string());
    Box::pin(async move { store.cloud().put(&place, vec![text], Condition::Any).await.map(|_| ()) })
}

/// The error of a cloud that did what cannot be.
pub(super) fn unexpected(operation: &str, problem: &str) -> Error {
    let (operation, source) = (operation.to_owned(), problem.into());
    Error::Backend { backend: BACKEND, operation, retry: Retry::Later, source }
}
