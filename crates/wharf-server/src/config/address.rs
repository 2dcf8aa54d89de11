//! Where a server listens, as Go writes it: `:5000`, `127.0.0.1:5000`, `localhost:5000`, `[::1]:5000`.

use std::fmt;
use std::net::IpAddr;

/// A host and a port to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    /// A name or an address without brackets; `None` is every address of the machine, both families.
    pub host: Option<String>,
    /// 0 lets the system choose.
    pub port: u16,
}

// === impl ListenAddress ===

impl ListenAddress {
    /// Reads `host:port` or `:port`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        // `u16` would take `+5000` too.
        let port = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok())??;
        let bracketed = host.strip_prefix('[').map(|host| host.strip_suffix(']'));
        let host = match bracketed {
            Some(inside) => inside?,
            // `::1:5000` could be cut at any colon.
            None if host.contains(':') => return None,
            None => host,
        };
        if host.contains(|c: char| c.is_whitespace() || "[]/@".contains(c)) {
            return None;
        }
        Some(Self { host: (!host.is_empty()).then(|| host.to_owned()), port })
    }

    /// Whether nothing but this machine reaches it.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        let Some(host) = &self.host else { return false };
        let address = host.parse::<IpAddr>().map(|address| address.to_canonical().is_loopback());
        address.unwrap_or_else(|_| host.eq_ignore_ascii_case("localhost"))
    }

    /// What to bind, first choice first.
    ///
    /// On Linux `[::]` takes IPv4 as well; where IPv6 is switched off it cannot be bound and `0.0.0.0` is all there is.
    /// `0.0.0.0` is both families too, as in Go, whose registry has always served both with it.
    #[must_use]
    pub fn candidates(&self) -> Vec<String> {
        match self.host.as_deref() {
            Some(host) if host != "0.0.0.0" => vec![self.to_string()],
            Some(_) | None => vec![format!("[::]:{}", self.port), format!("0.0.0.0:{}", self.port)],
        }
    }
}

/// This machine alone, on the port every client knows.
impl Default for ListenAddress {
    fn default() -> Self {
        Self { host: Some("127.0.0.1".to_owned()), port: 5000 }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.host.as_deref().unwrap_or_default();
        if host.contains(':') {
            write!(formatter, "[{host}]:{}", self.port)
        } else {
            write!(formatter, "{host}:{}", self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&[&str]>) {
        let candidates = ListenAddress::parse(text).map(|address| address.candidates());
        let expected = expected.map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(candidates, expected, "{text}");
    }

    #[test]
    fn a_port_alone_means_every_address() {
        check(":5000", Some(&["[::]:5000", "0.0.0.0:5000"]));
        check(":0", Some(&["[::]:0", "0.0.0.0:0"]));
    }

    #[test]
    fn a_host_is_kept_as_it_is() {
        check("127.0.0.1:5000", Some(&["127.0.0.1:5000"]));
        check("localhost:5000", Some(&["localhost:5000"]));
        check("[::1]:5000", Some(&["[::1]:5000"]));
    }

    #[test]
    fn the_unspecified_address_of_ipv4_is_both_families_as_in_go() {
        check("0.0.0.0:443", Some(&["[::]:443", "0.0.0.0:443"]));
        check("[::]:443", Some(&["[::]:443"]));
    }

    #[test]
    fn a_loopback_is_an_address_of_this_machine_alone() {
        let loopback = |text: &str| ListenAddress::parse(text).unwrap().is_loopback();
        for text in ["127.0.0.1:5000", "127.1.2.3:1", "[::1]:5000", "[::ffff:127.0.0.1]:1", "localhost:5000"]
        {
            assert!(loopback(text), "{text}");
        }
        for text in [":5000", "0.0.0.0:5000", "[::]:5000", "10.0.0.1:1", "registry.example.com:443"] {
            assert!(!loopback(text), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "5000",
            "localhost",
            ":",
            ":http",
            ":65536",
            ":+80",
            "::1:5000",
            "[::1:80",
            "a b:80",
            "http://x:80",
        ] {
            check(text, None);
        }
    }
}
