//! Why files cannot be used for TLS: one line naming the key, the file, and what is wrong with it.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem;

/// Why TLS cannot be spoken with these files.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("{key}: {} cannot be read", path.display())]
    Unreadable { key: String, path: PathBuf, source: io::Error },
    #[error("{key}: {} is not PEM: {reason}", path.display())]
    NotPem { key: String, path: PathBuf, reason: String },
    #[error("{key}: {} holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----", path.display())]
    NoCertificate { key: String, path: PathBuf },
    #[error("{key}: {} holds a certificate that cannot be read; expected X.509", path.display())]
    NotX509 { key: String, path: PathBuf },
    #[error("http.tls.key: {} holds no private key in PEM (PKCS#8, PKCS#1 or SEC1)", path.display())]
    NoKey { path: PathBuf },
    #[error(
        "http.tls.key: {} is encrypted, and there is nobody to ask for a password; `openssl pkey` decrypts it",
        path.display()
    )]
    EncryptedKey { path: PathBuf },
    #[error("http.tls.key: {} is not a key that can be used; expected RSA, ECDSA or Ed25519", path.display())]
    UnusableKey { path: PathBuf, source: rustls::Error },
    #[error(
        "http.tls.key: {} is not the key of the certificate in {}, the first one there",
        path.display(),
        certificate.display()
    )]
    OtherKey { path: PathBuf, certificate: PathBuf },
    #[error("http.tls.clientcas: none of the certificates can be trusted as an authority")]
    NoAuthority,
    #[error("http.tls: these settings cannot be used together")]
    Settings {
        #[source]
        source: rustls::Error,
    },
}

// === impl TlsError ===

impl TlsError {
    pub(super) fn unreadable(key: &str, path: &Path, source: io::Error) -> Self {
        Self::Unreadable { key: key.to_owned(), path: path.to_owned(), source }
    }

    pub(super) fn not_pem(key: &str, path: &Path, error: &pem::Error) -> Self {
        // The words of the first two have the label as a list of numbers.
        let reason = match error {
            pem::Error::MissingSectionEnd { .. } => "a section in it has no end".to_owned(),
            pem::Error::IllegalSectionStart { .. } => {
                "a section in it begins with a line we cannot read".to_owned()
            }
            other => other.to_string(),
        };
        Self::NotPem { key: key.to_owned(), path: path.to_owned(), reason }
    }
}
