//! Tags (end-8).

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use serde_json::json;
use wharf_auth::{Access, Pull};
use wharf_core::{BoxError, ByteStream, Page, Registry};
use wharf_oci::{Page as Asked, RepositoryName, Tag, next_link, tags_path};

use crate::body::Body;
use crate::context::Cx;
use crate::errors::ApiError;
use crate::respond::{self, SetHeader};

/// Tags read at a time when the client wants all of them.
const STREAM_PAGE: usize = 5000;

/// end-8: `GET /v2/<name>/tags/list`.
pub(crate) async fn list(
    cx: &Cx<'_>,
    access: Access<Pull>,
    asked: Asked,
) -> Result<Response<Body>, ApiError> {
    match asked.n {
        Some(n) => {
            page(cx, access.repository(), page_size(n, cx.limits.tags_page), asked.last.as_deref()).await
        }
        None => all(cx, access.repository(), asked.last.as_deref()).await,
    }
}

/// How many entries a client gets that asks for `n`: more than the limit is not an error, it takes another page.
pub(super) fn page_size(n: u64, limit: usize) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX).min(limit)
}

async fn page(
    cx: &Cx<'_>,
    name: &RepositoryName,
    limit: usize,
    last: Option<&str>,
) -> Result<Response<Body>, ApiError> {
    // A page of none still says whether the repository is there.
    let mut page = cx.registry.tags(name, last, limit.max(1)).await?;
    if limit == 0 {
        page = Page { items: Vec::new(), more: false };
    }
    let tags: Vec<&str> = page.items.iter().map(Tag::as_str).collect();
    let body = json!({ "name": name.as_str(), "tags": tags });
    let mut response = respond::json(StatusCode::OK, format!("{body}\n"));
    if let (true, Some(last)) = (page.more, page.items.last()) {
        let link = next_link(&tags_path(name), &[("last", last.as_str()), ("n", &limit.to_string())]);
        respond::link(&mut response, &link);
    }
    Ok(response)
}

/// All of them, as they are read: many clients know no pages, and a list of any length must not be held in memory.
async fn all(cx: &Cx<'_>, name: &RepositoryName, last: Option<&str>) -> Result<Response<Body>, ApiError> {
    // The first page tells whether there is a repository, so it is read before the status is sent.
    let first = cx.registry.tags(name, last, STREAM_PAGE).await?;
    let stream = List { registry: cx.registry.clone(), name: name.clone(), page: Some(first) }.into_stream();
    let mut response = respond::with_body(StatusCode::OK, Body::stream(stream, None));
    response.set(CONTENT_TYPE, "application/json");
    Ok(response)
}

/// A list on its way out.
struct List {
    registry: Registry,
    name: RepositoryName,
    /// The page to be sent next.
    page: Option<Page<Tag>>,
}

impl List {
    fn into_stream(self) -> ByteStream {
        let head = format!("{{\"name\":{},\"tags\":[", json!(self.name.as_str()));
        let tail = Bytes::from_static(b"]}\n");
        let pages = stream::try_unfold((self, true), |(mut list, first)| async move {
            let Some(page) = list.page.take() else { return Ok::<_, BoxError>(None) };
            if let (true, Some(last)) = (page.more, page.items.last()) {
                list.page = Some(list.registry.tags(&list.name, Some(last.as_str()), STREAM_PAGE).await?);
            }
            Ok(Some((Bytes::from(rows(&page.items, first)), (list, false))))
        });
        stream::once(async { Ok(Bytes::from(head)) })
            .chain(pages)
            .chain(stream::once(async { Ok(tail) }))
            .boxed()
    }
}

/// Tags need no escaping: their grammar has nothing to escape.
fn rows(tags: &[Tag], first: bool) -> String {
    let mut text = String::new();
    for (index, tag) in tags.iter().enumerate() {
        if index > 0 || !first {
            text.push(',');
        }
        text.push('"');
        text.push_str(tag.as_str());
        text.push('"');
    }
    text
}
