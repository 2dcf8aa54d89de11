//! What operators, older registries and power cuts leave in a tree.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use wharf_store::suite::{pieces, repository};
use wharf_store::{Change, Expect, MetadataStore, TagWrite};

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

/// A link is read into memory whole, and what stands in its place may be anything.
#[tokio::test]
async fn a_huge_file_in_the_place_of_a_link_is_an_error_and_can_be_replaced() {
    let (_directory, store) = scratch(Fsync::None);
    let metadata = LayoutMetadata::new(Arc::new(store.clone()));
    let (name, digest, tag) = (repository("a"), Digest::of(b"m"), "v1".parse().unwrap());
    let tags = [TagWrite { tag, expect: Expect::Any }];
    let facts = wharf_store::ManifestFacts { digest: &digest, references: &[], subject: None, tags: &tags };
    metadata.put_manifest(&CHANGE, &name, &facts).await.unwrap();
    let by_tag = wharf_oci::Reference::Tag(tags[0].tag.clone());
    let huge = |key: &Key<'_>| {
        let file = std::fs::File::options().write(true).open(store.disk.path(&key.path())).unwrap();
        file.set_len(1 << 40).unwrap();
    };
    for _ in 0..2 {
        huge(&Key::TagLink(&name, &tags[0].tag));
        let error = metadata.manifest(&name, &by_tag).await.unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        assert!(error.to_string().contains("more than 65536 bytes, too many for a link"), "{error}");
        metadata.put_manifest(&CHANGE, &name, &facts).await.unwrap();
        assert_eq!(metadata.manifest(&name, &by_tag).await.unwrap(), Some(digest));
    }
    huge(&Key::TagLink(&name, &tags[0].tag));
    metadata.delete_tag(&CHANGE, &name, &tags[0].tag).await.unwrap().unwrap();
    assert_eq!(metadata.manifest(&name, &by_tag).await.unwrap(), None);
}

/// Opening a pipe without a writer waits for one.
#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_keeps_no_request_waiting() {
    let (_directory, store) = scratch(Fsync::None);
    let metadata = LayoutMetadata::new(Arc::new(store.clone()));
    let (name, digest) = (repository("a"), Digest::of(b"m"));
    let keys = [Key::BlobData(&digest), Key::LayerLink(&name, &digest), Key::RevisionLink(&name, &digest)];
    for key in keys {
        let path = store.disk.path(&key.path());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }
    let reference = wharf_oci::Reference::Digest(digest);
    for answer in [
        store.stat(&digest).await.map(drop),
        store.read(&digest, None).await.map(drop),
        metadata.blob(&name, &digest).await.map(drop),
        metadata.manifest(&name, &reference).await.map(drop),
        metadata.link(&name, wharf_store::LinkKind::Blob, &digest).await.map(drop),
    ] {
        assert!(matches!(answer, Err(Error::Corrupt { .. })), "{answer:?}");
    }
}
