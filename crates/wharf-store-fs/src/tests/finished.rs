//! Finished uploads: from the rename of their bytes until they are closed.

use std::time::{Duration, SystemTime};

use futures_util::TryStreamExt;

use super::*;
use crate::uploads::{Note, folder};

/// An upload that a process has published before it died.
async fn finished(directory: &TempDir, bytes: &[u8]) -> UploadKey {
    let key = unfinished(directory, bytes).await;
    let store = reopened(directory, "first");
    assert_eq!(store.commit(&key, &Digest::of(bytes)).await.unwrap(), bytes.len() as u64);
    key
}

fn assert_not_found<T: std::fmt::Debug>(result: &wharf_store::Result<T>) {
    assert!(matches!(result, Err(Error::UploadNotFound { .. })), "{result:?}");
}

#[tokio::test]
async fn a_process_killed_after_the_rename_has_finished_the_upload() {
    for length in [0, 5, 300_000] {
        for boot in ["first", "second"] {
            let (directory, bytes) = (tempfile::tempdir().unwrap(), noise(length));
            let key = finished(&directory, &bytes).await;
            let store = reopened(&directory, boot);
            assert_eq!(store.status(&key).await.unwrap().offset, length as u64);
            assert_not_found(&store.commit(&key, &Digest::of(b"another")).await);
            assert_not_found(&store.append(&key, length as u64, once(b"more")).await);
            // What the other may not have come to is done here.
            store.disk.syncs.lock().unwrap().clear();
            assert_eq!(store.commit(&key, &Digest::of(&bytes)).await.unwrap(), length as u64);
            let synced = store.disk.syncs.lock().unwrap().clone();
            assert!(synced.iter().any(|path| path.ends_with(Digest::of(&bytes).hex())), "{synced:?}");
            store.close(&key).await.unwrap();
            assert_not_found(&store.commit(&key, &Digest::of(&bytes)).await);
        }
    }
}

/// A collector may have found it old meanwhile.
#[tokio::test]
async fn a_blob_is_young_when_its_commit_was_repeated() {
    let (directory, bytes) = (tempfile::tempdir().unwrap(), noise(10));
    let key = finished(&directory, &bytes).await;
    let store = reopened(&directory, "first");
    let data = std::fs::File::open(store.disk.path(&Key::BlobData(&Digest::of(&bytes)).path())).unwrap();
    data.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    store.commit(&key, &Digest::of(&bytes)).await.unwrap();
    let age = store.stat(&Digest::of(&bytes)).await.unwrap().modified.elapsed().unwrap_or_default();
    assert!(age < Duration::from_secs(3600), "{age:?}");
}

#[tokio::test]
async fn a_note_without_its_blob_is_not_believed() {
    let (directory, bytes) = (tempfile::tempdir().unwrap(), noise(10));
    let key = finished(&directory, &bytes).await;
    let store = reopened(&directory, "first");
    BlobStore::remove(&store, &Digest::of(&bytes)).await.unwrap();
    assert_not_found(&store.commit(&key, &Digest::of(&bytes)).await);
}

#[tokio::test]
async fn a_torn_note_is_none() {
    let bytes = noise(10);
    let note = Note { digest: Digest::of(&bytes), size: 10 }.encode();
    for length in [0, 1, note.len() / 2, note.len() - 1] {
        let directory = tempfile::tempdir().unwrap();
        let key = finished(&directory, &bytes).await;
        let path = directory.path().join(Key::UploadRecord(&key).path());
        std::fs::write(path, &note[..length]).unwrap();
        let store = reopened(&directory, "first");
        assert_not_found(&store.commit(&key, &Digest::of(&bytes)).await);
        assert_not_found(&store.status(&key).await);
        store.abort(&key).await.unwrap();
    }
}

/// Beside bytes that are still the upload's, a torn note is a record that cannot be read.
#[tokio::test]
async fn bytes_beside_a_torn_note_are_hashed_again() {
    let (directory, bytes) = (tempfile::tempdir().unwrap(), noise(300_000));
    let key = unfinished(&directory, &bytes).await;
    let note = Note { digest: Digest::of(b"another"), size: 300_000 }.encode();
    std::fs::write(directory.path().join(Key::UploadRecord(&key).path()), &note[..note.len() - 3]).unwrap();
    let store = reopened(&directory, "first");
    assert_eq!(store.commit(&key, &Digest::of(&bytes)).await.unwrap(), 300_000);
}

/// An upload that was aborted after a failed attempt to publish it must not look like one that was published.
#[tokio::test]
async fn an_aborted_upload_leaves_no_note_behind() {
    let (directory, bytes) = (tempfile::tempdir().unwrap(), noise(10));
    let key = unfinished(&directory, &bytes).await;
    let store = reopened(&directory, "first");
    folder::write_note(&store.disk, &key, &Note { digest: Digest::of(&bytes), size: 10 }).unwrap();
    BlobStore::put(&store, &Digest::of(&bytes), Bytes::from(bytes.clone())).await.unwrap();
    store.abort(&key).await.unwrap();
    assert_not_found(&store.commit(&key, &Digest::of(&bytes)).await);
}

#[tokio::test]
async fn a_finished_upload_that_was_never_closed_is_purged() {
    let directory = tempfile::tempdir().unwrap();
    let key = finished(&directory, b"bytes").await;
    let store = reopened(&directory, "first");
    let later = SystemTime::now() + Duration::from_secs(3600);
    let old: Vec<_> = store.uploads(later).try_collect().await.unwrap();
    assert_eq!(old, std::slice::from_ref(&key));
    store.abort(&key).await.unwrap();
    assert_not_found(&store.abort(&key).await);
    assert!(store.uploads(later).try_next().await.unwrap().is_none());
    assert_eq!(store.stat(&Digest::of(b"bytes")).await.unwrap().size, 5);
}
