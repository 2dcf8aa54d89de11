//! The `Host` header: that a request says once, and in a way that can be read, whom it is for (RFC 9112, section 3.2).
//!
//! The first of two would be used for `Location` and `realm`, while a proxy in front may have decided by the second.

use http::header::{CONNECTION, HOST};
use http::request::Parts;
use http::{HeaderValue, StatusCode, Version};
use wharf_oci::ErrorCode;

use crate::errors::ApiError;

/// Refuses a request over HTTP/1.1 without a host, and any with two or with one that is none.
pub(crate) fn check(head: &Parts) -> Result<(), ApiError> {
    let hosts = || head.headers.get_all(HOST).iter();
    let problem = match hosts().count() {
        0 if head.version == Version::HTTP_11 => "the Host header is missing",
        0 | 1 if hosts().all(is_host) => return Ok(()),
        0 | 1 => "the Host header names no host",
        _ => "there is more than one Host header",
    };
    // Who disagrees with us about one request may do so about where the next one begins.
    let refused = ApiError::with_status(StatusCode::BAD_REQUEST, ErrorCode::Unsupported);
    Err(refused.message(problem).header(CONNECTION, "close"))
}

/// Whether these are the characters of a host with or without a port (RFC 3986, section 3.2.2). It may be empty.
fn is_host(value: &HeaderValue) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:[]".contains(byte);
    value.as_bytes().iter().all(fits)
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn one_host_that_can_be_read_is_demanded_over_http_1_1_and_no_more_than_one_otherwise() {
        for (version, hosts, expected) in [
            (Version::HTTP_11, &["registry.example.com:5000"][..], true),
            (Version::HTTP_11, &["[2001:db8::1]:5000"], true),
            (Version::HTTP_11, &["my_registry"], true),
            (Version::HTTP_11, &[""], true),
            (Version::HTTP_11, &[], false),
            (Version::HTTP_11, &["a", "a"], false),
            (Version::HTTP_11, &["a b"], false),
            (Version::HTTP_11, &["a/b"], false),
            (Version::HTTP_11, &["user@a"], false),
            (Version::HTTP_11, &["\u{e9}"], false),
            (Version::HTTP_10, &[], true),
            (Version::HTTP_10, &["a", "b"], false),
            (Version::HTTP_2, &[], true),
            (Version::HTTP_2, &["a"], true),
            (Version::HTTP_2, &["a", "b"], false),
        ] {
            let mut request = Request::new(());
            *request.version_mut() = version;
            for host in hosts {
                request.headers_mut().append(HOST, HeaderValue::from_bytes(host.as_bytes()).unwrap());
            }
            assert_eq!(check(&request.into_parts().0).is_ok(), expected, "{version:?} {hosts:?}");
        }
    }
}
