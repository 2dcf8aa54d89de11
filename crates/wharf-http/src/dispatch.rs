//! The whole API as one match.

use http::{Response, StatusCode};
use wharf_oci::Route;

use crate::body::Body;
use crate::context::Cx;
use crate::errors::ApiError;
use crate::handlers::{base, blobs, catalog, manifests, referrers, tags, uploads};
use crate::request_body::RequestBody;
use crate::respond::{self, SetHeader};

/// Calls the handler of a route with the access that it takes.
///
/// A future is as large as the largest one it may wait for, and the future of every request is copied once: the long ones
/// are boxed, so that reads stay small.
pub(crate) async fn dispatch(
    cx: &Cx<'_>,
    route: Route,
    body: &RequestBody,
) -> Result<Response<Body>, ApiError> {
    match route {
        Route::Root => Ok(base::root()),
        Route::Base => base::base(cx).await,
        Route::BaseWithoutSlash => Ok(base::to_base()),
        Route::Options { allow } => Ok(options(allow)),
        Route::Catalog { page } => catalog::list(cx, page).await,
        Route::ListTags { name, page } => tags::list(cx, cx.access(name).await?, page).await,
        Route::ListReferrers { name, subject, artifact_types, page } => {
            Box::pin(referrers::list(cx, cx.access(name).await?, subject, artifact_types, page)).await
        }
        Route::GetManifest { name, reference } => manifests::get(cx, cx.access(name).await?, reference).await,
        Route::HeadManifest { name, reference } => {
            manifests::head(cx, cx.access(name).await?, reference).await
        }
        Route::PutManifest { name, reference, tags, digest } => {
            let target = manifests::Target { reference, tags, digest };
            Box::pin(manifests::put(cx, cx.access(name).await?, target, body)).await
        }
        Route::DeleteManifest { name, reference } => {
            manifests::delete(cx, cx.access(name).await?, reference).await
        }
        Route::GetBlob { name, digest } => blobs::get(cx, cx.access(name).await?, digest).await,
        Route::HeadBlob { name, digest } => blobs::head(cx, cx.access(name).await?, digest).await,
        Route::DeleteBlob { name, digest } => blobs::delete(cx, cx.access(name).await?, digest).await,
        Route::BeginUpload { name, begin } => {
            Box::pin(uploads::begin(cx, cx.access(name).await?, begin, body)).await
        }
        Route::UploadStatus { name, id } => uploads::status(cx, cx.access(name).await?, id).await,
        Route::AppendUpload { name, id, state } => {
            uploads::append(cx, cx.access(name).await?, uploads::Target { id, state }, body).await
        }
        Route::FinishUpload { name, id, digest, state } => {
            let target = uploads::Target { id, state };
            Box::pin(uploads::finish(cx, cx.access(name).await?, target, digest, body)).await
        }
        Route::CancelUpload { name, id } => uploads::cancel(cx, cx.access(name).await?, id).await,
    }
}

fn options(allow: &str) -> Response<Body> {
    let mut response = respond::done(StatusCode::OK);
    response.set(http::header::ALLOW, allow);
    response
}
