//! All repositories: an old part of the API that the specification leaves out and everybody uses.

use http::{Response, StatusCode};
use serde_json::json;
use wharf_auth::Scope;
use wharf_oci::{CATALOG_PATH, Page as Asked, RepositoryName, next_link};

use super::tags::page_size;
use crate::body::Body;
use crate::context::Cx;
use crate::errors::ApiError;
use crate::respond;

/// Names in a page when the client does not say; it has always been so.
const DEFAULT_PAGE: usize = 100;

/// `GET /v2/_catalog`.
pub(crate) async fn list(cx: &Cx<'_>, asked: Asked) -> Result<Response<Body>, ApiError> {
    cx.allow(Scope::Catalog).await?;
    let limit =
        asked.n.map_or(DEFAULT_PAGE.min(cx.limits.catalog_page), |n| page_size(n, cx.limits.catalog_page));
    let (mut names, mut more) = (Vec::new(), false);
    if limit > 0 {
        let page = cx.registry.repositories(asked.last.as_deref(), limit).await?;
        (names, more) = (page.items, page.more);
    }
    let list: Vec<&str> = names.iter().map(RepositoryName::as_str).collect();
    let mut response = respond::json(StatusCode::OK, format!("{}\n", json!({ "repositories": list })));
    if let (true, Some(last)) = (more, names.last()) {
        let link = next_link(CATALOG_PATH, &[("last", last.as_str()), ("n", &limit.to_string())]);
        respond::link(&mut response, &link);
    }
    Ok(response)
}
