//! How many requests things cost.

use std::sync::Arc;

use bytes::Bytes;
use wharf_oci::{Digest, Reference, RepositoryName};
use wharf_store::layout::Key;
use wharf_store::{
    BlobStore, Change, Expect, LayoutMetadata, ManifestFacts, MetadataStore, Objects, Put, TagWrite,
};
use wharf_store_object::BucketStore;

use crate::harness::scratch;

const CHANGE: Change<'static> =
    Change { actor: None, request_id: "r1", at: std::time::SystemTime::UNIX_EPOCH };

fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

fn metadata(store: &BucketStore) -> LayoutMetadata {
    LayoutMetadata::new(Arc::new(store.clone()))
}

/// Writes the links of a manifest and its tags.
async fn push(store: &BucketStore, repository: &RepositoryName, digest: &Digest, tags: &[String]) {
    let tags: Vec<TagWrite> =
        tags.iter().map(|tag| TagWrite { tag: tag.parse().unwrap(), expect: Expect::Any }).collect();
    let link = || Bytes::from(digest.to_string());
    let mut puts = vec![
        Put { key: Key::RevisionLink(repository, digest), bytes: link() },
        Put { key: Key::LayerLink(repository, digest), bytes: link() },
    ];
    for write in &tags {
        puts.push(Put { key: Key::TagIndexLink(repository, &write.tag, digest), bytes: link() });
        puts.push(Put { key: Key::TagLink(repository, &write.tag), bytes: link() });
    }
    store.put_all(vec![puts]).await.unwrap();
}

#[tokio::test]
async fn a_blob_is_one_request_and_its_link_another() {
    let (server, store) = scratch().await;
    let (repository, digest) = (repository("acme/app"), Digest::of(b"layer"));
    BlobStore::put(&store, &digest, Bytes::from_static(b"layer")).await.unwrap();
    let metadata = metadata(&store);
    metadata.link_blob(&CHANGE, &repository, &digest, &digest).await.unwrap();
    assert_eq!(server.requests().len(), 2);

    assert_eq!(metadata.blob(&repository, &digest).await.unwrap(), Some(digest));
    store.read(&digest, None).await.unwrap();
    assert_eq!(server.requests().len(), 2);

    assert_eq!(metadata.blob(&repository, &digest).await.unwrap(), Some(digest));
    store.stat(&digest).await.unwrap();
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_manifest_by_tag_is_three_requests() {
    let (server, store) = scratch().await;
    let (repository, digest) = (repository("acme/app"), Digest::of(b"manifest"));
    let metadata = metadata(&store);
    BlobStore::put(&store, &digest, Bytes::from_static(b"manifest")).await.unwrap();
    let tags = [TagWrite { tag: "v1".parse().unwrap(), expect: Expect::Any }];
    let facts = ManifestFacts { digest: &digest, references: &[], subject: None, tags: &tags };
    metadata.put_manifest(&CHANGE, &repository, &facts).await.unwrap();
    server.requests();

    let by_tag = Reference::Tag("v1".parse().unwrap());
    assert_eq!(metadata.manifest(&repository, &by_tag).await.unwrap(), Some(digest));
    store.read(&digest, None).await.unwrap();
    assert_eq!(server.requests().len(), 3);
}

#[tokio::test]
async fn a_page_of_tags_is_one_request_and_looks_at_what_is_due() {
    let (server, store) = scratch().await;
    let (repository, digest) = (repository("acme/app"), Digest::of(b"manifest"));
    let tags: Vec<String> = (0..1000).map(|number| format!("v1.{number:04}")).collect();
    push(&store, &repository, &digest, &tags).await;
    let metadata = metadata(&store);
    server.requests();

    let page = metadata.tags(&repository, None, 100).await.unwrap();
    assert_eq!(page.items.len(), 100);
    assert!(page.more);
    // The page, and whether there is a `v1` that comes before `v1.0000`; nothing else can.
    let seen = server.requests();
    assert_eq!(seen.len(), 2, "{seen:?}");

    let page = metadata.tags(&repository, Some("v1.0499"), 100).await.unwrap();
    assert_eq!(page.items.first().unwrap().as_str(), "v1.0500");
    assert_eq!(server.requests().len(), 1, "`v1` is before where we start");
}

#[tokio::test]
async fn a_page_of_the_catalog_of_small_repositories_is_little_more_than_a_page_of_keys() {
    let (server, store) = scratch().await;
    let metadata = metadata(&store);
    let digest = Digest::of(b"manifest");
    for number in 0..300 {
        push(&store, &repository(&format!("app{number:03}")), &digest, &["v1".to_owned()]).await;
    }
    server.requests();

    let page = metadata.repositories(None, None, 100).await.unwrap();
    assert_eq!(page.items.len(), 100);
    assert!(page.more);
    // A page of keys, beside it one of names, and what is due.
    let seen = server.requests();
    assert!(seen.len() <= 3, "{seen:?}");

    let page = metadata.repositories(None, Some("app250"), 100).await.unwrap();
    assert_eq!((page.items.len(), page.more), (49, false));
    let seen = server.requests();
    assert!(seen.len() <= 3, "{seen:?}");
}

#[tokio::test]
async fn a_page_of_the_catalog_of_large_repositories_is_two_questions_a_name() {
    let (server, store) = scratch().await;
    let metadata = metadata(&store);
    let digest = Digest::of(b"manifest");
    let tags: Vec<String> = (0..60).map(|number| format!("v{number}")).collect();
    for number in 0..120 {
        push(&store, &repository(&format!("team/app{number:03}")), &digest, &tags).await;
    }
    server.requests();

    let page = metadata.repositories(None, None, 100).await.unwrap();
    assert_eq!((page.items.len(), page.more), (100, true));
    assert_eq!(page.items.last().unwrap().as_str(), "team/app099");
    let seen = server.requests();
    assert!(seen.len() <= 2 * 101 + 8, "{} requests", seen.len());
}
