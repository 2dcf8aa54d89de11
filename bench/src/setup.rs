//! How a server is set up beside its data, and what its clients need for that: certificates, passwords, tokens.
//!
//! Made anew for each run, and the same for every peer. How a config says it is `peer`'s business.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::crypto::aws_lc_rs::{self, cipher_suite};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use wharf_testkit::credentials::{basic, htpasswd_line};
use wharf_testkit::tls::Authority;

use crate::peer::Peer;
use crate::wire::{Connection, Endpoint, Request};

/// Whoever has a password.
const USER: &str = "ci";
const PASSWORD: &str = "kept between us";
/// What `htpasswd -B -C 10` and most people's files have.
const BCRYPT_COST: u32 = 10;
/// How a client says which protocol it is about to speak (RFC 7301).
const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// What a server demands of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    /// Nothing.
    Open,
    Tls,
    /// A password in every request.
    Password,
    /// A token of its own, which it gives for a password.
    Token,
}

/// Files for the servers, and what their clients have to know.
#[derive(Debug)]
pub(crate) struct Secrets {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) htpasswd: PathBuf,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

// === impl Setup ===

impl Setup {
    /// Whether `peer` can be set up so.
    pub(crate) fn suits(self, peer: Peer) -> bool {
        match self {
            Self::Open | Self::Tls => true,
            Self::Password => peer.is_registry(),
            Self::Token => peer == Peer::Wharf,
        }
    }

    /// What the same peer is asked in the same rounds, where the row is about what this one adds.
    pub(crate) fn baseline(self) -> Option<Self> {
        match self {
            Self::Open | Self::Tls => None,
            Self::Password | Self::Token => Some(Self::Open),
        }
    }

    /// Whether a server so set up turns away whoever does not say who they are.
    pub(crate) fn guards(self) -> bool {
        matches!(self, Self::Password | Self::Token)
    }

    /// What goes into `Authorization` to read `repository`; a token is fetched for it.
    pub(crate) fn authorization(self, server: &Endpoint, repository: &str) -> Result<Option<String>> {
        Ok(match self {
            Self::Open | Self::Tls => None,
            Self::Password => Some(basic(USER, PASSWORD)),
            Self::Token => Some(format!("Bearer {}", fetch_token(server, repository)?)),
        })
    }
}

// === impl Secrets ===

impl Secrets {
    /// New ones, in `folder`.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let authority = Authority::new("wharf-bench");
        let pair = authority.server("localhost");
        let [certificate, key, htpasswd] =
            ["certificate.pem", "key.pem", "htpasswd"].map(|name| folder.join(name));
        fs::write(&certificate, &pair.certificate)?;
        fs::write(&key, &pair.key)?;
        fs::write(&htpasswd, htpasswd_line(USER, PASSWORD, BCRYPT_COST))?;
        let [http1, http2] = [client(&authority, HTTP1)?, client(&authority, HTTP2)?];
        Ok(Self { certificate, key, htpasswd, http1, http2 })
    }

    /// How HTTP/1.1 is spoken to a server with this setup.
    pub(crate) fn http1(&self, setup: Setup, address: SocketAddr) -> Endpoint {
        Endpoint { address, tls: (setup == Setup::Tls).then(|| self.http1.clone()) }
    }

    /// How HTTP/2 is.
    pub(crate) fn http2(&self, setup: Setup, address: SocketAddr) -> Endpoint {
        Endpoint { address, tls: (setup == Setup::Tls).then(|| self.http2.clone()) }
    }
}

/// A client that trusts nobody else, speaks TLS 1.3, and prefers the suites that Go's clients prefer: a server
/// that follows its client and one that does not then use the same one.
fn client(authority: &Authority, protocol: &[u8]) -> Result<Arc<ClientConfig>> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites = vec![
        cipher_suite::TLS13_AES_128_GCM_SHA256,
        cipher_suite::TLS13_AES_256_GCM_SHA384,
        cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    ];
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes())?)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}

fn fetch_token(server: &Endpoint, repository: &str) -> Result<String> {
    let target = format!("/token?service=registry&scope=repository:{repository}:pull");
    let request = Request::get(&target, &[("Authorization", &basic(USER, PASSWORD))]);
    let mut body = Vec::new();
    Connection::open(server)?
        .exchange_into(&request, &mut |part| body.extend_from_slice(part))?
        .expect(200)
        .context("fetch a token")?;
    token_in(&body)
}

fn token_in(body: &[u8]) -> Result<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).context("the token service's answer")?;
    let token = answer["token"].as_str().context("the token service's answer has no `token`")?;
    Ok(token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_setup_adds_is_measured_against_an_open_server() {
        for setup in [Setup::Open, Setup::Tls, Setup::Password, Setup::Token] {
            assert_eq!(setup.baseline().is_some(), setup.guards(), "{setup:?}");
            assert!(setup.suits(Peer::Wharf));
        }
        assert!(Setup::Tls.suits(Peer::Nginx) && !Setup::Password.suits(Peer::Nginx));
        assert!(Setup::Password.suits(Peer::Distribution) && !Setup::Token.suits(Peer::Distribution));
    }

    #[test]
    fn only_tls_is_spoken_with_tls() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = Secrets::make(folder.path()).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        for setup in [Setup::Open, Setup::Password, Setup::Token] {
            assert!(
                secrets.http1(setup, address).tls.is_none() && secrets.http2(setup, address).tls.is_none()
            );
        }
        let protocols = |endpoint: Endpoint| endpoint.tls.unwrap().alpn_protocols.clone();
        assert_eq!(protocols(secrets.http1(Setup::Tls, address)), [b"http/1.1"]);
        assert_eq!(protocols(secrets.http2(Setup::Tls, address)), [b"h2"]);
    }

    #[test]
    fn a_token_is_taken_from_the_answer() {
        assert_eq!(token_in(br#"{"token": "a.b.c", "expires_in": 300}"#).unwrap(), "a.b.c");
        assert!(token_in(br#"{"expires_in": 300}"#).is_err());
        assert!(token_in(b"no").is_err());
    }
}
