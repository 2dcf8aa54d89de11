//! A row for each rule of the old registry's variables, and for each of its traps.

use super::*;
use crate::config::findings::UnknownKeys;
use crate::config::tests::flow;

fn overlaid(file: &str, variables: &[(&str, &str)]) -> (Node, Findings) {
    let mut root = yaml::parse(file).unwrap().root;
    let mut findings = Findings::new("config.yml".to_owned(), UnknownKeys::Refuse);
    let variables: Vec<(String, String)> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    overlay(&mut root, &variables, &mut findings);
    (root, findings)
}

/// The variables change the file to this and there is nothing to say about them.
#[track_caller]
fn check(file: &str, variables: &[(&str, &str)], expected: &str) {
    let (root, findings) = overlaid(file, variables);
    assert_eq!(flow(&root), expected, "{variables:?}");
    assert!(findings.errors.is_empty() && findings.warnings.is_empty(), "{findings:?}");
}

/// The variable leaves the file as it is and is a warning.
#[track_caller]
fn check_ignored(name: &str, value: &str, reason: &str) {
    let file = "storage: {filesystem: {}}";
    let (root, findings) = overlaid(file, &[(name, value)]);
    assert_eq!(flow(&root), "{storage: {filesystem: {}}}");
    assert!(findings.errors.is_empty(), "{findings:?}");
    assert_eq!(findings.warnings, [format!("{name}: ignored: {reason}")]);
}

#[test]
fn a_name_is_split_at_every_underscore() {
    check("", &[("REGISTRY_HTTP_ADDR", ":5000")], "{http: {addr: :5000}}");
    check("http: {addr: a}", &[("REGISTRY_HTTP_ADDR", ":5000")], "{http: {addr: :5000}}");
    check(
        "",
        &[("REGISTRY_HTTP_DEBUG_PROMETHEUS_ENABLED", "true")],
        "{http: {debug: {prometheus: {enabled: true}}}}",
    );
    check("", &[("registry_http_addr", ":5000"), ("PATH", "/bin"), ("REGISTRYHTTP", "x")], "~");
}

#[test]
fn whole_goes_before_part() {
    let variables = [("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/x"), ("REGISTRY_STORAGE", "filesystem")];
    check(
        "storage: {s3: {}, delete: {enabled: true}}",
        &variables,
        "{storage: {filesystem: {rootdirectory: /x}}}",
    );
}

#[test]
fn values_are_yaml() {
    check("", &[("REGISTRY_LOG", "{level: debug}")], "{log: {level: debug}}");
    check("", &[("REGISTRY_REDIS_ADDRS", "[a:1, b:2]")], "{redis: {addrs: [a:1, b:2]}}");
    check("http: {secret: a}", &[("REGISTRY_HTTP_SECRET", "")], "{http: {secret: ~}}");
    check("", &[("REGISTRY_HTTP_SECRET", "\"\"")], "{http: {secret: \"\"}}");
}

#[test]
fn secrets_keep_their_text() {
    for secret in ["012345", "yes", "1e999", "0x1F", "null0", "a:b", "p@ss%w"] {
        check("", &[("REGISTRY_HTTP_SECRET", secret)], &format!("{{http: {{secret: {secret}}}}}"));
    }
}

#[test]
fn a_value_that_is_not_yaml_is_text() {
    for secret in ["@abc", "*abc", "%abc", "{abc", "a: b: c", "'abc"] {
        check("", &[("REGISTRY_HTTP_SECRET", secret)], &format!("{{http: {{secret: {secret:?}}}}}"));
    }
}

#[test]
fn names_of_the_old_source_code_are_known_beside_the_keys() {
    for name in ["REGISTRY_HEALTH_FILECHECKERS_0_FILE", "REGISTRY_HEALTH_FILE_0_FILE"] {
        check("", &[(name, "/x")], "{health: {file: [{file: /x}]}}");
    }
    check("", &[("REGISTRY_HEALTH_HTTPCHECKERS_0_URI", "u")], "{health: {http: [{uri: u}]}}");
    check("", &[("REGISTRY_HEALTH_TCPCHECKERS_0_ADDR", "a:1")], "{health: {tcp: [{addr: a:1}]}}");
    check(
        "",
        &[("REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES", "true")],
        "{notifications: {events: {includereferences: true}}}",
    );
    check(
        "",
        &[("REGISTRY_LOG_HOOKS_0_MAILOPTIONS_SMTP_ADDR", "a:25")],
        "{log: {hooks: [{options: {smtp: {addr: a:25}}}]}}",
    );
}

#[test]
fn unknown_names_are_ignored() {
    check_ignored("REGISTRY_HTTP_ADR", "x", "no such key; did you mean REGISTRY_HTTP_ADDR?");
    check_ignored("REGISTRY_HTTTP_ADDR", "x", "no such key; did you mean REGISTRY_HTTP?");
    check_ignored("REGISTRY_COLOUR", "x", "no such key");
    check_ignored("REGISTRY_HTTP_ADDR_DEEP", "x", "no such key");
    check_ignored("REGISTRY_HTTP_TRUSTEDPROXIES_FIRST", "x", "no such key");
    check_ignored("REGISTRY_", "x", "no such key");
}

#[test]
fn the_path_of_the_file_is_no_key() {
    check("", &[("REGISTRY_CONFIGURATION_PATH", "/x.yml")], "~");
}

#[test]
fn the_credentials_of_podman_are_no_auth_type() {
    check_ignored(
        "REGISTRY_AUTH_FILE",
        "/run/user/1000/auth.json",
        "it names the credentials of podman and skopeo, not a key",
    );
}

#[test]
fn the_driver_of_nobody_gives_way_to_one_of_the_environment() {
    let check = |variables: &[(&str, &str)], expected: &str| {
        let (mut root, _) = overlaid("storage: {filesystem: {}, delete: {enabled: true}}", variables);
        prefer_named_driver(&mut root);
        assert_eq!(flow(&root), expected, "{variables:?}");
    };
    let (s3, here) =
        (("REGISTRY_STORAGE_S3_BUCKET", "b"), ("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/x"));
    check(&[], "{storage: {filesystem: {}, delete: {enabled: true}}}");
    check(&[s3], "{storage: {delete: {enabled: true}, s3: {bucket: b}}}");
    check(&[here], "{storage: {filesystem: {rootdirectory: /x}, delete: {enabled: true}}}");
    check(
        &[s3, here],
        "{storage: {filesystem: {rootdirectory: /x}, delete: {enabled: true}, s3: {bucket: b}}}",
    );
    let delete = ("REGISTRY_STORAGE_DELETE_ENABLED", "false");
    check(&[delete], "{storage: {filesystem: {}, delete: {enabled: false}}}");
}

#[test]
fn the_version_of_the_file_is_said_in_the_file() {
    check_ignored("REGISTRY_VERSION", "2.8.3", "no such key");
}

#[test]
fn keys_of_maps_keep_the_case_of_the_file_and_are_small_otherwise() {
    check(
        "http: {headers: {X-A: [a]}}",
        &[("REGISTRY_HTTP_HEADERS_X-A", "[b]")],
        "{http: {headers: {X-A: [b]}}}",
    );
    check("", &[("REGISTRY_HTTP_HEADERS_X-A", "[b]")], "{http: {headers: {x-a: [b]}}}");
    check("Log: {level: a}", &[("REGISTRY_LOG_LEVEL", "b")], "{Log: {level: a}, log: {level: b}}");
}

#[test]
fn a_type_may_replace_a_section_and_be_filled() {
    let variables = [("REGISTRY_STORAGE", "s3"), ("REGISTRY_STORAGE_S3_BUCKET", "b")];
    check("storage: {filesystem: {}}", &variables, "{storage: {s3: {bucket: b}}}");
    check(
        "storage: filesystem",
        &[("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", "/x")],
        "{storage: {filesystem: {rootdirectory: /x}}}",
    );
    check("", &[("REGISTRY_AUTH", "none")], "{auth: {none: ~}}");
}

#[test]
fn another_driver_stands_beside_that_of_the_file() {
    check(
        "storage: {filesystem: {}}",
        &[("REGISTRY_STORAGE_S3_BUCKET", "b")],
        "{storage: {filesystem: {}, s3: {bucket: b}}}",
    );
}

#[test]
fn maintenance_is_reached_whoever_wrote_it() {
    let purging = "REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING_ENABLED";
    let expected = "{storage: {maintenance: {uploadpurging: {enabled: false}}}}";
    check("", &[(purging, "false")], expected);
    check("storage: {maintenance: {uploadpurging: {enabled: true}}}", &[(purging, "false")], expected);
    check("", &[("REGISTRY_STORAGE_MAINTENANCE", "{uploadpurging: {enabled: false}}")], expected);
    check("", &[("REGISTRY_STORAGE_MAINTENANCE_UPLOADPURGING", "{enabled: false}")], expected);
}

#[test]
fn items_are_applied_in_the_order_of_their_numbers() {
    let names: Vec<String> = (0..12).map(|index| format!("REGISTRY_REDIS_ADDRS_{index}")).collect();
    let variables: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "a")).rev().collect();
    check("", &variables, "{redis: {addrs: [a, a, a, a, a, a, a, a, a, a, a, a]}}");
}

#[test]
fn items_of_lists_of_words_are_kept() {
    check(
        "",
        &[("REGISTRY_HTTP_TLS_LETSENCRYPT_HOSTS_0", "a")],
        "{http: {tls: {letsencrypt: {hosts: [a]}}}}",
    );
    check(
        "redis: {addrs: [a, b]}",
        &[("REGISTRY_REDIS_ADDRS_1", "c"), ("REGISTRY_REDIS_ADDRS_2", "d")],
        "{redis: {addrs: [a, c, d]}}",
    );
}

#[test]
fn items_of_lists_of_mappings_are_completed() {
    check(
        "notifications: {endpoints: [{name: a}]}",
        &[
            ("REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL", "u"),
            ("REGISTRY_NOTIFICATIONS_ENDPOINTS_1_HEADERS_AUTHORIZATION", "[Bearer x]"),
        ],
        "{notifications: {endpoints: [{name: a, url: u}, {headers: {authorization: [Bearer x]}}]}}",
    );
}

#[test]
fn a_hole_in_a_list_is_an_error() {
    let (_, findings) = overlaid("redis: {addrs: [a]}", &[("REGISTRY_REDIS_ADDRS_3", "b")]);
    assert_eq!(
        findings.errors[0].to_string(),
        "REGISTRY_REDIS_ADDRS_3: redis.addrs: items follow one another without a gap, and the next one is 1"
    );
}

#[test]
fn a_number_below_an_untyped_key_makes_a_list() {
    check(
        "",
        &[("REGISTRY_AUTH_TOKEN_SIGNINGALGORITHMS_0", "ES256")],
        "{auth: {token: {signingalgorithms: [ES256]}}}",
    );
    check(
        "log: {fields: {a: {'0': x}}}",
        &[("REGISTRY_LOG_FIELDS_A_0", "y")],
        "{log: {fields: {a: {0: y}}}}",
    );
}

#[test]
fn variables_of_a_cluster_are_ignored() {
    let link = "it describes a service of the cluster, not a key";
    for (name, value) in [
        ("REGISTRY_PORT", "tcp://10.0.0.1:5000"),
        ("REGISTRY_PORT_5000_TCP", "tcp://10.0.0.1:5000"),
        ("REGISTRY_PORT_5000_TCP_ADDR", "10.0.0.1"),
        ("REGISTRY_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_SERVICE_PORT", "5000"),
        ("REGISTRY_SERVICE_PORT_HTTP_METRICS", "5001"),
        ("REGISTRY_AUTH_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_AUTH_PORT", "tcp://10.0.0.1:5001"),
        ("REGISTRY_AUTH_PORT_5001_TCP_PROTO", "tcp"),
        ("REGISTRY_AUTH_TOKEN_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_REDIS_PORT", "tcp://10.0.0.1:6379"),
        ("REGISTRY_STORAGE_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_AUTH_SERVICE_PORT", "5001"),
        ("REGISTRY_AUTH_SERVICE_PORT_HTTPS", "5001"),
        ("REGISTRY_AUTH_PORT_5001_TCP", "tcp://10.0.0.1:5001"),
        ("REGISTRY_AUTH_NONE_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_AUTH_SERVER_PORT", "tcp://10.0.0.1:5001"),
        ("REGISTRY_AUTH_HTPASSWD_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("REGISTRY_ACCESS_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_ACCESS_PORT", "tcp://10.0.0.1:80"),
        ("REGISTRY_ACCESS_PORT_80_TCP_PORT", "80"),
        ("REGISTRY_ACCESS_TOKENS_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_ACCESS_TOKENS_SERVICE_PORT", "80"),
        ("REGISTRY_ACCESS_TOKENS_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("REGISTRY_ACCESS_RULES_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_ACCESS_GROUPS_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_ACCESS_GROUPS_PORT", "tcp://10.0.0.1:80"),
        ("REGISTRY_ACCESS_GROUPS_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("REGISTRY_ACCESS_GROUPS_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("REGISTRY_POLICY_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_POLICY_PORT", "tcp://10.0.0.1:80"),
        ("REGISTRY_POLICY_PORT_80_UDP_PROTO", "udp"),
        ("REGISTRY_POLICY_REPOSITORY_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_HTTP_TLS_SERVICE_HOST", "10.0.0.1"),
        ("REGISTRY_HTTP_TLS_SERVICE_PORT", "443"),
        ("REGISTRY_HTTP_TLS_PORT", "tcp://10.0.0.1:443"),
        ("REGISTRY_HTTP_TLS_PORT_443_TCP_PROTO", "tcp"),
        // A service whose cluster leaves the value out is no empty section.
        ("REGISTRY_AUTH_SERVICE_HOST", ""),
        ("REGISTRY_AUTH_PORT", ""),
        ("REGISTRY_HTTP_TLS_PORT", ""),
    ] {
        check_ignored(name, value, link);
    }
    check("", &[("REGISTRY_AUTH_TOKEN_SERVICE", "a")], "{auth: {token: {service: a}}}");
    check("", &[("REGISTRY_ACCESS_GROUPS_PORT", "[a]")], "{access: {groups: {port: [a]}}}");
    check("", &[("REGISTRY_HTTP_HEADERS_PORT", "[a]")], "{http: {headers: {port: [a]}}}");
}

#[test]
fn what_looks_like_an_auth_type_is_not_ignored() {
    check("", &[("REGISTRY_AUTH_HTPASWD_REALM", "a")], "{auth: {htpaswd: {realm: a}}}");
}

#[test]
fn sections_are_made_on_the_way() {
    check("proxy:", &[("REGISTRY_PROXY_EXEC_COMMAND", "c")], "{proxy: {exec: {command: c}}}");
}
