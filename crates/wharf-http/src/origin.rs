//! Where a request comes from, for those who decide by it.
//!
//! The log believes what it is told ([`Addresses::client`](crate::Addresses)); a decision must not.

use std::net::IpAddr;

use crate::addresses::{Reached, TrustedProxies, X_FORWARDED_FOR};

/// The address at the other end of the connection or, if that is a proxy the operator has named, the last one in
/// `X-Forwarded-For` that is none of theirs: whatever stands before it anybody can have written.
///
/// Where no proxies are named none is believed.
pub(crate) fn origin(reached: Reached<'_>, trusted: &TrustedProxies) -> Option<IpAddr> {
    let remote = reached.remote?;
    let TrustedProxies::Only(networks) = trusted else { return Some(remote) };
    let named = |address: IpAddr| networks.iter().any(|network| network.contains(&address.to_canonical()));
    let lines = reached.headers.get_all(&X_FORWARDED_FOR);
    let said = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    let mut nearest = remote;
    for address in said {
        if !named(nearest) {
            break;
        }
        // What is no address says nothing of what is before it.
        let Ok(before) = address.trim().parse() else { break };
        nearest = before;
    }
    Some(nearest)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

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
            (&only, "10.0.0.1", &["192.0.2.1, nonsense"], "10.0.0.1"),
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
}
