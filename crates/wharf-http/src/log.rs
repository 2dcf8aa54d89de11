//! What was asked and answered, told once, when the last byte is out or the client is gone.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{REFERER, USER_AGENT};
use http::request::Parts;
use http::{Method, StatusCode, Uri, Version};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::Instant;
use tracing::Span;
use wharf_core::{BoxError, Clock, SystemClock};

use crate::body::Body;
use crate::details::{Details, text};
use crate::panics::{Panicked, catch_poll};
use crate::redact;

/// The longest field of a line of a log, in bytes, before it is escaped. All fields but times and numbers are a client's.
pub const LOG_FIELD_BYTES: usize = 1024;

/// Who writes the access log. Must not block.
pub trait AccessLog: fmt::Debug + Send + Sync + 'static {
    /// Takes note of a request that is over.
    fn record(&self, entry: &AccessEntry);
}

/// A request that is over.
#[derive(Debug, Clone)]
pub struct AccessEntry {
    /// The client: the address at the other end of the connection, or the one that a proxy in `http.trustedproxies` names.
    pub remote: Option<IpAddr>,
    /// The client as the forwarding headers claim, where no proxies are named: any client can write them.
    pub claimed: Option<IpAddr>,
    /// The other end of the connection.
    pub peer: Option<SocketAddr>,
    /// The caller's name, once somebody said it.
    pub user: Option<Arc<str>>,
    /// When it came.
    pub at: SystemTime,
    /// The method.
    pub method: Method,
    /// Path and query, without passwords and tokens.
    pub uri: Uri,
    /// The version of HTTP.
    pub version: Version,
    /// What was answered.
    pub status: StatusCode,
    /// Bytes of body sent.
    pub bytes: u64,
    /// How long it took, to the last byte.
    pub duration: Duration,
    /// Whether the client was gone before the last byte.
    pub aborted: bool,
    /// The `Referer` header, without passwords and tokens.
    pub referer: Option<String>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The request, as it is named in the logs.
    pub request_id: Arc<str>,
}

/// A response's body that notices its own end.
#[derive(Debug)]
pub struct LoggedBody {
    body: Body,
    record: Option<Record>,
}

/// Where a request comes from, for the logs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoggedClient {
    pub(crate) remote: Option<IpAddr>,
    pub(crate) claimed: Option<IpAddr>,
    pub(crate) peer: Option<SocketAddr>,
}

/// An entry in the making.
#[derive(Debug)]
pub(crate) struct Record {
    entry: AccessEntry,
    begun: Instant,
    log: Option<Arc<dyn AccessLog>>,
    /// For the application's log, if it wants any.
    details: Option<Box<Details>>,
    /// That of the request.
    span: Span,
    /// Whether the body could not be read to its end.
    broken: bool,
}

// === impl Record ===

impl Record {
    pub(crate) fn begin(
        head: &Parts,
        client: LoggedClient,
        request_id: Arc<str>,
        log: Option<Arc<dyn AccessLog>>,
        span: Span,
    ) -> Self {
        let details = Details::begin(head);
        let told = log.is_some() || details.is_some();
        let text = |name| if told { text(&head.headers, name) } else { None };
        let entry = AccessEntry {
            remote: client.remote,
            claimed: client.claimed,
            peer: client.peer,
            user: None,
            at: SystemClock.now(),
            method: head.method.clone(),
            uri: redact::uri(&head.uri),
            version: head.version,
            status: StatusCode::OK,
            bytes: 0,
            duration: Duration::ZERO,
            aborted: false,
            referer: text(&REFERER).map(redact::text),
            user_agent: text(&USER_AGENT),
            request_id,
        };
        Self { entry, begun: Instant::now(), log, details, span, broken: false }
    }

    /// What the application's log shall say besides.
    pub(crate) fn details(&mut self) -> Option<&mut Details> {
        self.details.as_deref_mut()
    }

    pub(crate) fn user(&mut self, user: Option<Arc<str>>) {
        self.entry.user = user;
    }

    /// The rest of the record is made as the body goes out.
    pub(crate) fn follow(mut self, status: StatusCode, body: Body) -> LoggedBody {
        self.entry.status = status;
        LoggedBody { body, record: Some(self) }
    }

    fn finish(mut self, aborted: bool) {
        self.entry.duration = self.begun.elapsed();
        // Nobody asks for the body of an answer to HEAD.
        self.entry.aborted = aborted && !self.broken && self.entry.method != Method::HEAD;
        if let Some(log) = &self.log {
            log.record(&self.entry);
        }
        if let Some(details) = &self.details {
            details.tell(&self.entry, self.broken);
        }
    }
}

// === impl LoggedBody ===

impl LoggedBody {
    #[cfg(test)]
    pub(crate) fn unlogged(body: Body) -> Self {
        Self { body, record: None }
    }

    /// See [`Body::wanted_bytes`].
    pub(crate) fn wanted_bytes(&self) -> Option<usize> {
        self.body.wanted_bytes()
    }

    /// See [`Body::memory_bytes`].
    pub(crate) fn memory_bytes(&self, frame_bytes: usize) -> usize {
        self.body.memory_bytes(frame_bytes)
    }

    /// See [`Body::buffered_bytes`].
    pub(crate) fn buffered_bytes(&self) -> usize {
        self.body.buffered_bytes()
    }

    /// See [`Body::limit_block`].
    pub(crate) fn limit_block(&mut self, bytes: usize) {
        self.body.limit_block(bytes);
    }
}

impl LoggedBody {
    /// Polls the body in the span of the request. A panic in it is an error.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { body, record } = self;
        let _entered = record.as_ref().map(|record| record.span.enter());
        let polled = catch_poll(|| Pin::new(&mut *body).poll_frame(cx));
        let polled = polled.unwrap_or_else(|panicked| {
            // It is not polled again, and what it holds is freed.
            *body = Body::empty();
            Poll::Ready(Some(Err(panicked.into())))
        });
        if let Poll::Ready(Some(Err(error))) = &polled {
            // The panic hook has logged a panic.
            if !error.is::<Panicked>() {
                tracing::error!(
                    error = &**error as &dyn std::error::Error,
                    "response body failed: the response is cut short"
                );
            }
        }
        polled
    }
}

impl HttpBody for LoggedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.poll_body(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let (Some(record), Some(data)) = (&mut self.record, frame.data_ref())
        {
            record.entry.bytes += data.len() as u64;
        }
        if let (Poll::Ready(Some(Err(_))), Some(record)) = (&polled, &mut self.record) {
            record.broken = true;
        }
        if matches!(polled, Poll::Ready(None))
            && let Some(record) = self.record.take()
        {
            record.finish(false);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for LoggedBody {
    fn drop(&mut self) {
        // A body that knows its length is not asked again after its last byte.
        if let Some(record) = self.record.take() {
            record.finish(!self.body.is_end_stream() && record_is_cut(&self.body));
        }
    }
}

/// Whether bytes were still to come when nobody wanted them any more.
fn record_is_cut(body: &Body) -> bool {
    body.size_hint().lower() > 0 || body.size_hint().upper().is_none()
}

/// The beginning of a client's text, as much of it as a field of a log may have.
pub fn log_field(text: &str) -> &str {
    &text[..text.floor_char_boundary(LOG_FIELD_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_a_log_is_cut_between_characters() {
        assert_eq!(log_field("short"), "short");
        let long = format!("{}ééé", "x".repeat(LOG_FIELD_BYTES - 1));
        assert_eq!(log_field(&long), "x".repeat(LOG_FIELD_BYTES - 1));
    }
}
