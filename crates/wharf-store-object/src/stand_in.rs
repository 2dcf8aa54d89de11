//! Stands where the bucket will: the names that whoever puts a registry together needs, and errors behind them.
//! Whoever merges `s3`, `store` and `uploads` takes this file out.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use wharf_oci::{ByteRange, Digest};
use wharf_store::layout::{Dir, Key};
use wharf_store::{
    Announced, BlobRead, BlobStat, BlobStore, ByteStream, Clock, Error, ListedBlob, Objects, Put, PutIf,
    PutOutcome, Result, Retry, UploadKey, UploadStatus,
};

use crate::cloud::{Cloud, Condition, Meta, Multipart, Object, Page, Payload, Stored};

/// One field for each parameter of the driver `s3`.
#[derive(Clone, Default)]
#[expect(missing_docs, missing_debug_implementations, clippy::struct_excessive_bools, reason = "a stand-in")]
pub struct S3Options {
    pub accesskey: Option<String>,
    pub secretkey: Option<String>,
    pub sessiontoken: Option<String>,
    pub region: Option<String>,
    pub regionendpoint: Option<String>,
    pub redirectendpoint: Option<String>,
    pub forcepathstyle: Option<bool>,
    pub bucket: String,
    pub rootdirectory: String,
    pub encrypt: bool,
    pub keyid: Option<String>,
    pub secure: bool,
    pub skipverify: bool,
    pub v4auth: bool,
    pub storageclass: String,
    pub objectacl: String,
    pub useragent: Option<String>,
    pub usedualstack: bool,
    pub accelerate: bool,
    pub usefipsendpoint: bool,
    pub connect_timeout: Duration,
    pub answer_timeout: Duration,
    pub idle_timeout: Duration,
    pub retry_deadline: Duration,
    pub concurrency: usize,
}

/// Why there cannot be a bucket by these options.
#[derive(Debug, thiserror::Error)]
#[error("never: this is a stand-in")]
pub struct S3ConfigError;

/// A bucket on S3.
#[derive(Debug, Clone)]
pub struct S3Cloud;

/// How the tree lies in a bucket.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "a stand-in")]
pub struct BucketOptions {
    pub root: String,
    pub part_bytes: u64,
    pub upload_parts_in_flight: usize,
    pub copy_part_bytes: u64,
    pub copy_concurrency: usize,
    pub copy_threshold_bytes: u64,
    pub clock: Arc<dyn Clock>,
}

/// A registry's bytes and facts in a bucket.
#[derive(Debug, Clone)]
pub struct BucketStore;

impl Default for BucketOptions {
    fn default() -> Self {
        Self {
            root: String::new(),
            part_bytes: 10 << 20,
            upload_parts_in_flight: 3,
            copy_part_bytes: 32 << 20,
            copy_concurrency: 16,
            copy_threshold_bytes: 32 << 20,
            clock: Arc::new(wharf_store::SystemClock),
        }
    }
}

#[expect(missing_docs, reason = "a stand-in")]
impl S3Cloud {
    pub fn connect(_options: S3Options) -> Result<Self, S3ConfigError> {
        Ok(Self)
    }
}

#[expect(missing_docs, reason = "a stand-in")]
impl BucketStore {
    pub fn open(_cloud: Arc<dyn Cloud>, _options: BucketOptions) -> Self {
        Self
    }
}

fn absent<T>() -> Result<T> {
    let operation = "reach a bucket: this build has none".to_owned();
    Err(Error::Backend { backend: "s3", operation, retry: Retry::Never, source: "a stand-in".into() })
}

#[async_trait]
impl Cloud for S3Cloud {
    async fn get(&self, _: &str, _: Option<ByteRange>) -> Result<Option<Object>> {
        absent()
    }
    async fn head(&self, _: &str) -> Result<Option<Meta>> {
        absent()
    }
    async fn put(&self, _: &str, _: Payload, _: Condition) -> Result<Stored> {
        absent()
    }
    async fn delete(&self, _: &str) -> Result<()> {
        absent()
    }
    async fn delete_all(&self, _: Vec<String>) -> Result<()> {
        absent()
    }
    async fn list(&self, _: &str, _: Option<&str>, _: bool, _: usize) -> Result<Page> {
        absent()
    }
    async fn copy(&self, _: &str, _: &str) -> Result<()> {
        absent()
    }
    async fn create_multipart(&self, _: &str) -> Result<String> {
        absent()
    }
    async fn put_part(&self, _: &str, _: &str, _: u32, _: Payload) -> Result<String> {
        absent()
    }
    async fn copy_part(&self, _: &str, _: ByteRange, _: &str, _: &str, _: u32) -> Result<String> {
        absent()
    }
    async fn complete_multipart(&self, _: &str, _: &str, _: &[String]) -> Result<bool> {
        absent()
    }
    async fn abort_multipart(&self, _: &str, _: &str) -> Result<()> {
        absent()
    }
    async fn multiparts(&self, _: &str) -> Result<Option<Vec<Multipart>>> {
        absent()
    }
    async fn signed_url(&self, _: &str, _: Duration) -> Result<Option<String>> {
        absent()
    }
}

#[async_trait]
impl BlobStore for BucketStore {
    async fn stat(&self, _: &Digest) -> Result<BlobStat> {
        absent()
    }
    async fn read(&self, _: &Digest, _: Option<ByteRange>) -> Result<BlobRead> {
        absent()
    }
    async fn put(&self, _: &Digest, _: Bytes) -> Result<()> {
        absent()
    }
    async fn remove(&self, _: &Digest) -> Result<()> {
        absent()
    }
    async fn remove_if_older(&self, _: &Digest, _: SystemTime) -> Result<bool> {
        absent()
    }
    fn list(&self, _: Option<Digest>) -> BoxStream<'_, Result<ListedBlob>> {
        stream::once(async { absent() }).boxed()
    }
    async fn begin(&self, _: &UploadKey, _: Announced) -> Result<()> {
        absent()
    }
    async fn append(&self, _: &UploadKey, _: u64, _: ByteStream) -> Result<u64> {
        absent()
    }
    async fn status(&self, _: &UploadKey) -> Result<UploadStatus> {
        absent()
    }
    async fn commit(&self, _: &UploadKey, _: &Digest) -> Result<u64> {
        absent()
    }
    async fn abort(&self, _: &UploadKey) -> Result<()> {
        absent()
    }
    fn uploads(&self, _: SystemTime) -> BoxStream<'_, Result<UploadKey>> {
        stream::once(async { absent() }).boxed()
    }
}

#[async_trait]
impl Objects for BucketStore {
    async fn get(&self, _: &Key<'_>) -> Result<Option<Bytes>> {
        absent()
    }
    async fn put(&self, _: &Key<'_>, _: Bytes, _: PutIf) -> Result<PutOutcome> {
        absent()
    }
    async fn put_all(&self, _: Vec<Vec<Put<'_>>>) -> Result<()> {
        absent()
    }
    async fn remove(&self, _: &Key<'_>) -> Result<bool> {
        absent()
    }
    async fn remove_all(&self, _: &Dir<'_>) -> Result<()> {
        absent()
    }
    async fn children(&self, _: &Dir<'_>, _: Option<&str>, _: usize) -> Result<Vec<String>> {
        absent()
    }
    async fn children_of_each(&self, _: &[Dir<'_>], _: usize) -> Result<Vec<Vec<String>>> {
        absent()
    }
    async fn have_children(&self, _: &[Dir<'_>]) -> Result<Vec<bool>> {
        absent()
    }
    async fn renew(&self, _: &Key<'_>, _: Duration) -> Result<bool> {
        absent()
    }
}
