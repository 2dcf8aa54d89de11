//! What a server in the test's own process speaks TLS with, in the test's hand.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use wharf_http::{ClientCertificates, Handshake, TlsSource};

use super::{Authority, Pair, provider};

/// A [`TlsSource`] that a test changes while it is used. Clones are the same source.
#[derive(Debug, Clone)]
pub struct Source(Arc<RwLock<Handshake>>);

// === impl Source ===

impl Source {
    /// Shows this certificate and asks clients for none.
    pub fn new(pair: &Pair) -> Self {
        Self::of(config(pair, None), ClientCertificates::Unverified)
    }

    /// Shows this certificate, and asks clients for one by `authority`, which they need not have. What it means is said
    /// by `meaning`.
    pub fn asking(pair: &Pair, authority: &Authority, meaning: ClientCertificates) -> Self {
        Self::of(config(pair, Some(authority)), meaning)
    }

    fn of(config: ServerConfig, client_certificates: ClientCertificates) -> Self {
        Self(Arc::new(RwLock::new(Handshake { config: Arc::new(config), client_certificates })))
    }

    /// Shows another certificate from here on.
    pub fn swap(&self, pair: &Pair) {
        let mut current = self.0.write().unwrap_or_else(PoisonError::into_inner);
        current.config = Arc::new(config(pair, None));
    }
}

impl TlsSource for Source {
    fn handshake(&self) -> Handshake {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn config(pair: &Pair, clients: Option<&Authority>) -> ServerConfig {
    let builder =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut trusted = RootCertStore::empty();
            trusted.add(authority.certificate()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), provider());
            builder.with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
        }
    };
    let mut config = builder.with_single_cert(vec![pair.der()], pair.key()).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
