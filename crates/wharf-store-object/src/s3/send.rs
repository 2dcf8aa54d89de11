//! One request to the bucket: signed, sent, and sent again while there is hope and time.
//!
//! It knows addresses, signatures and statuses, and nothing of what the requests mean.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use object_store::PutPayload;
use object_store::aws::{AwsAuthorizer, AwsCredential};
use object_store::client::{
    HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse, HttpResponseBody,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::time::Instant;
use uuid::Uuid;
use wharf_oci::{Algorithm, Digest, Hasher};
use wharf_store::{BoxError, in_current_span};

use super::Inner;
use super::answer::ServiceError;
use super::http::Patience;
use crate::cloud::Payload;

/// What need not be escaped in a query; in a path the slash besides.
const QUERY: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const PATH: AsciiSet = QUERY.remove(b'/');

/// The pause before the second attempt, and the longest. Each is drawn from between half of it and the whole, and the next
/// is twice as long.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The least pause when the server asks us to slow down.
const SLOW_DOWN_PAUSE: Duration = Duration::from_millis(500);

/// The longest pause a server may ask for; whoever asks for more is not asked again.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How often a write that is forbidden is tried again where writes are allowed: MinIO answers 403 to one that meets a
/// removal in the same folder.
const FORBIDDEN_RETRIES: u32 = 4;

/// The slowest line we wait for when we send: a body has this much time besides what the answer has.
const SLOWEST_BYTES_PER_SECOND: u64 = 128 * 1024;

/// The longest document we read; a page of a listing has at most about a megabyte.
const DOCUMENT_LIMIT_BYTES: usize = 16 << 20;

/// Hashing more than this goes to the blocking pool.
const INLINE_HASH_BYTES: u64 = 64 * 1024;

/// A request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The object's key; empty for the bucket.
    pub(super) key: String,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) headers: HeaderMap,
    /// A header whose value no request can carry: then none is sent.
    invalid: Option<HeaderName>,
    pub(super) body: Payload,
    /// How long the server may work on it, besides the usual.
    pub(super) patience: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer<B> {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: B,
}

/// Why nothing good came back, after all attempts.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server said no.
    Refused {
        error: ServiceError,
        /// Whether an attempt before the last may have been carried out although we did not hear of it.
        ambiguous: bool,
    },
    /// There was no server to say anything, or nothing that makes sense; the error has the address and the attempts.
    Broken(BoxError),
    /// The request cannot be made, so it was not sent.
    Invalid(BoxError),
}

/// One attempt that did not succeed.
enum Attempt {
    Service(ServiceError),
    Http(HttpError),
    Fatal(BoxError),
    Invalid(BoxError),
}

/// How often a request was sent, and for how long it was tried.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tried {
    attempts: u32,
    elapsed: Duration,
}

/// No answer, after all attempts.
#[derive(Debug, thiserror::Error)]
#[error("request to {url} failed, {tried}")]
struct Unanswered {
    url: String,
    tried: Tried,
    source: BoxError,
}

#[derive(Debug, thiserror::Error)]
enum Unsendable {
    #[error(
        "there are no credentials: give `accesskey` and `secretkey`, AWS_… variables, or the machine a role"
    )]
    Credentials(#[source] object_store::Error),
    #[error("the answer is longer than {DOCUMENT_LIMIT_BYTES} bytes")]
    TooLong,
    #[error("the value for the header {0} contains characters that no header can have")]
    Header(HeaderName),
    #[error("the {0} of the credentials contains characters that no header can have, such as a line break")]
    Credential(&'static str),
}

// === impl Call ===

impl Call {
    pub(super) fn new(method: Method, key: &str) -> Self {
        Self {
            method,
            key: key.to_owned(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            invalid: None,
            body: Vec::new(),
            patience: Duration::ZERO,
        }
    }

    pub(super) fn query(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.query.push((name, value.into()));
        self
    }

    /// Adds a header. With a value that cannot be one the request is never sent: without its condition, or its source, it
    /// would do something else.
    pub(super) fn header(mut self, name: impl Into<HeaderName>, value: &str) -> Self {
        let name = name.into();
        match HeaderValue::from_str(value) {
            Ok(value) => {
                self.headers.insert(name, value);
            }
            Err(_) => self.invalid = Some(name),
        }
        self
    }

    pub(super) fn body(mut self, body: Payload) -> Self {
        self.body = body;
        self
    }

    pub(super) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    fn size(&self) -> u64 {
        self.body.iter().map(|piece| piece.len() as u64).sum()
    }

    fn url(&self, bucket: &str) -> String {
        let mut url = format!("{bucket}/{}", utf8_percent_encode(&self.key, &PATH));
        for (index, (name, value)) in self.query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.extend(utf8_percent_encode(value, &QUERY));
        }
        url
    }
}

/// The path of an object as a copy names its source.
pub(super) fn source(bucket: &str, key: &str) -> String {
    format!("{bucket}/{}", utf8_percent_encode(key, &PATH))
}

// === impl Inner ===

impl Inner {
    /// Sends a request whose answer is a document or nothing, and reads it whole.
    pub(super) async fn call(&self, call: Call) -> Result<Answer<Bytes>, Failure> {
        self.persist(&call, async |answer: HttpResponse| {
            let (head, body) = answer.into_parts();
            let body = limited(body).await?;
            match ServiceError::in_success(&body) {
                Some(error) => Err(Attempt::Service(error)),
                None => Ok((head, body)),
            }
        })
        .await
    }

    /// Sends a request whose answer's body is for somebody else to read.
    pub(super) async fn open(&self, call: &Call) -> Result<Answer<HttpResponseBody>, Failure> {
        self.persist(call, async |answer: HttpResponse| Ok(answer.into_parts())).await
    }

    async fn persist<B>(
        &self,
        call: &Call,
        take: impl AsyncFn(HttpResponse) -> Result<(http::response::Parts, B), Attempt>,
    ) -> Result<Answer<B>, Failure> {
        if let Some(name) = &call.invalid {
            return Err(Failure::Invalid(Unsendable::Header(name.clone()).into()));
        }
        let begun = Instant::now();
        let deadline = begun + self.retry_deadline;
        let hash = self.hash(call).await;
        let mut pause = FIRST_PAUSE;
        let mut ambiguous = false;
        let is_write = matches!(call.method, Method::PUT | Method::POST);
        let mut forbidden = 0;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failed = match self.attempt(call, hash.as_ref(), &take).await {
                Ok((head, body)) => {
                    if is_write {
                        self.writes.store(true, Ordering::Relaxed);
                    }
                    return Ok(Answer { status: head.status, headers: head.headers, body });
                }
                Err(failed) => failed,
            };
            let mut wait = failed.pause(&mut pause);
            let allowed = is_write && self.writes.load(Ordering::Relaxed);
            if allowed && failed.is_forbidden() && forbidden < FORBIDDEN_RETRIES {
                forbidden += 1;
                wait = Some(lengthened(&mut pause));
            }
            let now = Instant::now();
            let tried = Tried { attempts, elapsed: now - begun };
            let Some(wait) = wait.filter(|wait| now + *wait <= deadline) else {
                return Err(failed.into_failure(&self.place.url, ambiguous, tried));
            };
            ambiguous |= failed.may_have_been_done();
            self.log_retry(call, &failed, Tried { attempts: attempts + 1, elapsed: tried.elapsed + wait });
            tokio::time::sleep(wait).await;
        }
    }

    /// Logs that a request is going to be sent again: the first at once, and one in ten seconds of those that follow.
    fn log_retry(&self, call: &Call, failed: &Attempt, next: Tried) {
        let Some(left_out) = self.retry_log.admit() else { return };
        let (attempt, elapsed) = (next.attempts, next.elapsed.as_secs_f64());
        let limit = self.retry_deadline.as_secs_f64();
        tracing::warn!(
            method = %call.method,
            bucket = self.place.url,
            key = call.key,
            error = failed.error(),
            lines_left_out = left_out,
            "retrying S3 request (attempt {attempt}, after {elapsed:.1} s of {limit:.0} s)"
        );
    }

    /// One attempt. The permit is for the request and what of the answer is taken here: the body of an object flows at the
    /// pace of whoever reads it, and must not keep others waiting.
    async fn attempt<B>(
        &self,
        call: &Call,
        hash: Option<&Digest>,
        take: &impl AsyncFn(HttpResponse) -> Result<(http::response::Parts, B), Attempt>,
    ) -> Result<(http::response::Parts, B), Attempt> {
        let _permit = self.permits.acquire().await.map_err(|closed| Attempt::Fatal(closed.into()))?;
        let credential = self.credentials.get_credential().await;
        let credential = credential.map_err(|error| Attempt::Fatal(Unsendable::Credentials(error).into()))?;
        check_credential(&credential).map_err(|problem| Attempt::Invalid(problem.into()))?;
        let request = self.request(call, hash, &credential).map_err(Attempt::Invalid)?;
        let answer = self.http.execute(request).await.map_err(Attempt::Http)?;
        if answer.status().is_success() {
            return take(answer).await;
        }
        let (head, body) = answer.into_parts();
        let body = limited(body).await?;
        Err(Attempt::Service(ServiceError::new(head.status, &head.headers, &body)))
    }

    fn request(
        &self,
        call: &Call,
        hash: Option<&Digest>,
        credential: &AwsCredential,
    ) -> Result<HttpRequest, BoxError> {
        let size = call.size();
        let body = match call.body.as_slice() {
            [] => HttpRequestBody::empty(),
            [one] => HttpRequestBody::from(one.clone()),
            many => HttpRequestBody::from(many.iter().cloned().collect::<PutPayload>()),
        };
        let mut request = HttpRequest::new(body);
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = call.url(&self.place.url).parse()?;
        *request.headers_mut() = call.headers.clone();
        let sending = Duration::from_secs(size / SLOWEST_BYTES_PER_SECOND);
        request.extensions_mut().insert(Patience(self.answer_timeout + sending + call.patience));
        AwsAuthorizer::new(credential, "s3", &self.place.region)
            .with_sign_payload(self.sign_payload)
            .try_authorize(&mut request, hash.map(Digest::as_bytes))?;
        request.headers_mut().insert(header::USER_AGENT, self.useragent.clone());
        if matches!(call.method, Method::PUT | Method::POST) {
            request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
        }
        Ok(request)
    }

    /// The hash of the body where it is signed: without TLS nothing else protects it.
    async fn hash(&self, call: &Call) -> Option<Digest> {
        if !self.sign_payload {
            return None;
        }
        let body = call.body.clone();
        let hash = move || {
            let mut hasher = Hasher::new(Algorithm::Sha256);
            body.iter().for_each(|piece| hasher.update(piece));
            hasher.finish()
        };
        if call.size() <= INLINE_HASH_BYTES {
            return Some(hash());
        }
        match tokio::task::spawn_blocking(in_current_span(hash)).await {
            Ok(digest) => Some(digest),
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

/// Signing panics on credentials that fit into no header.
fn check_credential(credential: &AwsCredential) -> Result<(), Unsendable> {
    let fits = |value: &str| HeaderValue::from_str(value).is_ok();
    if !fits(&credential.key_id) {
        return Err(Unsendable::Credential("key id"));
    }
    match &credential.token {
        Some(token) if !fits(token) => Err(Unsendable::Credential("session token")),
        _ => Ok(()),
    }
}

async fn limited(body: HttpResponseBody) -> Result<Bytes, Attempt> {
    let mut stream = body.bytes_stream();
    let first = stream.next().await.transpose().map_err(Attempt::Http)?.unwrap_or_default();
    let mut whole = None;
    while let Some(piece) = stream.next().await {
        let whole = whole.get_or_insert_with(|| BytesMut::from(&first[..]));
        whole.extend_from_slice(&piece.map_err(Attempt::Http)?);
        if whole.len() > DOCUMENT_LIMIT_BYTES {
            return Err(Attempt::Fatal(Unsendable::TooLong.into()));
        }
    }
    Ok(whole.map_or(first, BytesMut::freeze))
}

// === impl Tried ===

impl Tried {
    /// Whether it was tried again at all.
    pub(super) fn is_repeated(self) -> bool {
        self.attempts > 1
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (attempts, seconds) = (self.attempts, self.elapsed.as_secs_f64());
        write!(f, "{attempts} {} in {seconds:.1} s", if attempts == 1 { "attempt" } else { "attempts" })
    }
}

// === impl Attempt ===

impl Attempt {
    /// How long to wait before another; `None` if another will not do better.
    fn pause(&self, next: &mut Duration) -> Option<Duration> {
        let drawn = jittered(*next);
        let wait = match self {
            Self::Fatal(_) | Self::Invalid(_) => return None,
            Self::Http(_) => drawn,
            Self::Service(error) if !error.is_transient() => return None,
            Self::Service(error) => {
                if error.is_slow_down() {
                    *next = (*next).max(SLOW_DOWN_PAUSE);
                }
                let asked = error.retry_after.unwrap_or_default();
                if asked > LONGEST_RETRY_AFTER {
                    return None;
                }
                jittered(*next).max(asked)
            }
        };
        *next = (*next * 2).min(LONGEST_PAUSE);
        Some(wait)
    }

    /// Whether the server says that it may not be done, for a reason that may pass.
    fn is_forbidden(&self) -> bool {
        matches!(self, Self::Service(error) if error.status == StatusCode::FORBIDDEN && error.code == "AccessDenied")
    }

    fn may_have_been_done(&self) -> bool {
        match self {
            Self::Http(error) => !matches!(error.kind(), HttpErrorKind::Connect),
            Self::Service(error) => error.status.is_server_error() && !error.is_slow_down(),
            Self::Fatal(_) | Self::Invalid(_) => false,
        }
    }

    fn into_failure(self, bucket: &str, ambiguous: bool, tried: Tried) -> Failure {
        let unanswered = |source| Unanswered { url: bucket.to_owned(), tried, source };
        match self {
            Self::Service(error) => Failure::Refused { error: error.after(tried), ambiguous },
            Self::Http(error) => Failure::Broken(unanswered(error.into()).into()),
            Self::Fatal(error) => Failure::Broken(unanswered(error).into()),
            Self::Invalid(error) => Failure::Invalid(error),
        }
    }

    fn error(&self) -> &(dyn std::error::Error + 'static) {
        match self {
            Self::Service(error) => error,
            Self::Http(error) => error,
            Self::Fatal(error) | Self::Invalid(error) => &**error,
        }
    }
}

/// The next pause, drawn; the one after it is twice as long.
fn lengthened(next: &mut Duration) -> Duration {
    let pause = jittered(*next);
    *next = (*next * 2).min(LONGEST_PAUSE);
    pause
}

/// Between half of it and the whole, so that those who failed together do not come back together.
pub(super) fn jittered(pause: Duration) -> Duration {
    let random = Uuid::now_v7().as_u128() & 0xffff;
    let share = f64::from(u16::try_from(random).unwrap_or_default()) / f64::from(u16::MAX);
    pause.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_gets_the_pause_it_asks_for_and_is_left_alone_when_that_is_too_long() {
        let pause_of = |seconds: u64| {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, seconds.into())]);
            let error = ServiceError::new(StatusCode::SERVICE_UNAVAILABLE, &headers, b"");
            Attempt::Service(error).pause(&mut FIRST_PAUSE.clone())
        };
        assert!(pause_of(0).unwrap() < Duration::from_secs(1));
        assert!(pause_of(3).unwrap() >= Duration::from_secs(3));
        assert!(pause_of(60).is_some());
        assert!(pause_of(61).is_none() && pause_of(u64::MAX).is_none());
    }

    #[test]
    fn an_error_after_all_attempts_says_how_many_there_were_in_what_time_and_where() {
        let tried = Tried { attempts: 3, elapsed: Duration::from_millis(1_240) };
        let busy = ServiceError::new(StatusCode::SERVICE_UNAVAILABLE, &HeaderMap::new(), b"");
        let Failure::Refused { error, .. } =
            Attempt::Service(busy).into_failure("http://s3/images", false, tried)
        else {
            panic!("the server said no")
        };
        assert_eq!(error.to_string(), "the server says 503 Service Unavailable (3 attempts in 1.2 s)");
        let gone = Attempt::Fatal("connection refused".into());
        let Failure::Broken(error) = gone.into_failure("http://s3/images", false, tried) else {
            panic!("no server said anything")
        };
        assert_eq!(error.to_string(), "request to http://s3/images failed, 3 attempts in 1.2 s");
    }
}
