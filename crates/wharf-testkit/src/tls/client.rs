//! A client that speaks TLS as it is told to.

use std::io;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Authority, Http2, Pair, provider};
use crate::deadline::within;
use crate::wire::{Connection, Server};

/// What a client brings to a handshake.
#[derive(Debug, Clone)]
pub struct Client {
    roots: Arc<RootCertStore>,
    pair: Option<Pair>,
    version: Option<Version>,
    suite: Option<&'static str>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

/// What was agreed in a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The server's certificate.
    pub certificate: Vec<u8>,
    /// The version.
    pub version: Version,
    /// The protocol, if the server chose one.
    pub protocol: Option<String>,
    /// The suite, as rustls calls it.
    pub suite: String,
}

// === impl Client ===

impl Client {
    /// One that believes servers certified by this authority, and shows no certificate itself.
    pub fn trusting(authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate()).unwrap();
        Self { roots: Arc::new(roots), pair: None, version: None, suite: None }
    }

    /// Shows this certificate when asked for one.
    #[must_use]
    pub fn showing(self, pair: &Pair) -> Self {
        Self { pair: Some(pair.clone()), ..self }
    }

    /// Speaks this version and no other.
    #[must_use]
    pub fn only(self, version: Version) -> Self {
        Self { version: Some(version), ..self }
    }

    /// Offers this suite and no other, by its name in rustls.
    #[must_use]
    pub fn with_suite(self, suite: &'static str) -> Self {
        Self { suite: Some(suite), ..self }
    }

    /// A connection for HTTP/1.1.
    pub async fn connect(&self, server: &Server) -> Connection {
        match self.try_connect(server).await {
            Ok(connection) => connection,
            Err(error) => panic!("no connection to {}: {error}", server.address()),
        }
    }

    /// A connection for HTTP/1.1, if the server agrees.
    ///
    /// That it has refused our certificate shows in TLS 1.3 only when we wait for an answer.
    pub async fn try_connect(&self, server: &Server) -> io::Result<Connection> {
        Ok(Connection::over(Box::new(self.handshake(server, &["http/1.1"]).await?)))
    }

    /// A connection for HTTP/1.1 of somebody who has just been here, and goes on with the session of that time.
    pub async fn come_back(&self, server: &Server) -> Connection {
        let config = Arc::new(self.config(&["http/1.1"]));
        let first = shake(server, Arc::clone(&config)).await.unwrap();
        // What a session is resumed with comes before the first answer.
        let _ = Connection::over(Box::new(first)).send(server.get("/v2/")).await;
        let second = shake(server, config).await.unwrap();
        assert_eq!(second.get_ref().1.handshake_kind(), Some(HandshakeKind::Resumed));
        Connection::over(Box::new(second))
    }

    /// A connection for HTTP/2.
    pub async fn http2(&self, server: &Server) -> Http2 {
        let stream = self.handshake(server, &["h2"]).await.unwrap();
        Http2::over(stream, None).await
    }

    /// A connection for HTTP/2 on which the server may send so many bytes of a response before the client has read them.
    pub async fn http2_with_window(&self, server: &Server, window_bytes: u32) -> Http2 {
        let stream = self.handshake(server, &["h2"]).await.unwrap();
        Http2::over(stream, Some(window_bytes)).await
    }

    /// What the server agrees to with a client that knows these protocols.
    pub async fn agree(&self, server: &Server, protocols: &[&str]) -> io::Result<Agreed> {
        let stream = self.handshake(server, protocols).await?;
        let (_, agreed) = stream.get_ref();
        let suite = agreed.negotiated_cipher_suite().unwrap().suite();
        let is_new = agreed.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3);
        let protocol = agreed.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        Ok(Agreed {
            certificate: agreed.peer_certificates().unwrap()[0].to_vec(),
            version: if is_new { Version::Tls13 } else { Version::Tls12 },
            protocol,
            suite: suite.as_str().unwrap().to_owned(),
        })
    }

    async fn handshake(&self, server: &Server, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        shake(server, Arc::new(self.config(protocols))).await
    }

    fn config(&self, protocols: &[&str]) -> ClientConfig {
        let versions: &[&SupportedProtocolVersion] = match self.version {
            None => &[&TLS13, &TLS12],
            Some(Version::Tls12) => &[&TLS12],
            Some(Version::Tls13) => &[&TLS13],
        };
        let mut provider = CryptoProvider::clone(&provider());
        if let Some(suite) = self.suite {
            provider.cipher_suites.retain(|offered| offered.suite().as_str() == Some(suite));
        }
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = builder.with_root_certificates(Arc::clone(&self.roots));
        let mut config = match &self.pair {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_auth_cert(vec![pair.der()], pair.key()).unwrap(),
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

async fn shake(server: &Server, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let (address, connector) = (server.address(), TlsConnector::from(config));
    let shaking = async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        connector.connect(ServerName::from(address.ip()), stream).await
    };
    within("a handshake", shaking).await
}
