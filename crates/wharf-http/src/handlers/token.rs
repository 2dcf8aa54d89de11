//! `/token`: our own token server's HTTP, outside of `/v2`. What is granted is decided behind [`TokenIssuer`].

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{Method, Response, StatusCode};
use wharf_auth::{FORM_BYTES, IssueError, Sender, TokenIssuer, TokenRequest};
use wharf_oci::ErrorCode;

use crate::body::Body;
use crate::connections::Busy;
use crate::errors::{self, ApiError};
use crate::limits::Limits;
use crate::log::Record;
use crate::request_body::{CollectTimes, RequestBody};
use crate::respond::{self, SetHeader};

/// Where it is, below `http.prefix`.
pub(crate) const PATH: &str = "/token";

const METHODS: &str = "GET, POST";

/// Answers a request for a token.
pub(crate) async fn answer(
    issuer: &dyn TokenIssuer,
    head: &http::request::Parts,
    body: &RequestBody,
    busy: Option<&Busy>,
    sender: Sender<'_>,
    limits: &Limits,
    record: &mut Record,
) -> Result<Response<Body>, ApiError> {
    let request = match head.method {
        Method::GET => TokenRequest::from_query(head.uri.query().unwrap_or_default()),
        Method::POST => {
            // Until it has come, nothing is known of the client: its connection is no better than an idle one.
            let _pause = busy.map(Busy::pause);
            form(head, body, limits).await?
        }
        _ => {
            let refused = ApiError::with_status(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported);
            return Err(refused.header(ALLOW, METHODS));
        }
    };
    let issued = issuer.issue(sender, request).await?;
    record.user(issued.holder.clone());
    let mut response = respond::json(StatusCode::OK, issued.to_json());
    response.set(CACHE_CONTROL, "no-store");
    Ok(response)
}

async fn form(
    head: &http::request::Parts,
    body: &RequestBody,
    limits: &Limits,
) -> Result<TokenRequest, ApiError> {
    let media_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(IssueError::Malformed("the body is to be application/x-www-form-urlencoded").into());
    }
    let times = CollectTimes { idle: limits.body_idle_timeout, whole: limits.form_timeout };
    match body.collect(FORM_BYTES, times).await {
        Ok(Some(form)) => Ok(TokenRequest::from_form(&form)?),
        Ok(None) => Err(ApiError::with_status(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::SizeInvalid)
            .detail(format!("a form may be {FORM_BYTES} bytes long"))),
        Err(broken) => Err(errors::from_body(&broken)),
    }
}
