//! All repositories that the caller may see: an old part of the API that the specification leaves out and everybody uses.

use http::{Response, StatusCode};
use serde_json::json;
use wharf_auth::Scope;
use wharf_core::Page;
use wharf_oci::{CATALOG_PATH, ErrorCode, Page as Asked, RepositoryName, next_link};

use super::tags::page_size;
use crate::body::Body;
use crate::context::Cx;
use crate::errors::ApiError;
use crate::respond;

/// Names in a page when the client does not say; it has always been so.
const DEFAULT_PAGE: usize = 100;

/// Names read at a time when many of them may not be seen.
const SCAN_PAGE: usize = 1000;

/// `GET /v2/_catalog`.
pub(crate) async fn list(cx: &Cx<'_>, asked: Asked) -> Result<Response<Body>, ApiError> {
    cx.allow(Scope::Catalog).await?;
    let limit =
        asked.n.map_or(DEFAULT_PAGE.min(cx.limits.catalog_page), |n| page_size(n, cx.limits.catalog_page));
    let (mut names, mut more) = (Vec::new(), false);
    if limit > 0 {
        Page { items: names, more } = visible(cx, asked.last, limit).await?;
    }
    let list: Vec<&str> = names.iter().map(RepositoryName::as_str).collect();
    let mut response = respond::json(StatusCode::OK, format!("{}\n", json!({ "repositories": list })));
    if let (true, Some(last)) = (more, names.last()) {
        let link = next_link(CATALOG_PATH, &[("last", last.as_str()), ("n", &limit.to_string())]);
        respond::link(&mut response, &link);
    }
    Ok(response)
}

/// A page of what the caller may see. It is full, and says that there is more only if there is more that they may see:
/// nothing tells where in between there are others.
///
/// No more than `catalog_scan` names are looked at. Where that is not enough the page ends early, after the last name
/// that may be seen; the name to go on from would be one that may not.
async fn visible(cx: &Cx<'_>, last: Option<String>, limit: usize) -> Result<Page<RepositoryName>, ApiError> {
    // One too many tells whether there is more.
    let (mut step, mut after) = (limit.saturating_add(1), last);
    let (mut visible, mut left) = (Vec::new(), cx.limits.catalog_scan);
    while left > 0 {
        let page = cx.registry.repositories(after.as_deref(), step.min(left)).await?;
        left -= page.items.len().min(left);
        after = page.items.last().map(|name| name.as_str().to_owned());
        visible.extend(page.items.into_iter().filter(|name| cx.authorizer.sees(&cx.caller, name)));
        if visible.len() > limit || !page.more {
            return Ok(Page::cut(visible, limit));
        }
        step = SCAN_PAGE;
    }
    if visible.is_empty() { Err(too_far()) } else { Ok(Page { items: visible, more: true }) }
}

fn too_far() -> ApiError {
    ApiError::new(ErrorCode::Unavailable).message(
        "the next repository that you may see is too far on in the list; ask with `last` for a later part",
    )
}
