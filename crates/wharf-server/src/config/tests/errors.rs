//! Files that are wrong, and the line each mistake is shown as.

use super::*;

/// A file whose `http`, `storage` or other sections are the test's own.
fn file(rest: &str) -> String {
    format!("version: 0.1\n{rest}\n")
}

#[test]
fn bad_values_name_key_value_and_expectation() {
    check_based_errors(
        "log:\n  level: trace\n  formatter: xml\n  accesslog: {disabled: maybe}",
        &[
            "config.yml:5:10: log.level: expected error, warn, info or debug, got \"trace\"",
            "config.yml:6:14: log.formatter: expected text, json or logstash, got \"xml\"",
            "config.yml:7:25: log.accesslog.disabled: expected true or false, got \"maybe\"",
        ],
    );
    check_based_errors(
        "catalog: {maxentries: many}\ntags: {maxtags: -1}",
        &[
            "config.yml:4:23: catalog.maxentries: expected a whole number, got \"many\"",
            "config.yml:5:17: tags.maxtags: expected a whole number, not negative, got \"-1\"",
        ],
    );
    check_errors(
        &file(
            "storage: {filesystem: {fsync: some, locks: flock}, delete: {enabled: 1}, tag: {concurrencylimit: -8}}\nhttp: {addr: 5000, draintimeout: 10 s, net: udp}",
        ),
        &[
            "config.yml:3:45: http.net: expected tcp or unix, got \"udp\"",
            "config.yml:3:14: http.addr: expected an address such as :5000 or 127.0.0.1:5000, got \"5000\"",
            "config.yml:3:34: http.draintimeout: expected a duration such as 10s or 1h30m, got \"10 s\"",
            "config.yml:2:31: storage.filesystem.fsync: expected full, data or none, got \"some\"",
            "config.yml:2:44: storage.filesystem.locks: expected none, got \"flock\"",
            "config.yml:2:70: storage.delete.enabled: expected true or false, got \"1\"",
            "config.yml:2:98: storage.tag.concurrencylimit: expected a whole number, not negative, got \"-8\"",
        ],
    );
    check_based_errors(
        "validation: {manifests: {missing: maybe, indexes: {platforms: some}}}",
        &[
            "config.yml:4:35: validation.manifests.missing: expected deny or allow, got \"maybe\"",
            "config.yml:4:63: validation.manifests.indexes.platforms: expected all, none or list, got \"some\"",
        ],
    );
}

#[test]
fn addresses_are_checked() {
    check_errors(
        &file(
            "storage: filesystem\nhttp: {addr: ':1', host: 'https://', prefix: reg, trustedproxies: [10.0.0.0/8, lb]}",
        ),
        &[
            "config.yml:3:26: http.host: expected a URL such as https://registry.example.com, got \"https://\"",
            "config.yml:3:46: http.prefix: expected a path that begins with a slash such as /registry/, got \"reg\"",
            "config.yml:3:80: http.trustedproxies[1]: expected an address or a network such as 10.0.0.0/8, got \"lb\"",
        ],
    );
    check_errors(
        &file("storage: filesystem\nhttp: {net: unix}"),
        &["config.yml: http.addr: expected the path of a socket, for http.net is unix, got nothing"],
    );
}

#[test]
fn limits_are_checked() {
    check_errors(
        &file(
            "storage: filesystem\nhttp: {addr: ':1', limits: {connections: 0, connectionsperaddress: many, streams: -1}}",
        ),
        &[
            "config.yml:3:42: http.limits.connections: expected a whole number above 0, got \"0\"",
            "config.yml:3:68: http.limits.connectionsperaddress: expected a whole number above 0, got \"many\"",
            "config.yml:3:83: http.limits.streams: expected a whole number above 0, got \"-1\"",
        ],
    );
    check_warnings(
        &file("storage: filesystem\nhttp: {addr: ':1', limits: {connections: 4, connectionsperaddress: 5}}"),
        &[
            "config.yml:3:68: http.limits.connectionsperaddress: more than http.limits.connections, which is 4 and counts",
        ],
    );
}

#[test]
fn headers_are_checked() {
    check_errors(
        &file(
            "storage: filesystem\nhttp: {addr: ':1', headers: {'X A': [b], X-B: {c: d}, X-C: [\"d\\ne\"], Content-Length: [5]}}",
        ),
        &[
            "config.yml:3:30: http.headers.X A: expected the name of a header we may add, got \"X A\"",
            "config.yml:3:47: http.headers.X-B: expected a list, got a mapping",
            "config.yml:3:61: http.headers.X-C[0]: expected text that fits in a header, got \"d\\ne\"",
            "config.yml:3:70: http.headers.Content-Length: expected the name of a header we may add, got \"Content-Length\"",
        ],
    );
}

#[test]
fn what_becomes_a_part_of_a_header_fits_in_one() {
    let text = "text that fits in a header";
    let rows = [
        ("auth: {htpasswd: {realm: \"a\\nb\", path: /a}}", "4:26: auth.htpasswd.realm", text),
        (
            "auth: {token: {autoredirect: true, service: \"a\\nb\", issuer: i, jwks: /k}}",
            "4:45: auth.token.service",
            text,
        ),
        (
            "auth: {token: {realm: \"https://a/t\\n\", service: s, issuer: i, jwks: /k}}",
            "4:23: auth.token.realm",
            "the URL of a token server such as https://auth.example.com/token",
        ),
        (
            "auth: {token: {autoredirect: true, autoredirectpath: \"/t\\n\", service: s, issuer: i, jwks: /k}}",
            "4:54: auth.token.autoredirectpath",
            "a path such as /auth/token",
        ),
        ("access: {tokens: {service: \"a\\x7F\"}}", "4:28: access.tokens.service", text),
    ];
    for (lines, place, expected) in rows {
        let errors = parse(&format!("{BASE}{lines}\n"), &[], UnknownKeys::Warn).expect_err(lines);
        let start = format!("config.yml:{place}: expected {expected}, got ");
        assert!(errors.len() == 1 && errors[0].to_string().starts_with(&start), "{lines}: {errors:?}");
    }
    for key in ["host: \"https://a.example/\\n\"", "prefix: \"/a\\n/\"", "headers: {X-A: [\"a\\nb\"]}"] {
        let text = format!("version: 0.1\nstorage: filesystem\nhttp: {{addr: ':1', {key}}}\n");
        let errors = parse(&text, &[], UnknownKeys::Warn).expect_err(key);
        assert_eq!(errors.len(), 1, "{key}: {errors:?}");
    }
    // What is not ASCII was always sent as it is.
    let config = based("auth: {htpasswd: {realm: Régistre, path: /a}}");
    assert_eq!(config.auth.htpasswd.unwrap().realm, "Régistre");
}

#[test]
fn maintenance_is_checked() {
    check_errors(
        &file(
            "http: {addr: ':1'}\nstorage: {filesystem: , maintenance: {uploadpurging: {age: 168, interval: 0s, dryrun: maybe}}}",
        ),
        &[
            "config.yml:3:60: storage.maintenance.uploadpurging.age: expected a duration with a unit such as 168h, got \"168\"",
            "config.yml:3:75: storage.maintenance.uploadpurging.interval: expected a duration with a unit such as 168h, got \"0s\"",
            "config.yml:3:87: storage.maintenance.uploadpurging.dryrun: expected true or false, got \"maybe\"",
        ],
    );
    check_errors(
        &file("http: {addr: ':1'}\nstorage: {filesystem: , maintenance: {readonly: true}}"),
        &["config.yml:3:49: storage.maintenance.readonly: expected a mapping, got \"true\""],
    );
    check_based_errors(
        "policy: {repository: {classes: [image, chart]}}",
        &["config.yml:4:40: policy.repository.classes[1]: expected image or plugin, got \"chart\""],
    );
}

#[test]
fn wrong_types_are_named() {
    check_based_errors(
        "log: {level: [debug]}",
        &["config.yml:4:14: log.level: expected error, warn, info or debug, got a list"],
    );
    check_based_errors(
        "log: {level: {is: debug}}",
        &["config.yml:4:14: log.level: expected error, warn, info or debug, got a mapping"],
    );
    check_based_errors("log: debug", &["config.yml:4:6: log: expected a mapping, got \"debug\""]);
    check_based_errors("health: [a]", &["config.yml:4:9: health: expected a mapping, got a list"]);
    check_based_errors(
        "validation: {manifests: {urls: {allow: '^https://'}}}",
        &["config.yml:4:40: validation.manifests.urls.allow: expected a list, got \"^https://\""],
    );
    check_based_errors(
        "validation: {manifests: {indexes: {platformlist: [{os: [linux]}, linux]}}}",
        &[
            "config.yml:4:66: validation.manifests.indexes.platformlist[1]: expected a mapping, got \"linux\"",
            "config.yml:4:56: validation.manifests.indexes.platformlist[0].os: expected text, got a list",
            "config.yml:4:66: validation.manifests.indexes.platformlist[1]: expected a mapping of architecture and os, got \"linux\"",
        ],
    );
}

#[test]
fn a_bad_regular_expression_is_one_line() {
    check_based_errors(
        "validation: {manifests: {urls: {deny: [ok, '(']}}}",
        &[
            "config.yml:4:44: validation.manifests.urls.deny[1]: expected a regular expression, got \"(\": unclosed group",
        ],
    );
}

#[test]
fn the_version_is_demanded() {
    let rest = "storage: filesystem\nhttp: {addr: ':1'}\n";
    check_errors(rest, &["config.yml: version: missing; write `version: 0.1`"]);
    for (version, shown) in [("0.2", "0.2"), ("0.10", "0.10"), ("1", "1"), ("\"\"", "")] {
        check_errors(
            &format!("version: {version}\n{rest}"),
            &[&format!("config.yml:1:10: version: expected 0.1, got {shown:?}")],
        );
    }
    check_errors(
        &format!("version: [0.1]\n{rest}"),
        &["config.yml:1:10: version: expected text, got a list"],
    );
}

#[test]
fn an_empty_file_lacks_everything() {
    for text in ["", "# nothing\n", "~"] {
        check_errors(
            text,
            &[
                "config.yml: version: missing; write `version: 0.1`",
                "config.yml: storage: expected a storage driver such as filesystem, got none",
            ],
        );
    }
}

#[test]
fn exactly_one_driver_is_demanded() {
    check_errors(
        &file("storage: {delete: {enabled: true}}"),
        &["config.yml:2:10: storage: expected a storage driver such as filesystem, got none"],
    );
    check_errors(
        &file("storage:\n  filesystem:\n  inmemory:\n"),
        &["config.yml:3:3: storage: expected exactly one storage driver, got filesystem, inmemory"],
    );
}

#[test]
fn an_unknown_driver_is_refused_by_name() {
    check_errors(
        &file("storage: filesytem"),
        &["config.yml:2:10: storage.filesytem: unknown storage driver; did you mean filesystem?"],
    );
    check_errors(&file("storage: {tape: {}}"), &["config.yml:2:11: storage.tape: unknown storage driver"]);
}

#[test]
fn an_unknown_auth_type_is_refused_by_name() {
    check_based_errors(
        "auth: {htpaswd: {realm: x}}",
        &["config.yml:4:8: auth.htpaswd: unknown auth type; did you mean htpasswd?"],
    );
}

#[test]
fn text_that_is_not_yaml_is_one_line() {
    check_errors("a: [1\nb: 2\n", &["config.yml:2:2: illegal placement of ':' indicator"]);
    check_errors("a: {b\n", &["config.yml:1:4: unclosed bracket '{'"]);
    check_errors("a: *nope\n", &["config.yml:1:4: reference to unknown value"]);
    check_errors("? [a]\n: b\n", &["config.yml:1:3: expected string scalar"]);
    check_errors(
        "a: 1\n---\nb: 2\n",
        &["config.yml:3:1: only single YAML document expected but multiple found"],
    );
}

#[test]
fn a_file_that_is_no_mapping_is_one_line() {
    check_errors("- a\n", &["config.yml:1:1: expected a mapping of keys, got a list"]);
    check_errors("hello\n", &["config.yml:1:1: expected a mapping of keys, got \"hello\""]);
}

#[test]
fn mistakes_of_the_environment_name_the_variable() {
    let variables = [("REGISTRY_STORAGE_DELETE_ENABLED", "maybe"), ("REGISTRY_AUTH", "silly")];
    let errors = parse(BASE, &variables, UnknownKeys::Warn).unwrap_err();
    assert_eq!(
        errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "REGISTRY_AUTH: auth.silly: it lets in whoever sends any `Authorization` header: use htpasswd or token",
            "REGISTRY_STORAGE_DELETE_ENABLED: storage.delete.enabled: expected true or false, got \"maybe\"",
        ]
    );
}

#[test]
fn unknown_keys_are_warnings_with_the_nearest_known_key() {
    check_warnings(
        &format!("{BASE}htpp: {{addr: x}}\nlog: {{lvel: debug, colour: red}}\n"),
        &[
            "config.yml:4:1: htpp: unknown key; did you mean http?",
            "config.yml:5:7: log.lvel: unknown key; did you mean level?",
            "config.yml:5:20: log.colour: unknown key",
        ],
    );
}

#[test]
fn unknown_keys_are_errors_when_strict_and_unknown_variables_are_not() {
    let text = format!("{BASE}htpp: {{addr: x}}\n");
    let errors = parse(&text, &[], UnknownKeys::Refuse).unwrap_err();
    assert_eq!(errors[0].to_string(), "config.yml:4:1: htpp: unknown key; did you mean http?");

    let config = parse(BASE, &[("REGISTRY_PORT", "tcp://10.0.0.1:5000")], UnknownKeys::Refuse).unwrap();
    assert_eq!(config.warnings, ["REGISTRY_PORT: ignored: it describes a service of the cluster, not a key"]);
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let config = based("catalog: {maxentries: 1, maxentries: 2}\ncatalog: {maxentries: 3}");
    assert_eq!(config.catalog_max_entries, 3);
    assert_eq!(
        config.warnings,
        [
            "config.yml:4:26: maxentries: written twice; the last one counts",
            "config.yml:5:1: catalog: written twice; the last one counts",
        ]
    );
}

#[test]
fn a_number_without_a_unit_is_told_to_be_nanoseconds() {
    check_warnings(
        &file("storage: filesystem\nhttp: {addr: ':1', draintimeout: 10}"),
        &["config.yml:3:34: http.draintimeout: means 10ns; a number without a unit is nanoseconds"],
    );
}

#[test]
fn a_timeout_of_nothing_or_without_an_end_is_refused() {
    let expected = "expected a duration with a unit from 1ms to 168h, such as 90s";
    for key in ["handshake", "header", "idle", "read", "write"] {
        for value in ["0", "0s", "-5s", "620", "169h", "never", "10 s"] {
            check_errors(
                &file(&format!("storage: filesystem\nhttp:\n  addr: ':1'\n  timeouts:\n    {key}: {value}")),
                &[&format!(
                    "config.yml:6:{}: http.timeouts.{key}: {expected}, got \"{value}\"",
                    key.len() + 7
                )],
            );
        }
    }
}

#[test]
fn a_length_of_heads_that_cannot_be_is_refused() {
    for value in ["0", "64", "8191", "2MiB", "-1", "many"] {
        check_errors(
            &file(&format!("storage: filesystem\nhttp:\n  addr: ':1'\n  limits:\n    headerbytes: {value}")),
            &[&format!(
                "config.yml:6:18: http.limits.headerbytes: expected a size from 8KiB to 1MiB, such as 64KiB, got \"{value}\""
            )],
        );
    }
}
