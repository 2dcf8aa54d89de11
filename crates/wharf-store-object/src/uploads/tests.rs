//! Uploads over a cloud in memory.

mod failures;
mod finished;
mod purging;
mod replicas;
mod suite;
mod traffic;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use wharf_oci::{Algorithm, Digest};
use wharf_store::layout::Key;
use wharf_store::suite::{key, noise, once, pieces};
use wharf_store::{Announced, BlobStore, BoxError, ByteStream, Error, UploadKey};

use crate::memory_cloud::{Fault, MemoryCloud, Traffic};
use crate::{BucketOptions, BucketStore, Cloud};

/// Small enough for many parts in little time; longer than what is kept in a record.
const PART: usize = 100_000;

/// One more process over the same cloud.
fn replica(cloud: &MemoryCloud) -> BucketStore {
    let options = BucketOptions {
        root: "root/".to_owned(),
        part_bytes: PART as u64,
        copy_part_bytes: 2 * PART as u64,
        copy_threshold_bytes: 5 * PART as u64,
        clock: Arc::new(cloud.clock.clone()),
        ..BucketOptions::default()
    };
    BucketStore::open(Arc::new(cloud.clone()), options)
}

fn scratch() -> (MemoryCloud, BucketStore) {
    let cloud = MemoryCloud::default();
    let store = replica(&cloud);
    (cloud, store)
}

fn blob(cloud: &MemoryCloud, digest: &Digest) -> Option<Bytes> {
    cloud.object(&format!("root/{}", Key::BlobData(digest).path()))
}

/// The blob is whole, and nothing else is left.
fn assert_only_blob(cloud: &MemoryCloud, digest: &Digest, bytes: &[u8]) {
    assert!(blob(cloud, digest).expect("a blob") == bytes);
    assert_eq!(cloud.keys().len(), 1, "{:?}", cloud.keys());
    assert_eq!(cloud.unfinished(), Vec::<String>::new());
}

/// The upload is closed, and then nothing but the whole blob is left.
async fn assert_closes(
    store: &BucketStore,
    key: &UploadKey,
    cloud: &MemoryCloud,
    digest: &Digest,
    bytes: &[u8],
) {
    store.close(key).await.unwrap();
    assert_only_blob(cloud, digest, bytes);
}

/// Every blob that can be seen is what its name says.
fn assert_nothing_wrong_visible(cloud: &MemoryCloud) {
    for key in cloud.keys().iter().filter(|key| key.contains("/blobs/")) {
        let mut levels = key.rsplit('/').skip(1);
        let (hex, algorithm) = (levels.next().unwrap(), levels.nth(1).unwrap());
        let digest: Digest = format!("{algorithm}:{hex}").parse().unwrap();
        assert!(Digest::of_with(digest.algorithm(), &cloud.object(key).unwrap()) == digest, "{key}");
    }
}

fn broken(bytes: &[u8], size: usize) -> ByteStream {
    let hung_up: BoxError = "hung up".into();
    pieces(bytes, size).chain(stream::once(async { Err(hung_up) })).boxed()
}
