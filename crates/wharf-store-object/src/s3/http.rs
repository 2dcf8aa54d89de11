//! The HTTP client: hyper with named limits on every wait, for requests to the bucket and for credentials alike.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    self, HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
    HttpService,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::time::Sleep;

use super::options::{S3ConfigError, S3Options};

/// How long a connection waits for its next request. Servers let go of idle ones after 20 seconds or more; whoever is
/// first need not try again.
const POOL_IDLE: Duration = Duration::from_secs(15);

/// How long the head of this request's answer may be awaited, as an extension of the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience(pub(super) Duration);

/// Makes clients, all of one pool.
#[derive(Debug, Clone)]
pub(super) struct Connector(Http);

#[derive(Clone)]
struct Http {
    client: Client<HttpsConnector<HttpConnector>, HttpRequestBody>,
    answer_timeout: Duration,
    idle_timeout: Duration,
}

/// A body that may not stand still for long.
struct Watched<B> {
    body: B,
    idle_timeout: Duration,
    silence: Pin<Box<Sleep>>,
    /// Whether somebody waits. Whoever reads slowly is no silent server: the clock starts when bytes are awaited.
    awaited: bool,
}

#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("no answer within {0:?}")]
    Head(Duration),
    #[error("the body stood still for {0:?}")]
    Body(Duration),
}

// === impl Connector ===

impl Connector {
    pub(super) fn new(options: &S3Options, tls: bool) -> Result<Self, S3ConfigError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(options.connect_timeout));
        let tls = tls_config(options.skipverify, tls).map_err(S3ConfigError::Tls)?;
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(options.concurrency)
            .build(https);
        let (answer_timeout, idle_timeout) = (options.answer_timeout, options.idle_timeout);
        Ok(Self(Http { client, answer_timeout, idle_timeout }))
    }
}

impl client::HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

// === impl Http ===

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("answer_timeout", &self.answer_timeout).finish_non_exhaustive()
    }
}

#[async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let wait = request.extensions().get::<Patience>().map_or(self.answer_timeout, |patience| patience.0);
        let answer = match tokio::time::timeout(wait, self.client.request(request)).await {
            Err(_) => return Err(HttpError::new(HttpErrorKind::Timeout, Silence::Head(wait))),
            Ok(Err(error)) if error.is_connect() => {
                return Err(HttpError::new(HttpErrorKind::Connect, error));
            }
            Ok(Err(error)) => return Err(HttpError::new(HttpErrorKind::Interrupted, error)),
            Ok(Ok(answer)) => answer,
        };
        let idle_timeout = self.idle_timeout;
        Ok(answer.map(|body| {
            let silence = Box::pin(tokio::time::sleep(idle_timeout));
            HttpResponseBody::new(Watched { body, idle_timeout, silence, awaited: false })
        }))
    }
}

// === impl Watched ===

impl<B> Body for Watched<B>
where
    B: Body<Data = Bytes, Error: Error + Send + Sync + 'static> + Unpin,
{
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.awaited = false;
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error))),
            );
        }
        if !std::mem::replace(&mut this.awaited, true) {
            this.silence.as_mut().reset(tokio::time::Instant::now() + this.idle_timeout);
        }
        if this.silence.as_mut().poll(cx).is_ready() {
            let error = HttpError::new(HttpErrorKind::Timeout, Silence::Body(this.idle_timeout));
            return Poll::Ready(Some(Err(error)));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The provider is named, so that nothing depends on what else has been installed in the process.
fn tls_config(skip_verify: bool, needed: bool) -> io::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    if skip_verify {
        let verifier = Arc::new(Anybody(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    }
    if !needed {
        return Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth());
    }
    Ok(builder.with_native_roots()?.with_no_client_auth())
}

/// Believes every certificate, as `skipverify` asks.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
