//! What stands before the store: counts, waits, and breaks what is to break.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpResponse};
use tokio::net::{TcpListener, TcpStream};

use super::KEY;
use super::body::{Counted, Direction, Middle};
use super::bucket::Buckets;
use super::connection::Connection;
use super::faults::{Fault, Faults};
use super::gates::Gates;
use super::log::{Log, Seen};
use super::operation::Asked;

/// The server behind its socket.
#[derive(Debug)]
pub(super) struct Front {
    buckets: Arc<Buckets>,
    service: S3Service,
    log: Log,
    faults: Faults,
    gates: Gates,
    latency_micros: AtomicU64,
}

/// Why there is no answer.
#[derive(Debug)]
struct Reset;

// === impl Front ===

impl Front {
    pub(super) fn new(buckets: Buckets) -> Self {
        let buckets = Arc::new(buckets);
        let mut builder = S3ServiceBuilder::new(super::objects::Api(Arc::clone(&buckets)));
        builder.set_auth(SimpleAuth::from_single(KEY, KEY));
        Self {
            buckets,
            service: builder.build(),
            log: Log::default(),
            faults: Faults::default(),
            gates: Gates::default(),
            latency_micros: AtomicU64::new(0),
        }
    }

    pub(super) fn buckets(&self) -> &Buckets {
        &self.buckets
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    pub(super) fn gates(&self) -> &Gates {
        &self.gates
    }

    pub(super) fn set_latency(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.latency_micros.store(micros, Ordering::Relaxed);
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        reset: &Arc<AtomicBool>,
    ) -> Result<Response<Counted<Body>>, Reset> {
        let asked = Asked::of(request.method(), request.uri(), request.headers());
        let agent = request.headers().get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        let agent = agent.unwrap_or_default().to_owned();
        let _passed = self.gates.pass(&agent).await;
        let fault = self.faults.strike(&asked);
        let seen = self.log.add(asked, agent, request.uri().query().unwrap_or_default());
        let latency = Duration::from_micros(self.latency_micros.load(Ordering::Relaxed));
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let broken = |seen: &Seen| {
            seen.status.store(0, Ordering::Relaxed);
            reset.store(true, Ordering::Relaxed);
            Reset
        };
        let response = match fault {
            Some(Fault::ResetBefore) => return Err(broken(&seen)),
            Some(Fault::Internal) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
            Some(Fault::SlowDown) => refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"),
            Some(Fault::Forbidden) => refusal(StatusCode::FORBIDDEN, "AccessDenied"),
            _ => self.apply(request, &seen).await,
        };
        match fault {
            Some(Fault::ResetAfter) => return Err(broken(&seen)),
            Some(Fault::Truncated) if response.body().size_hint().exact().unwrap_or(0) == 0 => {
                return Err(broken(&seen));
            }
            Some(Fault::SlowFirstByte(time)) => tokio::time::sleep(time).await,
            _ => {}
        }
        seen.status.store(response.status().as_u16(), Ordering::Relaxed);
        let middle = middle_of(fault, &response, reset);
        Ok(response.map(|body| Counted::new(body, Arc::clone(&seen), Direction::Out, middle)))
    }

    async fn apply(&self, request: Request<Incoming>, seen: &Arc<Seen>) -> HttpResponse {
        let counted =
            |body| Body::http_body(Counted::new(body, Arc::clone(seen), Direction::In, Middle::Nothing));
        match self.service.call(request.map(counted)).await {
            Ok(response) => response,
            Err(error) => panic!("the S3 server of the test has failed: {error:?}"),
        }
    }
}

fn middle_of(fault: Option<Fault>, response: &HttpResponse, reset: &Arc<AtomicBool>) -> Middle {
    let half = response.body().size_hint().lower() / 2;
    match fault {
        Some(Fault::Truncated) => Middle::Cut(half, Arc::clone(reset)),
        Some(Fault::Stalled(time)) => Middle::rest(half, time),
        _ => Middle::Nothing,
    }
}

/// An error in S3's form.
fn refusal(status: StatusCode, code: &str) -> HttpResponse {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>as the test wants it</Message></Error>"
    );
    let mut response = HttpResponse::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/xml"));
    response
}

/// Answers until it is dropped.
#[expect(clippy::disallowed_methods, reason = "the tasks die with the server's own runtime")]
pub(super) async fn serve(listener: TcpListener, front: Arc<Front>) {
    loop {
        // Too many files open, say: whoever is waiting is served when some are closed.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        tokio::spawn(converse(stream, Arc::clone(&front)));
    }
}

async fn converse(stream: TcpStream, front: Arc<Front>) {
    // Else every small answer on a connection that is used again waits for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let (connection, reset) = Connection::new(stream);
    let service = service_fn(|request| {
        let (front, reset) = (Arc::clone(&front), Arc::clone(&reset));
        async move { front.answer(request, &reset).await }
    });
    // What ends a conversation is the other side's business, or a fault of ours.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}

// === impl Reset ===

impl std::fmt::Display for Reset {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the connection is reset, as the test wants it")
    }
}

impl std::error::Error for Reset {}
