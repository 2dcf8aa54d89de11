//! What is on the disk when an answer has been given: the syncs of each operation, one by one.
//!
//! `docs/spec/durability.md` gives the reason for each and must be changed together with this.

use std::time::{Duration, SystemTime};

use wharf_store::suite::repository;
use wharf_store::{Change, Expect, ManifestFacts, MetadataStore, TagWrite};

use super::*;

const CHANGE: Change<'static> = Change { actor: None, request_id: "r", at: SystemTime::UNIX_EPOCH };

/// What was synced since the last call, below `docker/registry/v2` and with digests, temporary names and the
/// repository's folder cut short.
fn synced(store: &FsStore) -> Vec<String> {
    let paths = std::mem::take(&mut *store.disk.syncs.lock().unwrap());
    paths.iter().map(|path| shortened(path.to_str().unwrap())).collect()
}

fn shortened(path: &str) -> String {
    let path = path.strip_prefix("docker/registry/v2/").unwrap_or(path);
    let path = path.strip_prefix("repositories/a/").unwrap_or(path);
    let part = |part: &str| match part {
        temporary if temporary.ends_with(".tmp") => "TEMPORARY".to_owned(),
        hex if hex.len() == 64 => "HEX".to_owned(),
        other => other.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

async fn put_tag(metadata: &LayoutMetadata, content: &[u8]) {
    let digest = Digest::of(content);
    let tags = [TagWrite { tag: "v1".parse().unwrap(), expect: Expect::Any }];
    let facts = ManifestFacts { digest: &digest, references: &[], subject: None, tags: &tags };
    metadata.put_manifest(&CHANGE, &repository("a"), &facts).await.unwrap();
}

async fn push_blob(store: &FsStore, metadata: &LayoutMetadata, content: &[u8]) {
    let (key, digest) = (key("a", "u1"), Digest::of(content));
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(content)).await.unwrap();
    assert!(synced(store).is_empty(), "an upload promises nothing");
    store.commit(&key, &digest).await.unwrap();
    metadata.link_blob(&CHANGE, &repository("a"), &digest, &digest).await.unwrap();
}

/// Holds what was synced against the waves expected, parted by bars. Within a wave there is no order.
fn assert_waves(synced: &[String], expected: &[impl AsRef<str>], operation: &str) {
    let mut rest = synced;
    for wave in expected.split(|path| path.as_ref() == "|") {
        assert!(rest.len() >= wave.len(), "{operation}: {synced:?}");
        let (mut done, mut wanted): (Vec<&str>, Vec<&str>) = (
            rest[..wave.len()].iter().map(String::as_str).collect(),
            wave.iter().map(AsRef::as_ref).collect(),
        );
        done.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(done, wanted, "{operation}: {synced:?}");
        rest = &rest[wave.len()..];
    }
    assert!(rest.is_empty(), "{operation} syncs more than it promises: {rest:?}");
}

#[tokio::test]
async fn every_operation_syncs_what_it_promises_and_no_more() {
    let (_directory, store) = scratch(Fsync::Full);
    let metadata = LayoutMetadata::new(Arc::new(store.clone()));
    // The folders that stay for ever are made, synced and remembered.
    push_blob(&store, &metadata, b"0").await;
    put_tag(&metadata, b"0").await;
    let prefix = &Digest::of(b"1").hex()[..2].to_owned();
    std::fs::create_dir_all(store.disk.path(&format!("docker/registry/v2/blobs/sha256/{prefix}"))).unwrap();
    synced(&store);

    push_blob(&store, &metadata, b"1").await;
    let blob = synced(&store);
    let expected = [
        "_uploads/u1/data",
        "blobs/sha256",
        "blobs/sha256/PREFIX",
        "|",
        "blobs/sha256/PREFIX/HEX",
        "|",
        "_layers/sha256",
        "_layers/sha256/HEX/TEMPORARY",
        "|",
        "_layers/sha256/HEX",
    ]
    .map(|path| path.replace("PREFIX", prefix));
    assert_waves(&blob, &expected, "a blob's push");

    put_tag(&metadata, b"1").await;
    let expected = [
        "_manifests/revisions/sha256",
        "_manifests/revisions/sha256/HEX/TEMPORARY",
        "_manifests/tags",
        "_manifests/tags/v1",
        "_manifests/tags/v1/index/sha256/HEX/TEMPORARY",
        "_manifests/tags/v1/current/TEMPORARY",
        "|",
        "_manifests/revisions/sha256/HEX",
        "|",
        "_manifests/tags/v1/current",
    ];
    assert_waves(&synced(&store), &expected, "a tag's move");

    metadata.delete_tag(&CHANGE, &repository("a"), &"v1".parse().unwrap()).await.unwrap();
    assert_eq!(synced(&store), ["_manifests/tags/v1/current"], "a tag's delete");

    put_tag(&metadata, b"1").await;
    synced(&store);
    metadata.delete_manifest(&CHANGE, &repository("a"), &Digest::of(b"1"), None).await.unwrap();
    assert_eq!(
        synced(&store),
        ["_manifests/tags/v1/current", "_manifests/revisions/sha256/HEX"],
        "a manifest's delete"
    );

    metadata.unlink_blob(&CHANGE, &repository("a"), &Digest::of(b"1")).await.unwrap();
    assert_eq!(synced(&store), ["_layers/sha256/HEX"], "a blob's delete");
}

#[tokio::test]
async fn less_is_synced_where_the_operator_asks_for_less() {
    for (fsync, expected) in [(Fsync::Data, 2), (Fsync::None, 0)] {
        let (_directory, store) = scratch(fsync);
        let metadata = LayoutMetadata::new(Arc::new(store.clone()));
        push_blob(&store, &metadata, b"1").await;
        assert_eq!(synced(&store).len(), expected, "{fsync:?}");
    }
}

/// A collector leaves young blobs alone, so that nobody loses one between its publication and the link to it.
#[tokio::test]
async fn a_blob_is_as_young_as_its_publication_and_not_as_its_last_byte() {
    let (_directory, store) = scratch(Fsync::Full);
    let (key, digest) = (key("a", "u1"), Digest::of(b"slow"));
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(b"slow")).await.unwrap();
    let data = std::fs::File::options().write(true).open(store.disk.path(&Key::UploadData(&key).path()));
    data.unwrap().set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    store.commit(&key, &digest).await.unwrap();
    let published = store.stat(&digest).await.unwrap().modified;
    assert!(published > SystemTime::now() - Duration::from_secs(3600), "{published:?}");
}
