//! Responses, built in one place each.

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName, HeaderValue,
    InvalidHeaderValue, LINK, LOCATION, RANGE,
};
use http::{Response, StatusCode};
use wharf_core::UploadState;
use wharf_oci::{Digest, RepositoryName, UploadRange, etag, upload_path};

use crate::body::Body;

/// Old clients look for it on the first answer to know whom they talk to.
pub(crate) const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// The digest of what the response is about.
pub(crate) const DOCKER_CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// The id of the upload the response is about.
pub(crate) const DOCKER_UPLOAD_UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
/// The subject that was noted when a manifest was put.
pub(crate) const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
/// The tags that were set when a manifest was put (end-7b).
pub(crate) const OCI_TAG: HeaderName = HeaderName::from_static("oci-tag");
/// Which filters a list of referrers went through (end-12b).
pub(crate) const OCI_FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// Blobs never change.
const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");
const OCTET_STREAM: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// A response with a status and nothing else.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    with_body(status, Body::empty())
}

/// Success without a body, said so: old clients wait for the length.
pub(crate) fn done(status: StatusCode) -> Response<Body> {
    let mut response = empty(status);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

/// A JSON document.
pub(crate) fn json(status: StatusCode, bytes: impl Into<Bytes>) -> Response<Body> {
    let bytes = bytes.into();
    let mut response = empty(status);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CONTENT_LENGTH, bytes.len().into());
    *response.body_mut() = Body::full(bytes);
    response
}

pub(crate) fn with_body(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

/// The headers of a blob, whole and with its bytes still to be put in.
pub(crate) fn blob_head(digest: &Digest, size: u64) -> Response<Body> {
    let mut response = empty(StatusCode::OK);
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, FOR_A_YEAR);
    headers.insert(CONTENT_LENGTH, size.into());
    // Always: the type of a blob is what the manifest says, and no client may make us say another one in a browser.
    headers.insert(CONTENT_TYPE, OCTET_STREAM);
    response.identify(digest);
    response
}

/// A page's link to the next one.
pub(crate) fn link(response: &mut Response<Body>, link: &str) {
    response.set(LINK, link);
}

/// An upload that is open: where it goes on, and how far it is.
pub(crate) fn upload(status: StatusCode, repository: &RepositoryName, state: &UploadState) -> Response<Body> {
    // A 204 has no length (RFC 9110, section 8.6).
    let mut response = if status == StatusCode::NO_CONTENT { empty(status) } else { done(status) };
    response.set(LOCATION, &upload_path(repository, &state.id, state.offset));
    response.set(RANGE, &UploadRange(state.offset).to_string());
    response.set(DOCKER_UPLOAD_UUID, state.id.as_str());
    response
}

/// Something came to be: where it is, and its digest.
pub(crate) fn created(location: &str, digest: &Digest) -> Response<Body> {
    let mut response = done(StatusCode::CREATED);
    response.set(LOCATION, location);
    response.set(DOCKER_CONTENT_DIGEST, &digest.to_string());
    response
}

/// The part of a response that `Range` asks for.
pub(crate) fn partial(response: &mut Response<Body>, length: u64, content_range: Option<&str>, body: Body) {
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    if let Some(content_range) = content_range {
        response.set(CONTENT_RANGE, content_range);
    }
    *response.body_mut() = body;
}

/// Headers that a response cannot do without. One that cannot be made marks the response, and the client gets a 500 in its
/// place: a 401 without a challenge or a redirect to nowhere would be another answer.
pub(crate) trait SetHeader {
    /// Sets a header to a text.
    fn set(&mut self, name: HeaderName, value: &str);

    /// Adds a header of this name to those that there are.
    fn add(&mut self, name: HeaderName, value: &str);

    /// Says which content this is: as digest and as validator.
    fn identify(&mut self, digest: &Digest);

    /// Whether a header is missing that could not be made.
    fn is_incomplete(&self) -> bool;
}

/// The mark of a response that lacks a header.
#[derive(Debug, Clone, Copy)]
struct Incomplete;

impl SetHeader for Response<Body> {
    fn set(&mut self, name: HeaderName, value: &str) {
        if let Some(value) = made(self, &name, HeaderValue::from_str(value)) {
            self.headers_mut().insert(name, value);
        }
    }

    fn add(&mut self, name: HeaderName, value: &str) {
        if let Some(value) = made(self, &name, HeaderValue::from_str(value)) {
            self.headers_mut().append(name, value);
        }
    }

    fn identify(&mut self, digest: &Digest) {
        for (name, text) in [(DOCKER_CONTENT_DIGEST, digest.to_string()), (ETAG, etag(digest))] {
            // Its memory becomes the header's.
            if let Some(value) = made(self, &name, HeaderValue::from_maybe_shared(Bytes::from(text))) {
                self.headers_mut().insert(name, value);
            }
        }
    }

    fn is_incomplete(&self) -> bool {
        self.extensions().get::<Incomplete>().is_some()
    }
}

fn made(
    response: &mut Response<Body>,
    name: &HeaderName,
    value: Result<HeaderValue, InvalidHeaderValue>,
) -> Option<HeaderValue> {
    if value.is_err() {
        // Without the value: the address of a redirect is signed, and as good as a password.
        tracing::error!(header = name.as_str(), "a header has a control character in it; answering 500");
        response.extensions_mut().insert(Incomplete);
    }
    value.ok()
}
