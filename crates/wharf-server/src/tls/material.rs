//! From files to keys and certificates that fit together.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::config::{ClientTrust, TlsConfig};

use super::error::TlsError;
use super::leaf::Leaf;

const CERTIFICATE: &str = "http.tls.certificate";
const KEY: &str = "http.tls.key";

/// How a file begins that OpenSSL has encrypted, in either of its ways.
const ENCRYPTED: [&str; 2] = ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"];

/// What was in the files.
#[derive(Debug)]
pub(super) struct Material {
    pub(super) certified: Arc<CertifiedKey>,
    /// Whose certificates clients may show, where they may show any.
    pub(super) authorities: Arc<RootCertStore>,
    pub(super) leaf: Leaf,
}

// === impl Material ===

impl Material {
    /// Reads all files of a configuration.
    pub(super) fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        let chain = certificates(CERTIFICATE, &config.certificate)?;
        let key = key(&config.key)?;
        let leaf = check_pair(&chain[0], &*key, config)?;
        let authorities = match &config.clients {
            Some(clients) => authorities(clients)?,
            None => RootCertStore::empty(),
        };
        Ok(Self {
            certified: Arc::new(CertifiedKey::new(chain, key)),
            authorities: Arc::new(authorities),
            leaf,
        })
    }
}

/// At least one certificate.
fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(key, path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::not_pem(key, path, &error))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { key: key.to_owned(), path: path.to_owned() });
    }
    Ok(certificates)
}

fn key(path: &Path) -> Result<Arc<dyn SigningKey>, TlsError> {
    let text = read(KEY, path)?;
    let says = |words: &&str| text.windows(words.len()).any(|window| window == words.as_bytes());
    if ENCRYPTED.iter().any(says) {
        return Err(TlsError::EncryptedKey { path: path.to_owned() });
    }
    let key = PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        PemError::NoItemsFound => TlsError::NoKey { path: path.to_owned() },
        error => TlsError::not_pem(KEY, path, &error),
    })?;
    any_supported_type(&key).map_err(|source| TlsError::UnusableKey { path: path.to_owned(), source })
}

/// Whether the key is the certificate's own: half of a renewal is no renewal.
fn check_pair(
    certificate: &CertificateDer<'_>,
    key: &dyn SigningKey,
    config: &TlsConfig,
) -> Result<Leaf, TlsError> {
    let unreadable = || TlsError::NotX509 { key: CERTIFICATE.to_owned(), path: config.certificate.clone() };
    let subject = wharf_http::subject_of(certificate).ok_or_else(unreadable)?.subject;
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| unreadable())?;
    if key.public_key().is_some_and(|key| key.as_ref() != certificate.public_key().raw) {
        return Err(TlsError::OtherKey { path: config.key.clone(), certificate: config.certificate.clone() });
    }
    Ok(Leaf::new(subject, &certificate))
}

/// The certificates of all files. One that is too odd to be used is left out, as it always was, so that a bundle of many
/// can be taken as it is.
fn authorities(clients: &ClientTrust) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    for (index, path) in clients.authorities.iter().enumerate() {
        let key = format!("http.tls.clientcas[{index}]");
        let (_, odd) = store.add_parsable_certificates(certificates(&key, path)?);
        if odd > 0 {
            tracing::warn!(path = %path.display(), count = odd, "certificates cannot be used and are not trusted");
        }
    }
    if store.is_empty() { Err(TlsError::NoAuthority) } else { Ok(store) }
}

#[expect(clippy::disallowed_methods, reason = "the files of http.tls are part of the config")]
fn read(key: &str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::unreadable(key, path, source))
}
