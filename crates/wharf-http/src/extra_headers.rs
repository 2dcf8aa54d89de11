//! Headers the operator adds to every answer (`http.headers`), and what browsers need besides.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};

/// What a web page needs to see of an answer to work with a registry, and may not by default.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Docker-Content-Digest, Link, Location, Range, OCI-Subject, OCI-Filters-Applied, ETag",
);

/// Headers added to every answer below `/v2`, errors included: a browser shows a page nothing of a 404 without them.
#[derive(Debug, Clone, Default)]
pub struct ExtraHeaders(Vec<(HeaderName, HeaderValue)>);

impl ExtraHeaders {
    /// These headers; a name may come more than once.
    pub fn new(headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self(headers)
    }

    /// Whether pages of this origin may see answers.
    pub(crate) fn allow_origin(&self, origin: &HeaderValue) -> bool {
        let mut allowed = self.0.iter().filter(|(name, _)| *name == ACCESS_CONTROL_ALLOW_ORIGIN);
        allowed.any(|(_, value)| value == origin || value == "*")
    }

    pub(crate) fn add(&self, request: &HeaderMap, response: &mut HeaderMap) {
        for (name, value) in &self.0 {
            if *name != ACCESS_CONTROL_ALLOW_ORIGIN {
                response.append(name.clone(), value.clone());
            }
        }
        if let Some(origin) = self.origin(request) {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            self.complete(request, response);
        }
    }

    /// The one origin a browser is told. It takes only one; so of several in the config the one that asks.
    fn origin(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let allowed =
            || self.0.iter().filter(|(name, _)| *name == ACCESS_CONTROL_ALLOW_ORIGIN).map(|(_, value)| value);
        let asking = request.get(ORIGIN).and_then(|origin| allowed().find(|value| *value == origin));
        asking.or_else(|| allowed().find(|value| *value == "*")).or_else(|| allowed().next()).cloned()
    }

    /// What the operator did not think of.
    fn complete(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let origins = self.0.iter().filter(|(name, _)| *name == ACCESS_CONTROL_ALLOW_ORIGIN).count();
        if origins > 1 {
            response.append(VARY, HeaderValue::from_static("Origin"));
        }
        response.entry(ACCESS_CONTROL_EXPOSE_HEADERS).or_insert(EXPOSED);
        // The rest is asked in advance only.
        if request.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            if let Some(methods) = response.get(ALLOW).cloned() {
                response.entry(ACCESS_CONTROL_ALLOW_METHODS).or_insert(methods);
            }
            if let Some(headers) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                response.entry(ACCESS_CONTROL_ALLOW_HEADERS).or_insert(headers.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair =
            |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        pairs.iter().map(pair).collect()
    }

    fn added(configured: &[(&str, &str)], request: &[(&str, &str)]) -> HeaderMap {
        let configured =
            configured.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let mut response = headers(&[("allow", "GET, HEAD")]);
        ExtraHeaders::new(configured).add(&headers(request), &mut response);
        response
    }

    #[test]
    fn plain_headers_are_added_as_they_are() {
        let response = added(&[("x-content-type-options", "nosniff"), ("x-a", "1"), ("x-a", "2")], &[]);
        assert_eq!(response["x-content-type-options"], "nosniff");
        assert_eq!(response.get_all("x-a").iter().count(), 2);
        assert!(!response.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS));
    }

    #[test]
    fn a_preflight_is_answered_also_where_the_operator_named_only_the_origin() {
        let request = [
            ("origin", "https://ui.example.com"),
            ("access-control-request-method", "DELETE"),
            ("access-control-request-headers", "authorization"),
        ];
        let response = added(&[("access-control-allow-origin", "https://ui.example.com")], &request);
        assert_eq!(response[ACCESS_CONTROL_ALLOW_ORIGIN], "https://ui.example.com");
        assert_eq!(response[ACCESS_CONTROL_ALLOW_METHODS], "GET, HEAD");
        assert_eq!(response[ACCESS_CONTROL_ALLOW_HEADERS], "authorization");
    }

    #[test]
    fn what_the_operator_said_is_kept() {
        let configured = [("access-control-allow-origin", "*"), ("access-control-allow-methods", "GET")];
        let response = added(&configured, &[("access-control-request-method", "PUT")]);
        assert_eq!(response[ACCESS_CONTROL_ALLOW_METHODS], "GET");
    }

    #[test]
    fn of_several_origins_a_browser_is_told_its_own() {
        let configured = [
            ("access-control-allow-origin", "https://a.example.com"),
            ("access-control-allow-origin", "https://b.example.com"),
        ];
        let response = added(&configured, &[("origin", "https://b.example.com")]);
        assert_eq!(
            response.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect::<Vec<_>>(),
            ["https://b.example.com"]
        );
        assert_eq!(response[VARY], "Origin");
    }
}
