//! What operators, older registries and power cuts leave in a tree.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use wharf_store::suite::{pieces, repository};
use wharf_store::{Change, MetadataStore};

use super::*;

const CHANGE: Change<'static> = Change { actor: None, request_id: "r", at: SystemTime::UNIX_EPOCH };

/// Operators of older registries, which have no way to delete a repository, delete its folder.
#[tokio::test]
async fn a_repository_whose_folder_was_removed_by_hand_can_be_pushed_to_again() {
    let (directory, store) = scratch(Fsync::Full);
    let metadata = LayoutMetadata::new(Arc::new(store));
    let (name, digest) = (repository("a/b"), Digest::of(b"layer"));
    metadata.link_blob(&CHANGE, &name, &digest, &digest).await.unwrap();
    std::fs::remove_dir_all(directory.path().join("docker/registry/v2/repositories/a")).unwrap();
    assert_eq!(metadata.blob(&name, &digest).await.unwrap(), None);
    metadata.link_blob(&CHANGE, &name, &digest, &digest).await.unwrap();
    assert_eq!(metadata.blob(&name, &digest).await.unwrap(), Some(digest));
}

#[tokio::test]
async fn a_stray_folder_among_the_blobs_does_not_end_their_listing() {
    let (directory, store) = scratch(Fsync::None);
    let digest = Digest::of(b"blob");
    store.put(&digest, Bytes::from_static(b"blob")).await.unwrap();
    let blobs = directory.path().join("docker/registry/v2/blobs/sha256");
    // A digest below the wrong two digits, one without data, and no digest at all.
    for stray in [format!("00/{}", "f".repeat(64)), format!("00/{}", "0".repeat(64)), "00/x".to_owned()] {
        std::fs::create_dir_all(blobs.join(&stray)).unwrap();
        if !stray.ends_with('0') {
            std::fs::write(blobs.join(&stray).join("data"), "stray").unwrap();
        }
    }
    let listed: Vec<_> = store.list(None).map_ok(|listed| listed.digest).try_collect().await.unwrap();
    assert_eq!(listed, [digest]);
}

#[tokio::test]
async fn a_link_that_leads_back_up_does_not_trap_the_catalog() {
    let (directory, store) = scratch(Fsync::None);
    let metadata = LayoutMetadata::new(Arc::new(store));
    let digest = Digest::of(b"m");
    let facts = wharf_store::ManifestFacts { digest: &digest, references: &[], subject: None, tags: &[] };
    metadata.put_manifest(&CHANGE, &repository("a/b"), &facts).await.unwrap();
    let loops = directory.path().join("docker/registry/v2/repositories/a/loop");
    std::os::unix::fs::symlink("..", loops).unwrap();
    let page = metadata.repositories(None, None, 10_000).await.unwrap();
    assert!(page.items.contains(&repository("a/b")));
}

#[tokio::test]
async fn the_folder_an_interrupted_commit_left_is_found_and_cleared_by_the_purger() {
    let directory = tempfile::tempdir().unwrap();
    let key = unfinished(&directory, b"bytes").await;
    let store = reopened(&directory, "first");
    for gone in [Key::UploadStartedAt(&key), Key::UploadData(&key)] {
        std::fs::remove_file(directory.path().join(gone.path())).unwrap();
    }
    assert!(matches!(store.status(&key).await, Err(Error::UploadNotFound { .. })));
    let later = SystemTime::now() + Duration::from_secs(3600);
    let old: Vec<_> = store.uploads(later).try_collect().await.unwrap();
    assert_eq!(old, std::slice::from_ref(&key));
    store.abort(&key).await.unwrap();
    assert!(matches!(store.abort(&key).await, Err(Error::UploadNotFound { .. })));
    assert!(store.uploads(later).try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_root_is_made_with_all_that_is_above_it() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("var/lib/registry");
    let store = FsStore::open(FsOptions::new(&root)).unwrap();
    store.put(&Digest::of(b"x"), Bytes::from_static(b"x")).await.unwrap();
    assert!(root.join("docker/registry/v2/blobs").is_dir());
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_one_blob() {
    let (_directory, store) = scratch(Fsync::None);
    let (key, bytes) = (key("a", "u1"), noise(5_000));
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, pieces(&bytes, 1)).await.unwrap();
    store.commit(&key, &Digest::of(&bytes)).await.unwrap();
}
