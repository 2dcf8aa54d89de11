//! What becomes visible when: a fact only after what it speaks of, so that an interruption never leaves a gap.

use super::failing::FailingStore;
use super::*;
use crate::Placement;

#[tokio::test]
async fn things_become_visible_after_what_they_reference_and_go_before_it() {
    let (store, name, subject) = (FailingStore::default(), repo("a"), Digest::of(b"subject"));
    let registry = store.registry();
    let config = push_blob(&registry, &name, b"{}").await;
    assert_eq!(store.written(), ["bytes", "blob link"]);

    let put = to_put(tag("v1"), &referring(&subject, "one", "application/sbom"));
    let digest = try_put(&registry, &name, put).await.unwrap().digest;
    assert_eq!(store.written(), ["bytes", "revision", "referrer", "tag history", "tag"]);

    registry.delete_manifest(&cause(), &name, &digest.into()).await.unwrap();
    assert_eq!(store.written(), ["-tag", "-referrer", "-revision"]);

    registry.delete_blob(&cause(), &name, &config).await.unwrap();
    assert_eq!(store.written(), ["-blob link"], "bytes are the collector's");
}

#[tokio::test]
async fn a_manifest_put_interrupted_anywhere_leaves_no_gap_and_can_be_repeated() {
    for calls in 0.. {
        let (store, name, subject) = (FailingStore::default(), repo("a"), Digest::of(b"subject"));
        let registry = store.registry();
        push_blob(&registry, &name, b"{}").await;
        let put = || to_put(tag("v1"), &referring(&subject, "one", "application/sbom"));
        store.fail_after(calls);
        let result = try_put(&registry, &name, put()).await;
        let failed = store.repair();

        let listed = registry.referrers(&name, &subject, &[], None, 10).await.unwrap().items;
        if let Some(digest) = meaning(&registry, &name, "v1").await {
            assert_eq!(listed.len(), 1, "after {calls} calls the tag is there before the referrer");
            registry.manifest(&name, &digest.into()).await.unwrap();
        }
        for entry in listed {
            registry.manifest(&name, &entry.digest.into()).await.unwrap();
        }
        try_put(&registry, &name, put()).await.unwrap();
        if failed == 0 {
            result.unwrap();
            return;
        }
    }
}

#[tokio::test]
async fn a_delete_interrupted_anywhere_leaves_no_gap_and_can_be_repeated() {
    for calls in 0.. {
        let (store, name) = (FailingStore::default(), repo("a"));
        let registry = store.registry();
        let digest = push_manifest(&registry, &name, "v1", &image(&[])).await;
        push_manifest(&registry, &name, "v2", &image(&[])).await;
        store.fail_after(calls);
        let result = registry.delete_manifest(&cause(), &name, &digest.into()).await;
        let failed = store.repair();

        for name_of_tag in registry.tags(&name, None, 10).await.map(|page| page.items).unwrap_or_default() {
            assert!(meaning(&registry, &name, name_of_tag.as_str()).await.is_some(), "after {calls} calls");
        }
        match registry.delete_manifest(&cause(), &name, &digest.into()).await {
            Ok(()) | Err(Error::ManifestUnknown { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
        assert_eq!(meaning(&registry, &name, "v1").await, None);
        if failed == 0 {
            result.unwrap();
            return;
        }
    }
}

#[tokio::test]
async fn a_push_interrupted_anywhere_leaves_no_link_without_bytes() {
    for calls in 0.. {
        let (store, name, digest) = (FailingStore::default(), repo("a"), Digest::of(b"bytes"));
        let registry = store.registry();
        let id = begin(&registry, &name).await;
        store.fail_after(calls);
        let last = Some((Placement::End, body(b"bytes")));
        let result = registry.finish(&cause(), &name, &id, &digest, last).await;
        let failed = store.repair();
        match registry.blob(&name, &digest).await {
            Ok(info) => assert_eq!(info.size_bytes, 5),
            Err(Error::BlobUnknown { .. }) => assert!(result.is_err(), "after {calls} calls"),
            Err(error) => panic!("{error:?}"),
        }
        if failed == 0 {
            result.unwrap();
            return;
        }
    }
}
