//! Values that the older registries accept in more than one form.

use super::*;

/// [`BASE`] with more in its `http` section.
fn http(keys: &str) -> Config {
    config(&format!("version: 0.1\nstorage: filesystem\nhttp: {{addr: ':1', {keys}}}\n"))
}

#[test]
fn a_prefix_is_the_same_with_and_without_slashes_at_its_end() {
    for (prefix, expected) in [
        ("/registry", Some("/registry/")),
        ("/registry/", Some("/registry/")),
        ("/registry//", Some("/registry/")),
        ("/a/b", Some("/a/b/")),
        ("/", None),
        ("//", None),
    ] {
        let config = http(&format!("prefix: '{prefix}'"));
        assert_eq!((config.http.prefix.as_deref(), config.warnings.len()), (expected, 0), "{prefix}");
    }
}

#[test]
fn a_host_without_a_scheme_is_ignored_as_before_and_reported() {
    for host in
        ["registry.example.com", "registry.example.com:5000", "localhost:5000", "//registry.example.com"]
    {
        let config = http(&format!("host: '{host}'"));
        assert_eq!(config.http.host, None, "{host}");
        let warning = format!(
            "config.yml:3:26: http.host: ignored, because it has no scheme: `Location` headers stay paths; \
             write https://{}",
            host.trim_start_matches('/')
        );
        assert_eq!(config.warnings, [warning]);
    }
}

#[test]
fn an_unknown_cache_is_none_and_reported() {
    for key in ["blobdescriptor", "layerinfo"] {
        let config = config(&format!(
            "version: 0.1\nhttp: {{addr: ':1'}}\nstorage: {{filesystem: , cache: {{{key}: memcached}}}}\n"
        ));
        assert_eq!(config.cache, None);
        let place = 35 + key.len();
        let warning = format!(
            "config.yml:3:{place}: storage.cache.{key}: unknown cache \"memcached\": sizes are not cached; expected \
             inmemory or redis"
        );
        assert_eq!(config.warnings, [warning]);
    }
}

#[test]
fn storage_in_memory_is_served_with_a_warning() {
    for storage in ["inmemory", "{inmemory: }", "{inmemory: {maxthreads: 100}}"] {
        let config = config(&format!("version: 0.1\nhttp: {{addr: ':1'}}\nstorage: {storage}\n"));
        assert_eq!(config.storage.driver.location(), "memory");
        assert!(
            config.warnings[0].ends_with(
                "storage.inmemory: for tests only: images are lost when the server stops, and their size is not limited"
            ),
            "{:?}",
            config.warnings
        );
        assert!(config.to_string().contains("storage        in memory, deletes off"), "{config}");
    }
}

#[test]
fn a_header_may_be_text_or_a_list() {
    let config = http("headers: {X-Frame-Options: DENY, X-A: [b, c]}");
    let headers: Vec<_> = config
        .http
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    assert_eq!(headers, ["x-frame-options: DENY", "x-a: b", "x-a: c"]);
}
