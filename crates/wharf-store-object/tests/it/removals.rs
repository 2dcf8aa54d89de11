//! What is removed on a condition is absent, by DELETE or by an empty object; where neither is possible, nothing is removed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use wharf_oci::{Algorithm, Digest, Reference, RepositoryName, Tag};
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    Change, Error, Expect, LayoutMetadata, ManifestFacts, MetadataStore, Objects, Put, PutIf, PutOutcome,
    RemoveOutcome, TagWrite,
};
use wharf_store_object::BucketStore;
use wharf_testkit::s3::{BUCKET, Fault, Operation, Rule};

use crate::harness::{Server, scratch};

const CHANGE: Change<'static> = Change { actor: None, request_id: "r1", at: SystemTime::UNIX_EPOCH };

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
        assert!(!store.renew(&key, SystemTime::UNIX_EPOCH, Duration::ZERO).await.unwrap());
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
async fn no_more_is_read_of_an_object_than_shows_that_it_is_too_long() {
    let (server, store) = scratch().await;
    let (repository, digest): (RepositoryName, _) = ("acme/app".parse().unwrap(), Digest::of(b"x"));
    let key = Key::LayerLink(&repository, &digest);
    server.s3.put(BUCKET, &store.key(&key), vec![b'x'; (32 << 20) + 1]);
    let read = Objects::get(&store, &key).await.unwrap().unwrap();
    assert_eq!(read.len(), key.most_bytes() + 1);
}

#[tokio::test]
async fn a_delete_that_fails_at_any_request_leaves_no_gap_and_can_be_repeated() {
    for deletes_take_conditions in [true, false] {
        let mut server = Server::start();
        // Every fault is seen by the store's caller.
        server.options.retry_deadline = Duration::ZERO;
        if !deletes_take_conditions {
            server.s3.ignore_conditions_of_deletes();
        }
        let store = server.store();
        store.cloud().conditions().await.unwrap();
        let metadata = LayoutMetadata::new(Arc::new(store));
        for fault in [Fault::ResetBefore, Fault::ResetAfter, Fault::Internal] {
            let requests = fail_a_delete_everywhere(&server, &metadata, fault).await;
            assert!((8..30).contains(&requests), "{requests} requests");
        }
    }
}

/// Deletes a manifest with two tags for each request that the delete has, which then fails; returns how many there are.
async fn fail_a_delete_everywhere(server: &Server, metadata: &LayoutMetadata, fault: Fault) -> usize {
    let digest = Digest::of(b"manifest");
    let tags: Vec<Tag> = ["v1", "v2"].map(|tag| tag.parse().unwrap()).into();
    let writes: Vec<TagWrite> =
        tags.iter().map(|tag| TagWrite { tag: tag.clone(), expect: Expect::Any }).collect();
    let facts = ManifestFacts { digest: &digest, references: &[], subject: None, tags: &writes };
    for request in 1.. {
        let repository: RepositoryName = format!("acme/app{request}").parse().unwrap();
        metadata.put_manifest(&CHANGE, &repository, &facts).await.unwrap();
        let failed = server.s3.failed();
        server.s3.fail(Rule::nth(request, fault));
        let deleted = metadata.delete_manifest(&CHANGE, &repository, &digest, None).await;
        server.s3.heal();
        let by_digest = metadata.manifest(&repository, &Reference::Digest(digest)).await.unwrap();
        for tag in &tags {
            let meant = metadata.manifest(&repository, &Reference::Tag(tag.clone())).await.unwrap();
            assert!(
                meant.is_none() || by_digest.is_some(),
                "{fault:?} at {request}: a tag without its manifest"
            );
        }
        if deleted.is_err() {
            let _ = metadata.delete_manifest(&CHANGE, &repository, &digest, None).await.unwrap();
        }
        assert_eq!(metadata.manifest(&repository, &Reference::Digest(digest)).await.unwrap(), None);
        // It comes back without its tags.
        let alone = ManifestFacts { tags: &[], ..facts };
        metadata.put_manifest(&CHANGE, &repository, &alone).await.unwrap();
        let left = metadata.tags(&repository, None, 10).await.unwrap().items;
        assert!(left.is_empty(), "{fault:?} at {request}: {left:?}");
        if server.s3.failed() == failed {
            return request - 1;
        }
    }
    unreachable!("a delete has an end")
}
