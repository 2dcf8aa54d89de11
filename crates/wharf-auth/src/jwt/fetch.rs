//! Keys from a URL.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

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
        let url: Uri = parsed.ok_or_else(|| FetchError::Url { url: url.to_owned() })?;
        let connector = match tokio::task::spawn_blocking(connector).await {
            Ok(connector) => connector.map_err(|error| FetchError::Roots(Arc::new(error)))?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { url, client })
    }

    async fn get(&self) -> Result<Vec<u8>, FetchError> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.url.clone();
        request.headers_mut().insert(header::ACCEPT, header::HeaderValue::from_static("application/json"));
        let answer = self.client.request(request).await.map_err(|error| self.broken(error.into()))?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status { url: self.url.to_string(), status: answer.status().as_u16() });
        }
        let body = Limited::new(answer.into_body(), DOCUMENT_LIMIT_BYTES).collect().await;
        body.map(|body| body.to_bytes().to_vec()).map_err(|error| self.broken(error))
    }

    fn broken(&self, source: Box<dyn std::error::Error + Send + Sync>) -> FetchError {
        let url = self.url.to_string();
        if source.is::<LengthLimitError>() {
            return FetchError::TooLarge { url, limit_bytes: DOCUMENT_LIMIT_BYTES };
        }
        FetchError::Transport { url, source: source.into() }
    }
}

#[async_trait]
impl JwksSource for HttpJwks {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        let late = |_| FetchError::Timeout { url: self.url.to_string() };
        tokio::time::timeout(FETCH_TIMEOUT, self.get()).await.map_err(late)?
    }
}

fn is_fetchable(url: &Uri) -> bool {
    matches!(url.scheme_str(), Some("https" | "http")) && url.host().is_some_and(|host| !host.is_empty())
}

fn connector() -> std::io::Result<HttpsConnector<HttpConnector>> {
    // Named, so that nothing depends on what else has been installed in the process.
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let builder = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider)?;
    Ok(builder.https_or_http().enable_http1().build())
}
