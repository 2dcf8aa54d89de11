//! Blobs of a repository.

use wharf_oci::ByteRange;
use wharf_store::{BlobBody, BlobStore};

use super::*;

#[tokio::test]
async fn a_range_is_exactly_its_bytes() {
    let (fixture, name) = (fixture(), repo("a"));
    let digest = push_blob(&fixture.registry, &name, b"0123456789").await;
    let info = fixture.registry.blob(&name, &digest).await.unwrap();
    let range = ByteRange { start: 3, length: 4 };
    let read = fixture.registry.open_range(&name, &info, range).await.unwrap();
    assert!(matches!(read, BlobBody::Bytes(bytes) if bytes == "3456"));
}

#[tokio::test]
async fn a_blob_is_known_only_to_its_repository() {
    let (fixture, name) = (fixture(), repo("a"));
    let digest = push_blob(&fixture.registry, &name, b"layer").await;
    for other in [repo("a/b"), repo("b")] {
        assert!(matches!(fixture.registry.blob(&other, &digest).await, Err(Error::BlobUnknown { .. })));
        assert!(matches!(fixture.registry.open_blob(&other, &digest).await, Err(Error::BlobUnknown { .. })));
    }
}

#[tokio::test]
async fn a_blob_is_deleted_once_and_then_unknown() {
    let (fixture, name, other) = (fixture(), repo("a"), repo("b"));
    let digest = push_blob(&fixture.registry, &name, b"layer").await;
    push_blob(&fixture.registry, &other, b"layer").await;
    fixture.registry.delete_blob(&cause(), &name, &digest).await.unwrap();
    let again = fixture.registry.delete_blob(&cause(), &name, &digest).await;
    assert!(matches!(again, Err(Error::BlobUnknown { .. })), "{again:?}");
    assert!(matches!(fixture.registry.blob(&name, &digest).await, Err(Error::BlobUnknown { .. })));
    assert_eq!(read_blob(&fixture.registry, &other, &digest).await.unwrap(), "layer");
}

#[tokio::test]
async fn a_link_whose_bytes_were_collected_leads_to_nothing() {
    let (fixture, name) = (fixture(), repo("a"));
    let digest = push_blob(&fixture.registry, &name, b"layer").await;
    let info = fixture.registry.blob(&name, &digest).await.unwrap();
    fixture.store.remove(&digest).await.unwrap();
    assert!(matches!(fixture.registry.blob(&name, &digest).await, Err(Error::BlobUnknown { .. })));
    let range = ByteRange { start: 0, length: 1 };
    let read = fixture.registry.open_range(&name, &info, range).await;
    assert!(matches!(read, Err(Error::BlobUnknown { .. })));
}

#[tokio::test]
async fn nothing_is_deleted_where_deletes_are_switched_off() {
    let (fixture, name) = (fixture_with(Options { deletes: false, ..Options::default() }), repo("a"));
    let blob = push_blob(&fixture.registry, &name, b"layer").await;
    let manifest = push_manifest(&fixture.registry, &name, "v1", &image(&[])).await;
    let errors = [
        fixture.registry.delete_blob(&cause(), &name, &blob).await.unwrap_err(),
        fixture.registry.delete_manifest(&cause(), &name, &tag("v1").into()).await.unwrap_err(),
        fixture.registry.delete_manifest(&cause(), &name, &manifest.into()).await.unwrap_err(),
        // Before anything is looked at: not even whether it exists is told.
        fixture.registry.delete_blob(&cause(), &name, &Digest::of(b"absent")).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| matches!(error, Error::DeletesDisabled)), "{errors:?}");
    assert_eq!(meaning(&fixture.registry, &name, "v1").await, Some(manifest));
    assert_eq!(read_blob(&fixture.registry, &name, &blob).await.unwrap(), "layer");

    let id = begin(&fixture.registry, &name).await;
    fixture.registry.cancel_upload(&name, &id).await.unwrap();
}
