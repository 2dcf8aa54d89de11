//! What S3 answers: documents, headers and errors, read without asking again.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode, header};
use quick_xml::de::from_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::send::Tried;
use crate::cloud::Meta;

/// An error as the server says it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the server says {status}{}{}{}", said(code), said(message), repeated(*tried))]
pub(super) struct ServiceError {
    pub(super) status: StatusCode,
    pub(super) code: String,
    pub(super) message: String,
    /// How long it asks us to wait.
    pub(super) retry_after: Option<Duration>,
    /// How often and how long it was asked, once it is given up.
    pub(super) tried: Option<Tried>,
}

/// An answer that is not what its kind should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("the answer's body is not the document expected")]
    Document(#[from] quick_xml::DeError),
    #[error("the answer has no usable {0}")]
    Header(&'static str),
    #[error("the answer is not text")]
    Text(#[from] std::str::Utf8Error),
    #[error("the server sends one empty page after the other")]
    Endless,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct ErrorDocument {
    code: String,
    message: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listing {
    #[serde(default)]
    pub(super) is_truncated: bool,
    #[serde(default)]
    pub(super) next_continuation_token: Option<String>,
    #[serde(default)]
    pub(super) contents: Vec<Contents>,
    #[serde(default)]
    pub(super) common_prefixes: Vec<CommonPrefix>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Contents {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) last_modified: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CommonPrefix {
    pub(super) prefix: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Created {
    pub(super) upload_id: String,
}

/// The answer to a copy of an object or of a part.
#[derive(Deserialize)]
pub(super) struct Copied {
    #[serde(rename = "ETag")]
    pub(super) etag: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Multiparts {
    #[serde(default)]
    pub(super) is_truncated: bool,
    #[serde(default)]
    pub(super) next_key_marker: String,
    #[serde(default)]
    pub(super) next_upload_id_marker: String,
    #[serde(default)]
    pub(super) upload: Vec<Unfinished>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Unfinished {
    pub(super) key: String,
    pub(super) upload_id: String,
    pub(super) initiated: String,
}

/// The answer to a removal of many.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Removed {
    #[serde(default)]
    pub(super) error: Vec<NotRemoved>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NotRemoved {
    #[serde(default)]
    pub(super) key: String,
    #[serde(default)]
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

// === impl ServiceError ===

impl ServiceError {
    pub(super) fn new(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let document = error_document(body).unwrap_or_default();
        let mut message = document.message;
        if let Some(region) = headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok())
            && (status.is_redirection() || document.code == "AuthorizationHeaderMalformed")
        {
            message = format!("the bucket is in the region {region}; set `region` to that");
        }
        Self { status, code: document.code, message, retry_after: retry_after(headers), tried: None }
    }

    /// The error that hides in a body under the status 200: the server had begun to answer before it failed.
    pub(super) fn in_success(body: &[u8]) -> Option<Self> {
        let document = error_document(body)?;
        let status = match document.code.as_str() {
            "InternalError" => StatusCode::INTERNAL_SERVER_ERROR,
            "SlowDown" | "ServiceUnavailable" => StatusCode::SERVICE_UNAVAILABLE,
            "NoSuchUpload" | "NoSuchKey" | "NoSuchBucket" => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Some(Self { status, code: document.code, message: document.message, retry_after: None, tried: None })
    }

    /// As it is after the last attempt.
    pub(super) fn after(self, tried: Tried) -> Self {
        Self { tried: Some(tried), ..self }
    }

    /// Whether the same request may go better in a moment.
    pub(super) fn is_transient(&self) -> bool {
        const CODES: [&str; 7] = [
            "SlowDown",
            "InternalError",
            "RequestTimeout",
            "OperationAborted",
            "ConditionalRequestConflict",
            "Throttling",
            "ThrottlingException",
        ];
        let status = self.status;
        (status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED)
            || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
            || CODES.contains(&self.code.as_str())
    }

    /// Whether we are asked to send less.
    pub(super) fn is_slow_down(&self) -> bool {
        matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            || matches!(self.code.as_str(), "SlowDown" | "Throttling" | "ThrottlingException")
    }
}

fn repeated(tried: Option<Tried>) -> String {
    tried.filter(|tried| tried.is_repeated()).map_or_else(String::new, |tried| format!(" ({tried})"))
}

fn said(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(", {text}") }
}

fn error_document(body: &[u8]) -> Option<ErrorDocument> {
    let text = std::str::from_utf8(body).ok()?.trim_start();
    // Only the beginning is looked at: a listing may be long, and "<Error" cannot be at the beginning of one.
    let beginning = text.get(..text.len().min(256)).unwrap_or(text);
    let root = beginning.split("?>").last()?.trim_start();
    root.starts_with("<Error").then(|| from_str(text).unwrap_or_default())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Reads a document.
pub(super) fn document<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unreadable> {
    Ok(from_str(std::str::from_utf8(body)?)?)
}

/// A time as documents have it.
pub(super) fn time(text: &str) -> Result<SystemTime, Unreadable> {
    humantime::parse_rfc3339(text).map_err(|_| Unreadable::Header("time"))
}

/// What the headers of a GET or HEAD say of the object. Of a part of one, `Content-Range` says how large the whole is.
pub(super) fn meta(headers: &HeaderMap) -> Result<Meta, Unreadable> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let size = match text(header::CONTENT_RANGE) {
        Some(range) => range.rsplit_once('/').and_then(|(_, size)| size.parse().ok()),
        None => text(header::CONTENT_LENGTH).and_then(|size| size.parse().ok()),
    };
    let modified = text(header::LAST_MODIFIED).and_then(|date| httpdate::parse_http_date(date).ok());
    Ok(Meta {
        size: size.ok_or(Unreadable::Header("Content-Length or Content-Range"))?,
        modified: modified.ok_or(Unreadable::Header("Last-Modified"))?,
        etag: text(header::ETAG).ok_or(Unreadable::Header("ETag"))?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_a_successful_answer_is_an_error() {
        let body = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\n<Error><Code>InternalError</Code><Message>Again.</Message></Error>";
        let error = ServiceError::in_success(body).unwrap();
        assert!(error.is_transient());
        assert_eq!(error.message, "Again.");
        assert!(ServiceError::in_success(b"<ListBucketResult></ListBucketResult>").is_none());
        assert!(ServiceError::in_success(b"").is_none());
    }

    #[test]
    fn a_listing_may_mix_its_rows() {
        let body = b"<ListBucketResult xmlns=\"x\"><IsTruncated>true</IsTruncated>\
            <CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>\
            <Contents><Key>a&amp;b</Key><Size>3</Size><LastModified>2026-11-23T10:00:00.000Z</LastModified></Contents>\
            <CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes></ListBucketResult>";
        let listing: Listing = document(body).unwrap();
        assert!(listing.is_truncated);
        assert_eq!(listing.contents[0].key, "a&b");
        assert_eq!(listing.common_prefixes.len(), 2);
    }

    #[test]
    fn a_server_in_trouble_is_asked_again_and_one_that_cannot_is_not() {
        let error = |status: u16, body: &str| {
            ServiceError::new(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
        };
        assert!(error(503, "").is_slow_down());
        assert!(error(500, "").is_transient() && !error(500, "").is_slow_down());
        assert!(!error(501, "").is_transient());
        assert!(!error(403, "<Error><Code>AccessDenied</Code></Error>").is_transient());
        assert!(error(400, "<Error><Code>RequestTimeout</Code></Error>").is_transient());
    }
}
