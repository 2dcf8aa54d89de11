//! `http.tls`: what it means, and every line a mistake in it is shown as.

use super::*;

/// Certificate and key.
const PAIR: &str = "certificate: /c, key: /k";

/// A file with this in its section `http.tls`; what is inside begins at column 26.
fn file(keys: &str) -> String {
    format!("version: 0.1\nstorage: filesystem\nhttp: {{addr: ':1', tls: {{{keys}}}}}\n")
}

/// What the section means, in words; `None` if it is off.
#[track_caller]
fn check(keys: &str, expected: Option<&str>, warnings: &[&str]) {
    let config = config(&file(keys));
    assert_eq!(config.http.tls.as_ref().map(ToString::to_string).as_deref(), expected, "{keys}");
    assert_eq!(config.warnings, warnings, "{keys}");
}

#[track_caller]
fn check_refused(keys: &str, expected: &str) {
    check_errors(&file(keys), &[expected]);
}

#[test]
fn a_pair_of_files_is_enough() {
    check(PAIR, Some("TLS 1.2 and later from /c, clients show no certificate"), &[]);
}

#[test]
fn clients_show_certificates_where_somebody_is_trusted() {
    let rows = [
        ("", "clients show a certificate by /a or /b"),
        (", clientauth: request-client-cert", "clients may show any certificate, which is not checked"),
        (", clientauth: require-any-client-cert", "clients show any certificate, which is not checked"),
        (", clientauth: verify-client-cert-if-given", "clients may show a certificate by /a or /b"),
        (", clientauth: require-and-verify-client-cert", "clients show a certificate by /a or /b"),
    ];
    for (auth, expected) in rows {
        let expected = format!("TLS 1.2 and later from /c, {expected}");
        check(&format!("{PAIR}, clientcas: [/a, /b]{auth}"), Some(&expected), &[]);
    }
}

#[test]
fn a_version_that_nobody_speaks_any_more_is_the_oldest_that_is_spoken() {
    let newest = "TLS 1.3 from /c, clients show no certificate";
    let usual = "TLS 1.2 and later from /c, clients show no certificate";
    let warning = "config.yml:3:64: http.tls.minimumtls: TLS 1.0 and 1.1 are not spoken any more; the oldest version is 1.2";
    check(&format!("{PAIR}, minimumtls: tls1.3"), Some(newest), &[]);
    check(&format!("{PAIR}, minimumtls: tls1.2"), Some(usual), &[]);
    check(&format!("{PAIR}, minimumtls: tls1.1"), Some(usual), &[warning]);
    check(&format!("{PAIR}, minimumtls: tls1.0"), Some(usual), &[warning]);
    check_refused(
        &format!("{PAIR}, minimumtls: ssl3"),
        "config.yml:3:64: http.tls.minimumtls: expected tls1.2 or tls1.3, got \"ssl3\"",
    );
}

#[test]
fn suites_have_the_names_of_go() {
    let usual = "TLS 1.2 and later from /c, clients show no certificate";
    let suites = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256";
    let expected = format!("{usual}, {}", suites.replace(',', ""));
    check(&format!("{PAIR}, ciphersuites: [{suites}]"), Some(&expected), &[]);
    check(
        &format!("{PAIR}, minimumtls: tls1.3, ciphersuites: [TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256]"),
        Some("TLS 1.3 from /c, clients show no certificate, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        &[
            "config.yml:3:86: http.tls.ciphersuites: not used: http.tls.minimumtls is tls1.3, and these are suites of TLS 1.2",
        ],
    );
}

#[test]
fn a_suite_that_cannot_be_offered_is_answered_with_those_that_can() {
    for suite in ["TLS_RSA_WITH_AES_128_CBC_SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "fast"] {
        check_refused(
            &format!("{PAIR}, ciphersuites: [{suite}]"),
            &format!(
                "config.yml:3:67: http.tls.ciphersuites[0]: expected one of TLS_AES_256_GCM_SHA384, \
                 TLS_AES_128_GCM_SHA256, TLS_CHACHA20_POLY1305_SHA256, \
                 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, \
                 TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, \
                 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, \
                 got {suite:?}"
            ),
        );
    }
}

/// The registry we replace served in the clear, or let everybody in.
#[test]
fn half_of_what_protects_is_refused() {
    let missing = |key| {
        format!("config.yml: {key}: expected the path of a file in PEM, for http.tls is in use, got nothing")
    };
    check_refused("certificate: /c", &missing("http.tls.key"));
    check_refused("key: /k", &missing("http.tls.certificate"));
    check_errors(
        &file("clientcas: [/a]"),
        &[missing("http.tls.certificate").as_str(), missing("http.tls.key").as_str()],
    );
    check_refused(
        &format!("{PAIR}, clientauth: request-client-cert"),
        "config.yml:3:64: http.tls.clientauth: expected http.tls.clientcas beside it, the files of those who are trusted",
    );
    for nothing in ["[]", "''", "~"] {
        check_refused(
            &format!("{PAIR}, clientcas: {nothing}, clientauth: request-client-cert"),
            "config.yml:3:52: http.tls.clientcas: expected a value, got nothing; leave the key out where it is not to count",
        );
    }
    check_refused(
        &format!("{PAIR}, clientcas: [/a], clientauth: maybe"),
        "config.yml:3:81: http.tls.clientauth: expected request-client-cert, require-any-client-cert, \
         verify-client-cert-if-given or require-and-verify-client-cert, got \"maybe\"",
    );
    check_refused(
        &format!("{PAIR}, clientcas: /a"),
        "config.yml:3:63: http.tls.clientcas: expected a list, got \"/a\"",
    );
}

#[test]
fn what_nothing_switches_on_is_off_as_it_was() {
    let off = "off, because http.tls.certificate is not set: everything is sent in clear";
    check("minimumtls: tls1.2", None, &[&format!("config.yml:3:38: http.tls.minimumtls: {off}")]);
    check(
        "ciphersuites: [TLS_AES_128_GCM_SHA256]",
        None,
        &[&format!("config.yml:3:40: http.tls.ciphersuites: {off}")],
    );
}

#[test]
fn http_2_can_be_switched_off() {
    let spoken = |http2: &str| {
        config(&format!("version: 0.1\nstorage: filesystem\nhttp: {{addr: ':1', {http2}}}\n")).http.http2
    };
    assert!(spoken(""));
    assert!(spoken("http2: {disabled: false}"));
    assert!(!spoken("http2: {disabled: true}"));
}
