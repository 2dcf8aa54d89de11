//! What is left of uploads that nobody finishes.

use std::time::Duration;

use futures_util::TryStreamExt;
use wharf_store::Clock;

use super::*;

const WEEK: Duration = Duration::from_secs(7 * 86_400);

async fn old(store: &BucketStore, cloud: &MemoryCloud) -> Vec<UploadKey> {
    let mut found: Vec<_> = store.uploads(cloud.clock.now() - WEEK).try_collect().await.unwrap();
    found.sort();
    found
}

#[tokio::test]
async fn old_multiparts_are_purged_and_young_ones_left() {
    let (cloud, store) = scratch();
    let (foreign, dead) = (key("a/b", "foreign"), key("a", "dead"));
    let places = [
        format!("root/{}", Key::UploadData(&foreign).path()),
        format!("root/{}", Key::UploadParts(&dead, "n").path()),
        format!("root/{}", Key::BlobData(&Digest::of(b"blob")).path()),
    ];
    for place in &places {
        cloud.create_multipart(place).await.unwrap();
    }
    assert!(old(&store, &cloud).await.is_empty());
    cloud.clock.advance(WEEK + Duration::from_secs(1));
    cloud.create_multipart(&format!("root/{}", Key::UploadData(&key("a", "young")).path())).await.unwrap();
    cloud.create_multipart(&places[2]).await.unwrap();

    let found = old(&store, &cloud).await;

    assert_eq!(found, [dead, foreign]);
    assert_eq!(cloud.unfinished().len(), 5, "looking removes nothing");
    store.sweep(cloud.clock.now() - WEEK).await.unwrap();
    assert_eq!(cloud.unfinished().len(), 4, "one was nobody's");
    for key in &found {
        store.abort(key).await.unwrap();
        assert!(matches!(store.abort(key).await, Err(Error::UploadNotFound { .. })));
    }
    assert_eq!(cloud.unfinished().len(), 2);
    assert!(old(&replica(&cloud), &cloud).await.is_empty());
}

#[tokio::test]
async fn uploads_of_older_registries_are_purged_by_their_age() {
    let (cloud, store) = scratch();
    let key = key("acme/app", "foreign");
    let place = format!("root/{}", Key::UploadStartedAt(&key).path());
    cloud
        .put(&place, vec![Bytes::from_static(b"2026-01-01T00:00:00Z")], crate::Condition::Any)
        .await
        .unwrap();
    assert!(matches!(store.status(&key).await, Err(Error::UploadNotFound { .. })));
    assert!(old(&store, &cloud).await.is_empty());
    cloud.clock.advance(2 * WEEK);
    assert_eq!(old(&store, &cloud).await, std::slice::from_ref(&key));
    store.abort(&key).await.unwrap();
    assert!(cloud.keys().is_empty());
}

#[tokio::test]
async fn a_young_upload_keeps_its_parts_and_loses_its_rubbish() {
    let (cloud, store) = scratch();
    let (key, bytes) = (key("a", "u"), noise(250_000));
    cloud.create_multipart(&format!("root/{}", Key::UploadParts(&key, "rubbish").path())).await.unwrap();
    cloud.clock.advance(2 * WEEK);
    store.begin(&key, Announced::Nothing).await.unwrap();
    store.append(&key, 0, once(&bytes)).await.unwrap();
    assert!(old(&store, &cloud).await.is_empty());
    assert_eq!(cloud.unfinished().len(), 2);
    store.sweep(cloud.clock.now() - WEEK).await.unwrap();
    assert_eq!(cloud.unfinished().len(), 1);
    store.commit(&key, &Digest::of(&bytes)).await.unwrap();
    assert_closes(&store, &key, &cloud, &Digest::of(&bytes), &bytes).await;
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing_at_all() {
    for forgetful in [false, true] {
        let (cloud, store) = scratch();
        cloud.forgetful.store(forgetful, Ordering::Relaxed);
        let key = key("a", "u");
        store.begin(&key, Announced::Nothing).await.unwrap();
        store.append(&key, 0, once(noise(350_000))).await.unwrap();
        cloud.clock.advance(2 * WEEK);
        assert_eq!(old(&store, &cloud).await, std::slice::from_ref(&key));
        store.abort(&key).await.unwrap();
        assert!(cloud.keys().is_empty() && cloud.unfinished().is_empty());
    }
}

#[tokio::test]
async fn beginning_again_removes_what_was_there() {
    let (cloud, store) = scratch();
    let key = key("a", "u");
    for length in [5_000, 50_000, 350_000, 0] {
        store.begin(&key, Announced::Nothing).await.unwrap();
        store.append(&key, 0, once(noise(length))).await.unwrap();
    }
    let left: Vec<String> = cloud.keys().into_iter().filter(|key| !key.ends_with("/startedat")).collect();
    assert_eq!(left, [format!("root/{}", Key::UploadRecord(&key).path())]);
    assert!(cloud.unfinished().is_empty());
}

#[tokio::test]
async fn many_uploads_of_many_repositories_are_all_found() {
    let (cloud, store) = scratch();
    let names = ["a", "a-b", "a.b", "a/b", "a/b/c", "b"];
    let mut keys: Vec<UploadKey> = names.iter().map(|name| key(name, "u")).collect();
    keys.extend((0..1100).map(|number| key("a/b", &format!("u{number}"))));
    for key in &keys {
        store.begin(key, Announced::Nothing).await.unwrap();
    }
    cloud.clock.advance(2 * WEEK);
    keys.sort();
    assert_eq!(old(&store, &cloud).await, keys);
}
