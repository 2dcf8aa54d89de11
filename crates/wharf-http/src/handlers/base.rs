//! The base of the API (end-1), and what is outside of it.

use http::header::{CACHE_CONTROL, LOCATION};
use http::{Response, StatusCode};
use wharf_auth::Scope;

use crate::body::Body;
use crate::context::Cx;
use crate::errors::ApiError;
use crate::respond::{self, SetHeader};

/// `/`: something is listening.
pub(crate) fn root() -> Response<Body> {
    let mut response = respond::done(StatusCode::OK);
    response.set(CACHE_CONTROL, "no-cache");
    response
}

/// `/v2/` (end-1): this is a registry, and you may talk to it. Clients look only here for how to authenticate.
pub(crate) async fn base(cx: &Cx<'_>) -> Result<Response<Body>, ApiError> {
    cx.allow(Scope::Base).await?;
    Ok(respond::json(StatusCode::OK, "{}"))
}

/// `/v2`.
pub(crate) fn to_base() -> Response<Body> {
    let mut response = respond::done(StatusCode::MOVED_PERMANENTLY);
    response.set(LOCATION, "/v2/");
    response
}
