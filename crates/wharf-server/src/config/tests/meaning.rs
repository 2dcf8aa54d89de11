//! Files that are right, and what they mean.

use std::time::Duration;

use super::*;

#[test]
fn a_bare_file_has_the_defaults_of_the_old_registry() {
    let config = based("");
    assert_eq!(
        config.to_string(),
        "configuration  config.yml\n\
         http           :5000 (every address), drains for 10s\n\
         limits         16384 connections, 4096 from one address, 100 requests at once on one, heads of 64 KiB\n\
         timeouts       handshake 10s, header 75s, idle 620s, read 2m, write 10m\n\
         locations      paths, believing every proxy\n\
         access         everybody may do everything\n\
         storage        filesystem /var/lib/registry, fsync full, deletes off\n\
         old uploads    removed after 168h, looked for every 24h\n\
         validation     missing blobs refused, no foreign URLs, all manifests of an index\n\
         log            info, text, access log on\n\
         lists          1000 repositories, 1000 tags a page"
    );
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn no_file_is_a_registry_for_this_machine() {
    let text = Source::BuiltIn.read().unwrap();
    let config = Config::parse(Source::BuiltIn, &text, &[], UnknownKeys::Refuse).unwrap();
    assert_eq!(
        config.to_string(),
        "configuration  built-in defaults\n\
         http           127.0.0.1:5000, drains for 10s\n\
         limits         16384 connections, 4096 from one address, 100 requests at once on one, heads of 64 KiB\n\
         timeouts       handshake 10s, header 75s, idle 620s, read 2m, write 10m\n\
         locations      paths, believing every proxy\n\
         access         everybody may do everything\n\
         storage        filesystem ./registry-data, fsync full, deletes on\n\
         old uploads    removed after 168h, looked for every 24h\n\
         validation     missing blobs refused, no foreign URLs, all manifests of an index\n\
         log            info, text, access log on\n\
         lists          1000 repositories, 1000 tags a page"
    );
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn variables_are_laid_over_the_built_in_defaults() {
    let text = Source::BuiltIn.read().unwrap();
    let variables = [("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY".to_owned(), "/data".to_owned())];
    let config = Config::parse(Source::BuiltIn, &text, &variables, UnknownKeys::Warn).unwrap();
    assert_eq!(config.storage.driver.location(), "/data");
    assert!(config.storage.delete_enabled);
}

#[test]
fn a_driver_in_a_variable_replaces_that_of_the_packages_file_and_of_no_other() {
    let text =
        "version: 0.1\nstorage: {filesystem: {rootdirectory: /var/lib/registry}}\nhttp: {addr: ':5000'}\n";
    let variables = [("REGISTRY_STORAGE_S3", "{bucket: images, region: eu-central-1}")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let load = |path: &str| Config::parse(Source::File(path.into()), text, &variables, UnknownKeys::Warn);
    assert_eq!(load("/usr/share/wharf/default.yml").unwrap().storage.driver.location(), "s3://images/");
    let errors = load("/etc/docker/registry/config.yml").unwrap_err();
    assert!(errors[0].to_string().contains("expected exactly one storage driver"), "{errors:?}");
}

#[test]
fn every_key_that_works_is_read() {
    let config = config(
        "\
version: 0.1
loglevel: error
log:
  level: DEBUG
  formatter: json
  accesslog: {disabled: yes}
  fields: {service: registry, port: 5000, id: 007, up: true, tags: [a, '1']}
storage:
  filesystem: {rootdirectory: /srv, fsync: data, locks: none}
  delete: {enabled: on}
  redirect: {disable: true}
  tag: {concurrencylimit: 8}
  maintenance:
    readonly: {enabled: true}
    uploadpurging: {enabled: true, age: 90m, interval: 36h, dryrun: yes}
http:
  addr: localhost:5001
  net: tcp
  draintimeout: 1m
  relativeurls: false
  prefix: /reg/
  trustedproxies: [10.0.0.0/8, '::1']
  headers: {X-A: [b, c], x-d: [e]}
  h2c: {enabled: true}
  limits: {connections: 500, connectionsperaddress: 40, streams: 20}
validation:
  manifests:
    missing: allow
    urls: {allow: ['^https://a/', '^https://b/'], deny: [c$]}
    indexes:
      platforms: list
      platformlist:
        - {architecture: amd64, os: linux}
        - {architecture: arm64, os: linux}
catalog: {maxentries: 50}
tags: {maxtags: 60}
policy: {repository: {classes: [image, plugin]}}
",
    );
    assert_eq!(
        config.to_string(),
        "configuration  config.yml\n\
         http           localhost:5001, HTTP/2 without TLS, drains for 60s\n\
         limits         500 connections, 40 from one address, 20 requests at once on one, heads of 64 KiB\n\
         timeouts       handshake 10s, header 75s, idle 620s, read 2m, write 10m\n\
         locations      whole URLs, below /reg/, believing 10.0.0.0/8 ::1/128\n\
         header         x-a: b\n\
         header         x-a: c\n\
         header         x-d: e\n\
         access         everybody may do everything\n\
         storage        filesystem /srv, fsync data, the only process on it, deletes on, read-only, 8 tags at once\n\
         old uploads    counted after 90m, looked for every 36h\n\
         validation     missing blobs allowed, URLs matching ^https://a/ or ^https://b/ and not c$, \
         manifests for linux/amd64 linux/arm64 of an index\n\
         classes        image, plugin\n\
         log            debug, json, access log off, service=\"registry\", port=5000, id=\"007\", up=true, \
         tags=[\"a\",\"1\"]\n\
         lists          50 repositories, 60 tags a page"
    );
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn a_driver_may_be_a_bare_word() {
    let config = config("version: 0.1\nstorage: filesystem\nhttp: {addr: ':5000'}\n");
    assert_eq!(config.storage.driver.location(), "/var/lib/registry");
}

#[test]
fn the_version_may_stand_in_quotes() {
    config("version: \"0.1\"\nstorage: filesystem\n");
}

#[test]
fn the_deprecated_level_counts_only_alone() {
    assert_eq!(based("loglevel: debug").log.level, tracing::Level::DEBUG);
    assert_eq!(based("loglevel: debug\nlog: {level: warn}").log.level, tracing::Level::WARN);
    assert_eq!(based("loglevel: debug\nlog: {level: }").log.level, tracing::Level::DEBUG);
}

#[test]
fn deprecated_enabling_of_validation_outranks_disabling() {
    assert!(!based("validation: {}").validation.disabled);
    assert!(based("validation: {disabled: true}").validation.disabled);
    assert!(!based("validation: {disabled: true, enabled: true}").validation.disabled);
    assert!(!based("validation: {enabled: false}").validation.disabled);
}

#[test]
fn limits_that_are_not_positive_are_the_defaults() {
    for lines in ["catalog: {maxentries: 0}", "catalog: {maxentries: -1}", "tags: {maxtags: 0}"] {
        let config = based(lines);
        assert_eq!((config.catalog_max_entries, config.tags_max), (1000, 1000), "{lines}");
    }
}

#[test]
fn an_address_has_a_quarter_of_all_connections_unless_it_is_written() {
    let limits = |written: &str| {
        let file =
            format!("version: 0.1\nstorage: filesystem\nhttp: {{addr: ':1', limits: {{{written}}}}}\n");
        config(&file).http.limits
    };
    let rows = [("", 16_384, 4096), ("connections: 10", 10, 3), ("connectionsperaddress: 9", 16_384, 9)];
    for (written, connections, per_address) in rows {
        let expected = HttpLimits {
            connections,
            connections_per_address: per_address,
            streams: 100,
            head_bytes: 64 * 1024,
        };
        assert_eq!(limits(written), expected, "{written}");
    }
}

#[test]
fn no_limit_on_tags_is_the_default() {
    let config =
        config("version: 0.1\nstorage: {filesystem: , tag: {concurrencylimit: 0}}\nhttp: {addr: ':1'}\n");
    assert_eq!(config.storage.tag_concurrency, None);
}

#[test]
fn a_drain_timeout_of_zero_is_kept() {
    let config = config("version: 0.1\nstorage: filesystem\nhttp: {addr: ':1', draintimeout: 0}\n");
    assert_eq!(config.http.drain_timeout, Duration::ZERO);
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let config = config(
        "version: 0.1\nstorage: {filesystem: }\nhttp: {addr: ':1'}\n\
         validation: {manifests: {urls: {allow: &x [a], deny: *x}}}\n",
    );
    assert_eq!(config.validation.deny[0].as_str(), "a");
}

#[test]
fn sections_that_are_empty_or_switched_off_ask_for_nothing() {
    check_based_warnings(
        "\
proxy: {}
redis:
middleware: {storage: []}
notifications: {endpoints: []}
health: {storagedriver: {enabled: false, interval: 10s}}
log: {hooks: [{type: mail, disabled: yes}], fields: {}}
compatibility: {schema1: {enabled: false, signingkeyfile: /x}}
",
        &[],
    );
}

#[test]
fn what_is_disabled_by_hand_is_fine() {
    check_warnings(
        "\
version: 0.1
storage:
  filesystem:
  maintenance: {readonly: {enabled: false}, uploadpurging: {enabled: false, age: 168h}}
http:
  addr: :5000
  http2: {disabled: true}
  h2c: {enabled: no}
  secret: 012345
proxy: {remoteurl: ''}
auth: none
",
        &[],
    );
}

#[test]
fn a_missing_address_is_told() {
    let config = config("version: 0.1\nstorage: filesystem\n");
    assert_eq!(config.http.listen, Listen::Tcp(ListenAddress::default()));
    assert_eq!(
        config.warnings,
        ["config.yml: http.addr: not set: listening on 127.0.0.1:5000, for this machine only"]
    );
}

#[test]
fn a_server_may_listen_on_a_socket() {
    let config = config("version: 0.1\nstorage: filesystem\nhttp: {net: unix, addr: /run/registry.sock}\n");
    assert_eq!(config.http.listen, Listen::Unix("/run/registry.sock".into()));
}

#[test]
fn a_host_is_all_that_stands_before_a_path() {
    let config =
        config("version: 0.1\nstorage: filesystem\nhttp: {addr: ':1', host: 'https://a.example/sub/'}\n");
    assert_eq!(config.http.host.as_deref(), Some("https://a.example/sub"));
}

#[test]
fn trusting_nobody_is_not_trusting_everybody() {
    let trusted = |list: &str| {
        let file = "version: 0.1\nstorage: filesystem\nhttp: {addr: ':1', trustedproxies: ".to_owned();
        config(&(file + list + "}\n")).http.trusted_proxies
    };
    assert_eq!(trusted("[]"), Some(Vec::new()));
    assert_eq!(trusted(""), None);
    assert_eq!(trusted("''"), None);
}

#[test]
fn empty_text_is_how_a_template_says_nothing() {
    let config = config(
        "version: 0.1\nloglevel: ''\nstorage: {filesystem: }\n\
         http: {addr: ':1', net: '', host: '', prefix: '', draintimeout: '', relativeurls: '', headers: {x-a: ''}}\n",
    );
    assert_eq!(config.to_string(), based("").to_string().replace(":5000", ":1"));
    assert_eq!(config.warnings, [""; 0]);
}

#[test]
fn a_prefix_of_the_root_is_none() {
    let config = config("version: 0.1\nstorage: filesystem\nhttp: {addr: ':1', prefix: /}\n");
    assert_eq!(config.http.prefix, None);
}

#[test]
fn what_a_client_may_take_has_a_key_for_each_part_of_a_request() {
    let timeouts = "{handshake: 5s, header: 30s, idle: 1h30m, read: 1ms, write: 168h}";
    let config = config(&format!(
        "version: 0.1\nstorage: filesystem\nhttp: {{addr: ':5000', timeouts: {timeouts}}}\n"
    ));
    let expected = "timeouts       handshake 5s, header 30s, idle 90m, read 1ms, write 168h\n";
    assert!(config.to_string().contains(expected), "{config}");
    assert!(!config.warnings.iter().any(|warning| warning.contains("timeouts")), "{:?}", config.warnings);

    let variables = [("REGISTRY_HTTP_TIMEOUTS_IDLE".to_owned(), "15m".to_owned())];
    let text = Source::BuiltIn.read().unwrap();
    let config = Config::parse(Source::BuiltIn, &text, &variables, UnknownKeys::Refuse).unwrap();
    assert_eq!(config.http.timeouts.idle, Duration::from_mins(15));
}

#[test]
fn the_length_of_heads_has_a_key() {
    let config = based("http: {limits: {headerbytes: 128KiB}}");
    assert_eq!(config.http.limits.head_bytes, 128 * 1024);
    assert!(config.to_string().contains(", heads of 128 KiB\n"), "{config}");
}
