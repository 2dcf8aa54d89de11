//! Mounts: links to bytes that are there.

use wharf_oci::Algorithm;
use wharf_store::{BlobStore, Change, LayoutMetadata, MetadataStore};

use super::*;

#[tokio::test]
async fn a_mounted_blob_is_a_blob_of_the_repository() {
    let (fixture, from, to) = (fixture(), repo("from"), repo("to"));
    let digest = push_blob(&fixture.registry, &from, b"layer").await;
    for source in [Some(&from), None] {
        let mounted = fixture.registry.mount(&cause(), &to, &digest, source).await.unwrap();
        assert_eq!(mounted, Some(digest));
        assert_eq!(read_blob(&fixture.registry, &to, &digest).await.unwrap(), "layer");
        fixture.registry.delete_blob(&cause(), &to, &digest).await.unwrap();
    }
    assert_eq!(read_blob(&fixture.registry, &from, &digest).await.unwrap(), "layer");
}

#[tokio::test]
async fn what_is_not_there_is_not_mounted() {
    let (fixture, from, to) = (fixture(), repo("from"), repo("to"));
    let elsewhere = push_blob(&fixture.registry, &repo("elsewhere"), b"layer").await;
    let collected = push_blob(&fixture.registry, &from, b"collected").await;
    fixture.store.remove(&collected).await.unwrap();
    let rows = [
        (elsewhere, Some(&from), "the source does not have it"),
        (collected, Some(&from), "the bytes behind the link are gone"),
        (Digest::of(b"nobody"), None, "nobody has it"),
    ];
    fixture.happened();
    for (digest, source, why) in rows {
        assert_eq!(fixture.registry.mount(&cause(), &to, &digest, source).await.unwrap(), None, "{why}");
        let unknown = fixture.registry.blob(&to, &digest).await;
        assert!(matches!(unknown, Err(Error::BlobUnknown { .. })), "{why}: {unknown:?}");
    }
    assert!(fixture.happened().is_empty());
}

/// Older registries keep sha512 content as sha256, and link one name to the other.
#[tokio::test]
async fn an_alias_is_mounted_as_what_it_stands_for() {
    let (fixture, from, to) = (fixture(), repo("from"), repo("to"));
    let content = push_blob(&fixture.registry, &from, b"layer").await;
    let alias = Digest::of_with(Algorithm::Sha512, b"layer");
    let metadata = LayoutMetadata::new(Arc::new(fixture.store.clone()));
    let change = Change { actor: None, request_id: "r", at: fixture.clock.now() };
    metadata.link_blob(&change, &from, &alias, &content).await.unwrap();

    assert_eq!(fixture.registry.mount(&cause(), &to, &alias, Some(&from)).await.unwrap(), Some(alias));

    fixture.registry.delete_blob(&cause(), &from, &alias).await.unwrap();
    let info = fixture.registry.blob(&to, &alias).await.unwrap();
    assert_eq!((info.digest, info.content, info.size_bytes), (alias, content, 5));
    assert_eq!(read_blob(&fixture.registry, &to, &alias).await.unwrap(), "layer");
}

#[tokio::test]
async fn a_mount_keeps_a_collector_off_the_blob() {
    let (fixture, from, to) = (fixture(), repo("from"), repo("to"));
    let digest = push_blob(&fixture.registry, &from, b"layer").await;
    fixture.clock.advance(Duration::from_secs(7200));
    fixture.registry.mount(&cause(), &to, &digest, Some(&from)).await.unwrap();
    assert_eq!(fixture.store.stat(&digest).await.unwrap().modified, fixture.clock.now());
}
