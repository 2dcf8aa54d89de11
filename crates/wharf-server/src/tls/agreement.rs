//! What we are ready to agree on in a handshake: versions, suites, protocols, and what we ask of a client.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedCipherSuite};
use wharf_http::{ClientCertificates, Handshake};

use crate::config::{ClientAuth, TlsConfig, TlsVersion};

use super::anyone::{Anyone, Showing};
use super::error::TlsError;
use super::material::Material;

/// Puts a configuration and what was read from its files together.
pub(super) fn agreement(material: &Material, config: &TlsConfig, http2: bool) -> Result<Handshake, TlsError> {
    let provider = Arc::new(provider(config));
    let versions: &[_] = match config.minimum {
        TlsVersion::Tls12 => &[&TLS13, &TLS12],
        TlsVersion::Tls13 => &[&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|source| TlsError::Settings { source })?;
    let (builder, client_certificates) = match &config.clients {
        None => (builder.with_no_client_auth(), ClientCertificates::Unverified),
        Some(clients) => {
            let (verifier, meaning) = verifier(clients.auth, material, provider)?;
            (builder.with_client_cert_verifier(verifier), meaning)
        }
    };
    let certified = SingleCertAndKey::from(Arc::clone(&material.certified));
    let mut config = builder.with_cert_resolver(Arc::new(certified));
    config.alpn_protocols = if http2 { vec![b"h2".to_vec()] } else { Vec::new() };
    config.alpn_protocols.push(b"http/1.1".to_vec());
    Ok(Handshake { config: Arc::new(config), client_certificates })
}

/// The one provider, with the suites that are offered.
fn provider(config: &TlsConfig) -> CryptoProvider {
    let offered = config.offered();
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| offered.contains(&name(suite).as_str()));
    provider
}

/// As Go writes it.
fn name(suite: &SupportedCipherSuite) -> String {
    suite.suite().as_str().unwrap_or_default().replacen("TLS13_", "TLS_", 1)
}

/// Who checks the certificates of clients, and what one means that was let through.
fn verifier(
    auth: ClientAuth,
    material: &Material,
    provider: Arc<CryptoProvider>,
) -> Result<(Arc<dyn ClientCertVerifier>, ClientCertificates), TlsError> {
    let verified =
        |provider| WebPkiClientVerifier::builder_with_provider(Arc::clone(&material.authorities), provider);
    let anyone = |showing, provider| Arc::new(Anyone::new(showing, &material.authorities, provider));
    let built = match auth {
        ClientAuth::Request => return Ok((anyone(Showing::May, provider), ClientCertificates::Unverified)),
        ClientAuth::RequireAny => {
            return Ok((anyone(Showing::Must, provider), ClientCertificates::Unverified));
        }
        ClientAuth::VerifyIfGiven => verified(provider).allow_unauthenticated().build(),
        ClientAuth::RequireAndVerify => verified(provider).build(),
    };
    // It fails without authorities only, which were counted when they were read.
    let verifier = built.map_err(|_| TlsError::NoAuthority)?;
    Ok((verifier, ClientCertificates::Verified))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn every_suite_that_can_be_named_can_be_offered() {
        let everything = TlsConfig {
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            clients: None,
            minimum: TlsVersion::Tls12,
            suites: Vec::new(),
        };
        let offered: Vec<String> = provider(&everything).cipher_suites.iter().map(name).collect();
        let mut expected = everything.offered();
        expected.retain(|suite| !offered.iter().any(|name| name == suite));
        assert_eq!((expected, offered.len()), (Vec::new(), 9), "{offered:?}");
    }
}
