//! `storage.cache` and `redis`: who remembers how long blobs are.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::cache::{CacheConfig, RedisAddress, RedisConfig, RedisTls};
use crate::config::duration;
use crate::config::reader::Reader;

const CACHE: &str = "storage.cache.blobdescriptor";
/// Its name in the registry's first years.
const OLD_CACHE: &str = "storage.cache.layerinfo";
const ENTRIES: &str = "storage.cache.blobdescriptorsize";
const ADDRESSES: &str = "redis.addrs";
/// Of version 2.
const ADDRESS: &str = "redis.addr";
/// What Harbor calls `redis.tls.enabled`.
const HARBOR_TLS: &str = "redis.enableTLS";
const CERTIFICATE: &str = "redis.tls.certificate";
const KEY: &str = "redis.tls.key";

/// That of the registry we replace.
const DEFAULT_ENTRIES: usize = 10_000;
/// What stands for "as many as you like", 150 MB of them: nothing here grows for ever.
const UNLIMITED_ENTRIES: usize = 1_000_000;
/// In a network of one's own a connection is made in milliseconds; nobody waits for it.
const DEFAULT_DIAL: Duration = Duration::from_secs(1);
/// Far more than Redis ever takes and little beside what the request costs in a bucket.
const DEFAULT_COMMAND: Duration = Duration::from_millis(250);

/// Where sizes are remembered.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Memory,
    Redis,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Option<CacheConfig> {
    // All are read even where unused, so that a mistake is found before it counts.
    let old = kind(reader, OLD_CACHE);
    let kind = kind(reader, CACHE).or(old);
    let entries = entries(reader);
    let redis = redis(reader, kind == Some(Kind::Redis));
    if kind == Some(Kind::Redis) && reader.is_set(ENTRIES) {
        reader.warn(ENTRIES, "not used: how much Redis keeps is its own setting `maxmemory`");
    }
    match kind? {
        Kind::Memory => Some(CacheConfig::Memory { entries }),
        Kind::Redis => redis.map(CacheConfig::Redis),
    }
}

fn kind(reader: &mut Reader<'_>, key: &'static str) -> Option<Kind> {
    let word = reader.parsed(key, "inmemory or redis", |text| Some(text.to_ascii_lowercase()))?;
    match word.as_str() {
        "inmemory" => Some(Kind::Memory),
        "redis" => Some(Kind::Redis),
        // The older registries log it and serve.
        unknown => {
            let message =
                format!("unknown cache {unknown:?}: sizes are not cached; expected inmemory or redis");
            reader.warn(key, &message);
            None
        }
    }
}

fn entries(reader: &mut Reader<'_>) -> usize {
    match reader.integer(ENTRIES) {
        None => DEFAULT_ENTRIES,
        Some(entries) => {
            usize::try_from(entries).ok().filter(|entries| *entries > 0).unwrap_or(UNLIMITED_ENTRIES)
        }
    }
}

/// `None` without an address; that is a mistake only if Redis is asked for.
fn redis(reader: &mut Reader<'_>, wanted: bool) -> Option<RedisConfig> {
    let address = address(reader, wanted);
    let config = RedisConfig {
        address: address.unwrap_or_else(|| RedisAddress::Socket(PathBuf::new())),
        username: reader.text("redis.username").filter(|name| !name.is_empty()),
        password: reader.text("redis.password").filter(|password| !password.is_empty()).map(Into::into),
        db: database(reader),
        dial_timeout: limit(reader, "redis.dialtimeout").unwrap_or(DEFAULT_DIAL),
        command_timeout: command_timeout(reader),
        tls: tls(reader),
    };
    if wanted
        && config.tls.is_some()
        && matches!(config.address, RedisAddress::Socket(_))
        && !has_errors(reader)
    {
        reader.reject("redis.tls", "a Unix socket is not secured with TLS: take one of them out");
    }
    if !wanted && reader.is_set("redis") {
        reader.warn("redis", "not used: storage.cache.blobdescriptor is not redis");
    }
    wanted.then_some(config)
}

fn has_errors(reader: &Reader<'_>) -> bool {
    reader.has_errors_at(ADDRESSES) || reader.has_errors_at(ADDRESS)
}

fn address(reader: &mut Reader<'_>, wanted: bool) -> Option<RedisAddress> {
    let expected = "a host and a port such as redis:6379, or the path of a socket";
    let old = reader.parsed(ADDRESS, expected, RedisAddress::parse);
    let addresses = reader.list(ADDRESSES, expected, RedisAddress::parse).unwrap_or_default();
    if !wanted {
        return None;
    }
    if !addresses.is_empty() && reader.is_set(ADDRESS) {
        reader.warn(ADDRESS, "not used: redis.addrs is set");
    }
    if addresses.len() > 1 {
        reader.reject(
            ADDRESSES,
            "several addresses are a Redis cluster, which this version does not speak to: name one Redis",
        );
    }
    let address = addresses.into_iter().next().or(old);
    if address.is_none() && !reader.is_set(ADDRESSES) && !reader.is_set(ADDRESS) {
        reader.reject(
            ADDRESSES,
            format!("missing, for storage.cache.blobdescriptor is redis; set it to {expected}"),
        );
    }
    address
}

fn database(reader: &mut Reader<'_>) -> i64 {
    reader
        .parsed("redis.db", "the number of a database, not negative", |text| {
            text.parse().ok().filter(|number| *number >= 0)
        })
        .unwrap_or_default()
}

/// Both sides of a question share one limit, for they share one wait.
fn command_timeout(reader: &mut Reader<'_>) -> Duration {
    let write = limit(reader, "redis.writetimeout");
    let read = limit(reader, "redis.readtimeout");
    match (write, read) {
        (None, None) => DEFAULT_COMMAND,
        (write, read) => write.unwrap_or_default() + read.unwrap_or_default(),
    }
}

/// A limit; none and fewer than none, which meant the default and for ever, are the default: nothing waits for ever.
fn limit(reader: &mut Reader<'_>, key: &'static str) -> Option<Duration> {
    let limit = reader.parsed(key, "a duration such as 250ms", |text| {
        let negative = text.strip_prefix('-').map(|_| Duration::ZERO);
        negative.or_else(|| duration::parse(text))
    })?;
    // `10` means 10 ns to everybody who reads such files, except to whoever writes one.
    if !limit.is_zero() && limit < Duration::from_millis(1) {
        reader.warn(key, &format!("means {limit:?}; a number without a unit is nanoseconds; 1ms is used"));
    }
    (!limit.is_zero()).then(|| limit.max(Duration::from_millis(1)))
}

fn tls(reader: &mut Reader<'_>) -> Option<RedisTls> {
    let expected = "the path of a file in PEM";
    let path = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
    let (ours, harbors) = (reader.flag("redis.tls.enabled"), reader.flag(HARBOR_TLS));
    if ours.zip(harbors).is_some_and(|(ours, harbors)| ours != harbors) {
        reader.reject(HARBOR_TLS, "redis.tls.enabled says the opposite: keep one of them");
    }
    let enabled = ours.or(harbors);
    let certificate = reader.parsed(CERTIFICATE, expected, path);
    let key = reader.parsed(KEY, expected, path);
    let roots = reader.list("redis.tls.rootcas", expected, path).unwrap_or_default();
    for (one, other, is_alone) in [
        (CERTIFICATE, KEY, certificate.is_some() && key.is_none()),
        (KEY, CERTIFICATE, key.is_some() && certificate.is_none()),
    ] {
        if is_alone && !reader.is_set(other) {
            reader.reject(one, format!("expected {other} beside it"));
        }
    }
    let tls = RedisTls { client: certificate.zip(key), roots };
    enabled.unwrap_or_else(|| tls != RedisTls::default()).then_some(tls)
}
