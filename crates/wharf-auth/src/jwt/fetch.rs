//! Keys from a URL.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};

use super::error::FetchError;
use super::remote::JwksSource;

/// From the first step of a connection to the last byte of the answer.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest set of keys known, a large provider's, has 20 KB.
const DOCUMENT_LIMIT_BYTES: usize = 1 << 20;

/// A JSON Web Key Set behind a URL. Redirects are not followed: say where it is.
#[derive(Debug)]
pub struct HttpJwks {
    url: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

// === impl HttpJwks ===

impl HttpJwks {
    /// Prepares to fetch from `url`; servers are known by the system's root certificates.
    pub async fn new(url: &str) -> Result<Self, FetchError> {
        let parsed = url.parse().ok().filter(is_fetchable);
        let url: Uri = parsed.ok_or_else(|| FetchError::Url { url: without_password(url) })?;
        let tls = match tokio::task::spawn_blocking(system_roots).await {
            Ok(tls) => tls.map_err(|error| FetchError::Roots(Arc::new(error)))?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        Ok(Self::with_tls(url, tls))
    }

    fn with_tls(url: Uri, tls: ClientConfig) -> Self {
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self { url, client }
    }

    async fn get(&self) -> Result<Vec<u8>, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(header::ACCEPT, header::HeaderValue::from_static("application/json"));
        let answer = self.client.request(request).await.map_err(|error| self.broken(error.into()))?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status { url: shown(&self.url), status: answer.status().as_u16() });
        }
        let body = Limited::new(answer.into_body(), DOCUMENT_LIMIT_BYTES).collect().await;
        body.map(|body| body.to_bytes().to_vec()).map_err(|error| self.broken(error))
    }

    fn broken(&self, source: Box<dyn std::error::Error + Send + Sync>) -> FetchError {
        let url = shown(&self.url);
        if source.is::<LengthLimitError>() {
            return FetchError::TooLarge { url, limit_bytes: DOCUMENT_LIMIT_BYTES };
        }
        FetchError::Transport { url, source: source.into() }
    }
}

#[async_trait]
impl JwksSource for HttpJwks {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        let late = |_| FetchError::Timeout { url: shown(&self.url) };
        tokio::time::timeout(FETCH_TIMEOUT, self.get()).await.map_err(late)?
    }
}

/// A URL for errors and logs: without a name, a password, and a query, in which keys of an API are sent.
fn shown(url: &Uri) -> String {
    let authority = url.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let query = if url.query().is_some() { "?…" } else { "" };
    format!("{}://{host}{}{query}", url.scheme_str().unwrap_or_default(), url.path())
}

/// The same for what is no URL: nothing before the last `@`, which may be a password.
fn without_password(text: &str) -> String {
    text.rsplit_once('@').map_or_else(|| text.to_owned(), |(_, rest)| format!("…@{rest}"))
}

fn is_fetchable(url: &Uri) -> bool {
    matches!(url.scheme_str(), Some("https" | "http")) && url.host().is_some_and(|host| !host.is_empty())
}

fn system_roots() -> io::Result<ClientConfig> {
    Ok(tls().map_err(io::Error::other)?.with_native_roots()?.with_no_client_auth())
}

/// The provider is named, so that nothing depends on what else has been installed in the process.
fn tls() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

#[cfg(test)]
mod tests {
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Answers one request over TLS, as `localhost`, and is trusted by whom it gives.
    async fn server() -> (Uri, rustls::RootCertStore, impl Future<Output = io::Result<()>>) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config =
            config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/keys", listener.local_addr().unwrap().port());
        let served = async move {
            let (stream, _) = listener.accept().await?;
            let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
            let _ = stream.read(&mut [0; 4_096]).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkeys").await?;
            stream.shutdown().await
        };
        (url.parse().unwrap(), roots, served)
    }

    #[tokio::test]
    async fn a_document_is_fetched_over_tls_from_whom_is_trusted() {
        let (url, roots, served) = server().await;
        let tls = tls().unwrap().with_root_certificates(roots).with_no_client_auth();
        let source = HttpJwks::with_tls(url, tls);
        let (document, _) = tokio::join!(source.get(), served);
        assert_eq!(document.unwrap(), b"keys");
    }

    #[tokio::test]
    async fn a_name_a_password_and_a_query_in_the_url_are_in_no_error() {
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let source =
            HttpJwks::new(&format!("http://reader:hunter2@{closed}/keys?key=hunter2")).await.unwrap();
        let error = source.fetch().await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("http://{closed}/keys?… ")), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");

        let error = HttpJwks::new("ftp://reader:hunter2@example.com/keys").await.unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error:?}");
    }

    #[tokio::test]
    async fn nothing_is_fetched_over_tls_from_a_stranger() {
        let (url, _, served) = server().await;
        let source = HttpJwks::new(&url.to_string()).await.unwrap();
        let (outcome, served) = tokio::join!(source.fetch(), served);
        assert!(matches!(outcome, Err(FetchError::Transport { .. })), "{outcome:?}");
        assert!(served.is_err());
    }
}
