//! What is removed on a condition is absent, by DELETE or by an empty object; where neither is possible, nothing is removed.

use std::sync::Arc;

use bytes::Bytes;
use wharf_oci::{Algorithm, Digest, Reference, RepositoryName, Tag};
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    Change, Error, Expect, LayoutMetadata, ManifestFacts, MetadataStore, Objects, Put, PutIf, PutOutcome,
    RemoveOutcome, TagWrite,
};
use wharf_store_object::BucketStore;
use wharf_testkit::s3::{BUCKET, Operation};

use crate::harness::{Server, scratch};

const CHANGE: Change<'static> =
    Change { actor: None, request_id: "r1", at: std::time::SystemTime::UNIX_EPOCH };

const ONE: Bytes = Bytes::from_static(b"one");

/// A store whose server ignores the condition of DELETE.
async fn without_conditional_deletes() -> (Server, BucketStore) {
    let (server, store) = scratch().await;
    server.s3.ignore_conditions_of_deletes();
    (server, store)
}

async fn remove_if(store: &BucketStore, key: &Key<'_>) -> RemoveOutcome {
    let seen = store.get_with_age(key).await.unwrap().unwrap();
    store.remove_if(key, &seen).await.unwrap()
}

#[tokio::test]
async fn where_delete_takes_no_condition_an_empty_object_is_absent_everywhere() {
    let (server, store) = without_conditional_deletes().await;
    let repository: RepositoryName = "acme/app".parse().unwrap();
    let tags: Vec<Tag> = ["a", "a-1", "a.1", "b", "c"].map(|tag| tag.parse().unwrap()).into();
    let digest = Digest::of(b"manifest");
    for tag in &tags {
        let key = Key::TagLink(&repository, tag);
        store.put_all(vec![vec![Put { key, bytes: ONE }]]).await.unwrap();
    }
    for tag in [&tags[0], &tags[2], &tags[4]] {
        let key = Key::TagLink(&repository, tag);
        assert_eq!(remove_if(&store, &key).await, RemoveOutcome::Removed);
        assert_eq!(server.s3.object(BUCKET, &store.key(&key)).unwrap(), b"");
        assert_eq!(Objects::get(&store, &key).await.unwrap(), None);
        assert_eq!(store.get_with_age(&key).await.unwrap(), None);
        let is = PutIf::Is(Bytes::new());
        assert_eq!(Objects::put(&store, &key, ONE, is).await.unwrap(), PutOutcome::Refused);
        assert!(!Objects::remove(&store, &key).await.unwrap());
        assert!(
            !store.renew(&key, std::time::SystemTime::UNIX_EPOCH, std::time::Duration::ZERO).await.unwrap()
        );
    }
    let dir = Dir::Tags(&repository);
    for limit in 1..4 {
        let (mut found, mut last) = (Vec::new(), None);
        loop {
            let page = store.children(&dir, last.as_deref(), limit).await.unwrap();
            found.extend(page.iter().cloned());
            if page.len() < limit {
                break;
            }
            last = page.last().cloned();
        }
        assert_eq!(found, ["a-1", "b"], "by {limit}");
    }
    let revision = Key::RevisionLink(&repository, &digest);
    Objects::put(&store, &revision, ONE, PutIf::Any).await.unwrap();
    assert_eq!(store.repositories(None, None, 10).await.unwrap().unwrap(), std::slice::from_ref(&repository));
    assert_eq!(remove_if(&store, &revision).await, RemoveOutcome::Removed);
    assert_eq!(store.repositories(None, None, 10).await.unwrap().unwrap(), []);
    assert_eq!(
        store.have_children(&[Dir::Revisions(&repository, Algorithm::Sha256)]).await.unwrap(),
        [false]
    );
}

#[tokio::test]
async fn of_two_that_make_anew_what_was_removed_one_is_refused() {
    for store in [scratch().await, without_conditional_deletes().await] {
        let (_server, store) = store;
        let (repository, tag): (RepositoryName, Tag) = ("acme/app".parse().unwrap(), "v1".parse().unwrap());
        let key = Key::TagLink(&repository, &tag);
        for _ in 0..20 {
            Objects::put(&store, &key, ONE, PutIf::Any).await.unwrap();
            assert_eq!(remove_if(&store, &key).await, RemoveOutcome::Removed);
            let put = || Objects::put(&store, &key, ONE, PutIf::Absent);
            let (first, second) = tokio::join!(put(), put());
            assert_ne!(first.unwrap(), second.unwrap());
        }
    }
}

#[tokio::test]
async fn where_conditions_are_ignored_nothing_is_removed_on_one_and_the_answer_says_why() {
    let (server, store) = scratch().await;
    server.s3.ignore_conditions();
    let metadata = LayoutMetadata::new(Arc::new(store.clone()));
    let (repository, digest): (RepositoryName, _) = ("acme/app".parse().unwrap(), Digest::of(b"manifest"));
    let tag: Tag = "v1".parse().unwrap();
    let tags = [TagWrite { tag: tag.clone(), expect: Expect::Any }];
    let facts = ManifestFacts { digest: &digest, references: &[], subject: None, tags: &tags };
    metadata.put_manifest(&CHANGE, &repository, &facts).await.unwrap();

    let tag_error = metadata.delete_tag(&CHANGE, &repository, &tag).await.unwrap_err();
    let manifest_error = metadata.delete_manifest(&CHANGE, &repository, &digest, None).await.unwrap_err();

    for error in [tag_error, manifest_error] {
        assert!(error.may_succeed_later(), "a 503");
        let Error::Backend { source, .. } = error else { panic!("{error:?}") };
        assert!(source.to_string().contains("If-Match"), "{source}");
    }
    let meant = metadata.manifest(&repository, &Reference::Tag(tag)).await.unwrap();
    assert_eq!(meant, Some(digest));
}

#[tokio::test]
async fn a_removal_on_a_condition_is_one_request() {
    for (store, operation) in [
        (scratch().await, Operation::DeleteObject),
        (without_conditional_deletes().await, Operation::PutObject),
    ] {
        let (server, store) = store;
        let (repository, digest): (RepositoryName, _) = ("acme/app".parse().unwrap(), Digest::of(b"x"));
        let key = Key::RevisionLink(&repository, &digest);
        Objects::put(&store, &key, ONE, PutIf::Any).await.unwrap();
        store.cloud().conditions().await.unwrap();
        let seen = store.get_with_age(&key).await.unwrap().unwrap();
        server.requests();
        assert_eq!(store.remove_if(&key, &seen).await.unwrap(), RemoveOutcome::Removed);
        let requests = server.requests();
        assert_eq!(requests.iter().map(|record| record.operation).collect::<Vec<_>>(), [operation]);
    }
}

#[tokio::test]
async fn an_object_too_large_for_a_fact_is_not_read() {
    let (server, store) = scratch().await;
    let (repository, digest): (RepositoryName, _) = ("acme/app".parse().unwrap(), Digest::of(b"x"));
    let key = Key::LayerLink(&repository, &digest);
    server.s3.put(BUCKET, &store.key(&key), vec![b'x'; (32 << 20) + 1]);
    let error = Objects::get(&store, &key).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
}
