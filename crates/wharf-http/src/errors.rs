//! Errors on their way out: the one place that knows which status and code a failure has.

use std::time::Duration;

use http::header::{ALLOW, HeaderName, LOCATION, RANGE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use wharf_auth::{Challenge, IssueError, Refusal};
use wharf_core::{Error as CoreError, LogLimit};
use wharf_oci::{Digest, ErrorBody, ErrorCode, ErrorEntry, Reference, RouteError, UploadRange, upload_path};

use crate::accounts::TooManyTransfers;
use crate::asked::Asked;
use crate::body::Body;
use crate::panics::Panicked;
use crate::request_body::BodyError;
use crate::respond::{self, SetHeader};

/// What a client is told to wait before it tries again, in seconds.
const RETRY_AFTER_SECONDS: &str = "5";

/// The line that the authorizer cannot decide.
static UNDECIDED: LogLimit = LogLimit::new(Duration::from_secs(10));

/// An answer that is not what was asked for.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    entries: Vec<ErrorEntry>,
    headers: Vec<(HeaderName, String)>,
    challenge: Option<Challenge>,
    /// Whether it is the authorizer's, and nothing has been said yet about what was refused.
    refused: bool,
}

impl ApiError {
    /// The code's own status.
    pub(crate) fn new(code: ErrorCode) -> Self {
        Self::with_status(status(code.status()), code)
    }

    /// Another status than the code's own.
    pub(crate) fn with_status(status: StatusCode, code: ErrorCode) -> Self {
        Self {
            status,
            entries: vec![ErrorEntry::new(code)],
            headers: Vec::new(),
            challenge: None,
            refused: false,
        }
    }

    pub(crate) fn detail(mut self, detail: impl Into<Value>) -> Self {
        let detail = detail.into();
        self.entries = self.entries.into_iter().map(|entry| entry.with_detail(detail.clone())).collect();
        self
    }

    /// Another message than the code's own, for clients that show nothing else.
    pub(crate) fn message(mut self, message: &str) -> Self {
        self.entries = self.entries.into_iter().map(|entry| entry.with_message(message)).collect();
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Says what was refused, and to whom, if it was the authorizer that refused.
    pub(crate) fn about(mut self, asked: impl FnOnce() -> Option<Asked>, who: Option<&str>) -> Self {
        if !std::mem::take(&mut self.refused) {
            return self;
        }
        let Some(asked) = asked() else { return self };
        match &mut self.challenge {
            Some(challenge) => {
                // Whoever has brought something that is wrong was asked before anybody knew what it was for.
                if let (Challenge::Bearer { scope: scope @ None, .. }, Some(wanted)) =
                    (&mut *challenge, asked.scope())
                {
                    *scope = Some(wanted);
                }
                if let Some(source) = asked.source() {
                    challenge.add_scope(&source);
                }
                let needed = asked.needed();
                self.detail(needed)
            }
            None => self.message(&asked.refusal(who)),
        }
    }

    /// Adds the id by which the request is found in the logs, where it is we who failed and the client learns nothing else.
    pub(crate) fn of_request(mut self, id: &str) -> Self {
        if self.status.is_server_error() {
            for entry in self.entries.iter_mut().filter(|entry| entry.detail.is_none()) {
                entry.detail = Some(format!("request id: {id}").into());
            }
        }
        self
    }

    /// Names the methods that would do, where this one does not (RFC 9110, section 15.5.6).
    pub(crate) fn allowing(self, methods: &'static str) -> Self {
        if self.status == StatusCode::METHOD_NOT_ALLOWED { self.header(ALLOW, methods) } else { self }
    }

    /// The body is longer than a manifest may be.
    pub(crate) fn manifest_too_large(limit: usize) -> Self {
        Self::with_status(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::ManifestInvalid)
            .detail(format!("a manifest may be {limit} bytes long"))
    }

    /// The response is in memory, and more of them than may be wait to be sent.
    pub(crate) fn no_room_for_response() -> Self {
        Self::new(ErrorCode::Unavailable)
            .message("too many responses wait for clients that do not read them, try again later")
            .header(RETRY_AFTER, RETRY_AFTER_SECONDS)
    }

    /// The head of the request is longer than one may be.
    pub(crate) fn head_too_large(length: usize, limit: usize) -> Self {
        Self::with_status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, ErrorCode::Unsupported)
            .message("the head of the request is too large")
            .detail(format!("it has {length} bytes; `http.limits.headerbytes` is {limit}"))
    }

    /// What is wrong in the first place, for the log.
    pub(crate) fn first(&self) -> Option<&ErrorEntry> {
        self.entries.first()
    }

    /// The answer; `here` is the scheme and host that the client has reached us at, in front of our paths.
    pub(crate) fn into_response(mut self, here: impl FnOnce() -> String) -> Response<Body> {
        if let Some(challenge) = self.challenge.take() {
            self = self.header(WWW_AUTHENTICATE, challenge.to_header(&here()));
        }
        let body = ErrorBody { errors: self.entries }.to_json();
        let mut response = respond::json(self.status, body);
        for (name, value) in self.headers {
            response.add(name, &value);
        }
        response
    }
}

fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

impl From<RouteError> for ApiError {
    fn from(error: RouteError) -> Self {
        let answer = Self::with_status(status(error.status()), error.code());
        let answer = match error.detail() {
            Some(detail) => answer.detail(detail),
            None => answer,
        };
        match error {
            RouteError::MethodNotAllowed { allow } => answer.header(ALLOW, allow),
            _ => answer,
        }
    }
}

impl From<Panicked> for ApiError {
    fn from(_: Panicked) -> Self {
        Self::new(ErrorCode::Unknown)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthenticated { challenge } => {
                Self { challenge: Some(challenge), refused: true, ..Self::new(ErrorCode::Unauthorized) }
            }
            Refusal::Denied => Self { refused: true, ..Self::new(ErrorCode::Denied) },
            Refusal::TooManyFailures { retry_after } => {
                let seconds = retry_after.as_millis().div_ceil(1000).max(1);
                Self::new(ErrorCode::TooManyRequests)
                    .message("too many failed logins, try again later")
                    .detail(format!("the next login is looked at in {seconds} s"))
                    .header(RETRY_AFTER, seconds.to_string())
            }
            // Who sends so many shall not fill the log as well: it is logged where it is noticed, once a minute.
            Refusal::Busy => {
                let message = refusal.to_string();
                Self::new(ErrorCode::Unavailable).message(&message).header(RETRY_AFTER, RETRY_AFTER_SECONDS)
            }
            Refusal::Unavailable(source) => {
                // Any client can cause it, without a password.
                if let Some(left_out) = UNDECIDED.admit() {
                    tracing::error!(
                        error = &*source as &dyn std::error::Error,
                        lines_left_out = left_out,
                        "authentication or authorization failed: answering 503"
                    );
                }
                Self::new(ErrorCode::Unavailable).header(RETRY_AFTER, RETRY_AFTER_SECONDS)
            }
        }
    }
}

impl From<TooManyTransfers> for ApiError {
    fn from(error: TooManyTransfers) -> Self {
        Self::new(ErrorCode::Unavailable).message(&error.to_string()).header(RETRY_AFTER, RETRY_AFTER_SECONDS)
    }
}

impl From<IssueError> for ApiError {
    fn from(error: IssueError) -> Self {
        let message = error.to_string();
        let malformed = Self::with_status(StatusCode::BAD_REQUEST, ErrorCode::Unsupported).message(&message);
        match error {
            IssueError::Malformed(_)
            | IssueError::UnsupportedGrant
            | IssueError::TooMuch { .. }
            | IssueError::OtherService { .. } => malformed,
            IssueError::WrongCredentials { challenge } => {
                Self { challenge: Some(challenge), ..Self::new(ErrorCode::Unauthorized) }.message(&message)
            }
            IssueError::Refused(refusal) => Self::from(refusal),
            IssueError::Unwritable(source) => {
                tracing::error!(error = &source as &dyn std::error::Error, "{message}");
                Self::new(ErrorCode::Unknown)
            }
        }
    }
}

impl From<CoreError> for ApiError {
    fn from(error: CoreError) -> Self {
        use CoreError as E;
        match error {
            E::RepositoryUnknown { repository } => {
                Self::new(ErrorCode::NameUnknown).detail(json!({ "name": repository.as_str() }))
            }
            E::BlobUnknown { digest, .. } => Self::new(ErrorCode::BlobUnknown).detail(digest.to_string()),
            E::ManifestUnknown { repository, reference } => {
                Self::new(ErrorCode::ManifestUnknown).detail(match reference {
                    Reference::Tag(tag) => format!("unknown tag={tag}"),
                    Reference::Digest(digest) => {
                        format!("unknown manifest name={repository} revision={digest}")
                    }
                })
            }
            E::UploadUnknown { .. } => Self::new(ErrorCode::BlobUploadUnknown),
            E::UploadOffset { repository, id, stored } => Self::new(ErrorCode::RangeInvalid)
                .detail(format!("the upload goes on at byte {stored}"))
                .header(LOCATION, upload_path(&repository, &id, stored))
                .header(RANGE, UploadRange(stored).to_string())
                .header(respond::DOCKER_UPLOAD_UUID, id.as_str()),
            E::UploadBusy { .. } => Self::new(ErrorCode::Unavailable)
                .message(&error.to_string())
                .header(RETRY_AFTER, RETRY_AFTER_SECONDS),
            E::DigestMismatch { .. } => Self::new(ErrorCode::DigestInvalid).detail(error.to_string()),
            E::BodyBroken { source } => from_body(&source),
            E::ManifestInvalid(invalid) => Self::new(ErrorCode::ManifestInvalid).detail(invalid.to_string()),
            E::ReferencesUnknown { digests, unchecked, .. } => Self {
                entries: unknown_references(&digests, unchecked),
                ..Self::new(ErrorCode::ManifestBlobUnknown)
            },
            E::TooManyReferences { .. } => Self::new(ErrorCode::ManifestInvalid).detail(error.to_string()),
            E::UrlForbidden { .. } => Self::new(ErrorCode::ManifestInvalid).detail(error.to_string()),
            E::ClassRefused { .. } => Self::new(ErrorCode::Denied).detail(error.to_string()),
            // Not TAG_INVALID: podman and skopeo then try the manifest in every other format. Not 403, which sends people,
            // and some clients, looking for another password.
            E::TagConflict { .. } => {
                Self::with_status(StatusCode::CONFLICT, ErrorCode::Denied).message(&error.to_string())
            }
            E::DeletesDisabled => Self::new(ErrorCode::Unsupported).detail(error.to_string()),
            E::Store(source) => {
                tracing::error!(error = &source as &dyn std::error::Error, "storage failed");
                if source.may_succeed_later() {
                    Self::new(ErrorCode::Unavailable).header(RETRY_AFTER, RETRY_AFTER_SECONDS)
                } else {
                    Self::new(ErrorCode::Unknown)
                }
            }
        }
    }
}

/// An entry for each digest, and one for those that were not checked, if there are any.
fn unknown_references(digests: &[Digest], unchecked: usize) -> Vec<ErrorEntry> {
    let entry = || ErrorEntry::new(ErrorCode::ManifestBlobUnknown);
    let listed = digests.iter().map(|digest| entry().with_detail(digest.to_string()));
    let rest = (unchecked > 0).then(|| {
        let message = format!("{unchecked} more references of the manifest were not checked");
        entry().with_message(&message)
    });
    listed.chain(rest).collect()
}

/// A body that did not come whole. Nobody may be there to read this.
pub(crate) fn from_body(source: &wharf_core::BoxError) -> ApiError {
    match source.downcast_ref::<BodyError>() {
        Some(slow @ (BodyError::Idle(_) | BodyError::Slow(_))) => {
            ApiError::with_status(StatusCode::REQUEST_TIMEOUT, ErrorCode::SizeInvalid)
                .detail(slow.to_string())
        }
        Some(no_room @ BodyError::NoRoom(_)) => ApiError::new(ErrorCode::Unavailable)
            .detail(no_room.to_string())
            .header(RETRY_AFTER, RETRY_AFTER_SECONDS),
        Some(BodyError::Broken(_)) | None => {
            ApiError::new(ErrorCode::SizeInvalid).detail("the request body ended early")
        }
    }
}
