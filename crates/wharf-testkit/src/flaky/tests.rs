//! The wrappers do as they are told, and otherwise nothing.

use wharf_oci::Digest;
use wharf_store::{BlobStore, LayoutMetadata, MemoryStore};

use super::*;

fn blobs() -> (FlakyBlobs, Faults) {
    let faults = Faults::default();
    (FlakyBlobs::new(Arc::new(MemoryStore::default()), faults.clone()), faults)
}

#[tokio::test]
async fn so_many_calls_fail_and_then_none() {
    let (store, faults) = blobs();
    let digest = Digest::of(b"x");
    faults.fail(Call::Stat, 2);
    for _ in 0..2 {
        let error = store.stat(&digest).await.unwrap_err();
        assert!(error.may_succeed_later(), "{error:?}");
    }
    assert!(matches!(store.stat(&digest).await, Err(Error::BlobNotFound { .. })));
    assert_eq!(faults.count(Call::Stat), 3);

    faults.fail_everything(Retry::Never);
    let error = store.put(&digest, "x".into()).await.unwrap_err();
    assert!(!error.may_succeed_later(), "{error:?}");
    faults.mend();
    store.put(&digest, "x".into()).await.unwrap();
}

#[tokio::test]
async fn a_barred_call_waits_until_its_gate_is_open() {
    let (store, faults) = blobs();
    let digest = Digest::of(b"x");
    let mut gate = faults.bar(Call::Put);
    let put = store.put(&digest, "x".into());
    let look = async {
        gate.reached().await;
        let before = store.stat(&digest).await;
        gate.open();
        before
    };

    let (put, before) = tokio::join!(put, look);

    assert!(matches!(before, Err(Error::BlobNotFound { .. })), "{before:?}");
    put.unwrap();
    store.stat(&digest).await.unwrap();
}

/// What runs in production on a bucket is what faults are injected into.
mod fast_paths {
    use super::*;
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use inner::Inner;
    use wharf_oci::{RepositoryName, UploadId};
    use wharf_store::layout::Key;
    use wharf_store::{Announced, Objects, Put, UploadKey};

    mod inner;

    fn wrapped() -> (FlakyBlobs, FlakyObjects, Arc<Inner>, Faults) {
        let (inner, faults) = (Arc::new(Inner::default()), Faults::default());
        let blobs = FlakyBlobs::new(inner.clone(), faults.clone());
        (blobs, FlakyObjects::new(inner.clone(), faults.clone()), inner, faults)
    }

    fn repository() -> RepositoryName {
        "a".parse().unwrap()
    }

    async fn finish(store: &FlakyBlobs) -> Result<u64> {
        let id: UploadId = "0189f3a4-0000-7000-8000-000000000000".parse().unwrap();
        let key = UploadKey { repository: repository(), id };
        store.begin(&key, Announced::Nothing).await?;
        let body = stream::once(async { Ok(Bytes::from_static(b"x")) }).boxed();
        store.finish(&key, 0, body, &Digest::of(b"x")).await
    }

    /// Puts three links, the last of them in a group of its own.
    async fn put_all(store: &FlakyObjects) -> Result<()> {
        let (name, digests) = (repository(), [b"1", b"2", b"3"].map(|bytes| Digest::of(bytes)));
        let put = |digest| Put { key: Key::LayerLink(&name, digest), bytes: Bytes::from_static(b"x") };
        store.put_all(vec![vec![put(&digests[0]), put(&digests[1])], vec![put(&digests[2])]]).await
    }

    #[tokio::test]
    async fn a_finish_is_one_of_the_store_and_may_fail_before_it_or_after_it() {
        let (blobs, _, inner, faults) = wrapped();
        assert_eq!(finish(&blobs).await.unwrap(), 1);
        assert_eq!(inner.taken(), ["finish"]);

        faults.fail(Call::Finish, 1);
        finish(&blobs).await.unwrap_err();
        assert_eq!(inner.taken(), [""; 0]);
        faults.fail(Call::Finished, 1);
        finish(&blobs).await.unwrap_err();
        assert_eq!(inner.taken(), ["finish"]);
        blobs.stat(&Digest::of(b"x")).await.unwrap();
    }

    #[tokio::test]
    async fn groups_reach_the_store_together_unless_a_call_between_fails_or_waits() {
        let (_, objects, inner, faults) = wrapped();
        put_all(&objects).await.unwrap();
        assert_eq!(inner.taken(), ["put_all 2 1"]);

        for (after, expected) in [(0, "put_all 0"), (1, "put_all 1"), (2, "put_all 2 0")] {
            faults.fail_once_after(Call::PutObject, after);
            put_all(&objects).await.unwrap_err();
            assert_eq!(inner.taken(), [expected], "after {after}");
        }
        faults.fail(Call::AllPut, 1);
        put_all(&objects).await.unwrap_err();
        assert_eq!(inner.taken(), ["put_all 2 1"]);

        drop(faults.bar(Call::PutObject));
        put_all(&objects).await.unwrap();
        assert_eq!(inner.taken(), ["put_all 0", "put_all 2 1"]);
    }

    #[tokio::test]
    async fn a_flat_listing_and_a_sweep_are_the_stores_and_may_fail() {
        let (blobs, objects, inner, faults) = wrapped();
        assert_eq!(objects.repositories(None, None, 10).await.unwrap(), Some(vec![repository()]));
        blobs.sweep(std::time::SystemTime::UNIX_EPOCH).await.unwrap();
        assert_eq!(inner.taken(), ["repositories", "sweep"]);
        for call in [Call::Repositories, Call::Sweep] {
            faults.fail(call, 1);
        }
        objects.repositories(None, None, 10).await.unwrap_err();
        blobs.sweep(std::time::SystemTime::UNIX_EPOCH).await.unwrap_err();
        assert_eq!(inner.taken(), [""; 0]);
    }
}

/// A wrapper with nothing in mind keeps every promise of what it wraps.
mod wrapped {
    use super::*;

    wharf_store::blob_store_suite!(((), blobs().0));
    wharf_store::metadata_store_suite!(((), {
        let objects = FlakyObjects::new(Arc::new(MemoryStore::default()), Faults::default());
        LayoutMetadata::new(Arc::new(objects))
    }));
}
