//! S3, and what speaks like it.
//!
//! Credentials, signatures and signed addresses are `object_store`'s. The requests are our own, every one through
//! [`Inner::call`] or [`Inner::open`], because half of those a registry needs cannot be asked of that crate (parts copied
//! inside the bucket, unfinished uploads listed, storage class and ACL of an object in parts), and one policy of retries,
//! one limit and one reading of errors must hold for all.

mod answer;
mod body;
mod conditions;
mod http;
mod listing;
mod options;
mod requests;
mod send;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use ::http::HeaderValue;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredentialProvider};
use object_store::client::{HttpClient, HttpConnector};
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use tokio::sync::{OnceCell, Semaphore};
use wharf_store::{BoxError, Error, LogLimit, Retry};

use self::answer::{ServiceError, Unreadable};
use self::http::Connector;
use self::options::Place;
pub use self::options::{S3ConfigError, S3Options};
use self::send::Failure;
use crate::cloud::Conditions;

/// The name of this backend in errors.
const BACKEND: &str = "bucket";

/// How we call ourselves unless told otherwise.
const USER_AGENT: &str = concat!("wharf/", env!("CARGO_PKG_VERSION"));

/// How often, and for how long, whoever gives credentials is asked again.
const CREDENTIAL_RETRIES: usize = 3;
const CREDENTIAL_DEADLINE: Duration = Duration::from_secs(10);

/// How often a line about requests that are sent again is logged: under load a bucket that is away makes thousands.
const RETRY_LOG_INTERVAL: Duration = Duration::from_secs(10);

/// A bucket on S3. Cheap to clone.
#[derive(Clone)]
pub struct S3Cloud {
    inner: Arc<Inner>,
}

struct Inner {
    http: HttpClient,
    credentials: AwsCredentialProvider,
    signer: AmazonS3,
    place: Place,
    bucket: String,
    probe_prefix: String,
    sign_payload: bool,
    useragent: HeaderValue,
    /// Headers of a new object.
    new_object: Vec<(&'static str, String)>,
    answer_timeout: Duration,
    retry_deadline: Duration,
    concurrency: usize,
    permits: Semaphore,
    retry_log: LogLimit,
    /// Whether the bucket is known to exist: a HEAD that finds nothing does not say which of the two is missing.
    seen: AtomicBool,
    /// Whether a write was allowed: then a 403 for the next one need not be the policy's.
    writes: AtomicBool,
    /// Which conditions are heeded, once that was needed.
    conditions: OnceCell<Conditions>,
}

/// What the operator should do about an answer.
#[derive(Debug, thiserror::Error)]
#[error("{advice}")]
struct Advised {
    advice: String,
    source: ServiceError,
}

impl fmt::Debug for S3Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Cloud").field("place", &self.inner.place).finish_non_exhaustive()
    }
}

// === impl S3Cloud ===

impl S3Cloud {
    /// The bucket by these options. Nothing is asked over the network yet.
    pub fn connect(options: S3Options) -> Result<Self, S3ConfigError> {
        let place = options.place()?;
        // Whoever gives credentials may be behind TLS even where the bucket is not.
        let tls = place.url.starts_with("https:") || options.accesskey.is_none();
        let connector = Connector::new(&options, tls)?;
        Self::connect_with(options, connector)
    }

    /// As [`connect`](Self::connect), with another HTTP client. The limits on waiting are then that client's.
    pub fn connect_with(
        options: S3Options,
        connector: impl HttpConnector + Clone,
    ) -> Result<Self, S3ConfigError> {
        let place = options.place()?;
        let http = connector.connect(&ClientOptions::new()).map_err(S3ConfigError::Credentials)?;
        let signer = signer(&options, &place, connector)?;
        let useragent = options.useragent.as_deref().filter(|name| !name.is_empty()).unwrap_or(USER_AGENT);
        let useragent = HeaderValue::from_str(useragent).map_err(|_| S3ConfigError::Invalid {
            parameter: "useragent",
            value: useragent.to_owned(),
            wanted: "the value of a header".into(),
        })?;
        let inner = Inner {
            http,
            credentials: Arc::clone(signer.credentials()),
            signer,
            sign_payload: !place.url.starts_with("https:"),
            probe_prefix: crate::normalised_root(&options.rootdirectory),
            useragent,
            new_object: headers_of_new_objects(&options),
            bucket: options.bucket,
            answer_timeout: options.answer_timeout,
            retry_deadline: options.retry_deadline,
            concurrency: options.concurrency.max(1),
            permits: Semaphore::new(options.concurrency.max(1)),
            retry_log: LogLimit::new(RETRY_LOG_INTERVAL),
            seen: AtomicBool::new(false),
            writes: AtomicBool::new(false),
            conditions: OnceCell::new(),
            place,
        };
        Ok(Self { inner: Arc::new(inner) })
    }
}

/// What signs addresses and knows where credentials come from.
fn signer(
    options: &S3Options,
    place: &Place,
    connector: impl HttpConnector,
) -> Result<AmazonS3, S3ConfigError> {
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: CREDENTIAL_RETRIES,
        retry_timeout: CREDENTIAL_DEADLINE,
    };
    let builder = match (&options.accesskey, &options.secretkey) {
        (Some(access), Some(secret)) => {
            let builder = AmazonS3Builder::new().with_access_key_id(access).with_secret_access_key(secret);
            match &options.sessiontoken {
                Some(token) => builder.with_token(token),
                None => builder,
            }
        }
        _ => AmazonS3Builder::from_env(),
    };
    // "Virtual hosted" makes it take the address as it is: the bucket is in it.
    builder
        .with_retry(retry)
        .with_http_connector(connector)
        .with_region(&place.region)
        .with_bucket_name(&options.bucket)
        .with_endpoint(&place.signed_url)
        .with_virtual_hosted_style_request(true)
        .build()
        .map_err(S3ConfigError::Credentials)
}

fn headers_of_new_objects(options: &S3Options) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    // What a bucket does anyway is not said: one without ACLs refuses every request that names one.
    if !matches!(options.objectacl.as_str(), "" | "private") {
        headers.push(("x-amz-acl", options.objectacl.clone()));
    }
    if !matches!(options.storageclass.as_str(), "" | "NONE" | "STANDARD") {
        headers.push(("x-amz-storage-class", options.storageclass.clone()));
    }
    match &options.keyid {
        Some(key) if options.encrypt && !key.is_empty() => {
            headers.push(("x-amz-server-side-encryption", "aws:kms".into()));
            headers.push(("x-amz-server-side-encryption-aws-kms-key-id", key.clone()));
        }
        _ if options.encrypt => headers.push(("x-amz-server-side-encryption", "AES256".into())),
        _ => {}
    }
    headers
}

// === impl Inner ===

impl Inner {
    /// The error of a request that failed, after all that could be tried.
    fn error(&self, operation: impl Into<String>, failure: Failure) -> Error {
        let (retry, source): (_, BoxError) = match failure {
            Failure::Broken(source) => (Retry::Later, source),
            Failure::Invalid(source) => (Retry::Never, source),
            Failure::Refused { error, .. } => {
                let retry = if error.is_transient() { Retry::Later } else { Retry::Never };
                match self.advice(&error) {
                    Some(advice) => (retry, Advised { advice, source: error }.into()),
                    None => (retry, error.into()),
                }
            }
        };
        Error::Backend { backend: BACKEND, operation: operation.into(), retry, source }
    }

    fn unreadable(operation: impl Into<String>, problem: Unreadable) -> Error {
        Error::Backend {
            backend: BACKEND,
            operation: operation.into(),
            retry: Retry::Never,
            source: problem.into(),
        }
    }

    fn advice(&self, error: &ServiceError) -> Option<String> {
        let (bucket, url) = (&self.bucket, &self.place.url);
        match (error.status.as_u16(), error.code.as_str()) {
            (_, "NoSuchBucket") => {
                Some(format!("there is no bucket {bucket} at {url}; create it, or correct `bucket`"))
            }
            (403, "RequestTimeTooSkewed") => Some("this machine's clock is wrong; set it".into()),
            (403, "InvalidAccessKeyId" | "SignatureDoesNotMatch") => {
                Some(format!("{url} does not know these credentials; check `accesskey` and `secretkey`"))
            }
            (401 | 403, _) => Some(format!(
                "{url} does not allow it; the credentials need s3:GetObject, s3:PutObject, s3:DeleteObject, \
                 s3:AbortMultipartUpload, s3:ListMultipartUploadParts on the objects of {bucket}, and s3:ListBucket, \
                 s3:ListBucketMultipartUploads on the bucket itself (without which absent looks like forbidden)"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{Cloud as _, CredentialExpiry};

    #[tokio::test]
    async fn a_session_token_ends_and_a_key_does_not() {
        let credential_with = async |token: Option<&str>| {
            let options = S3Options {
                accesskey: Some("key".into()),
                secretkey: Some("secret".into()),
                sessiontoken: token.map(str::to_owned),
                bucket: "images".into(),
                regionendpoint: Some("http://127.0.0.1:9".into()),
                ..S3Options::default()
            };
            S3Cloud::connect(options).unwrap().signing_credential().await.unwrap()
        };
        let (key, one, other) =
            (credential_with(None).await, credential_with(Some("1")).await, credential_with(Some("2")).await);
        assert_eq!(key.expiry, CredentialExpiry::Never);
        assert_eq!((one.expiry, other.expiry), (CredentialExpiry::Unknown, CredentialExpiry::Unknown));
        assert_ne!(one.fingerprint, other.fingerprint);
    }
}
