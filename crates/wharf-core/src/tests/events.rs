//! What is told to whoever wants to know: exactly what changed, after it did.

use wharf_store::TagChange;

use super::*;
use crate::Placement;

#[tokio::test]
async fn every_change_is_told_once_with_what_it_changed() {
    let (fixture, name, other) = (fixture(), repo("a"), repo("b"));
    let registry = &fixture.registry;
    let config = Digest::of(b"{}");

    let id = begin(registry, &name).await;
    registry.finish(&cause(), &name, &id, &config, Some((Placement::End, body(b"{}")))).await.unwrap();
    assert_eq!(fixture.happened(), [EventKind::BlobPushed { digest: config, size_bytes: 2 }]);

    registry.mount(&cause(), &other, &config, Some(&name)).await.unwrap();
    let from = Some(name.clone());
    assert_eq!(fixture.happened(), [EventKind::BlobMounted { digest: config, size_bytes: 2, from }]);

    let (first, second) = (image(&[]), with(image(&[]), "annotations", json!({"second": "yes"})));
    let old = try_put(registry, &name, to_put(tag("v1"), &first)).await.unwrap().digest;
    let new = try_put(registry, &name, to_put(tag("v1"), &second)).await.unwrap().digest;
    let change = |from, to| TagChange { tag: tag("v1"), from, to };
    let pushed = |manifest: &Value, digest, change| EventKind::ManifestPushed {
        digest,
        media_type: MediaType::OCI_MANIFEST,
        size_bytes: bytes_of(manifest).len() as u64,
        tags: vec![change],
    };
    assert_eq!(
        fixture.happened(),
        [pushed(&first, old, change(None, Some(old))), pushed(&second, new, change(Some(old), Some(new)))]
    );

    registry.delete_manifest(&cause(), &name, &new.into()).await.unwrap();
    let gone = EventKind::ManifestDeleted { digest: new, tags: vec![change(Some(new), None)] };
    assert_eq!(fixture.happened(), [gone]);

    try_put(registry, &name, to_put(tag("v1"), &first)).await.unwrap();
    fixture.happened();
    registry.delete_manifest(&cause(), &name, &tag("v1").into()).await.unwrap();
    assert_eq!(fixture.happened(), [EventKind::TagDeleted(change(Some(old), None))]);

    registry.delete_blob(&cause(), &name, &config).await.unwrap();
    assert_eq!(fixture.happened(), [EventKind::BlobDeleted { digest: config }]);
}

#[tokio::test]
async fn an_event_says_where_who_when_and_in_which_request() {
    let (fixture, name) = (fixture(), repo("a"));
    push_blob(&fixture.registry, &name, b"x").await;
    let event = fixture.events.0.lock().unwrap().remove(0);
    assert_eq!(event.repository, name);
    assert_eq!(event.actor.as_deref(), Some("tester"));
    assert_eq!(&*event.request_id, "r1");
    assert_eq!(event.at, fixture.clock.now());
}

#[tokio::test]
async fn what_fails_or_only_looks_tells_nothing() {
    let (fixture, name) = (fixture(), repo("a"));
    let registry = &fixture.registry;
    let digest = push_manifest(registry, &name, "v1", &image(&[])).await;
    fixture.happened();

    registry.manifest(&name, &digest.into()).await.unwrap();
    registry.tags(&name, None, 10).await.unwrap();
    registry.referrers(&name, &digest, &[], None, 10).await.unwrap();
    let id = begin(registry, &name).await;
    registry.append(&name, &id, Placement::End, body(b"x")).await.unwrap();
    registry.finish(&cause(), &name, &id, &Digest::of(b"y"), None).await.unwrap_err();
    registry.cancel_upload(&name, &id).await.unwrap();
    registry.mount(&cause(), &name, &Digest::of(b"y"), None).await.unwrap();
    registry.delete_blob(&cause(), &name, &Digest::of(b"y")).await.unwrap_err();
    registry.delete_manifest(&cause(), &name, &Digest::of(b"y").into()).await.unwrap_err();
    try_put(registry, &name, to_put(tag("v1"), &image(&[layer(b"y")]))).await.unwrap_err();

    assert!(fixture.happened().is_empty());
}
