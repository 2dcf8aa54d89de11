//! Known keys that this version does not honour: which of them keep a server from starting.

use super::*;

#[track_caller]
fn check_refused(lines: &str, expected: &str) {
    check_based_errors(lines, &[expected]);
}

#[track_caller]
fn check_warned(lines: &str, expected: &str) {
    check_based_warnings(lines, &[expected]);
}

/// [`BASE`] with more in its `http` section.
#[track_caller]
fn with_http(keys: &str) -> String {
    format!("version: 0.1\nstorage: filesystem\nhttp: {{addr: ':1', {keys}}}\n")
}

/// [`BASE`] with more in its `storage` section.
fn with_storage(keys: &str) -> String {
    format!("version: 0.1\nhttp: {{addr: ':1'}}\nstorage: {{filesystem: , {keys}}}\n")
}

#[test]
fn what_protects_is_refused() {
    let silly = "it lets in whoever sends any `Authorization` header: use htpasswd or token";
    check_refused("auth: silly", &format!("config.yml:4:7: auth.silly: {silly}"));
    check_errors(
        &with_http("tls: {letsencrypt: {cachefile: /x, hosts: [a.example]}}"),
        &[
            "config.yml:3:40: http.tls.letsencrypt.cachefile: this version cannot fetch certificates, which comes later; http.tls.certificate and http.tls.key name files",
        ],
    );
}

#[test]
fn what_decides_where_bytes_are_is_refused() {
    for driver in ["azure", "gcs", "oss", "swift"] {
        check_errors(
            &format!("version: 0.1\nhttp: {{addr: ':1'}}\nstorage: {{{driver}: {{bucket: b}}}}\n"),
            &[&format!(
                "config.yml:3:11: storage.{driver}: this version stores on `filesystem` and `s3` only"
            )],
        );
    }
    check_refused(
        "middleware: {repository: [{name: mine, options: {a: b}}]}",
        "config.yml:4:28: middleware.repository[0].name: this version has middleware for storage alone",
    );
    check_refused(
        "proxy: {remoteurl: https://registry-1.docker.io}",
        "config.yml:4:9: proxy.remoteurl: this version cannot be a pull-through cache",
    );
}

#[test]
fn what_nothing_switches_on_is_off_as_it_was() {
    check_warned(
        "proxy: {username: a, password: b}",
        "config.yml:4:9: proxy.username: off, because proxy.remoteurl is not set",
    );
    check_warned(
        "proxy: {remoteurl: '', ttl: 1h}",
        "config.yml:4:24: proxy.ttl: off, because proxy.remoteurl is not set",
    );
    let config = config(&with_http("tls: {letsencrypt: {email: a@b.example}}"));
    assert_eq!(
        config.warnings,
        [
            "config.yml:3:40: http.tls.letsencrypt.email: off, because http.tls.letsencrypt.cachefile is not set"
        ]
    );
}

#[test]
fn a_switch_that_is_neither_on_nor_off_is_an_error() {
    let errors = parse(&with_storage("maintenance: {readonly: {enabled: maybe}}"), &[], UnknownKeys::Warn)
        .unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "config.yml:3:59: storage.maintenance.readonly.enabled: expected true or false, got \"maybe\""
    );
}

#[test]
fn what_observes_or_speeds_up_is_one_warning() {
    check_warned(
        "notifications: {endpoints: [{name: a, url: b, timeout: 1s}], events: {includereferences: true}}",
        "config.yml:4:30: notifications.endpoints[0].name: not supported yet: no notifications are sent",
    );
    check_warned(
        "health: {file: [{file: /x}], tcp: [{addr: a:1}]}",
        "config.yml:4:18: health.file[0].file: not supported yet: no health checks run",
    );
    check_warned(
        "log: {hooks: [{type: mail, levels: [panic], options: {smtp: {addr: x}}}]}",
        "config.yml:4:16: log.hooks[0].type: not supported: nothing is sent by mail",
    );
    check_warned(
        "log: {reportcaller: true}",
        "config.yml:4:7: log.reportcaller: not supported: log lines name no place in the source",
    );
    check_warned(
        "reporting: {bugsnag: {apikey: x}}",
        "config.yml:4:23: reporting.bugsnag.apikey: not supported: errors are only logged",
    );
    check_warned(
        "compatibility: {schema1: {enabled: true}}",
        "config.yml:4:27: compatibility.schema1.enabled: not supported: schema 1 manifests are neither accepted nor served",
    );
}

#[test]
fn storage_that_would_be_tidier_or_faster_is_one_warning() {
    check_warnings(
        "version: 0.1\nhttp: {addr: ':1'}\nstorage: {filesystem: {maxthreads: 100}}\n",
        &["config.yml:3:24: storage.filesystem.maxthreads: not used: file access needs no limit here"],
    );
}

#[test]
fn the_metadata_database_of_gitlab_is_refused_and_what_belongs_to_it_is_reported() {
    let database = "GitLab's metadata database holds the tags and manifests, which this version cannot read";
    check_refused(
        "database: {enabled: true, host: db, port: 5432, sslmode: require}",
        &format!("config.yml:4:12: database.enabled: {database}"),
    );
    check_refused("database: {enabled: prefer}", &format!("config.yml:4:12: database.enabled: {database}"));
    check_based_warnings("database: {enabled: false, host: db}", &[]);
    check_warned(
        "database: {host: db, pool: {maxopen: 10}}",
        "config.yml:4:12: database.host: off, because database.enabled is not set",
    );
    check_warned(
        "gc: {disabled: false, blobs: {interval: 5s}}",
        "config.yml:4:6: gc.disabled: not used: there is no online garbage collector of a metadata database",
    );
    check_based_warnings("gc: {disabled: true}", &[]);
}

#[test]
fn no_variable_of_a_cluster_switches_a_metadata_database_on() {
    for (name, value) in
        [("REGISTRY_DATABASE_PORT", "tcp://10.0.0.1:5432"), ("REGISTRY_DATABASE_SERVICE_HOST", "10.0.0.1")]
    {
        assert!(parse(BASE, &[(name, value)], UnknownKeys::Refuse).is_ok(), "{name}");
    }
    assert!(parse(BASE, &[("REGISTRY_DATABASE_ENABLED", "true")], UnknownKeys::Warn).is_err());
}
