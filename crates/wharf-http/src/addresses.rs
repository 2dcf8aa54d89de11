//! Under which address a client reaches us, for the `Location`s it is to go on to.
//!
//! Handlers speak of paths as if the registry were alone at the root of its host. What is true for the client is put in
//! front of them in one place, here, on the way out.

use std::net::{IpAddr, SocketAddr};

use http::header::{FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, LINK, LOCATION};
use http::request::Parts;
use ipnet::IpNet;

use crate::service::{Remote, Tls};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// How the registry is reached.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    /// `http.host`: scheme, host and perhaps a path; all that a client needs in front of a path. Overrides the rest.
    pub host: Option<String>,
    /// `http.prefix`: the path below which the registry is, as in `/registry/`.
    pub prefix: Option<String>,
    /// `http.relativeurls: false`, written by the operator: whole URLs, as the older registries make them.
    pub absolute: bool,
    /// Which proxies are believed when they say where a request came from and went to.
    pub trusted: TrustedProxies,
}

/// Which proxies are believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TrustedProxies {
    /// Everybody, as it has always been.
    #[default]
    All,
    /// Those with one of these addresses (`http.trustedproxies`).
    Only(Vec<IpNet>),
}

/// What is known of where a request went to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reached<'a> {
    pub(crate) headers: &'a HeaderMap,
    /// Whom it was for, where HTTP/2 says it instead of in `Host`.
    pub(crate) authority: Option<&'a str>,
    pub(crate) remote: Option<IpAddr>,
    /// Whether the connection it came by is secure.
    pub(crate) tls: bool,
}

impl<'a> Reached<'a> {
    pub(crate) fn by(head: &'a Parts) -> Self {
        Self {
            headers: &head.headers,
            authority: head.uri.authority().map(http::uri::Authority::as_str),
            remote: head.extensions.get::<Remote>().map(|remote| remote.0.ip()),
            tls: head.extensions.get::<Tls>().is_some(),
        }
    }
}

// === impl Addresses ===

impl Addresses {
    /// The path of a request as the routes know it; `None` if it is outside of ours.
    pub(crate) fn inside<'p>(&self, path: &'p str) -> Option<&'p str> {
        let Some(prefix) = &self.prefix else { return Some(path) };
        let rest = path.strip_prefix(prefix.trim_end_matches('/'))?;
        if rest.is_empty() { Some("/") } else { rest.starts_with('/').then_some(rest) }
    }

    /// Makes the paths in a response true for the client.
    pub(crate) fn localize(&self, reached: Reached<'_>, headers: &mut HeaderMap) {
        if let Some(location) = own_path(headers, &LOCATION) {
            let base = self.base(reached, self.absolute);
            set(headers, LOCATION, &format!("{base}{location}"));
        }
        // A link is a path in every case: it is resolved against the request, whatever that was addressed to.
        if let Some(link) =
            headers.get(LINK).and_then(|link| link.to_str().ok()?.strip_prefix('<').map(str::to_owned))
        {
            let base = self.base_path(reached);
            set(headers, LINK, &format!("<{base}{link}"));
        }
    }

    /// What makes a path of ours a whole URL for the client, as in `https://example.com`; as good as nothing for the few
    /// that do not say where they have sent a request to.
    pub(crate) fn here(&self, reached: Reached<'_>) -> String {
        self.base(reached, true)
    }

    /// What to put in front of a path that begins with `/v2/`.
    fn base(&self, reached: Reached<'_>, absolute: bool) -> String {
        if let Some(host) = &self.host {
            return host.trim_end_matches('/').to_owned();
        }
        let path = self.base_path(reached);
        if !absolute {
            return path;
        }
        let forwarded = self.forwarded(reached);
        let asked = || reached.authority.or_else(|| reached.headers.get(HOST)?.to_str().ok());
        let host = forwarded.host.or_else(|| asked().map(str::to_owned));
        let scheme = if reached.tls { "https" } else { "http" };
        match host {
            Some(host) => format!("{}://{host}{path}", forwarded.proto.as_deref().unwrap_or(scheme)),
            None => path,
        }
    }

    fn base_path(&self, reached: Reached<'_>) -> String {
        let taken_off = if self.trusts(reached) { text(reached.headers, &X_FORWARDED_PREFIX) } else { None };
        let taken_off = taken_off.filter(|prefix| prefix.starts_with('/') && !prefix.starts_with("//"));
        let prefix = self.prefix.as_deref().unwrap_or_default();
        format!("{}{}", taken_off.unwrap_or_default().trim_end_matches('/'), prefix.trim_end_matches('/'))
    }

    fn forwarded(&self, reached: Reached<'_>) -> Forwarded {
        if !self.trusts(reached) {
            return Forwarded::default();
        }
        let forwarded = match text(reached.headers, &FORWARDED) {
            Some(forwarded) => Forwarded::parse(forwarded),
            None => Forwarded {
                proto: text(reached.headers, &X_FORWARDED_PROTO).map(first),
                host: text(reached.headers, &X_FORWARDED_HOST).map(first),
            },
        };
        // Anything else would be a URL that leads elsewhere, such as `javascript://`.
        let proto = forwarded.proto.map(|proto| proto.to_ascii_lowercase());
        Forwarded { proto: proto.filter(|proto| matches!(proto.as_str(), "http" | "https")), ..forwarded }
    }

    /// The client's address as the headers claim, for the log; `None` where proxies are named, for then only theirs count
    /// ([`origin`](crate::origin::origin)).
    pub(crate) fn claimed(&self, reached: Reached<'_>) -> Option<IpAddr> {
        let TrustedProxies::All = self.trusted else { return None };
        let header = text(reached.headers, &X_FORWARDED_FOR).or_else(|| text(reached.headers, &X_REAL_IP))?;
        address_in(&first(header))
    }

    fn trusts(&self, reached: Reached<'_>) -> bool {
        match &self.trusted {
            TrustedProxies::All => true,
            only @ TrustedProxies::Only(_) => reached.remote.is_some_and(|remote| only.names(remote)),
        }
    }
}

// === impl TrustedProxies ===

impl TrustedProxies {
    /// Whether the operator has named a proxy with this address. That all are believed for the log names none.
    pub(crate) fn names(&self, address: IpAddr) -> bool {
        match self {
            Self::All => false,
            Self::Only(networks) => networks.iter().any(|network| network.contains(&address.to_canonical())),
        }
    }
}

/// What a proxy says of the request it passes on.
#[derive(Debug, Default, PartialEq, Eq)]
struct Forwarded {
    proto: Option<String>,
    host: Option<String>,
}

impl Forwarded {
    /// The first element of a `Forwarded` header (RFC 7239): the one nearest to the client.
    fn parse(header: &str) -> Self {
        let mut forwarded = Self::default();
        for pair in header.split(',').next().unwrap_or_default().split(';') {
            let Some((name, value)) = pair.split_once('=') else { continue };
            let value = value.trim().trim_matches('"').to_owned();
            match name.trim().to_ascii_lowercase().as_str() {
                "proto" => forwarded.proto = Some(value),
                "host" => forwarded.host = Some(value),
                _ => {}
            }
        }
        forwarded
    }
}

/// An address as proxies write it: bare, or with a port (`192.0.2.1:80`, `[2001:db8::1]:80`), or in brackets.
pub(crate) fn address_in(text: &str) -> Option<IpAddr> {
    let bare = || text.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    bare().or_else(with_port).or_else(in_brackets)
}

fn first(list: &str) -> String {
    list.split(',').next().unwrap_or_default().trim().to_owned()
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

/// A header that holds a path of ours, not the URL of somebody else (a redirect to a bucket).
fn own_path(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().filter(|location| location.starts_with("/v2/")).map(str::to_owned)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // What a proxy sent may not be fit for a header; then the plain path is the better answer.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(addresses: &Addresses, request: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in request {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        let mut response = HeaderMap::new();
        response.insert(LOCATION, HeaderValue::from_static("/v2/a/blobs/uploads/1?_state=0"));
        let reached =
            Reached { headers: &headers, authority: None, remote: Some([10, 0, 0, 7].into()), tls: false };
        addresses.localize(reached, &mut response);
        let location = response[LOCATION].to_str().unwrap();
        location.strip_suffix("/v2/a/blobs/uploads/1?_state=0").expect("the path stays").to_owned()
    }

    fn absolute() -> Addresses {
        Addresses { absolute: true, ..Addresses::default() }
    }

    #[test]
    fn locations_are_true_for_the_client() {
        let host = ("host", "inner:5000");
        let proxied = [host, ("x-forwarded-proto", "https"), ("x-forwarded-host", "example.com, other")];
        let named = Addresses { host: Some("https://example.com/sub/".into()), ..absolute() };
        let prefixed = Addresses { prefix: Some("/registry/".into()), ..Addresses::default() };
        let trusting = |network: &str| TrustedProxies::Only(vec![network.parse().unwrap()]);
        type Row<'a> = (Addresses, &'a [(&'static str, &'a str)], &'a str);
        let rows: [Row<'_>; 14] = [
            (Addresses::default(), &proxied, ""),
            (absolute(), &[host], "http://inner:5000"),
            (absolute(), &proxied, "https://example.com"),
            (
                absolute(),
                &[host, ("forwarded", "for=1.2.3.4;proto=https;host=\"example.com:443\", for=b")],
                "https://example.com:443",
            ),
            (absolute(), &[host, ("x-forwarded-proto", "javascript")], "http://inner:5000"),
            (absolute(), &[host, ("x-forwarded-proto", "HTTPS")], "https://inner:5000"),
            (absolute(), &[host, ("forwarded", "proto=gopher")], "http://inner:5000"),
            (absolute(), &[], ""),
            (named, &proxied, "https://example.com/sub"),
            (prefixed.clone(), &[host], "/registry"),
            (Addresses { absolute: true, ..prefixed }, &[host], "http://inner:5000/registry"),
            (Addresses::default(), &[host, ("x-forwarded-prefix", "/outer/")], "/outer"),
            (Addresses { trusted: trusting("192.168.0.0/16"), ..absolute() }, &proxied, "http://inner:5000"),
            (Addresses { trusted: trusting("10.0.0.0/8"), ..absolute() }, &proxied, "https://example.com"),
        ];
        for (addresses, request, expected) in rows {
            assert_eq!(location(&addresses, request), expected, "{addresses:?} {request:?}");
        }
    }

    #[test]
    fn a_prefix_is_taken_off_a_request() {
        let addresses = Addresses { prefix: Some("/registry/".into()), ..Addresses::default() };
        let rows = [
            ("/registry/v2/", Some("/v2/")),
            ("/registry/", Some("/")),
            ("/registry", Some("/")),
            ("/registryv2/", None),
            ("/v2/", None),
        ];
        for (path, inside) in rows {
            assert_eq!(addresses.inside(path), inside, "{path}");
        }
    }
}
