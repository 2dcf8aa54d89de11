//! Blobs are renewed by small objects beside them, and a collector looks at both.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use wharf_oci::Digest;
use wharf_store::layout::Key;
use wharf_store::{BlobStore, Clock as _, Objects, SystemClock};
use wharf_store_object::BucketStore;
use wharf_testkit::s3::{BUCKET, Operation};

use crate::harness::{Server, scratch};

const HOUR: Duration = Duration::from_hours(1);

async fn old_blob(server: &Server, store: &BucketStore) -> (Digest, SystemTime) {
    let digest = Digest::of(b"layer");
    BlobStore::put(store, &digest, Bytes::from_static(b"layer")).await.unwrap();
    server.s3.age(2 * HOUR);
    server.requests();
    (digest, store.stat(&digest).await.unwrap().modified)
}

fn operations(server: &Server) -> Vec<Operation> {
    server.requests().iter().map(|record| record.operation).collect()
}

#[tokio::test]
async fn an_old_blob_is_renewed_without_being_copied_and_a_young_one_is_believed() {
    use Operation::{HeadObject, PutObject};
    let (server, store) = scratch().await;
    let (digest, seen) = old_blob(&server, &store).await;
    let key = Key::BlobData(&digest);
    server.requests();
    assert!(store.renew(&key, SystemClock.now(), HOUR).await.unwrap());
    assert_eq!(operations(&server), []);

    assert!(store.renew(&key, seen, HOUR).await.unwrap());
    // Is it renewed? No: renewed, and looked at once more.
    assert_eq!(operations(&server), [HeadObject, PutObject, HeadObject]);
    assert!(server.s3.keys(BUCKET, "").contains(&store.key(&Key::Renewed(&digest))));
    assert!(store.renew(&key, seen, HOUR).await.unwrap());
    assert_eq!(operations(&server), [], "it is remembered");
    let replica = server.store();
    assert!(replica.renew(&key, seen, HOUR).await.unwrap());
    assert_eq!(operations(&server), [HeadObject, HeadObject]);

    server.s3.age(2 * HOUR);
    assert!(server.store().renew(&key, seen, HOUR).await.unwrap());
    assert_eq!(operations(&server), [HeadObject, PutObject, HeadObject]);
}

#[tokio::test]
async fn a_blob_that_is_gone_is_not_renewed_whatever_its_renewal_says() {
    let (server, store) = scratch().await;
    let (digest, seen) = old_blob(&server, &store).await;
    let key = Key::BlobData(&digest);
    assert!(store.renew(&key, seen, HOUR).await.unwrap());
    BlobStore::remove(&store, &digest).await.unwrap();
    for process in [&store, &server.store()] {
        for _ in 0..2 {
            assert!(!process.renew(&key, seen, HOUR).await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_collector_spares_what_was_renewed() {
    let (server, store) = scratch().await;
    let (renewed, seen) = old_blob(&server, &store).await;
    let (forgotten, absent) = (Digest::of(b"forgotten"), Digest::of(b"absent"));
    BlobStore::put(&store, &forgotten, Bytes::from_static(b"forgotten")).await.unwrap();
    for digest in [&renewed, &forgotten] {
        assert!(store.renew(&Key::BlobData(digest), seen, HOUR).await.unwrap());
    }
    server.s3.age(2 * HOUR);
    assert!(server.store().renew(&Key::BlobData(&renewed), seen, HOUR).await.unwrap());
    let batch = [forgotten, absent, renewed];

    let collector = server.store();
    // The first absent object of a process makes it ask whether the bucket is there.
    collector.stat(&absent).await.unwrap_err();
    server.requests();
    let removed = collector.remove_if_older(&batch, SystemClock.now() - HOUR).await.unwrap();

    assert_eq!(removed, [forgotten]);
    // Two looks at each; both objects of the one go.
    let operations = operations(&server);
    assert_eq!(operations.len(), 2 * batch.len() + 2, "{operations:?}");
    store.stat(&renewed).await.unwrap();
    let left = server.s3.keys(BUCKET, "");
    assert_eq!(left, [store.key(&Key::BlobData(&renewed)), store.key(&Key::Renewed(&renewed))]);
}

#[tokio::test]
async fn a_link_is_renewed_by_what_it_holds_and_comes_back_to_no_life() {
    let (server, store) = scratch().await;
    let (repository, digest) = ("acme/app".parse().unwrap(), Digest::of(b"layer"));
    let key = Key::LayerLink(&repository, &digest);
    assert!(!store.renew(&key, SystemTime::UNIX_EPOCH, HOUR).await.unwrap());
    Objects::put(&store, &key, Bytes::from(digest.to_string()), wharf_store::PutIf::Any).await.unwrap();
    server.s3.age(2 * HOUR);
    assert!(store.renew(&key, SystemTime::UNIX_EPOCH, HOUR).await.unwrap());
    let object = store.get_with_age(&key).await.unwrap().unwrap();
    assert_eq!(object.bytes, digest.to_string());
    assert!(SystemClock.now().duration_since(object.modified).unwrap_or_default() < HOUR);

    // Removed between the two requests.
    let renewer = server.store_as("renewer");
    server.s3.hold_after("renewer", 1);
    let renewal = renewer.renew(&key, SystemTime::UNIX_EPOCH, HOUR);
    let removal = async {
        server.s3.held("renewer").await;
        assert!(Objects::remove(&store, &key).await.unwrap());
        server.s3.release("renewer");
    };
    let (renewed, ()) = tokio::join!(renewal, removal);
    assert!(!renewed.unwrap());
    assert_eq!(Objects::get(&store, &key).await.unwrap(), None);
}
