//! Promises about blobs at rest.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use wharf_oci::{Algorithm, ByteRange, Digest};

use super::{collect, noise};
use crate::blob::BlobStore;
use crate::error::Error;

async fn put(store: &dyn BlobStore, bytes: &[u8]) -> Digest {
    let digest = Digest::of(bytes);
    store.put(&digest, Bytes::copy_from_slice(bytes)).await.unwrap();
    digest
}

pub async fn committed_bytes_are_read_back_whole(store: &dyn BlobStore) {
    for length in [1, 4096, 300_000, 1_500_000] {
        let bytes = noise(length);
        let digest = put(store, &bytes).await;

        let read = store.read(&digest, None).await.unwrap();

        assert_eq!(store.stat(&digest).await.unwrap().size, length as u64);
        assert_eq!(read.size, length as u64);
        assert_eq!(Digest::of(&collect(read.body).await), digest);
    }
}

pub async fn an_empty_blob_is_a_blob(store: &dyn BlobStore) {
    let digest = put(store, b"").await;
    let read = store.read(&digest, None).await.unwrap();
    assert_eq!(read.size, 0);
    assert!(collect(read.body).await.is_empty());
}

pub async fn a_blob_put_twice_is_one_blob(store: &dyn BlobStore) {
    let first = put(store, b"twice").await;
    let second = put(store, b"twice").await;
    assert_eq!(first, second);
    assert_eq!(store.list(None).try_collect::<Vec<_>>().await.unwrap().len(), 1);
}

pub async fn mismatched_put_leaves_nothing(store: &dyn BlobStore) {
    let promised = Digest::of(b"promised");
    let error = store.put(&promised, Bytes::from_static(b"delivered")).await.unwrap_err();
    assert!(matches!(error, Error::DigestMismatch { .. }), "{error:?}");
    assert!(matches!(store.stat(&promised).await, Err(Error::BlobNotFound { .. })));
    assert!(store.list(None).try_collect::<Vec<_>>().await.unwrap().is_empty());
}

pub async fn what_is_absent_is_said_to_be_absent(store: &dyn BlobStore) {
    let digest = Digest::of(b"absent");
    assert!(matches!(store.stat(&digest).await, Err(Error::BlobNotFound { .. })));
    assert!(matches!(store.read(&digest, None).await, Err(Error::BlobNotFound { .. })));
}

pub async fn a_range_is_exactly_its_bytes(store: &dyn BlobStore) {
    let bytes = noise(700_000);
    let digest = put(store, &bytes).await;
    for (start, length) in [(0, 1), (1, 2), (0, 700_000), (699_999, 1), (262_143, 2), (100, 600_000)] {
        let read = store.read(&digest, Some(ByteRange { start, length })).await.unwrap();
        let (from, to) = (start as usize, (start + length) as usize);
        assert_eq!(read.size, 700_000);
        assert!(collect(read.body).await == bytes[from..to], "{start}+{length}");
    }
}

pub async fn a_removed_blob_is_gone_and_removing_it_again_is_fine(store: &dyn BlobStore) {
    let digest = put(store, b"short lived").await;
    store.remove(&digest).await.unwrap();
    assert!(matches!(store.stat(&digest).await, Err(Error::BlobNotFound { .. })));
    store.remove(&digest).await.unwrap();
}

pub async fn a_collector_removes_only_what_is_old(store: &dyn BlobStore) {
    let (digest, absent) = (put(store, b"ageing").await, Digest::of(b"absent"));
    let batch = [absent, digest];
    let published = store.stat(&digest).await.unwrap().modified;
    assert!(store.remove_if_older(&batch, published).await.unwrap().is_empty());
    store.stat(&digest).await.unwrap();
    let later = published + Duration::from_secs(1);
    assert_eq!(store.remove_if_older(&batch, later).await.unwrap(), [digest]);
    assert!(matches!(store.stat(&digest).await, Err(Error::BlobNotFound { .. })));
    assert!(store.remove_if_older(&batch, later).await.unwrap().is_empty());
    assert!(store.remove_if_older(&[], later).await.unwrap().is_empty());
}

pub async fn sha512_is_a_digest_like_any_other(store: &dyn BlobStore) {
    for algorithm in [Algorithm::Sha384, Algorithm::Sha512] {
        let bytes = noise(10_000);
        let digest = Digest::of_with(algorithm, &bytes);
        store.put(&digest, Bytes::from(bytes.clone())).await.unwrap();
        let read = store.read(&digest, None).await.unwrap();
        assert!(collect(read.body).await == bytes);
        assert!(matches!(store.stat(&Digest::of(&bytes)).await, Err(Error::BlobNotFound { .. })));
    }
}

pub async fn blobs_are_listed_in_the_order_of_their_digests(store: &dyn BlobStore) {
    let mut expected = Vec::new();
    for number in 0..20_u8 {
        expected.push(put(store, &[number]).await);
    }
    let long = Digest::of_with(Algorithm::Sha512, b"long");
    store.put(&long, Bytes::from_static(b"long")).await.unwrap();
    expected.push(long);
    expected.sort();

    let all: Vec<_> = store.list(None).map_ok(|listed| listed.digest).try_collect().await.unwrap();
    let rest: Vec<_> =
        store.list(Some(expected[7])).map_ok(|listed| listed.digest).try_collect().await.unwrap();

    assert_eq!(all, expected);
    assert_eq!(rest, expected[8..]);
}
