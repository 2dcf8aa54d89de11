//! Uploads and mounts (end-4, end-5, end-6, end-11, end-13, end-14), in every shape that clients know.

use futures_util::StreamExt;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use wharf_auth::{Access, Action, Push, Refusal, Scope};
use wharf_core::{Announced, ByteStream, Placement};
use wharf_oci::{
    Algorithm, BeginUpload, ContentRange, Digest, ErrorCode, RepositoryName, UploadId, blob_path,
};

use crate::body::Body;
use crate::context::Cx;
use crate::errors::ApiError;
use crate::request_body::RequestBody;
use crate::respond::{self, SetHeader};

/// The upload that a request is for, as its `Location` named it.
pub(crate) struct Target {
    pub(crate) id: UploadId,
    /// The offset at which that `Location` was handed out.
    pub(crate) state: Option<u64>,
}

/// end-4, end-11: `POST /v2/<name>/blobs/uploads/`.
pub(crate) async fn begin(
    cx: &Cx<'_>,
    access: Access<Push>,
    begin: BeginUpload,
    body: &RequestBody,
) -> Result<Response<Body>, ApiError> {
    match begin {
        BeginUpload::Session { algorithm } => session(cx, &access, announce(algorithm)).await,
        // A digest without the bytes: a client that goes on with PUT, as one must where this request is not known.
        BeginUpload::Monolithic { digest } if body.length() == Some(0) && !is_empty(&digest) => {
            session(cx, &access, Announced::Digest(digest)).await
        }
        BeginUpload::Monolithic { digest } => monolithic(cx, &access, &digest, body).await,
        BeginUpload::Mount { digest, from, algorithm } => {
            if may_mount(cx, from.as_ref()).await?
                && let Some(digest) =
                    cx.registry.mount(&cx.cause, access.repository(), &digest, from.as_ref()).await?
            {
                return Ok(created(&access, &digest));
            }
            session(cx, &access, algorithm.map_or(Announced::Digest(digest), Announced::Algorithm)).await
        }
    }
}

/// end-13: `GET /v2/<name>/blobs/uploads/<id>`.
pub(crate) async fn status(
    cx: &Cx<'_>,
    access: Access<Push>,
    id: UploadId,
) -> Result<Response<Body>, ApiError> {
    let state = cx.registry.upload(access.repository(), &id).await?;
    Ok(respond::upload(StatusCode::NO_CONTENT, access.repository(), &state))
}

/// end-5: `PATCH /v2/<name>/blobs/uploads/<id>`.
pub(crate) async fn append(
    cx: &Cx<'_>,
    access: Access<Push>,
    target: Target,
    body: &RequestBody,
) -> Result<Response<Body>, ApiError> {
    check_content_type(cx)?;
    let placement = placement(cx, body, target.state)?;
    let _transfer = cx.begin_transfer()?;
    let stream = body.stream(cx.limits.body_idle_timeout);
    let state = cx.registry.append(access.repository(), &target.id, placement, stream).await?;
    Ok(respond::upload(StatusCode::ACCEPTED, access.repository(), &state))
}

/// end-6: `PUT /v2/<name>/blobs/uploads/<id>?digest=<digest>`.
pub(crate) async fn finish(
    cx: &Cx<'_>,
    access: Access<Push>,
    target: Target,
    digest: Digest,
    body: &RequestBody,
) -> Result<Response<Body>, ApiError> {
    let _transfer = cx.begin_transfer()?;
    let last = match last_bytes(cx, body).await {
        Some(stream) => Some((placement(cx, body, target.state)?, stream)),
        None => None,
    };
    cx.registry.finish(&cx.cause, access.repository(), &target.id, &digest, last).await?;
    Ok(created(&access, &digest))
}

/// end-14: `DELETE /v2/<name>/blobs/uploads/<id>`. Whoever may push may stop pushing.
pub(crate) async fn cancel(
    cx: &Cx<'_>,
    access: Access<Push>,
    id: UploadId,
) -> Result<Response<Body>, ApiError> {
    cx.registry.cancel_upload(access.repository(), &id).await?;
    let mut response = respond::empty(StatusCode::NO_CONTENT);
    response.set(respond::DOCKER_UPLOAD_UUID, id.as_str());
    Ok(response)
}

async fn session(
    cx: &Cx<'_>,
    access: &Access<Push>,
    announced: Announced,
) -> Result<Response<Body>, ApiError> {
    let state = cx.registry.begin_upload(access.repository(), announced).await?;
    Ok(respond::upload(StatusCode::ACCEPTED, access.repository(), &state))
}

async fn monolithic(
    cx: &Cx<'_>,
    access: &Access<Push>,
    digest: &Digest,
    body: &RequestBody,
) -> Result<Response<Body>, ApiError> {
    let _transfer = cx.begin_transfer()?;
    let stream = body.stream(cx.limits.body_idle_timeout);
    cx.registry.put_blob(&cx.cause, access.repository(), digest, stream).await?;
    Ok(created(access, digest))
}

/// Whether a mount may be tried. A source that may not be pulled is answered like one that does not exist, by an upload:
/// nothing can be learnt from it.
async fn may_mount(cx: &Cx<'_>, from: Option<&RepositoryName>) -> Result<bool, ApiError> {
    let scope = from.map_or(Scope::PullEverything, |from| Scope::Repository(from, Action::Pull));
    match cx.authorizer.allow(&cx.caller, scope).await {
        Ok(()) => Ok(true),
        Err(Refusal::Unauthenticated { .. } | Refusal::Denied) => Ok(false),
        Err(other @ (Refusal::TooManyFailures { .. } | Refusal::Busy | Refusal::Unavailable(_))) => {
            Err(other.into())
        }
    }
}

/// The last bytes that come with a PUT, if any: it must be known before the upload is touched, since "nothing" belongs
/// nowhere in particular.
async fn last_bytes(cx: &Cx<'_>, body: &RequestBody) -> Option<ByteStream> {
    if body.length() == Some(0) {
        return None;
    }
    let mut stream = body.stream(cx.limits.body_idle_timeout);
    loop {
        match stream.next().await? {
            Ok(chunk) if chunk.is_empty() => {}
            first => return Some(futures_util::stream::once(async { first }).chain(stream).boxed()),
        }
    }
}

fn placement(cx: &Cx<'_>, body: &RequestBody, state: Option<u64>) -> Result<Placement, ApiError> {
    match cx.content_range()? {
        Some(range) => {
            check_length(range, body.length())?;
            Ok(Placement::At(range.start))
        }
        None => Ok(state.map_or(Placement::End, Placement::Location)),
    }
}

fn check_length(range: ContentRange, length: Option<u64>) -> Result<(), ApiError> {
    match length {
        Some(length) if range.length() != Some(length) => Err(ApiError::new(ErrorCode::SizeInvalid)
            .detail(format!("Content-Range {range} is not {length} bytes, which Content-Length says"))),
        _ => Ok(()),
    }
}

/// A chunk is bytes and nothing else; whoever sends a form means something we do not do.
fn check_content_type(cx: &Cx<'_>) -> Result<(), ApiError> {
    match cx.text(&CONTENT_TYPE) {
        None | Some("") => Ok(()),
        Some(text) if text.eq_ignore_ascii_case("application/octet-stream") => Ok(()),
        Some(other) => Err(ApiError::with_status(StatusCode::BAD_REQUEST, ErrorCode::BlobUploadInvalid)
            .detail(format!("a chunk is application/octet-stream, not {other}"))),
    }
}

fn announce(algorithm: Option<Algorithm>) -> Announced {
    algorithm.map_or(Announced::Nothing, Announced::Algorithm)
}

fn is_empty(digest: &Digest) -> bool {
    *digest == Digest::of_with(digest.algorithm(), b"")
}

fn created(access: &Access<Push>, digest: &Digest) -> Response<Body> {
    respond::created(&blob_path(access.repository(), digest), digest)
}
