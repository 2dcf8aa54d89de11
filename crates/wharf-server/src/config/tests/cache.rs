//! Where sizes of blobs are remembered: `storage.cache` and `redis`, of both generations.

use std::time::Duration;

use super::*;

/// A file with this cache and these lines.
fn with_cache(cache: &str, lines: &str) -> String {
    format!("version: 0.1\nhttp: {{addr: ':1'}}\nstorage: {{filesystem: , cache: {{{cache}}}}}\n{lines}\n")
}

#[track_caller]
fn cache(cache: &str, lines: &str) -> Option<CacheConfig> {
    config(&with_cache(cache, lines)).cache
}

#[track_caller]
fn redis(lines: &str) -> RedisConfig {
    match cache("blobdescriptor: redis", lines) {
        Some(CacheConfig::Redis(redis)) => redis,
        other => panic!("{lines}: {other:?}"),
    }
}

#[track_caller]
fn check_redis_errors(lines: &str, expected: &[&str]) {
    check_errors(&with_cache("blobdescriptor: redis", lines), expected);
}

#[test]
fn sizes_are_remembered_in_memory_by_either_name() {
    let entries = |keys: &str| match cache(keys, "") {
        Some(CacheConfig::Memory { entries }) => entries,
        other => panic!("{keys}: {other:?}"),
    };
    assert_eq!(entries("blobdescriptor: inmemory"), 10_000);
    assert_eq!(entries("layerinfo: inmemory"), 10_000);
    assert_eq!(entries("blobdescriptor: inmemory, blobdescriptorsize: 7, layerinfo: redis"), 7);
    assert_eq!(entries("blobdescriptor: inmemory, blobdescriptorsize: 0"), 1_000_000);
    assert_eq!(entries("blobdescriptor: inmemory, blobdescriptorsize: -1"), 1_000_000);
    assert_eq!(cache("", ""), None);
    assert_eq!(cache("blobdescriptor: ''", ""), None);
    let text = with_cache("blobdescriptor: inmemory", "");
    assert!(config(&text).to_string().contains("\nsizes          asked of the file system, "));
}

#[test]
fn redis_of_version_2_is_understood() {
    let text = with_cache(
        "layerinfo: redis",
        "redis: {addr: 'localhost:6379', password: 012345, db: 3, dialtimeout: 10ms, readtimeout: 20ms, \
         writetimeout: 30ms, pool: {maxidle: 16, maxactive: 64, idletimeout: 300s}}",
    );
    let config = config(&text);
    let Some(CacheConfig::Redis(redis)) = &config.cache else { panic!("{config:?}") };
    assert_eq!(redis.address, RedisAddress::Tcp { host: "localhost".into(), port: 6379 });
    assert_eq!(redis.password.as_ref().map(Secret::expose), Some("012345"));
    assert_eq!(redis.db, 3);
    assert_eq!(redis.dial_timeout, Duration::from_millis(10));
    assert_eq!(redis.command_timeout, Duration::from_millis(50));
    assert_eq!(redis.tls, None);
    assert!(!format!("{config:?}").contains("012345"), "a password is shown");
    let not_used = "not used: one connection carries every question and is made again by itself";
    assert_eq!(config.warnings, [format!("config.yml:4:123: redis.pool.maxidle: {not_used}")]);
    let shown = CacheConfig::Redis(redis.clone()).to_string();
    assert_eq!(shown, "in Redis at localhost:6379, database 3, dialing for 10ms, asking for 50ms");
}

#[test]
fn redis_of_version_3_is_understood() {
    let redis = redis(
        "redis: {addrs: ['[::1]:6380'], username: registry, password: x, tls: {certificate: /c, key: /k, \
         rootcas: [/a, /b]}}",
    );
    assert_eq!(redis.address, RedisAddress::Tcp { host: "::1".into(), port: 6380 });
    assert_eq!(redis.address.to_string(), "[::1]:6380");
    assert_eq!(redis.username.as_deref(), Some("registry"));
    assert_eq!(
        (redis.dial_timeout, redis.command_timeout),
        (Duration::from_secs(1), Duration::from_millis(250))
    );
    let tls = redis.tls.unwrap();
    assert_eq!(tls.client, Some(("/c".into(), "/k".into())));
    assert_eq!(tls.roots, [Path::new("/a"), Path::new("/b")]);
}

#[test]
fn redis_may_be_named_in_variables() {
    let text = with_cache("", "");
    let variables = [
        ("REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR", "redis"),
        ("REGISTRY_REDIS_ADDRS", "[redis:6379]"),
        ("REGISTRY_REDIS_PASSWORD", "0123"),
        ("REGISTRY_REDIS_TLS_ENABLED", "true"),
    ];
    let config = parse(&text, &variables, UnknownKeys::Refuse).unwrap();
    let Some(CacheConfig::Redis(redis)) = config.cache else { panic!("{:?}", config.cache) };
    assert_eq!(redis.address.to_string(), "redis:6379");
    assert_eq!(redis.password.unwrap().expose(), "0123");
    assert_eq!(redis.tls, Some(RedisTls::default()));
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn tls_is_on_with_a_file_or_by_its_switch() {
    let tls = |keys: &str| redis(&format!("redis: {{addrs: [a:1], tls: {{{keys}}}}}")).tls;
    assert_eq!(tls(""), None);
    assert_eq!(tls("enabled: false"), None);
    assert_eq!(tls("enabled: false, rootcas: [/a]"), None);
    assert_eq!(tls("enabled: true"), Some(RedisTls::default()));
    assert!(tls("rootcas: [/a]").is_some());
}

#[test]
fn no_question_waits_for_ever() {
    let command = |keys: &str| redis(&format!("redis: {{addrs: [a:1], {keys}}}")).command_timeout;
    assert_eq!(command("readtimeout: 0"), Duration::from_millis(250));
    assert_eq!(command("readtimeout: -1"), Duration::from_millis(250));
    assert_eq!(command("readtimeout: -1s, writetimeout: 2s"), Duration::from_secs(2));
    assert_eq!(command("readtimeout: 10"), Duration::from_millis(1));
}

#[test]
fn a_redis_that_cannot_be_spoken_to_is_refused() {
    let expected = "a host and a port such as redis:6379, or the path of a socket";
    check_redis_errors(
        "",
        &[&format!(
            "config.yml: redis.addrs: missing, for storage.cache.blobdescriptor is redis; set it to {expected}"
        )],
    );
    for address in ["redis", "redis://a:1", "a:0", "::1:1", "a:b"] {
        check_redis_errors(
            &format!("redis: {{addr: '{address}'}}"),
            &[&format!("config.yml:4:15: redis.addr: expected {expected}, got \"{address}\"")],
        );
    }
    check_redis_errors(
        "redis: {addrs: [a:1, b:1]}",
        &[
            "config.yml:4:16: redis.addrs: several addresses are a Redis cluster, which this version does not speak to: name one Redis",
        ],
    );
    check_redis_errors(
        "redis: {addrs: [a:1], mastername: main, sentinelpassword: x}",
        &[
            "config.yml:4:23: redis.mastername: this version does not ask Redis Sentinel: name one Redis in redis.addrs",
        ],
    );
    check_redis_errors(
        "redis: {addrs: [a:1], tls: {certificate: /c}}",
        &["config.yml:4:42: redis.tls.certificate: expected redis.tls.key beside it"],
    );
    check_redis_errors(
        "redis: {addrs: [/run/redis.sock], tls: {enabled: true}}",
        &["config.yml:4:40: redis.tls: a Unix socket is not secured with TLS: take one of them out"],
    );
}

#[test]
fn what_is_not_used_is_said() {
    check_warnings(
        &with_cache("blobdescriptor: inmemory", "redis: {addrs: [a:1, b:1], mastername: x}"),
        &[
            "config.yml:4:28: redis.mastername: off, because storage.cache.blobdescriptor is not redis",
            "config.yml:4:8: redis: not used: storage.cache.blobdescriptor is not redis",
        ],
    );
    check_warnings(
        &with_cache("blobdescriptor: redis, blobdescriptorsize: 5", "redis: {addrs: [a:1], addr: b:1}"),
        &[
            "config.yml:4:29: redis.addr: not used: redis.addrs is set",
            "config.yml:3:76: storage.cache.blobdescriptorsize: not used: how much Redis keeps is its own setting `maxmemory`",
        ],
    );
}

#[test]
fn the_redis_keys_of_harbor_are_honoured_or_refused() {
    let tls = |keys: &str| redis(&format!("redis: {{addr: 'a:1', {keys}}}")).tls;
    assert_eq!(tls("enableTLS: true"), Some(RedisTls::default()));
    assert_eq!(tls("enableTLS: false"), None);
    assert_eq!(tls("enableTLS: true, tls: {enabled: true}"), Some(RedisTls::default()));
    check_redis_errors(
        "redis: {addr: 'a:1', enableTLS: true, tls: {enabled: false}}",
        &["config.yml:4:33: redis.enableTLS: redis.tls.enabled says the opposite: keep one of them"],
    );
    let variables = [("REGISTRY_REDIS_ADDR", "a:1"), ("REGISTRY_REDIS_ENABLETLS", "true")];
    let config = parse(&with_cache("blobdescriptor: redis", ""), &variables, UnknownKeys::Refuse).unwrap();
    let Some(CacheConfig::Redis(redis)) = config.cache else { panic!("{:?}", config.cache) };
    assert_eq!(redis.tls, Some(RedisTls::default()));
    check_redis_errors(
        "redis: {addr: 'a:26379,b:26379', sentinelMasterSet: mymaster}",
        &[
            "config.yml:4:34: redis.sentinelMasterSet: this version does not ask Redis Sentinel: name one Redis in redis.addrs",
            "config.yml:4:15: redis.addr: expected a host and a port such as redis:6379, or the path of a socket, got \"a:26379,b:26379\"",
        ],
    );
}

#[test]
fn the_redis_caches_of_gitlab_are_reported() {
    let text =
        with_cache("blobdescriptor: redis", "redis: {addr: 'a:1', cache: {enabled: true, addr: 'b:1'}}");
    assert_eq!(
        config(&text).warnings,
        ["config.yml:4:30: redis.cache.enabled: not used: it belongs to GitLab's metadata database"]
    );
}
