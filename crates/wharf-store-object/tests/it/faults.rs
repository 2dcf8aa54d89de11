//! What goes wrong on the way, and what a store makes of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use wharf_oci::{Digest, RepositoryName};
use wharf_store::layout::Key;
use wharf_store::suite::{collect, noise};
use wharf_store::{BlobStore, Error, Objects, PutIf, PutOutcome, Retry};
use wharf_store_object::{BucketOptions, BucketStore, Condition, Conditions, Deleted, Stored};
use wharf_testkit::s3::{BUCKET, Fault, Operation, Rule};

use crate::harness::{Server, scratch};

/// Longer than anything here waits.
const LONG: Duration = Duration::from_secs(20);

/// A store that gives up soon.
fn impatient(server: &mut Server) -> BucketStore {
    server.options.retry_deadline = Duration::from_millis(400);
    server.options.answer_timeout = Duration::from_millis(300);
    server.options.idle_timeout = Duration::from_millis(300);
    server.store()
}

fn is_later(error: &Error) -> bool {
    matches!(error, Error::Backend { retry: Retry::Later, .. })
}

#[tokio::test]
async fn what_fails_for_a_moment_is_tried_again() {
    let (server, store) = scratch().await;
    let faults = [Fault::ResetBefore, Fault::ResetAfter, Fault::Internal, Fault::SlowDown];
    for (index, fault) in faults.into_iter().enumerate() {
        let bytes = Bytes::from(noise(1000 + index));
        let digest = Digest::of(&bytes);
        server.s3.fail(Rule::nth(1, fault).times(2));
        BlobStore::put(&store, &digest, bytes).await.unwrap();
        server.s3.heal();
        server.s3.fail(Rule::nth(1, fault));
        assert_eq!(store.stat(&digest).await.unwrap().size, 1000 + index as u64);
        server.s3.heal();
    }
    assert!(server.s3.failed() >= 8);
}

#[tokio::test]
async fn a_body_that_breaks_off_goes_on_where_it_ended() {
    let (server, store) = scratch().await;
    let bytes = noise(3_000_000);
    let digest = Digest::of(&bytes);
    BlobStore::put(&store, &digest, Bytes::from(bytes.clone())).await.unwrap();
    server.requests();
    server.s3.fail(Rule::nth(1, Fault::Truncated).of(Operation::GetObject).times(3));
    let read = store.read(&digest, None).await.unwrap();
    assert!(collect(read.body).await == bytes);
    assert_eq!(server.s3.count(Operation::GetObject), 4);
}

#[tokio::test]
async fn a_body_that_goes_on_no_more_is_an_error_and_not_a_short_success() {
    let mut server = Server::start();
    let store = impatient(&mut server);
    let bytes = noise(3_000_000);
    let digest = Digest::of(&bytes);
    BlobStore::put(&store, &digest, Bytes::from(bytes)).await.unwrap();
    server.s3.fail(Rule::nth(1, Fault::Stalled(LONG)).of(Operation::GetObject));
    let read = store.read(&digest, None).await.unwrap();
    server.s3.fail(Rule::always(Fault::Internal).of(Operation::GetObject));
    let wharf_store::BlobBody::Stream(stream) = read.body else { panic!("a long body is a stream") };
    let pieces: Vec<Result<Bytes, _>> = futures_util::StreamExt::collect(stream).await;
    assert!(pieces.last().unwrap().is_err());
}

#[tokio::test]
async fn a_body_of_something_else_by_now_is_an_error() {
    let mut server = Server::start();
    let store = impatient(&mut server);
    let bytes = noise(3_000_000);
    let digest = Digest::of(&bytes);
    BlobStore::put(&store, &digest, Bytes::from(bytes)).await.unwrap();
    server.s3.fail(Rule::nth(1, Fault::Stalled(LONG)).of(Operation::GetObject));
    let read = store.read(&digest, None).await.unwrap();
    server.s3.put(BUCKET, &store.key(&Key::BlobData(&digest)), noise(3_000_001));
    let wharf_store::BlobBody::Stream(stream) = read.body else { panic!("a long body is a stream") };
    let pieces: Vec<Result<Bytes, _>> = futures_util::StreamExt::collect(stream).await;
    let error = pieces.into_iter().find_map(Result::err).unwrap();
    assert!(error.to_string().contains("replaced"), "{error}");
}

#[tokio::test]
async fn a_server_in_trouble_is_an_error_that_may_pass_and_never_an_absence() {
    let mut server = Server::start();
    let store = impatient(&mut server);
    let digest = Digest::of(b"x");
    for fault in
        [Fault::ResetBefore, Fault::Internal, Fault::SlowDown, Fault::SlowFirstByte(Duration::from_secs(2))]
    {
        server.s3.fail(Rule::always(fault));
        assert!(is_later(&store.stat(&digest).await.unwrap_err()));
        assert!(is_later(&store.read(&digest, None).await.unwrap_err()));
        let repository: RepositoryName = "a".parse().unwrap();
        assert!(is_later(&Objects::get(&store, &Key::LayerLink(&repository, &digest)).await.unwrap_err()));
        server.s3.heal();
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_an_error_that_says_so() {
    let mut server = Server::start();
    server.options.bucket = "nobody-made-it".into();
    let store = server.store();
    let digest = Digest::of(b"x");
    let stat = store.stat(&digest).await.unwrap_err();
    let read = store.read(&digest, None).await.unwrap_err();
    for error in [stat, read] {
        let Error::Backend { source, retry: Retry::Never, .. } = error else { panic!("{error:?}") };
        assert!(source.to_string().contains("no bucket nobody-made-it"), "{source}");
    }
}

#[tokio::test]
async fn wrong_keys_are_an_error_that_says_so() {
    let mut server = Server::start();
    server.options.secretkey = Some("wrong".into());
    let error = server.store().read(&Digest::of(b"x"), None).await.unwrap_err();
    let Error::Backend { source, retry: Retry::Never, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("secretkey"), "{source}");
}

#[tokio::test]
async fn a_write_on_a_condition_that_was_done_unheard_is_done() {
    let (server, store) = scratch().await;
    let (repository, digest): (RepositoryName, _) = ("a".parse().unwrap(), Digest::of(b"x"));
    let key = Key::LayerLink(&repository, &digest);
    // The condition is tried out before anything goes wrong.
    assert_eq!(store.cloud().conditions().await.unwrap(), Conditions::WritesAndDeletes);
    server.s3.fail(Rule::nth(1, Fault::ResetAfter).of(Operation::PutObject));
    let put = Objects::put(&store, &key, Bytes::from_static(b"one"), PutIf::Absent).await.unwrap();
    assert_eq!(put, PutOutcome::Written);
    let put = Objects::put(&store, &key, Bytes::from_static(b"two"), PutIf::Absent).await.unwrap();
    assert_eq!(put, PutOutcome::Refused);
}

#[tokio::test]
async fn a_write_forbidden_for_a_moment_is_tried_again_where_writes_are_allowed_and_not_for_ever() {
    let (server, store) = scratch().await;
    let put = async |number: usize| {
        let bytes = Bytes::from(noise(number));
        BlobStore::put(&store, &Digest::of(&bytes), bytes).await
    };
    // Nothing is known of the bucket yet: the policy may say so.
    server.s3.fail(Rule::always(Fault::Forbidden).of(Operation::PutObject));
    put(1).await.unwrap_err();
    assert_eq!(server.requests().len(), 1);
    server.s3.heal();
    put(2).await.unwrap();
    server.s3.fail(Rule::nth(1, Fault::Forbidden).of(Operation::PutObject).times(3));
    put(3).await.unwrap();
    server.s3.heal();
    server.requests();
    server.s3.fail(Rule::always(Fault::Forbidden));
    let error = put(4).await.unwrap_err();
    let Error::Backend { source, retry: Retry::Never, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("s3:PutObject"), "{source}");
    assert_eq!(server.requests().len(), 5);
    store.stat(&Digest::of(b"x")).await.unwrap_err();
    assert_eq!(server.requests().len(), 1, "what reads is told at once");
}

#[tokio::test]
async fn a_write_whose_condition_fits_into_no_header_is_an_error_and_not_an_unconditional_write() {
    let (server, store) = scratch().await;
    let cloud = store.cloud();
    cloud.put("some/key", vec![Bytes::from_static(b"one")], Condition::Any).await.unwrap();
    assert_eq!(cloud.conditions().await.unwrap(), Conditions::WritesAndDeletes);
    server.requests();
    let condition = Condition::Is("\"a\nb\"".to_owned());
    let error = cloud.put("some/key", vec![Bytes::from_static(b"two")], condition).await.unwrap_err();
    let Error::Backend { source, retry: Retry::Never, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("if-match"), "{source}");
    assert!(server.requests().is_empty(), "nothing was sent");
    assert_eq!(server.s3.object(BUCKET, "some/key").unwrap(), b"one");
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_found_out_and_all_else_goes_on() {
    let (server, store) = scratch().await;
    server.s3.ignore_conditions();
    let (repository, digest): (RepositoryName, _) = ("a".parse().unwrap(), Digest::of(b"x"));
    let key = Key::LayerLink(&repository, &digest);
    Objects::put(&store, &key, Bytes::from_static(b"one"), PutIf::Any).await.unwrap();
    assert_eq!(server.requests().len(), 1, "nobody asked about conditions");
    for condition in [PutIf::Absent, PutIf::Is(Bytes::from_static(b"one"))] {
        let error = Objects::put(&store, &key, Bytes::from_static(b"two"), condition).await.unwrap_err();
        let Error::Backend { source, retry: Retry::Never, .. } = error else { panic!("{error:?}") };
        assert!(source.to_string().contains("immutable tags"), "{source}");
    }
    assert_eq!(store.cloud().conditions().await.unwrap(), Conditions::Ignored);
    let all = server.s3.keys(BUCKET, "");
    assert_eq!(all, [store.key(&key)], "the probe is gone");
    assert_eq!(Objects::get(&store, &key).await.unwrap(), Some(Bytes::from_static(b"one")));
}

#[tokio::test]
async fn a_removal_on_a_condition_spares_what_has_changed() {
    let (server, store) = scratch().await;
    let cloud = store.cloud();
    let put = async |text: &'static str| match cloud.put("some/key", vec![text.into()], Condition::Any).await
    {
        Ok(Stored::Written(etag)) => etag,
        other => panic!("{other:?}"),
    };
    let one = put("one").await;
    let two = put("two").await;
    assert_eq!(cloud.delete_if("some/key", &one).await.unwrap(), Deleted::Changed);
    assert_eq!(server.s3.object(BUCKET, "some/key").unwrap(), b"two");
    assert!(server.s3.keys(BUCKET, &store.options().root).is_empty(), "the probe is gone");
    // Done, but the answer does not come.
    server.s3.fail(Rule::nth(1, Fault::ResetAfter).of(Operation::DeleteObject));
    assert_eq!(cloud.delete_if("some/key", &two).await.unwrap(), Deleted::Deleted);
    assert_eq!(cloud.delete_if("some/key", &two).await.unwrap(), Deleted::Absent);
    assert_eq!(server.s3.object(BUCKET, "some/key"), None);
}

#[tokio::test]
async fn a_store_that_ignores_the_condition_of_a_removal_is_found_out_before_it_removes_anything_of_ours() {
    let (server, store) = scratch().await;
    server.s3.ignore_conditions_of_deletes();
    let cloud = store.cloud();
    cloud.put("some/key", vec!["one".into()], Condition::Any).await.unwrap();
    assert_eq!(cloud.conditions().await.unwrap(), Conditions::Writes);
    let error = cloud.delete_if("some/key", "\"0\"").await.unwrap_err();
    assert!(matches!(error, Error::Backend { retry: Retry::Never, .. }), "{error:?}");
    assert_eq!(server.s3.keys(BUCKET, ""), ["some/key"], "the probe is gone");
}

#[tokio::test]
async fn parts_are_put_together_once_and_unknown_ones_are_said_to_be_so() {
    let (server, store) = scratch().await;
    server.s3.allow_small_parts();
    let cloud = store.cloud();
    let id = cloud.create_multipart("some/parts").await.unwrap();
    let mut tags = Vec::new();
    for (number, bytes) in (1..).zip([&b"one "[..], b"two "]) {
        tags.push(cloud.put_part("some/parts", &id, number, vec![Bytes::from_static(bytes)]).await.unwrap());
    }
    assert!(matches!(
        cloud
            .put("some/source", vec![Bytes::from_static(b"_thr"), Bytes::from_static(b"ee_")], Condition::Any)
            .await,
        Ok(Stored::Written(_))
    ));
    let range = wharf_oci::ByteRange { start: 1, length: 5 };
    tags.push(cloud.copy_part("some/source", range, "some/parts", &id, 3).await.unwrap());
    let unfinished = cloud.multiparts("some/").await.unwrap().unwrap();
    assert_eq!((unfinished[0].key.as_str(), &unfinished[0].id), ("some/parts", &id));
    let wrong = ["\"0123\"".to_owned()];
    assert!(!cloud.complete_multipart("some/parts", &id, &wrong).await.unwrap());

    // Done, but the answer does not come.
    server.s3.fail(Rule::nth(1, Fault::ResetAfter).of(Operation::CompleteMultipartUpload));
    assert!(cloud.complete_multipart("some/parts", &id, &tags).await.unwrap());
    assert_eq!(server.s3.object(BUCKET, "some/parts").unwrap(), b"one two three");
    assert!(!cloud.complete_multipart("some/parts", &id, &tags).await.unwrap());
    cloud.abort_multipart("some/parts", &id).await.unwrap();
    assert!(cloud.multiparts("some/").await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn a_signed_address_serves_the_object_to_anybody() {
    let (server, store) = scratch().await;
    let digest = Digest::of(b"x");
    BlobStore::put(&store, &digest, Bytes::from_static(b"x")).await.unwrap();
    let key = store.key(&Key::BlobData(&digest));
    let url = store.cloud().signed_url(&key, Duration::from_secs(60)).await.unwrap().unwrap();
    assert!(url.starts_with(&format!("{}/{BUCKET}/{key}?X-Amz-", server.s3.endpoint())), "{url}");

    let mut options = server.options.clone();
    options.redirectendpoint = Some("https://cdn.example.com".into());
    let cloud = wharf_store_object::S3Cloud::connect(options).unwrap();
    let elsewhere = BucketStore::open(Arc::new(cloud), BucketOptions::default());
    let url = elsewhere.cloud().signed_url(&key, Duration::from_secs(60)).await.unwrap().unwrap();
    assert!(url.starts_with(&format!("https://cdn.example.com/{BUCKET}/{key}?X-Amz-")), "{url}");
}
