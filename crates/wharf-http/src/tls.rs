//! TLS in front of HTTP: the handshake, what was agreed in it, and who proved to be at the other end.
//!
//! What a handshake is made with comes from a [`TlsSource`] each time anew. Where keys and certificates are kept, and when
//! they change, is its business and not known here.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::subject::identity_of;
pub use self::subject::subject_of;

use crate::listener::Connection;
use crate::serve::Protocol;
use crate::service::Tls;

mod subject;

/// What is told to somebody who speaks HTTP where TLS is spoken; Go's words, which people search for.
const PLAIN_HTTP: &str = "Client sent an HTTP request to an HTTPS server.\n";

/// How much of a request in the clear is read, so that its sender comes to reading our answer.
const PLAIN_HTTP_BYTES: u64 = 64 * 1024;

/// The name of HTTP/2 in ALPN.
const ALPN_H2: &[u8] = b"h2";

/// Gives what the next handshake is made with.
///
/// It is asked once a connection, so it should answer from memory. An answer that differs from the one before is how a
/// certificate is renewed: connections that are open keep what they have agreed on.
pub trait TlsSource: fmt::Debug + Send + Sync + 'static {
    /// What is to be used now.
    fn handshake(&self) -> Handshake;
}

/// What a handshake is made with.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// Keys, versions, protocols. With `h2` among the latter, clients may choose HTTP/2.
    pub config: Arc<ServerConfig>,
    /// What a certificate means that a client shows under this configuration.
    pub client_certificates: ClientCertificates,
}

/// What a client's certificate means after a handshake that succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nothing: whoever signed it was not asked about. It never becomes somebody's identity.
    Unverified,
    /// That somebody trusted has signed it: it says who the client is.
    Verified,
}

/// A connection on which TLS was agreed.
pub(crate) struct Secured {
    pub(crate) stream: TlsStream<Connection>,
    pub(crate) protocol: Protocol,
    pub(crate) tls: Tls,
}

/// Why there was no handshake. All are a client's affair, and cost nobody else anything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("the client took longer than {0:?}")]
    TooSlow(Duration),
    #[error("the client speaks HTTP without TLS")]
    PlainHttp,
    #[error("the client and we do not agree")]
    Failed(#[source] io::Error),
}

// === impl Secured ===

impl Secured {
    /// Makes the handshake, within the limit.
    pub(crate) async fn accept(
        stream: Connection,
        handshake: Handshake,
        limit: Duration,
    ) -> Result<Self, HandshakeError> {
        let accepting = Self::accept_patiently(stream, handshake);
        timeout(limit, accepting).await.unwrap_or(Err(HandshakeError::TooSlow(limit)))
    }

    async fn accept_patiently(stream: Connection, handshake: Handshake) -> Result<Self, HandshakeError> {
        let first = stream.first_byte().await.map_err(HandshakeError::Failed)?;
        // Every method begins with a letter; a handshake begins with 22.
        if first.is_some_and(|byte| byte.is_ascii_alphabetic()) {
            refuse_plain_http(stream).await.map_err(HandshakeError::Failed)?;
            return Err(HandshakeError::PlainHttp);
        }
        let acceptor = TlsAcceptor::from(handshake.config);
        let stream = acceptor.accept(stream).await.map_err(HandshakeError::Failed)?;
        let (_, agreed) = stream.get_ref();
        let is_http2 = agreed.alpn_protocol() == Some(ALPN_H2);
        let shown = agreed.peer_certificates().and_then(<[_]>::first);
        let certificate = match handshake.client_certificates {
            ClientCertificates::Verified => shown.map(|certificate| identity_of(certificate)),
            ClientCertificates::Unverified => None,
        };
        Ok(Self {
            protocol: if is_http2 { Protocol::Http2 } else { Protocol::Http1 },
            tls: Tls { certificate: certificate.map(Arc::new) },
            stream,
        })
    }
}

/// Says what is wrong to somebody who wrote `http://` where it should be `https://`.
async fn refuse_plain_http(mut stream: Connection) -> io::Result<()> {
    let length = PLAIN_HTTP.len();
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{PLAIN_HTTP}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // A connection that is closed with bytes unread is reset, and the answer may be lost with it.
    tokio::io::copy(&mut stream.take(PLAIN_HTTP_BYTES), &mut tokio::io::sink()).await?;
    Ok(())
}
