//! Where a request comes from, for those who decide by it.
//!
//! The log believes what it is told ([`Addresses::client`](crate::Addresses)); a decision must not.

use std::net::IpAddr;
use std::sync::Once;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use crate::addresses::{Reached, TrustedProxies, X_FORWARDED_FOR, X_REAL_IP, address_in};

/// The headers in which a proxy names its client. The first that names one counts; none may contradict it.
const HEADERS: [HeaderName; 3] = [X_FORWARDED_FOR, FORWARDED, X_REAL_IP];

/// Why a named proxy's client has no address that a decision may use.
#[derive(Debug, PartialEq, Eq)]
enum Unknown {
    /// An element of the header is no address: `unknown`, `_hidden`, nonsense.
    Unreadable(HeaderName),
    /// The header names another client than the one before it.
    Contradiction(HeaderName),
}

/// The address at the other end of the connection or, if that is a proxy the operator has named, the last one in
/// `X-Forwarded-For` (else `Forwarded`, else `X-Real-IP`) that is none of theirs: any client can have written what
/// stands before it.
///
/// Where no proxies are named none is believed. Where a named proxy names its client in a way that cannot be read, or
/// its headers contradict each other, the address is unknown: `None`, never the proxy's own.
pub(crate) fn origin(reached: Reached<'_>, trusted: &TrustedProxies) -> Option<IpAddr> {
    let remote = reached.remote?;
    if !trusted.names(remote) {
        return Some(remote);
    }
    match client_of(reached.headers, remote, trusted) {
        Ok(address) => Some(address),
        Err(unknown) => {
            warn(&unknown);
            None
        }
    }
}

fn client_of(headers: &HeaderMap, remote: IpAddr, trusted: &TrustedProxies) -> Result<IpAddr, Unknown> {
    let mut client = remote;
    for header in HEADERS {
        let Some(nearest) = nearest(headers, &header, trusted)? else { continue };
        if trusted.names(client) {
            if client == remote || !trusted.names(nearest) {
                client = nearest;
            }
        } else if !trusted.names(nearest) && nearest.to_canonical() != client.to_canonical() {
            return Err(Unknown::Contradiction(header));
        }
    }
    Ok(client)
}

/// The last address in the header that is no named proxy's, or the first if all are; `None` if the header names none.
fn nearest(
    headers: &HeaderMap,
    header: &HeaderName,
    trusted: &TrustedProxies,
) -> Result<Option<IpAddr>, Unknown> {
    let lines = headers.get_all(header).into_iter().rev();
    // A line that is not text must not be taken for an empty one.
    let elements = lines.flat_map(|line| line.to_str().unwrap_or("unreadable").rsplit(','));
    let mut nearest = None;
    for element in elements.map(str::trim).filter(|element| !element.is_empty()) {
        let text = if *header == FORWARDED { node(element) } else { Some(element) };
        let Some(text) = text else {
            // The proxy says other things in `Forwarded`, and this not there.
            if nearest.is_none() {
                break;
            }
            return Err(Unknown::Unreadable(header.clone()));
        };
        let address = address_in(text).ok_or_else(|| Unknown::Unreadable(header.clone()))?;
        nearest = Some(address);
        if !trusted.names(address) {
            break;
        }
    }
    Ok(nearest)
}

/// What an element of `Forwarded` has for `for` (RFC 7239, section 4).
fn node(element: &str) -> Option<&str> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut nodes = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    nodes.next().map(|(_, value)| value.trim().trim_matches('"'))
}

/// Once a process: what is wrong is a setting of the proxy, and any client can cause the line.
fn warn(unknown: &Unknown) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        let (header, problem) = match unknown {
            Unknown::Unreadable(header) => (header, "an element is no address"),
            Unknown::Contradiction(header) => (header, "it names another client than the header before it"),
        };
        tracing::warn!(
            header = header.as_str(),
            problem,
            "the client's address is unknown behind a proxy named in http.trustedproxies: access rules with \
             `networks` that allow do not match, those that deny do"
        );
    });
}

/// The last address in `X-Forwarded-For` where no proxies are named. Clients may invent it: it only tells apart the
/// clients of one connection's other end where their failed logins are counted.
pub(crate) fn unverified(reached: Reached<'_>, trusted: &TrustedProxies) -> Option<IpAddr> {
    let TrustedProxies::All = trusted else { return None };
    let line = reached.headers.get_all(&X_FORWARDED_FOR).iter().next_back()?;
    let last = line.to_str().ok()?.rsplit(',').next()?.trim();
    address_in(last)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn what_is_forwarded_counts_for_nothing_but_failed_logins_and_only_where_no_proxies_are_named() {
        let only = TrustedProxies::Only(vec!["10.0.0.0/8".parse().unwrap()]);
        for (trusted, lines, expected) in [
            (&TrustedProxies::All, &["192.0.2.1"][..], Some("192.0.2.1")),
            (&TrustedProxies::All, &["192.0.2.1, 192.0.2.2"], Some("192.0.2.2")),
            (&TrustedProxies::All, &["192.0.2.1", "192.0.2.2"], Some("192.0.2.2")),
            (&TrustedProxies::All, &["192.0.2.1:80"], Some("192.0.2.1")),
            (&TrustedProxies::All, &["[2001:db8::1]:80"], Some("2001:db8::1")),
            (&TrustedProxies::All, &["192.0.2.1, nonsense"], None),
            (&TrustedProxies::All, &[], None),
            (&only, &["192.0.2.1"], None),
            (&TrustedProxies::Only(Vec::new()), &["192.0.2.1"], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(X_FORWARDED_FOR, line.parse().unwrap());
            }
            let remote = Some([10, 0, 0, 1].into());
            let reached = Reached { headers: &headers, authority: None, remote, tls: false };
            assert_eq!(unverified(reached, trusted), expected.map(|text| text.parse().unwrap()), "{lines:?}");
        }
    }

    #[test]
    fn nobody_is_believed_but_the_proxies_that_are_named() {
        let only = TrustedProxies::Only(vec!["10.0.0.0/8".parse().unwrap()]);
        for (trusted, remote, lines, expected) in [
            (&TrustedProxies::All, "10.0.0.1", &["192.0.2.1"][..], "10.0.0.1"),
            (&only, "192.0.2.9", &["10.0.0.5"], "192.0.2.9"),
            (&only, "10.0.0.1", &[], "10.0.0.1"),
            (&only, "10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            (&only, "::ffff:10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            // What the client has written itself comes first.
            (&only, "10.0.0.1", &["10.0.0.7, 192.0.2.1"], "192.0.2.1"),
            (&only, "10.0.0.1", &["10.0.0.7", "192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            (&only, "10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(X_FORWARDED_FOR, line.parse().unwrap());
            }
            let remote = Some(remote.parse().unwrap());
            let reached = Reached { headers: &headers, authority: None, remote, tls: false };
            assert_eq!(origin(reached, trusted), Some(expected.parse().unwrap()), "{remote:?} {lines:?}");
        }
    }
    fn behind_proxy(headers: &[(HeaderName, &str)]) -> Option<IpAddr> {
        let only = TrustedProxies::Only(vec!["10.0.0.0/8".parse().unwrap()]);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let remote = Some([10, 0, 0, 1].into());
        origin(Reached { headers: &map, authority: None, remote, tls: false }, &only)
    }

    #[test]
    fn a_client_that_cannot_be_read_is_unknown_and_never_the_proxy() {
        for (value, expected) in [
            ("203.0.113.5:4711", Some("203.0.113.5")),
            ("[2001:db8::1]:443", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("203.0.113.5, ", Some("203.0.113.5")),
            ("203.0.113.5,, 10.0.0.2:80 ,", Some("203.0.113.5")),
            ("", Some("10.0.0.1")),
            ("unknown", None),
            ("_hidden", None),
            ("203.0.113.5:port", None),
            ("192.0.2.1, nonsense", None),
            ("nonsense, 10.0.0.2", None),
            ("nonsense, 192.0.2.1", Some("192.0.2.1")),
            ("\u{e9}", None),
        ] {
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(behind_proxy(&[(X_FORWARDED_FOR, value)]), expected, "{value:?}");
        }
    }

    #[test]
    fn a_proxy_may_name_its_client_in_another_header_and_must_not_contradict_itself() {
        let (xff, real) = (X_FORWARDED_FOR, X_REAL_IP);
        for (headers, expected) in [
            (&[(FORWARDED, "for=192.0.2.1;proto=https")][..], Some("192.0.2.1")),
            (&[(FORWARDED, "for=10.0.0.9, For=\"[2001:db8::1]:4711\", for=10.0.0.2")], Some("2001:db8::1")),
            (&[(FORWARDED, "for=10.0.0.9, for=unknown")], None),
            (&[(FORWARDED, "for=_hidden")], None),
            // Nothing is said of the client here, and before it only by the client.
            (&[(FORWARDED, "for=192.0.2.1, proto=https")], Some("10.0.0.1")),
            (&[(FORWARDED, "proto=https, for=10.0.0.2")], None),
            (&[(real.clone(), "192.0.2.1")], Some("192.0.2.1")),
            (&[(real.clone(), "unknown")], None),
            (&[(xff.clone(), "192.0.2.1"), (real.clone(), "192.0.2.1")], Some("192.0.2.1")),
            // The outer proxy's view and the inner one's.
            (&[(xff.clone(), "192.0.2.1, 10.0.0.2"), (real.clone(), "10.0.0.2")], Some("192.0.2.1")),
            (&[(xff.clone(), "10.0.0.2"), (real.clone(), "192.0.2.1")], Some("192.0.2.1")),
            // One of them the client has sent.
            (&[(xff.clone(), "192.0.2.1"), (real.clone(), "192.0.2.2")], None),
            (&[(xff, "192.0.2.1"), (FORWARDED, "for=192.0.2.2")], None),
        ] {
            let expected = expected.map(|address| address.parse().unwrap());
            assert_eq!(behind_proxy(headers), expected, "{headers:?}");
        }
    }
}
