//! Addresses as clients get them, with the clock in our hands.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use wharf_oci::{Algorithm, ByteRange, Digest};
use wharf_store::{BlobUrls, Clock, Error, Result, Retry};

use super::*;
use crate::cloud::{
    Cloud, Condition, Conditions, CredentialExpiry, Deleted, Meta, Multipart, Object, Page, Payload,
    SigningCredential, Start, Stored,
};

/// 2026-01-01T00:00:00Z.
const BEGINNING: u64 = 1_767_225_600;
const LIFETIME: Duration = Duration::from_mins(20);
/// The digest of `{}`, and where its bytes are.
const DIGEST: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
const PATH: &str = "docker/registry/v2/blobs/sha256/44/44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a/data";

#[derive(Debug, Clone)]
struct HandClock(Arc<Mutex<SystemTime>>);

impl HandClock {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(BEGINNING))))
    }

    fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for HandClock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

fn digest() -> Digest {
    DIGEST.parse().unwrap()
}

// === Presigned ===

/// Counts what it signs, or cannot sign, or does not.
#[derive(Debug)]
struct Signing {
    made: AtomicUsize,
    answer: Answer,
    credential: Mutex<SigningCredential>,
}

#[derive(Debug, Default)]
enum Answer {
    #[default]
    Signed,
    None,
    Broken,
}

#[async_trait]
impl Cloud for Signing {
    async fn signed_url(&self, key: &str, lifetime: Duration) -> Result<Option<String>> {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        match self.answer {
            Answer::Signed => {
                Ok(Some(format!("https://b.example.com/{key}?n={number}&s={}", lifetime.as_secs())))
            }
            Answer::None => Ok(None),
            Answer::Broken => Err(Error::Backend {
                backend: "test",
                operation: "sign".to_owned(),
                retry: Retry::Later,
                source: "no credentials".into(),
            }),
        }
    }

    async fn signing_credential(&self) -> Result<SigningCredential> {
        Ok(self.credential.lock().unwrap().clone())
    }

    async fn conditions(&self) -> Result<Conditions> {
        unreachable!("only addresses are asked for")
    }

    async fn delete_if(&self, _: &str, _: &str) -> Result<Deleted> {
        unreachable!("only addresses are asked for")
    }

    async fn get(&self, _: &str, _: Option<ByteRange>) -> Result<Option<Object>> {
        unreachable!("only addresses are asked for")
    }

    async fn head(&self, _: &str) -> Result<Option<Meta>> {
        unreachable!("only addresses are asked for")
    }

    async fn put(&self, _: &str, _: Payload, _: Condition) -> Result<Stored> {
        unreachable!("only addresses are asked for")
    }

    async fn delete(&self, _: &str) -> Result<()> {
        unreachable!("only addresses are asked for")
    }

    async fn delete_all(&self, _: Vec<String>) -> Result<()> {
        unreachable!("only addresses are asked for")
    }

    async fn list(&self, _: &str, _: Option<&Start>, _: bool, _: usize) -> Result<Page> {
        unreachable!("only addresses are asked for")
    }

    async fn copy(&self, _: &str, _: &str) -> Result<()> {
        unreachable!("only addresses are asked for")
    }

    async fn create_multipart(&self, _: &str) -> Result<String> {
        unreachable!("only addresses are asked for")
    }

    async fn put_part(&self, _: &str, _: &str, _: u32, _: Payload) -> Result<String> {
        unreachable!("only addresses are asked for")
    }

    async fn copy_part(&self, _: &str, _: ByteRange, _: &str, _: &str, _: u32) -> Result<String> {
        unreachable!("only addresses are asked for")
    }

    async fn complete_multipart(&self, _: &str, _: &str, _: &[String]) -> Result<bool> {
        unreachable!("only addresses are asked for")
    }

    async fn abort_multipart(&self, _: &str, _: &str) -> Result<()> {
        unreachable!("only addresses are asked for")
    }

    async fn multiparts(&self, _: &str) -> Result<Option<Vec<Multipart>>> {
        unreachable!("only addresses are asked for")
    }
}

fn presigned(root: &str, answer: Answer) -> (Presigned, HandClock) {
    let (urls, clock, _) = presigned_until(root, answer, |_| CredentialExpiry::Never);
    (urls, clock)
}

/// By a credential that ends as `expiry` says, given the beginning.
fn presigned_until(
    root: &str,
    answer: Answer,
    expiry: impl FnOnce(SystemTime) -> CredentialExpiry,
) -> (Presigned, HandClock, Arc<Signing>) {
    let clock = HandClock::new();
    let credential = SigningCredential { fingerprint: 1, expiry: expiry(clock.now()) };
    let cloud = Arc::new(Signing { made: AtomicUsize::new(0), answer, credential: Mutex::new(credential) });
    let options =
        PresignedOptions { root: root.to_owned(), lifetime: LIFETIME, clock: Arc::new(clock.clone()) };
    (Presigned::new(Arc::clone(&cloud) as Arc<dyn Cloud>, options), clock, cloud)
}

#[tokio::test]
async fn an_address_is_given_out_while_more_than_half_of_its_life_is_left() {
    let (urls, clock) = presigned("prod/", Answer::Signed);
    let first = format!("https://b.example.com/prod/{PATH}?n=1&s=1200");
    assert_eq!(urls.url(&digest()).await.unwrap(), Some(first.clone()));

    clock.advance(LIFETIME / 2 - Duration::from_secs(1));
    assert_eq!(urls.url(&digest()).await.unwrap(), Some(first));

    clock.advance(Duration::from_secs(1));
    let second = format!("https://b.example.com/prod/{PATH}?n=2&s=1200");
    assert_eq!(urls.url(&digest()).await.unwrap(), Some(second));
}

#[tokio::test]
async fn an_address_is_given_out_no_longer_than_half_of_what_is_left_of_its_credential() {
    const MINUTE: Duration = Duration::from_mins(1);
    const SECOND: Duration = Duration::from_secs(1);
    type Row = (fn(SystemTime) -> CredentialExpiry, Duration);
    let rows: [Row; 4] = [
        (|now| CredentialExpiry::At(now + 8 * MINUTE), 4 * MINUTE),
        (|now| CredentialExpiry::At(now + 60 * MINUTE), LIFETIME / 2),
        (|_| CredentialExpiry::Unknown, Duration::from_secs(150)),
        (|_| CredentialExpiry::Never, LIFETIME / 2),
    ];
    for (number, (expiry, fresh)) in rows.into_iter().enumerate() {
        let (urls, clock, _) = presigned_until("", Answer::Signed, expiry);
        let first = urls.url(&digest()).await.unwrap();
        clock.advance(fresh - SECOND);
        assert_eq!(urls.url(&digest()).await.unwrap(), first, "{number}");
        clock.advance(SECOND);
        assert_ne!(urls.url(&digest()).await.unwrap(), first, "{number}");
    }
    // One that has ended is none that a client could use later.
    let (urls, _, _) = presigned_until("", Answer::Signed, CredentialExpiry::At);
    assert_ne!(urls.url(&digest()).await.unwrap(), urls.url(&digest()).await.unwrap());
}

#[tokio::test]
async fn an_address_is_forgotten_when_another_credential_signs() {
    let (urls, _, cloud) = presigned_until("", Answer::Signed, |_| CredentialExpiry::Unknown);
    let first = urls.url(&digest()).await.unwrap();
    assert_eq!(urls.url(&digest()).await.unwrap(), first);
    cloud.credential.lock().unwrap().fingerprint = 2;
    let second = urls.url(&digest()).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(urls.url(&digest()).await.unwrap(), second);
}

#[tokio::test]
async fn every_blob_has_an_address_of_its_own() {
    let (urls, _) = presigned("", Answer::Signed);
    let other = Digest::of_with(Algorithm::Sha512, b"other");
    let (one, two) = (urls.url(&digest()).await.unwrap(), urls.url(&other).await.unwrap());
    assert_ne!(one, two);
    assert!(two.unwrap().contains(&format!("/blobs/sha512/{}/{}/data", &other.hex()[..2], other.hex())));
}

#[tokio::test]
async fn what_is_not_signed_or_cannot_be_is_asked_again() {
    let (urls, _) = presigned("", Answer::None);
    assert_eq!(urls.url(&digest()).await.unwrap(), None);
    let (urls, _) = presigned("", Answer::Broken);
    assert!(urls.url(&digest()).await.unwrap_err().may_succeed_later());
}

// === Redirect and Rewrite ===

#[tokio::test]
async fn a_redirect_goes_to_the_same_path_below_its_base() {
    for (base, expected) in [
        ("https://cdn.example.com", "https://cdn.example.com"),
        ("https://cdn.example.com/", "https://cdn.example.com"),
        ("http://cdn.example.com:8080/images/", "http://cdn.example.com:8080/images"),
    ] {
        let url = Redirect::new(base).url(&digest()).await.unwrap();
        assert_eq!(url, Some(format!("{expected}/{PATH}")), "{base}");
    }
}

#[derive(Debug)]
struct Fixed(Option<&'static str>);

#[async_trait]
impl BlobUrls for Fixed {
    async fn url(&self, _: &Digest) -> Result<Option<String>> {
        Ok(self.0.map(str::to_owned))
    }
}

#[tokio::test]
async fn a_rewrite_changes_what_it_names_and_no_other_letter() {
    let signed = "https://s3.example.com:9000/b/a%20b/data?X-Amz-Signature=1%2F2";
    for (scheme, host, trimmed, expected) in [
        (None, None, None, signed),
        (Some("http"), None, None, "http://s3.example.com:9000/b/a%20b/data?X-Amz-Signature=1%2F2"),
        (None, Some("cdn.example.com"), None, "https://cdn.example.com/b/a%20b/data?X-Amz-Signature=1%2F2"),
        (None, None, Some("/b"), "https://s3.example.com:9000/a%20b/data?X-Amz-Signature=1%2F2"),
        (None, None, Some("/b/"), "https://s3.example.com:9000/a%20b/data?X-Amz-Signature=1%2F2"),
        (None, None, Some("/c"), signed),
        (Some("http"), Some("c:1"), Some("/b"), "http://c:1/a%20b/data?X-Amz-Signature=1%2F2"),
    ] {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let options = RewriteOptions { scheme: own(scheme), host: own(host), trim_path_prefix: own(trimmed) };
        let urls = Rewrite::new(Arc::new(Fixed(Some(signed))), options);
        assert_eq!(urls.url(&digest()).await.unwrap().as_deref(), Some(expected));
    }
    let urls = Rewrite::new(Arc::new(Fixed(None)), RewriteOptions::default());
    assert_eq!(urls.url(&digest()).await.unwrap(), None);
}

// === CloudFront ===

fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der)).into_bytes()
}

fn options(base_url: &str, clock: &HandClock) -> CloudFrontOptions {
    CloudFrontOptions {
        base_url: base_url.to_owned(),
        key_pair_id: "K2EXAMPLE".to_owned(),
        duration: LIFETIME,
        root: "prod/".to_owned(),
        clock: Arc::new(clock.clone()),
    }
}

/// Whether the key's owner signed the canned policy for this resource and end.
#[track_caller]
fn verify(key: &KeyPair, url: &str, resource: &str, end: u64) {
    let query =
        url.strip_prefix(resource).and_then(|rest| rest.strip_prefix('?')).unwrap_or_else(|| panic!("{url}"));
    let parts: Vec<&str> = query.split('&').collect();
    let [expires, signature, "Key-Pair-Id=K2EXAMPLE"] = parts.as_slice() else { panic!("{query}") };
    assert_eq!(*expires, format!("Expires={end}"));
    let signature = signature.strip_prefix("Signature=").unwrap();
    let signature =
        BASE64_STANDARD.decode(signature.replace('-', "+").replace('_', "=").replace('~', "/")).unwrap();
    let policy = [
        r#"{"Statement":[{"Resource":""#,
        resource,
        r#"","Condition":{"DateLessThan":{"AWS:EpochTime":"#,
        &end.to_string(),
        "}}}]}",
    ];
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key.public_key());
    public.verify(policy.concat().as_bytes(), &signature).unwrap();
}

#[tokio::test]
async fn cloudfront_gets_addresses_signed_with_either_form_of_key() {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pkcs8 = AsDer::<Pkcs8V1Der<'static>>::as_der(&key).unwrap();
    let pkcs1 = rsa::PrivateKey::from_pkcs8_der(pkcs8.as_ref()).unwrap().to_pkcs1_der().unwrap();
    for pem in [pem("PRIVATE KEY", pkcs8.as_ref()), pem("RSA PRIVATE KEY", pkcs1.as_bytes())] {
        let clock = HandClock::new();
        let urls = CloudFront::new(&pem, options("d111111abcdef8.cloudfront.net", &clock)).unwrap();
        let resource = format!("https://d111111abcdef8.cloudfront.net/prod/{PATH}");
        let first = urls.url(&digest()).await.unwrap().unwrap();
        verify(&key, &first, &resource, BEGINNING + 1200);

        clock.advance(Duration::from_mins(9));
        assert_eq!(urls.url(&digest()).await.unwrap().unwrap(), first);
        clock.advance(Duration::from_mins(1));
        verify(&key, &urls.url(&digest()).await.unwrap().unwrap(), &resource, BEGINNING + 1800);
        assert!(!format!("{urls:?}").contains("Signature"), "{urls:?}");
    }
}

#[test]
fn what_cloudfront_cannot_be_given_is_said_without_the_key() {
    let clock = HandClock::new();
    let ec = pem("EC PRIVATE KEY", b"not even a key");
    for text in [b"".as_slice(), b"secret".as_slice(), &ec, &pem("RSA PRIVATE KEY", b"secret")] {
        let error = CloudFront::new(text, options("https://a.example.com", &clock)).unwrap_err();
        assert!(matches!(error, CloudFrontError::PrivateKey), "{error:?}");
    }
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let pem = pem("PRIVATE KEY", AsDer::<Pkcs8V1Der<'static>>::as_der(&key).unwrap().as_ref());
    for base in ["", "https://", "https://a.example.com/?a=b", "https://a b"] {
        let error = CloudFront::new(&pem, options(base, &clock)).unwrap_err();
        assert!(matches!(error, CloudFrontError::BaseUrl), "{base}: {error:?}");
    }
}
