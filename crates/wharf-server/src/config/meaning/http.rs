//! `http`: where clients reach us, and what every answer has in common.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use wharf_http::Limits;

use crate::config::address::ListenAddress;
use crate::config::reader::Reader;
use crate::config::{HttpConfig, HttpLimits, Listen, SecretPlace, Timeouts, duration, size, web};

use super::tls;

/// Long enough for a layer on a fast network; clusters kill after 30 seconds.
const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// The idle timeout is longer than the 600 s for which load balancers keep connections to us: one that is closed under them
/// is a 502 to their client.
const DEFAULT_TIMEOUTS: Timeouts = Timeouts {
    handshake: Duration::from_secs(10),
    header: Duration::from_secs(75),
    idle: Duration::from_secs(620),
    read: Duration::from_secs(120),
    write: Duration::from_mins(10),
};

/// A token for 400 repositories, as clients send that mount from many.
const DEFAULT_HEAD_BYTES: u64 = 64 * 1024;

pub(super) fn read(reader: &mut Reader<'_>) -> HttpConfig {
    HttpConfig {
        listen: listen(reader),
        host: host(reader),
        prefix: reader
            .parsed("http.prefix", "a path that begins with a slash such as /registry/", web::prefix)
            // The root is where everything lies anyway.
            .filter(|prefix| prefix != "/"),
        absolute_urls: reader.flag("http.relativeurls") == Some(false),
        trusted_proxies: reader.list(
            "http.trustedproxies",
            "an address or a network such as 10.0.0.0/8",
            web::network,
        ),
        headers: reader.headers("http.headers"),
        secret: secret(reader),
        h2c: reader.flag("http.h2c.enabled").unwrap_or(false),
        http2: !reader.flag("http.http2.disabled").unwrap_or(false),
        tls: tls::read(reader),
        drain_timeout: drain_timeout(reader).unwrap_or(DEFAULT_DRAIN_TIMEOUT),
        timeouts: timeouts(reader),
        limits: limits(reader),
    }
}

/// The older registries accept a host without a scheme and then do as if it were not set.
fn host(reader: &mut Reader<'_>) -> Option<String> {
    let expected = "a URL such as https://registry.example.com";
    let read = |text: &str| {
        if web::lacks_a_scheme(text) { Some(Err(text.to_owned())) } else { web::base_url(text).map(Ok) }
    };
    match reader.parsed("http.host", expected, read)? {
        Ok(url) => Some(url),
        Err(text) => {
            let host = text.trim_start_matches('/');
            reader.warn(
                "http.host",
                &format!(
                    "ignored, because it has no scheme: `Location` headers stay paths; write https://{host}"
                ),
            );
            None
        }
    }
}

fn secret(reader: &mut Reader<'_>) -> Option<SecretPlace> {
    let text = reader.text("http.secret").filter(|secret| !secret.is_empty());
    let file = reader.text("http.secretfile").filter(|path| !path.is_empty());
    if text.is_some() && file.is_some() {
        reader.reject("http.secretfile", "http.secret is set, too: keep one of them");
    }
    text.map(|text| SecretPlace::Here(text.into())).or(file.map(|path| SecretPlace::File(path.into())))
}

fn listen(reader: &mut Reader<'_>) -> Listen {
    let net = reader.word("http.net", "tcp or unix", &[("tcp", "tcp"), ("unix", "unix")]);
    match net {
        Some("unix") => Listen::Unix(socket(reader)),
        _ => Listen::Tcp(address(reader)),
    }
}

fn socket(reader: &mut Reader<'_>) -> PathBuf {
    let expected = "the path of a socket, for http.net is unix";
    if !reader.is_set("http.addr") {
        reader.reject("http.addr", format!("expected {expected}, got nothing"));
    }
    reader.parsed("http.addr", expected, |text| Some(PathBuf::from(text))).unwrap_or_default()
}

fn address(reader: &mut Reader<'_>) -> ListenAddress {
    if !reader.is_set("http.addr") {
        let default = ListenAddress::default();
        reader.warn("http.addr", &format!("not set: listening on {default}, for this machine only"));
    }
    reader
        .parsed("http.addr", "an address such as :5000 or 127.0.0.1:5000", ListenAddress::parse)
        .unwrap_or_default()
}

fn limits(reader: &mut Reader<'_>) -> HttpLimits {
    let defaults = Limits::default();
    let expected = "a whole number above 0";
    let connections = reader
        .parsed("http.limits.connections", expected, |text| text.parse::<NonZeroUsize>().ok())
        .map_or(defaults.connections, NonZeroUsize::get);
    let per_address = reader
        .parsed("http.limits.connectionsperaddress", expected, |text| text.parse::<NonZeroUsize>().ok())
        .map_or(connections.div_ceil(4), NonZeroUsize::get);
    if per_address > connections {
        let message = format!("more than http.limits.connections, which is {connections} and counts");
        reader.warn("http.limits.connectionsperaddress", &message);
    }
    let streams = reader
        .parsed("http.limits.streams", expected, |text| text.parse::<NonZeroU32>().ok())
        .map_or(defaults.streams, NonZeroU32::get);
    let head_bytes = head_bytes(reader).unwrap_or(DEFAULT_HEAD_BYTES);
    HttpLimits { connections, connections_per_address: per_address.min(connections), streams, head_bytes }
}

fn drain_timeout(reader: &mut Reader<'_>) -> Option<Duration> {
    let timeout = reader.duration("http.draintimeout")?;
    // `10` means 10 ns to everybody who reads such files, except to whoever writes one.
    if !timeout.is_zero() && timeout < Duration::from_millis(1) {
        reader
            .warn("http.draintimeout", &format!("means {timeout:?}; a number without a unit is nanoseconds"));
    }
    Some(timeout)
}

fn timeouts(reader: &mut Reader<'_>) -> Timeouts {
    let default = DEFAULT_TIMEOUTS;
    Timeouts {
        handshake: timeout(reader, "http.timeouts.handshake", default.handshake),
        header: timeout(reader, "http.timeouts.header", default.header),
        idle: timeout(reader, "http.timeouts.idle", default.idle),
        read: timeout(reader, "http.timeouts.read", default.read),
        write: timeout(reader, "http.timeouts.write", default.write),
    }
}

/// A number without a unit is nanoseconds, which is never meant here; so it is below the least there is.
fn timeout(reader: &mut Reader<'_>, key: &'static str, default: Duration) -> Duration {
    let expected = "a duration with a unit from 1ms to 168h, such as 90s";
    let read = |text: &str| {
        duration::parse(text).filter(|timeout| (Duration::from_millis(1)..=Timeouts::MAX).contains(timeout))
    };
    reader.parsed(key, expected, read).unwrap_or(default)
}

/// Each connection may hold as much, and one of HTTP/2 many times that.
fn head_bytes(reader: &mut Reader<'_>) -> Option<u64> {
    let read = |text: &str| size::parse(text).filter(|bytes| (8 * 1024..=1024 * 1024).contains(bytes));
    reader.parsed("http.limits.headerbytes", "a size from 8KiB to 1MiB, such as 64KiB", read)
}
