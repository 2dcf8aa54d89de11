//! Where bytes live: the one file of the server that names a backend.
//!
//! Nothing here asks a network for anything: a start must not wait for a bucket, and a bucket that is away for a moment
//! must not keep a server from starting.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use wharf_store::{BlobStore, BlobUrls, MemoryStore, Objects, SystemClock};
use wharf_store_fs::{FsOptions, FsStore};
use wharf_store_object::{
    BucketOptions, BucketStore, CloudFront, CloudFrontOptions, Presigned, PresignedOptions, Redirect,
    Rewrite, RewriteOptions, S3Cloud, S3Options,
};

use crate::config::{Encryption, Fsync, Middleware, ProcessLocks, S3Config, StorageConfig, StorageDriver};

/// What a registry stands on.
pub(crate) struct Stores {
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) objects: Arc<dyn Objects>,
    /// From where clients may fetch blobs themselves.
    pub(crate) urls: Option<Arc<dyn BlobUrls>>,
}

// === impl Stores ===

impl Stores {
    /// Opens what the configuration names.
    pub(crate) fn open(storage: &StorageConfig) -> anyhow::Result<Self> {
        let stores = match &storage.driver {
            StorageDriver::Filesystem { root, fsync, locks } => directory(root, *fsync, *locks)?,
            StorageDriver::InMemory => memory(),
            StorageDriver::S3(s3) => bucket(s3)?,
        };
        if !storage.redirects {
            return Ok(Self { urls: None, ..stores });
        }
        let behind = storage
            .middleware
            .iter()
            .try_fold(stores.urls, |urls, middleware| in_front(urls, middleware, &storage.driver))?;
        Ok(Self { urls: behind, ..stores })
    }
}

fn memory() -> Stores {
    let store = MemoryStore::default();
    Stores { blobs: Arc::new(store.clone()), objects: Arc::new(store), urls: None }
}

fn directory(root: &Path, fsync: Fsync, locks: ProcessLocks) -> anyhow::Result<Stores> {
    let fsync = match fsync {
        Fsync::Full => wharf_store_fs::Fsync::Full,
        Fsync::Data => wharf_store_fs::Fsync::Data,
        Fsync::None => wharf_store_fs::Fsync::None,
    };
    let locks = match locks {
        ProcessLocks::Detect => wharf_store_fs::ProcessLocks::Detect,
        ProcessLocks::None => wharf_store_fs::ProcessLocks::None,
    };
    let store = FsStore::open(FsOptions { fsync, locks, ..FsOptions::new(root) })
        .with_context(|| format!("the directory of storage.filesystem.rootdirectory, {}", root.display()))?;
    Ok(Stores { blobs: Arc::new(store.clone()), objects: Arc::new(store), urls: None })
}

fn bucket(s3: &S3Config) -> anyhow::Result<Stores> {
    let cloud = S3Cloud::connect(options(s3)).with_context(|| format!("the bucket {}", s3.bucket))?;
    let cloud = Arc::new(cloud);
    let store = BucketStore::open(
        cloud.clone(),
        BucketOptions {
            root: s3.root.clone(),
            part_bytes: s3.part_bytes,
            upload_parts_in_flight: s3.upload_parts_in_flight,
            copy_part_bytes: s3.copy_part_bytes,
            copy_concurrency: s3.copy_concurrency,
            copy_threshold_bytes: s3.copy_threshold_bytes,
            ..BucketOptions::default()
        },
    );
    let clock = Arc::new(SystemClock);
    let signing = PresignedOptions { root: s3.root.clone(), lifetime: s3.redirect_lifetime, clock };
    Ok(Stores {
        blobs: Arc::new(store.clone()),
        objects: Arc::new(store),
        urls: Some(Arc::new(Presigned::new(cloud, signing))),
    })
}

fn options(s3: &S3Config) -> S3Options {
    let credentials = s3.credentials.as_ref();
    S3Options {
        accesskey: credentials.map(|known| known.access_key.clone()),
        secretkey: credentials.map(|known| known.secret_key.expose().to_owned()),
        sessiontoken: credentials.and_then(|known| Some(known.session_token.as_ref()?.expose().to_owned())),
        region: s3.region.clone(),
        regionendpoint: s3.endpoint.clone(),
        redirectendpoint: s3.redirect_endpoint.clone(),
        forcepathstyle: s3.path_style,
        bucket: s3.bucket.clone(),
        rootdirectory: s3.root.clone(),
        encrypt: s3.encryption != Encryption::Unsaid,
        keyid: match &s3.encryption {
            Encryption::Key(id) => Some(id.clone()),
            Encryption::Unsaid | Encryption::Own => None,
        },
        secure: s3.secure,
        skipverify: s3.skip_verify,
        v4auth: true,
        storageclass: s3.storage_class.clone(),
        objectacl: s3.acl.clone(),
        useragent: s3.user_agent.clone(),
        usedualstack: s3.dual_stack,
        accelerate: s3.accelerate,
        usefipsendpoint: s3.fips,
        retry_deadline: s3.retry_deadline,
        concurrency: s3.max_requests,
        ..S3Options::default()
    }
}

/// What a middleware makes of the addresses behind it.
fn in_front(
    behind: Option<Arc<dyn BlobUrls>>,
    middleware: &Middleware,
    driver: &StorageDriver,
) -> anyhow::Result<Option<Arc<dyn BlobUrls>>> {
    let urls: Arc<dyn BlobUrls> = match middleware {
        Middleware::Redirect { base_url } => Arc::new(Redirect::new(base_url)),
        Middleware::CloudFront { base_url, private_key, key_pair_id, duration } => {
            let root = match driver {
                StorageDriver::S3(s3) => s3.root.clone(),
                StorageDriver::Filesystem { .. } | StorageDriver::InMemory => String::new(),
            };
            let options = CloudFrontOptions {
                base_url: base_url.clone(),
                key_pair_id: key_pair_id.clone(),
                duration: *duration,
                root,
                clock: Arc::new(SystemClock),
            };
            let place =
                || format!("middleware cloudfront, the file of privatekey, {}", private_key.display());
            let pem = read(private_key).with_context(place)?;
            Arc::new(CloudFront::new(&pem, options).with_context(place)?)
        }
        Middleware::Rewrite { scheme, host, trim_path_prefix } => {
            let Some(behind) = behind else { return Ok(None) };
            let options = RewriteOptions {
                scheme: scheme.clone(),
                host: host.clone(),
                trim_path_prefix: trim_path_prefix.clone(),
            };
            Arc::new(Rewrite::new(behind, options))
        }
    };
    Ok(Some(urls))
}

#[expect(clippy::disallowed_methods, reason = "the key is a part of the config that has a file of its own")]
fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}
