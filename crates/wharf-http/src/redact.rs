//! Requests without the secrets that clients put into a query, for the logs.
//!
//! `GET /token` takes none of them there, but clients send them, and a line is read by more people than a request.

use http::Uri;

/// Parameters whose values are secrets.
const SECRET: [&str; 4] = ["password", "refresh_token", "access_token", "client_secret"];

const BLANK: &str = "***";

/// The URI with the values of secret parameters blanked.
pub(crate) fn uri(uri: &Uri) -> Uri {
    let Some(redacted) = uri.query().and_then(query) else { return uri.clone() };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = format!("{}?{redacted}", uri.path()).parse().ok();
    // It was a URI before and is one with stars in it; the path alone otherwise.
    Uri::from_parts(parts).unwrap_or_else(|_| uri.path().parse().unwrap_or_default())
}

/// The same for a URL that a client writes into a header.
pub(crate) fn text(url: String) -> String {
    match url.split_once('?').and_then(|(before, after)| Some((before, query(after)?))) {
        Some((before, redacted)) => format!("{before}?{redacted}"),
        None => url,
    }
}

/// A query with the values of secret parameters blanked; `None` if it has none.
fn query(query: &str) -> Option<String> {
    if !query.split('&').any(is_secret) {
        return None;
    }
    let blanked = query.split('&').map(|pair| match pair.split_once('=') {
        Some((name, _)) if is_secret(pair) => format!("{name}={BLANK}"),
        _ => pair.to_owned(),
    });
    Some(blanked.collect::<Vec<_>>().join("&"))
}

fn is_secret(pair: &str) -> bool {
    let Some((name, _)) = pair.split_once('=') else { return false };
    let name = decoded(name);
    SECRET.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}

/// A name without its percent signs.
fn decoded(name: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match escaped.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if first == b'%' => {
                decoded.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_and_tokens_in_a_query_are_blanked_and_nothing_else_is() {
        for (written, logged) in [
            ("/token?service=a&password=hunter2", "/token?service=a&password=***"),
            (
                "/token?refresh_token=x&scope=y&refresh_token=z",
                "/token?refresh_token=***&scope=y&refresh_token=***",
            ),
            ("/token?Pass%77ord=hunter2&n=1", "/token?Pass%77ord=***&n=1"),
            ("/token?access_token=a=b&client_secret=", "/token?access_token=***&client_secret=***"),
            ("/v2/_catalog?n=5&last=password", "/v2/_catalog?n=5&last=password"),
            ("/v2/", "/v2/"),
            ("/v2/?%", "/v2/?%"),
        ] {
            assert_eq!(uri(&written.parse().unwrap()).to_string(), logged);
            assert_eq!(text(format!("https://example.com{written}")), format!("https://example.com{logged}"));
        }
    }
}
