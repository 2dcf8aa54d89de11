//! An empty bucket for each test, on the test kit's server; or on another, named by the environment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wharf_store_object::{BucketOptions, BucketStore, Cloud, S3Cloud, S3Options};
use wharf_testkit::s3::{BUCKET, KEY, Record, S3Server};

/// The address of a server to run the suites on instead, for example a moto that listens on a port of this machine and
/// has a bucket `wharf`. What is counted is counted here only.
const SERVER: &str = "WHARF_TEST_S3";

/// A server, with an empty part of a bucket.
pub(crate) struct Server {
    pub(crate) s3: S3Server,
    pub(crate) options: S3Options,
}

/// The other server.
#[expect(clippy::disallowed_methods, reason = "a test that may be pointed at another server")]
fn elsewhere() -> Option<String> {
    std::env::var(SERVER).ok()
}

/// Whether the tests run on another server, which cannot be told how to behave.
pub(crate) fn is_elsewhere() -> bool {
    elsewhere().is_some()
}

impl Server {
    pub(crate) fn start() -> Self {
        let s3 = S3Server::start();
        let mut options = S3Options {
            accesskey: Some(KEY.into()),
            secretkey: Some(KEY.into()),
            bucket: BUCKET.into(),
            regionendpoint: Some(s3.endpoint()),
            rootdirectory: "/some/where".into(),
            ..S3Options::default()
        };
        if let Some(server) = elsewhere() {
            static NEXT: AtomicU64 = AtomicU64::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            options.rootdirectory = format!("/{}/{number}", std::process::id());
            // A key and its secret may be in the address, as a URL has them: `http://key:secret@127.0.0.1:9000`.
            let (scheme, rest) = server.split_once("://").unwrap();
            if let Some((key, host)) = rest.split_once('@') {
                let (key, secret) = key.split_once(':').unwrap();
                (options.accesskey, options.secretkey) = (Some(key.into()), Some(secret.into()));
                options.regionendpoint = Some(format!("{scheme}://{host}"));
            } else {
                options.regionendpoint = Some(server);
            }
        }
        Self { s3, options }
    }

    pub(crate) fn cloud(&self) -> S3Cloud {
        S3Cloud::connect(self.options.clone()).unwrap()
    }

    pub(crate) fn store(&self) -> BucketStore {
        let cloud: Arc<dyn Cloud> = Arc::new(self.cloud());
        let root = self.options.rootdirectory.clone();
        BucketStore::open(cloud, BucketOptions { root, ..BucketOptions::default() })
    }

    /// A store of a process that calls itself so, and can be held by that name.
    pub(crate) fn store_as(&self, name: &str) -> BucketStore {
        let options = S3Options { useragent: Some(name.to_owned()), ..self.options.clone() };
        let cloud: Arc<dyn Cloud> = Arc::new(S3Cloud::connect(options).unwrap());
        let root = self.options.rootdirectory.clone();
        BucketStore::open(cloud, BucketOptions { root, ..BucketOptions::default() })
    }

    /// The requests since this was last asked.
    pub(crate) fn requests(&self) -> Vec<Record> {
        let log = self.s3.log();
        self.s3.forget();
        log
    }
}

/// An empty store, and what must outlive it.
pub(crate) async fn scratch() -> (Server, BucketStore) {
    let server = Server::start();
    let store = server.store();
    (server, store)
}
