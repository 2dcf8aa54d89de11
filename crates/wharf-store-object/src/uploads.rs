//! Uploads into a bucket.

use std::time::SystemTime;

use futures_util::stream::{self, BoxStream, StreamExt};
use wharf_oci::Digest;
use wharf_store::{Announced, ByteStream, Error, Result, Retry, UploadKey, UploadStatus};

use crate::BucketStore;

/// What this process remembers of uploads for a moment.
#[derive(Debug, Default)]
pub(crate) struct Sessions;

fn not_yet() -> Error {
    Error::Backend {
        backend: "bucket",
        operation: "take an upload".to_owned(),
        retry: Retry::Never,
        source: "this build cannot".into(),
    }
}

pub(crate) async fn begin(store: &BucketStore, _key: &UploadKey, _announced: Announced) -> Result<()> {
    let Sessions = store.sessions();
    Err(not_yet())
}

pub(crate) async fn append(
    _store: &BucketStore,
    _key: &UploadKey,
    _offset: u64,
    _bytes: ByteStream,
) -> Result<u64> {
    Err(not_yet())
}

pub(crate) async fn status(_store: &BucketStore, _key: &UploadKey) -> Result<UploadStatus> {
    Err(not_yet())
}

pub(crate) async fn commit(_store: &BucketStore, _key: &UploadKey, _digest: &Digest) -> Result<u64> {
    Err(not_yet())
}

pub(crate) async fn finish(
    _store: &BucketStore,
    _key: &UploadKey,
    _offset: u64,
    _bytes: ByteStream,
    _digest: &Digest,
) -> Result<u64> {
    Err(not_yet())
}

pub(crate) async fn abort(_store: &BucketStore, _key: &UploadKey) -> Result<()> {
    Err(not_yet())
}

pub(crate) fn uploads(_store: &BucketStore, _begun_before: SystemTime) -> BoxStream<'_, Result<UploadKey>> {
    stream::iter([Err(not_yet())]).boxed()
}
