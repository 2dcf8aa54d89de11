//! Manifests (end-3, end-7, end-9).

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Response, StatusCode};
use wharf_auth::{Access, Delete, Pull, Push};
use wharf_core::{PutManifest, StoredManifest};
use wharf_oci::{Digest, ErrorCode, ManifestKind, MediaType, Reference, RepositoryName, Tag, manifest_path};

use crate::body::Body;
use crate::context::Cx;
use crate::errors::{ApiError, from_body};
use crate::request_body::{CollectTimes, RequestBody};
use crate::respond::{self, SetHeader};

/// Where a manifest is put.
pub(crate) struct Target {
    pub(crate) reference: Reference,
    pub(crate) tags: Vec<Tag>,
    pub(crate) digest: Option<Digest>,
}

/// end-3: `GET /v2/<name>/manifests/<reference>`.
pub(crate) async fn get(
    cx: &Cx<'_>,
    access: Access<Pull>,
    reference: Reference,
) -> Result<Response<Body>, ApiError> {
    let manifest = negotiated(cx, &access, &reference).await?;
    let mut response = manifest_head(cx, &manifest);
    if response.status() == StatusCode::OK {
        *response.body_mut() = Body::full(manifest.bytes);
    }
    Ok(response)
}

/// end-3: `HEAD /v2/<name>/manifests/<reference>`.
pub(crate) async fn head(
    cx: &Cx<'_>,
    access: Access<Pull>,
    reference: Reference,
) -> Result<Response<Body>, ApiError> {
    Ok(manifest_head(cx, &negotiated(cx, &access, &reference).await?))
}

/// end-7: `PUT /v2/<name>/manifests/<reference>`.
pub(crate) async fn put(
    cx: &Cx<'_>,
    access: Access<Push>,
    target: Target,
    body: &RequestBody,
) -> Result<Response<Body>, ApiError> {
    let content_type = content_type(cx)?;
    let immutable = cx.immutable(&access, target.reference.tag().into_iter().chain(&target.tags)).await?;
    let limit = cx.limits.manifest_bytes;
    let times = CollectTimes { idle: cx.limits.body_idle_timeout, whole: cx.limits.collect_timeout };
    let bytes = match body.collect(limit, times).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(ApiError::manifest_too_large(limit)),
        Err(broken) => return Err(from_body(&broken)),
    };
    let Target { reference, tags, digest } = target;
    let put = PutManifest { reference, digest, tags, immutable, content_type: Some(content_type), bytes };
    let done = cx.registry.put_manifest(&cx.cause, access.repository(), put).await?;

    let mut response = respond::created(&manifest_path(access.repository(), &done.digest), &done.digest);
    if let Some(subject) = done.subject {
        response.set(respond::OCI_SUBJECT, &subject.to_string());
    }
    if !done.tags.is_empty() {
        let tags: Vec<&str> = done.tags.iter().map(Tag::as_str).collect();
        response.set(respond::OCI_TAG, &tags.join(", "));
    }
    Ok(response)
}

/// end-9: `DELETE /v2/<name>/manifests/<reference>`.
pub(crate) async fn delete(
    cx: &Cx<'_>,
    access: Access<Delete>,
    reference: Reference,
) -> Result<Response<Body>, ApiError> {
    let deleted = cx.registry.delete_manifest(&cx.cause, access.repository(), &reference).await;
    deleted.map_err(|error| ApiError::from(error).allowing("GET, HEAD, PUT"))?;
    Ok(respond::done(StatusCode::ACCEPTED))
}

/// The manifest, or what stands in for it with a client that does not take its type.
///
/// Nothing is ever converted. Two old habits are kept: an OCI image is not shown to a client that takes only Docker's
/// types, and such a client that asks for a Docker list by tag, and does not know lists, gets its linux/amd64 child.
async fn negotiated(
    cx: &Cx<'_>,
    access: &Access<Pull>,
    reference: &Reference,
) -> Result<StoredManifest, ApiError> {
    let manifest = cx.registry.manifest(access.repository(), reference).await?;
    let accept = cx.accept();
    if accept.allows(&manifest.kind.media_type()) {
        return Ok(manifest);
    }
    match (manifest.kind, reference) {
        (ManifestKind::OciImage, _) => Err(ApiError::new(ErrorCode::ManifestUnknown)
            .message("OCI manifest found, but accept header does not support OCI manifests")),
        (ManifestKind::DockerList, Reference::Tag(_)) if accept.lists(&MediaType::DOCKER_MANIFEST) => {
            amd64_child(cx, access.repository(), &manifest).await
        }
        (ManifestKind::DockerList, Reference::Tag(_)) => Err(ApiError::new(ErrorCode::ManifestInvalid)
            .detail("manifest list found, but accept header supports neither lists nor Docker images")),
        _ => Ok(manifest),
    }
}

async fn amd64_child(
    cx: &Cx<'_>,
    repository: &RepositoryName,
    list: &StoredManifest,
) -> Result<StoredManifest, ApiError> {
    let parsed = list.parse().await?;
    let child = parsed.children().iter().find(|child| {
        child
            .platform
            .as_ref()
            .is_some_and(|platform| platform.os == "linux" && platform.architecture == "amd64")
    });
    let Some(child) = child else {
        return Err(ApiError::new(ErrorCode::ManifestUnknown).detail("the list has no image for linux/amd64"));
    };
    Ok(cx.registry.manifest(repository, &Reference::Digest(child.digest)).await?)
}

fn manifest_head(cx: &Cx<'_>, manifest: &StoredManifest) -> Response<Body> {
    let unchanged = cx.has_already(&manifest.digest);
    let mut response = respond::empty(if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK });
    response.identify(&manifest.digest);
    if !unchanged {
        response.headers_mut().insert(CONTENT_LENGTH, manifest.bytes.len().into());
        response.set(CONTENT_TYPE, manifest.kind.media_type().as_str());
    }
    response
}

/// The type that the client gives the manifest; parameters and case do not count (RFC 9110, 8.3.1). A request without one
/// is refused: what a manifest is must not depend on how it is read.
fn content_type(cx: &Cx<'_>) -> Result<MediaType, ApiError> {
    let text = cx.text(&CONTENT_TYPE).unwrap_or_default();
    MediaType::parse(&text.to_ascii_lowercase())
        .map_err(|error| ApiError::new(ErrorCode::ManifestInvalid).detail(error.to_string()))
}
