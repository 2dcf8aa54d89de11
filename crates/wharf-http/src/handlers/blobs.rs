//! Blobs (end-2, end-10).

use http::header::{CONTENT_TYPE, LOCATION};
use http::{Response, StatusCode};
use wharf_auth::{Access, Delete, Pull};
use wharf_core::{BlobBody, BlobInfo, OpenBlob};
use wharf_oci::{ByteRange, Digest, Resolved};

use crate::body::Body;
use crate::context::{Cx, resolve};
use crate::errors::ApiError;
use crate::multipart::Multipart;
use crate::range_reads;
use crate::respond::{self, SetHeader};

/// end-2: `GET /v2/<name>/blobs/<digest>`.
pub(crate) async fn get(
    cx: &Cx<'_>,
    access: Access<Pull>,
    digest: Digest,
) -> Result<Response<Body>, ApiError> {
    // What is not there, and what the client has, is said before anything about its ranges (RFC 9110, section 13.2.2).
    let ranges = cx.ranges(&digest);
    if !matches!(ranges, Ok(None)) || cx.has_already(&digest) {
        let info = cx.registry.blob(access.repository(), &digest).await?;
        if cx.has_already(&digest) {
            return Ok(not_modified(&digest));
        }
        let resolved = ranges.and_then(|ranges| resolve(ranges, info.size_bytes));
        let resolved =
            resolved.map_err(|error| error.header(respond::DOCKER_CONTENT_DIGEST, digest.to_string()))?;
        return match resolved {
            Resolved::Whole => whole(cx, &access, &digest).await,
            Resolved::One(range) => one(cx, &access, &info, range).await,
            Resolved::Many(ranges) => many(cx, &access, &info, ranges).await,
        };
    }
    whole(cx, &access, &digest).await
}

/// end-2: `HEAD /v2/<name>/blobs/<digest>`.
///
/// Answered here even where a GET would be redirected: a URL signed for GET is no good for HEAD.
pub(crate) async fn head(
    cx: &Cx<'_>,
    access: Access<Pull>,
    digest: Digest,
) -> Result<Response<Body>, ApiError> {
    let info = cx.registry.blob(access.repository(), &digest).await?;
    if cx.has_already(&digest) {
        return Ok(not_modified(&digest));
    }
    Ok(respond::blob_head(&digest, info.size_bytes))
}

/// end-10: `DELETE /v2/<name>/blobs/<digest>`.
pub(crate) async fn delete(
    cx: &Cx<'_>,
    access: Access<Delete>,
    digest: Digest,
) -> Result<Response<Body>, ApiError> {
    let deleted = cx.registry.delete_blob(&cx.cause, access.repository(), &digest).await;
    deleted.map_err(|error| ApiError::from(error).allowing("GET, HEAD"))?;
    Ok(respond::done(StatusCode::ACCEPTED))
}

async fn whole(cx: &Cx<'_>, access: &Access<Pull>, digest: &Digest) -> Result<Response<Body>, ApiError> {
    if let Some(url) = cx.registry.blob_elsewhere(access.repository(), digest).await? {
        return Ok(redirect(digest, &url));
    }
    let transfer = cx.begin_transfer()?;
    let OpenBlob { info, body } = cx.registry.open_blob(access.repository(), digest).await?;
    let mut response = respond::blob_head(digest, info.size_bytes);
    *response.body_mut() = Body::blob(body, info.size_bytes).counted(transfer);
    Ok(response)
}

async fn one(
    cx: &Cx<'_>,
    access: &Access<Pull>,
    info: &BlobInfo,
    range: ByteRange,
) -> Result<Response<Body>, ApiError> {
    if let Some(url) = cx.registry.url_of(info).await? {
        return Ok(redirect(&info.digest, &url));
    }
    let transfer = cx.begin_transfer()?;
    let body = cx.registry.open_range(access.repository(), info, range).await?;
    let mut response = respond::blob_head(&info.digest, info.size_bytes);
    let content_range = range.content_range(info.size_bytes);
    let body = Body::blob(body, range.length).counted(transfer);
    respond::partial(&mut response, range.length, Some(&content_range), body);
    Ok(response)
}

/// Several ranges are served here: object stores ignore or refuse them.
///
/// The whole blob is the answer where the parts would cost a store too many reads, or are little beside their headings.
async fn many(
    cx: &Cx<'_>,
    access: &Access<Pull>,
    info: &BlobInfo,
    ranges: Vec<ByteRange>,
) -> Result<Response<Body>, ApiError> {
    let mut parts = range_reads::plan(&ranges, cx.limits);
    let multipart = Multipart::new(ranges, info.size_bytes);
    if multipart.headings() > multipart.content().max(cx.limits.range_headings_bytes) {
        return whole(cx, access, &info.digest).await;
    }
    let all = ByteRange { start: 0, length: info.size_bytes };
    let is_too_many = range_reads::reads(&parts) > cx.limits.range_reads;
    if is_too_many && let Some(url) = cx.registry.url_of(info).await? {
        return Ok(redirect(&info.digest, &url));
    }
    let first = if is_too_many { all } else { parts.first().and_then(|part| part.read).unwrap_or(all) };
    let transfer = cx.begin_transfer()?;
    let mut body = cx.registry.open_range(access.repository(), info, first).await?;
    if let BlobBody::File(_) = body {
        // All parts from one open file: they cannot be of different ages.
        body = cx.registry.open_range(access.repository(), info, all).await?;
        for (index, part) in parts.iter_mut().enumerate() {
            part.read = (index == 0).then_some(all);
        }
    } else if is_too_many {
        let mut response = respond::blob_head(&info.digest, info.size_bytes);
        *response.body_mut() = Body::blob(body, info.size_bytes).counted(transfer);
        return Ok(response);
    }
    let (length, content_type) = (multipart.length(), multipart.content_type());
    let (registry, repository, opened) = (cx.registry.clone(), access.repository().clone(), *info);
    let stream = multipart.into_stream(parts, body, cx.limits.range_gap_bytes, move |range| {
        let (registry, repository) = (registry.clone(), repository.clone());
        async move { Ok(registry.open_range(&repository, &opened, range).await?) }
    });
    let mut response = respond::blob_head(&info.digest, info.size_bytes);
    response.set(CONTENT_TYPE, &content_type);
    let body = Body::stream(stream, Some(length)).counted(transfer);
    respond::partial(&mut response, length, None, body);
    Ok(response)
}

fn redirect(digest: &Digest, url: &str) -> Response<Body> {
    let mut response = respond::done(StatusCode::TEMPORARY_REDIRECT);
    response.set(LOCATION, url);
    response.set(respond::DOCKER_CONTENT_DIGEST, &digest.to_string());
    response
}

fn not_modified(digest: &Digest) -> Response<Body> {
    let mut response = respond::empty(StatusCode::NOT_MODIFIED);
    response.set(http::header::CACHE_CONTROL, "max-age=31536000");
    response.identify(digest);
    response
}
