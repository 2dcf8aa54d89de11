//! The middleware `cloudfront`: addresses at a distribution of CloudFront that has the bucket behind it.
//!
//! They are signed with a canned policy: an RSA signature over SHA-1 of what may be fetched and until when. SHA-1 is what
//! CloudFront asks for, and aws-lc-rs, our other cryptography, verifies such signatures and makes none; so the `rsa` crate
//! makes them, with blinding.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rsa::PrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::signature::{SignatureEncoding, Signer};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use sha1::Sha1;
use url::Url;
use wharf_oci::Digest;
use wharf_store::layout::Key;
use wharf_store::{BlobUrls, BoxError, Clock, Error, Result, Retry, in_current_span};

use super::kept::Kept;
use crate::cloud::{CredentialExpiry, SigningCredential};

/// How addresses are made.
#[derive(Debug, Clone)]
pub struct CloudFrontOptions {
    /// The URL of the distribution (`baseurl`); `https` where it names no scheme.
    pub base_url: String,
    /// The id of the public key there (`keypairid`).
    pub key_pair_id: String,
    /// How long an address is good (`duration`).
    pub duration: Duration,
    /// What stands before every key of the tree: empty, or with a slash at its end.
    pub root: String,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

/// Why there can be no addresses.
#[derive(Debug, thiserror::Error)]
pub enum CloudFrontError {
    /// The base is no URL.
    #[error("baseurl is no URL such as https://d111111abcdef8.cloudfront.net")]
    BaseUrl,
    /// The key cannot be used. What is wrong with it is not said further: it is a secret.
    #[error("the private key is no RSA key in PEM (`BEGIN RSA PRIVATE KEY` or `BEGIN PRIVATE KEY`)")]
    PrivateKey,
}

/// Addresses signed for CloudFront.
pub struct CloudFront {
    base: String,
    key_pair_id: String,
    key: Arc<SigningKey<Sha1>>,
    kept: Kept,
}

// === impl CloudFront ===

impl CloudFront {
    /// Addresses signed with the key in `pem`.
    ///
    /// # Errors
    /// [`CloudFrontError`], if one of them cannot be used.
    pub fn new(pem: &[u8], options: CloudFrontOptions) -> Result<Self, CloudFrontError> {
        let kept = Kept::new(options.duration, options.clock);
        let base = base(&options.base_url, &options.root).ok_or(CloudFrontError::BaseUrl)?;
        let key = private_key(pem).ok_or(CloudFrontError::PrivateKey)?;
        Ok(Self { base, key_pair_id: options.key_pair_id, key: Arc::new(SigningKey::new(key)), kept })
    }

    async fn signed(&self, digest: &Digest, end: SystemTime) -> Result<Option<String>> {
        let resource = format!("{}{}", self.base, Key::BlobData(digest).path());
        let seconds = end.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let policy = policy(&resource, seconds);
        let key = Arc::clone(&self.key);
        // Milliseconds of arithmetic: not beside other requests.
        let signature = tokio::task::spawn_blocking(in_current_span(move || signature(&key, &policy))).await;
        let signature =
            signature.map_err(|error| failed(error.into()))?.map_err(|error| failed(error.into()))?;
        let id = &self.key_pair_id;
        Ok(Some(format!("{resource}?Expires={seconds}&Signature={signature}&Key-Pair-Id={id}")))
    }
}

impl fmt::Debug for CloudFront {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudFront")
            .field("base", &self.base)
            .field("key_pair_id", &self.key_pair_id)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl BlobUrls for CloudFront {
    async fn url(&self, digest: &Digest) -> Result<Option<String>> {
        let credential = SigningCredential { fingerprint: 0, expiry: CredentialExpiry::Never };
        self.kept.get(digest, credential, |end| self.signed(digest, end)).await
    }
}

/// What stands before every path, written as clients will ask for it.
fn base(url: &str, root: &str) -> Option<String> {
    let scheme = if url.contains("://") { "" } else { "https://" };
    // By itself first: without a host, the root would be taken for one.
    let url = Url::parse(&format!("{scheme}{url}")).ok()?;
    let is_plain = url.has_host() && url.query().is_none() && url.fragment().is_none();
    let whole = format!("{}/{root}", url.as_str().trim_end_matches('/'));
    Url::parse(&whole).ok().filter(|_| is_plain).map(Into::into)
}

fn private_key(pem: &[u8]) -> Option<PrivateKey> {
    match PrivateKeyDer::from_pem_slice(pem).ok()? {
        PrivateKeyDer::Pkcs1(der) => PrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).ok(),
        PrivateKeyDer::Pkcs8(der) => PrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).ok(),
        _ => None,
    }
}

/// The canned policy, without any white space, as CloudFront will put it together from the address.
fn policy(resource: &str, end: u64) -> String {
    format!(
        r#"{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{end}}}}}}}]}}"#
    )
}

/// In an alphabet of CloudFront's own, in which nothing needs to be escaped in a query.
fn signature(key: &SigningKey<Sha1>, policy: &str) -> Result<String, rsa::signature::Error> {
    let signature = key.try_sign(policy.as_bytes())?;
    Ok(BASE64_STANDARD.encode(signature.to_bytes()).replace('+', "-").replace('=', "_").replace('/', "~"))
}

fn failed(source: BoxError) -> Error {
    let operation = "sign an address for CloudFront".to_owned();
    Error::Backend { backend: "cloudfront", operation, retry: Retry::Never, source }
}
