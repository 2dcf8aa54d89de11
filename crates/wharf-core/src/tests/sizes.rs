//! Remembered sizes, and that nobody can tell whether there are any.

use wharf_store::{BlobSizes, BlobStore, Grace, SystemClock};

use super::*;
use crate::MemorySizes;

/// A registry that remembers sizes, and the memory of it.
fn remembering() -> (Fixture, Arc<MemorySizes>) {
    let clock = Arc::new(ManualClock(Mutex::new(SystemTime::UNIX_EPOCH)));
    let sizes = Arc::new(MemorySizes::new(100, Grace::default(), clock.clone()));
    let fixture = fixture_with(Options { sizes: Some(sizes.clone()), ..Options::default() });
    (Fixture { clock, ..fixture }, sizes)
}

/// A registry with one blob that it has been asked for.
async fn asked_once() -> (Fixture, Arc<MemorySizes>, RepositoryName, Digest) {
    let ((fixture, sizes), name) = (remembering(), repo("a"));
    let digest = push_blob(&fixture.registry, &name, b"layer").await;
    assert_eq!(fixture.registry.blob(&name, &digest).await.unwrap().size_bytes, 5);
    assert_eq!(sizes.get(&digest).await, Some(5));
    (fixture, sizes, name, digest)
}

#[tokio::test]
async fn a_size_is_remembered_for_half_an_hour_and_no_longer() {
    let (fixture, sizes, _, digest) = asked_once().await;
    fixture.clock.advance(Grace::default().size_lifetime() - Duration::from_secs(1));
    assert_eq!(sizes.get(&digest).await, Some(5));
    fixture.clock.advance(Duration::from_secs(1));
    assert_eq!(sizes.get(&digest).await, None);
}

#[tokio::test]
async fn a_size_from_the_future_is_not_believed() {
    let clock = Arc::new(ManualClock(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(60))));
    let sizes = MemorySizes::new(10, Grace::default(), clock.clone());
    let digest = Digest::of(b"layer");
    sizes.keep(&digest, 5).await;
    *clock.0.lock().unwrap() -= Duration::from_secs(30);
    assert_eq!(sizes.get(&digest).await, None);
}

#[tokio::test]
async fn no_more_sizes_are_remembered_than_are_asked_for() {
    let sizes = MemorySizes::new(100, Grace::default(), Arc::new(SystemClock));
    let digests: Vec<Digest> = (0..10_000_u32).map(|number| Digest::of(&number.to_le_bytes())).collect();
    for digest in &digests {
        sizes.keep(digest, 1).await;
    }
    let mut remembered = 0;
    for digest in &digests {
        remembered += u32::from(sizes.get(digest).await.is_some());
    }
    assert!((50..=100).contains(&remembered), "{remembered}");
}

#[tokio::test]
async fn a_remembered_blob_is_of_no_repository_that_does_not_have_it() {
    let (fixture, _, name, digest) = asked_once().await;
    let elsewhere = fixture.registry.blob(&repo("b"), &digest).await;
    assert!(matches!(elsewhere, Err(Error::BlobUnknown { .. })), "{elsewhere:?}");
    fixture.registry.delete_blob(&cause(), &name, &digest).await.unwrap();
    let deleted = fixture.registry.blob(&name, &digest).await;
    assert!(matches!(deleted, Err(Error::BlobUnknown { .. })), "{deleted:?}");
}

#[tokio::test]
async fn a_manifest_is_no_blob_for_having_been_remembered() {
    let (fixture, _, name, _) = asked_once().await;
    let manifest = push_manifest(&fixture.registry, &name, "v1", &image(&[])).await;
    fixture.registry.manifest(&name, &manifest.into()).await.unwrap();
    let blob = fixture.registry.blob(&name, &manifest).await;
    assert!(matches!(blob, Err(Error::BlobUnknown { .. })), "{blob:?}");
}

#[tokio::test]
async fn whoever_finds_the_bytes_gone_forgets_their_size() {
    type Look = fn(&Fixture, RepositoryName, Digest) -> std::pin::Pin<Box<dyn Future<Output = bool> + '_>>;
    let looks: [(&str, Look); 4] = [
        ("a read", |fixture, name, digest| {
            Box::pin(async move { read_blob(&fixture.registry, &name, &digest).await.is_err() })
        }),
        ("a range", |fixture, name, digest| {
            Box::pin(async move {
                let info = fixture.registry.blob(&name, &digest).await.unwrap();
                let range = wharf_oci::ByteRange { start: 0, length: 1 };
                fixture.registry.open_range(&name, &info, range).await.is_err()
            })
        }),
        ("a mount", |fixture, name, digest| {
            Box::pin(async move {
                let mounted = fixture.registry.mount(&cause(), &repo("b"), &digest, Some(&name)).await;
                mounted.unwrap().is_none()
            })
        }),
        ("a manifest", |fixture, name, _| {
            Box::pin(async move {
                push_blob(&fixture.registry, &name, b"{}").await;
                let put = to_put(tag("v1"), &image(&[layer(b"layer")]));
                let put = try_put(&fixture.registry, &name, put).await;
                matches!(put, Err(Error::ReferencesUnknown { .. }))
            })
        }),
    ];
    for (what, look) in looks {
        let (fixture, sizes, name, digest) = asked_once().await;
        fixture.store.remove(&digest).await.unwrap();
        assert!(look(&fixture, name.clone(), digest).await, "{what} went well");
        assert_eq!(sizes.get(&digest).await, None, "after {what}");
        let after = fixture.registry.blob(&name, &digest).await;
        assert!(matches!(after, Err(Error::BlobUnknown { .. })), "after {what}: {after:?}");
    }
}

#[tokio::test]
async fn a_repeated_finish_looks_at_the_bytes_themselves() {
    let ((fixture, _), name) = (remembering(), repo("a"));
    let id = begin(&fixture.registry, &name).await;
    let digest = Digest::of(b"layer");
    let append = Some((crate::Placement::End, body(b"layer")));
    fixture.registry.finish(&cause(), &name, &id, &digest, append).await.unwrap();
    let finish = || async { fixture.registry.finish(&cause(), &name, &id, &digest, None).await };
    finish().await.unwrap();
    fixture.registry.blob(&name, &digest).await.unwrap();
    fixture.store.remove(&digest).await.unwrap();
    assert!(finish().await.is_err(), "a 201 for bytes that are not there");
}
