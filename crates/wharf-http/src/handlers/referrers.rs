//! Referrers (end-12).

use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use serde_json::json;
use wharf_auth::{Access, Pull};
use wharf_oci::{Digest, MediaType, Page as Asked, next_link, referrers_path};

use super::tags::page_size;
use crate::body::Body;
use crate::context::Cx;
use crate::errors::ApiError;
use crate::respond::{self, SetHeader};

/// end-12: `GET /v2/<name>/referrers/<digest>`.
///
/// Always an index, also where nothing refers to the subject and where there is no such repository: clients take a 404
/// for "no such API" and go on to write fallback tags.
pub(crate) async fn list(
    cx: &Cx<'_>,
    access: Access<Pull>,
    subject: Digest,
    artifact_types: Vec<String>,
    asked: Asked,
) -> Result<Response<Body>, ApiError> {
    let most = cx.limits.referrers_page;
    // A page of none could not say where the next one begins.
    let limit = asked.n.map_or(most, |n| page_size(n, most)).max(1);
    let after: Option<Digest> = match asked.last.as_deref() {
        Some(last) => Some(last.parse().map_err(wharf_oci::RouteError::Digest)?),
        None => None,
    };
    let page =
        cx.registry.referrers(access.repository(), &subject, &artifact_types, after.as_ref(), limit).await?;

    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX.as_str(),
        "manifests": page.items,
    });
    let mut response = respond::json(StatusCode::OK, format!("{index}\n"));
    response.set(CONTENT_TYPE, MediaType::OCI_INDEX.as_str());
    if !artifact_types.is_empty() {
        response.set(respond::OCI_FILTERS_APPLIED, "artifactType");
    }
    // The page may have ended among manifests that the filter excludes; the link goes on from there.
    if let Some(next) = page.next {
        let (last, n) = (next.to_string(), limit.to_string());
        let mut params: Vec<(&str, &str)> =
            artifact_types.iter().map(|kind| ("artifactType", kind.as_str())).collect();
        params.extend([("last", last.as_str()), ("n", n.as_str())]);
        respond::link(&mut response, &next_link(&referrers_path(access.repository(), &subject), &params));
    }
    Ok(response)
}
