//! What a configuration says in the words of the web: URLs, paths, networks, headers.

use std::net::IpAddr;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri};
use ipnet::IpNet;

/// Headers that say how an answer is framed. One more of them, and no client could read any answer.
const FRAMING: [HeaderName; 3] = [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];

/// Scheme, host and perhaps a path, without a slash at the end.
pub(super) fn base_url(text: &str) -> Option<String> {
    let url: Uri = text.parse().ok()?;
    let is_web = matches!(url.scheme_str(), Some("http" | "https"));
    let is_plain = !text.contains(['?', '#', '@']) && url.host().is_some_and(|host| !host.is_empty());
    (is_web && is_plain && fits_in_a_header(text)).then(|| text.trim_end_matches('/').to_owned())
}

/// A URL, kept as it is: clients are to see it as it was written.
pub(super) fn base_url_as_written(text: &str) -> Option<String> {
    let url: Uri = text.parse().ok()?;
    let is_web = matches!(url.scheme_str(), Some("http" | "https"));
    let is_plain = !text.contains('"') && url.host().is_some_and(|host| !host.is_empty());
    (is_web && is_plain && fits_in_a_header(text)).then(|| text.to_owned())
}

/// A path on our host.
pub(super) fn path(text: &str) -> Option<String> {
    let is_path = text.parse::<PathAndQuery>().is_ok_and(|path| path.as_str() == text);
    let is_plain = text.starts_with('/') && !text.contains('"');
    (is_path && is_plain && fits_in_a_header(text)).then(|| text.to_owned())
}

/// Whether text names a host and no scheme, which the older registries accept for a URL and ignore.
pub(super) fn lacks_a_scheme(text: &str) -> bool {
    let host = text.strip_prefix("//").unwrap_or(text);
    !text.contains("://") && base_url(&format!("https://{host}")).is_some()
}

/// A path; the result has one slash at both ends. Slashes at the end of `text` do not count.
pub(super) fn prefix(text: &str) -> Option<String> {
    let prefix = format!("{}/", text.trim_end_matches('/'));
    let is_path = prefix.parse::<PathAndQuery>().is_ok_and(|path| path.as_str() == prefix);
    let is_plain = !prefix.contains(['?', '#']) && !prefix.contains("//");
    (is_path && is_plain && fits_in_a_header(&prefix) && text.starts_with('/')).then_some(prefix)
}

/// A network, or an address as the network of itself.
pub(super) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: IpAddr| IpNet::from(address.to_canonical())))
}

/// The name of a header that an operator may add.
pub(super) fn header_name(text: &str) -> Option<HeaderName> {
    text.parse().ok().filter(|name| !FRAMING.contains(name))
}

/// What may stand in a header.
pub(super) fn header_value(text: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(text).ok()
}

/// The same as text, for what becomes a part of a header.
pub(super) fn header_text(text: &str) -> Option<String> {
    fits_in_a_header(text).then(|| text.to_owned())
}

fn fits_in_a_header(text: &str) -> bool {
    header_value(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: ToString>(parse: impl Fn(&str) -> Option<T>, rows: &[(&str, Option<&str>)]) {
        for (text, expected) in rows {
            assert_eq!(parse(text).map(|parsed| parsed.to_string()).as_deref(), *expected, "{text}");
        }
    }

    #[test]
    fn a_base_is_scheme_host_and_perhaps_a_path() {
        check(
            base_url,
            &[
                ("https://registry.example.com", Some("https://registry.example.com")),
                ("http://registry.example.com:8080/", Some("http://registry.example.com:8080")),
                ("https://[::1]:5000/sub/path/", Some("https://[::1]:5000/sub/path")),
                ("registry.example.com", None),
                ("registry.example.com:5000", None),
                ("https://", None),
                ("https:///path", None),
                ("ftp://example.com", None),
                ("https://user:secret@example.com", None),
                ("https://example.com/?a=b", None),
                ("https://example.com/#here", None),
                ("https://exa mple.com", None),
            ],
        );
    }

    #[test]
    fn a_prefix_gets_a_slash_at_both_ends() {
        check(
            prefix,
            &[
                ("/reg/", Some("/reg/")),
                ("/a/b-c/", Some("/a/b-c/")),
                ("/", Some("/")),
                ("/reg", Some("/reg/")),
                ("/reg//", Some("/reg/")),
                ("//", Some("/")),
                ("reg/", None),
                ("reg", None),
                ("", None),
                ("/a//b/", None),
                ("//a", None),
                ("/a b/", None),
                ("/a/?b/", None),
            ],
        );
    }

    #[test]
    fn an_address_is_a_network_of_one() {
        check(
            network,
            &[
                ("10.0.0.0/8", Some("10.0.0.0/8")),
                ("10.1.2.3", Some("10.1.2.3/32")),
                ("fd00::/8", Some("fd00::/8")),
                ("::1", Some("::1/128")),
                ("::ffff:10.1.2.3", Some("10.1.2.3/32")),
                ("10.0.0.0/33", None),
                ("proxy.example.com", None),
                ("", None),
            ],
        );
    }

    #[test]
    fn headers_that_frame_an_answer_are_ours() {
        check(
            header_name,
            &[
                ("X-Content-Type-Options", Some("x-content-type-options")),
                ("Content-Length", None),
                ("X A", None),
                ("", None),
            ],
        );
        assert!(header_value("max-age=31536000; includeSubDomains").is_some());
        assert!(header_value("a\r\nb: c").is_none());
    }
}
