//! A sync that fails in the middle of each operation: what was lost by it is written again when that is repeated,
//! though the kernel calls the next sync of it a success.

use std::path::PathBuf;
use std::time::SystemTime;

use wharf_store::layout::Dir;
use wharf_store::suite::{collect, repository};
use wharf_store::{Change, Expect, ManifestFacts, MetadataStore, Result, TagWrite};

use super::*;
use crate::ProcessLocks;
use crate::disk::Disk;
use crate::uploads::{Note, Writers, folder};

const CHANGE: Change<'static> = Change { actor: None, request_id: "r", at: SystemTime::UNIX_EPOCH };

/// More than any operation makes.
const SYNCS: usize = 20;

/// Runs `operation` with its `nth` sync failing, then again; returns what failed, as long as there are so many syncs.
async fn fail_and_repeat(
    store: &FsStore,
    nth: usize,
    operation: impl AsyncFn() -> Result<()>,
) -> Option<PathBuf> {
    store.disk.faults.fail_after(nth);
    let result = operation().await;
    let failed = store.disk.faults.stop();
    assert_eq!(result.is_err(), failed.is_some(), "sync {nth}: {result:?}");
    store.disk.syncs.lock().unwrap().clear();
    operation().await.unwrap_or_else(|error| panic!("sync {nth} of {failed:?} failed, and then: {error:?}"));
    failed
}

/// Whether what could not be synced has been synced by now. Temporary files go and come back under other names.
fn assert_synced_again(store: &FsStore, failed: &std::path::Path) {
    if failed.extension().is_some_and(|extension| extension == "tmp") {
        assert!(!store.disk.path(failed.to_str().unwrap()).exists(), "{failed:?} is still there");
        return;
    }
    let again = store.disk.syncs.lock().unwrap();
    assert!(again.iter().any(|path| path == failed), "{failed:?} is not among {again:?}");
}

#[tokio::test]
async fn bytes_whose_sync_failed_are_sent_again_before_they_are_a_blob() {
    for (length, restarted) in [(5, false), (300_000, false), (5, true), (300_000, true)] {
        for nth in 0..SYNCS {
            let (directory, store) = scratch(Fsync::Full);
            let (key, bytes) = (key("a", "u1"), noise(length));
            let digest = Digest::of(&bytes);
            store.begin(&key, Announced::Nothing).await.unwrap();
            store.append(&key, 0, once(&bytes[..])).await.unwrap();
            store.disk.faults.fail_after(nth);
            let result = store.commit(&key, &digest).await;
            let Some(failed) = store.disk.faults.stop() else { break };
            result.unwrap_err();
            store.disk.syncs.lock().unwrap().clear();
            let mut next = store.clone();
            if restarted {
                let mut disk =
                    Disk::open(directory.path().to_owned(), Fsync::Full, ProcessLocks::Detect).unwrap();
                disk.faults = store.disk.faults.clone();
                next = FsStore { disk: Arc::new(disk), writers: Writers::default(), ..store.clone() };
            }
            // A client that is told that the upload is closed starts over.
            if let Err(error) = next.commit(&key, &digest).await {
                assert!(
                    matches!(error, Error::UploadNotFound { .. }),
                    "{failed:?} failed, and then: {error:?}"
                );
                next.begin(&key, Announced::Nothing).await.unwrap();
                next.append(&key, 0, once(&bytes[..])).await.unwrap();
                next.commit(&key, &digest).await.unwrap();
            }
            let read = next.read(&digest, None).await.unwrap();
            assert!(collect(read.body).await == bytes, "{length} bytes, {failed:?} failed, {restarted}");
            assert_synced_again(&next, &failed);
        }
    }
}

/// As a process leaves it that is killed while it syncs, or cannot remove the upload after that has failed.
#[tokio::test]
async fn an_upload_that_another_process_could_not_publish_is_closed() {
    for append in [false, true] {
        let (_directory, store) = scratch(Fsync::Full);
        let (key, bytes) = (key("a", "u1"), noise(300_000));
        store.begin(&key, Announced::Nothing).await.unwrap();
        store.append(&key, 0, once(&bytes[..])).await.unwrap();
        let folder = store.disk.path(&Dir::Upload(&key).path());
        let note = Note { digest: Digest::of(&bytes), size: 300_000 };
        folder::write_note(&store.disk, &key, &note).unwrap();
        let error = match append {
            true => store.append(&key, 300_000, once(b"more")).await.unwrap_err(),
            false => store.commit(&key, &Digest::of(&bytes)).await.unwrap_err(),
        };
        assert!(matches!(error, Error::UploadNotFound { .. }), "{error:?}");
        assert!(!folder.exists());
        assert!(store.stat(&Digest::of(&bytes)).await.is_err());
    }
}

#[tokio::test]
async fn a_small_blob_whose_sync_failed_is_written_again() {
    for nth in 0..SYNCS {
        let (_directory, store) = scratch(Fsync::Full);
        let (bytes, digest) = (Bytes::from_static(b"manifest"), Digest::of(b"manifest"));
        let put = async || BlobStore::put(&store, &digest, bytes.clone()).await;
        let Some(failed) = fail_and_repeat(&store, nth, put).await else { return };
        assert_synced_again(&store, &failed);
        assert_eq!(collect(store.read(&digest, None).await.unwrap().body).await, bytes);
    }
}

#[tokio::test]
async fn facts_whose_sync_failed_are_written_again() {
    let (name, digest) = (repository("a"), Digest::of(b"content"));
    let subject = Digest::of(b"subject");
    let descriptor = wharf_oci::Descriptor::new("application/x".parse().unwrap(), digest, 7);
    for nth in 0..2 * SYNCS {
        let (_directory, store) = scratch(Fsync::Full);
        let metadata = LayoutMetadata::new(Arc::new(store.clone()));
        let push = async || {
            metadata.link_blob(&CHANGE, &name, &digest, &digest).await?;
            let tags = [
                TagWrite { tag: "v1".parse().unwrap(), expect: Expect::Any },
                TagWrite { tag: "v2".parse().unwrap(), expect: Expect::Absent },
            ];
            let subject = Some((&subject, &descriptor));
            let facts = ManifestFacts { digest: &digest, references: &[], subject, tags: &tags };
            metadata.put_manifest(&CHANGE, &name, &facts).await.map(drop)
        };
        let Some(failed) = fail_and_repeat(&store, nth, push).await else {
            assert!(nth > 10, "an operation of so few syncs shows nothing");
            return;
        };
        assert_synced_again(&store, &failed);
    }
    panic!("more syncs than expected");
}

#[tokio::test]
async fn a_delete_whose_sync_failed_is_synced_when_it_is_repeated() {
    let (name, digest) = (repository("a"), Digest::of(b"content"));
    let (_directory, store) = scratch(Fsync::Full);
    let metadata = LayoutMetadata::new(Arc::new(store.clone()));
    metadata.link_blob(&CHANGE, &name, &digest, &digest).await.unwrap();
    let unlink = async || metadata.unlink_blob(&CHANGE, &name, &digest).await.map(drop);
    let failed = fail_and_repeat(&store, 0, unlink).await.unwrap();
    assert_synced_again(&store, &failed);
}

#[tokio::test]
async fn a_folder_whose_sync_failed_is_made_again() {
    let (_directory, store) = scratch(Fsync::Full);
    let digest = Digest::of(b"x");
    store.disk.faults.fail_after(0);
    BlobStore::put(&store, &digest, Bytes::from_static(b"x")).await.unwrap_err();
    assert!(store.disk.faults.stop().is_some());
    // To sync the folder around one that is there would do nothing.
    let path = store.disk.path(&Key::BlobData(&digest).path());
    let left: Vec<_> = path
        .ancestors()
        .take_while(|folder| *folder != store.disk.path(""))
        .filter(|it| it.exists())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    BlobStore::put(&store, &digest, Bytes::from_static(b"x")).await.unwrap();
}
