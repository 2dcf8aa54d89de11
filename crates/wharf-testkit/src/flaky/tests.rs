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

/// A wrapper with nothing in mind keeps every promise of what it wraps.
mod wrapped {
    use super::*;

    wharf_store::blob_store_suite!(((), blobs().0));
    wharf_store::metadata_store_suite!(((), {
        let objects = FlakyObjects::new(Arc::new(MemoryStore::default()), Faults::default());
        LayoutMetadata::new(Arc::new(objects))
    }));
}
