//! Writes that a web page makes a browser send.
//!
//! A registry on a loopback address that has no login lets in every program of the machine, and a browser is one:
//! any page it shows can send requests there, by the address or by a name of its own that it has pointed there. Browsers
//! name the page's site in `Origin` with every write, and no page can change that. Other clients send no such header.

use http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};
use http::uri::Uri;
use wharf_oci::ErrorCode;

use crate::errors::ApiError;
use crate::limits::Options;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Which web pages may write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PageWrites {
    /// All, as far as their browsers let them: callers have to say who they are.
    #[default]
    Any,
    /// Pages of this machine, of the registry's own address (`http.host`), and of the origins that
    /// `Access-Control-Allow-Origin` in `http.headers` names.
    Local,
}

/// Refuses a write of a page that may not.
pub(crate) fn check(headers: &HeaderMap, options: &Options) -> Result<(), ApiError> {
    let is_refused = options.page_writes == PageWrites::Local
        && match headers.get(ORIGIN) {
            None => headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "cross-site"),
            Some(origin) => !options.headers.allow_origin(origin) && !is_local(origin, options),
        };
    if !is_refused {
        return Ok(());
    }
    let message = "web pages of other sites may not write to this registry; name the site in \
                   Access-Control-Allow-Origin of http.headers, or set http.host if it is the registry's own";
    Err(ApiError::new(ErrorCode::Denied).message(message))
}

/// Whether a page is from this machine, or from where the registry itself is reached.
fn is_local(origin: &HeaderValue, options: &Options) -> bool {
    let Some(origin) = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()) else {
        return false;
    };
    let own = options.addresses.host.as_ref().and_then(|host| host.parse::<Uri>().ok());
    let is_own =
        own.is_some_and(|own| (own.scheme(), own.authority()) == (origin.scheme(), origin.authority()));
    is_own || (origin.scheme().is_some() && origin.host().is_some_and(is_loopback))
}

/// Whether a host is a name or an address of this machine alone (RFC 6761, section 6.3).
fn is_loopback(host: &str) -> bool {
    let name = host.to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    name == "localhost"
        || name.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addresses::Addresses;
    use crate::extra_headers::ExtraHeaders;

    #[test]
    fn pages_of_other_sites_may_not_write_where_no_caller_is_asked_for() {
        let cors = |origin: &str| {
            let header = (http::header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.parse().unwrap());
            ExtraHeaders::new(vec![header])
        };
        let host = Some("https://registry.example.com/sub".to_owned());
        let local = Options {
            page_writes: PageWrites::Local,
            addresses: Addresses { host, ..Addresses::default() },
            headers: cors("https://ui.example.com"),
            ..Options::default()
        };
        let wide = Options { page_writes: PageWrites::Local, headers: cors("*"), ..Options::default() };
        let any = Options::default();
        for (options, origin, site, expected) in [
            (&local, None, None, true),
            (&local, None, Some("none"), true),
            (&local, None, Some("cross-site"), false),
            (&local, Some("https://evil.example"), None, false),
            (&local, Some("http://evil.example:5000"), Some("same-origin"), false),
            (&local, Some("null"), None, false),
            (&local, Some("localhost"), None, false),
            (&local, Some("http://localhost.evil.example"), None, false),
            (&local, Some("http://127.0.0.1.evil.example"), None, false),
            (&local, Some("http://registry.example.com"), None, false),
            (&local, Some("https://registry.example.com"), Some("cross-site"), true),
            (&local, Some("https://ui.example.com"), Some("cross-site"), true),
            (&local, Some("http://localhost:8080"), Some("cross-site"), true),
            (&local, Some("http://ui.localhost"), None, true),
            (&local, Some("http://127.0.0.1:5000"), None, true),
            (&local, Some("http://[::1]:5000"), None, true),
            (&wide, Some("https://evil.example"), None, true),
            (&any, Some("https://evil.example"), Some("cross-site"), true),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [(ORIGIN, origin), (SEC_FETCH_SITE, site)] {
                value.map(|value| headers.insert(name, value.parse().unwrap()));
            }
            assert_eq!(check(&headers, options).is_ok(), expected, "{origin:?} {site:?}");
        }
    }
}
