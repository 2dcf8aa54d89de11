//! Slips in what protects: a key that is misspelt, misplaced or left empty keeps the server from starting.

use super::*;

#[track_caller]
fn check_variables(file: &str, variables: &[(&str, &str)], expected: &[&str]) {
    let errors = parse(file, variables, UnknownKeys::Warn).expect_err("a slip that serves");
    assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), expected, "{variables:?}");
}

#[test]
fn an_unknown_key_in_what_protects_is_an_error_always() {
    let rule = |key: &str| format!("access: {{rules: [{{callers: everyone, actions: pull, {key}}}]}}");
    let rows = [
        (rule("efect: deny"), "4:53: access.rules[0].efect: unknown key; did you mean effect?"),
        (rule("network: 10.0.0.0/8"), "4:53: access.rules[0].network: unknown key; did you mean networks?"),
        (rule("repository: a"), "4:53: access.rules[0].repository: unknown key; did you mean repositories?"),
        (rule("tag: dev-*"), "4:53: access.rules[0].tag: unknown key; did you mean tags?"),
        (
            rule("immutabletag: v*"),
            "4:53: access.rules[0].immutabletag: unknown key; did you mean immutabletags?",
        ),
        (rule("colour: red"), "4:53: access.rules[0].colour: unknown key"),
        ("access: {rule: []}".to_owned(), "4:10: access.rule: unknown key; did you mean rules?"),
        (
            "auth: {htpasswd: {realm: R, path: /a, pathh: /b}}".to_owned(),
            "4:39: auth.htpasswd.pathh: unknown key; did you mean path?",
        ),
        (
            "policy: {repositories: {classes: [image]}}".to_owned(),
            "4:10: policy.repositories: unknown key; did you mean repository?",
        ),
        ("policy: {repository: {class: [image]}}".to_owned(), "4:23: policy.repository.class: unknown key"),
    ];
    for (lines, expected) in rows {
        check_based_errors(&lines, &[&format!("config.yml:{expected}")]);
    }
    check_errors(
        "version: 0.1\nstorage: filesystem\nhttp: {addr: ':1', tls: {certificate: /c, key: /k, clientca: [/a]}}\n",
        &["config.yml:3:52: http.tls.clientca: unknown key; did you mean clientcas?"],
    );
}

#[test]
fn a_section_that_protects_is_recognised_though_misspelt_or_misplaced() {
    let rows = [
        ("auht: {htpasswd: {realm: R, path: /a}}", "4:1: auht: unknown key; did you mean auth?"),
        ("Auth: {htpasswd: {realm: R, path: /a}}", "4:1: Auth: unknown key; did you mean auth?"),
        ("acess: {rules: []}", "4:1: acess: unknown key; did you mean access?"),
        ("polcy: {repository: {classes: [image]}}", "4:1: polcy: unknown key; did you mean policy?"),
        ("tls: {certificate: /c, key: /k}", "4:1: tls: unknown key; did you mean http.tls?"),
        ("htpasswd: {realm: R, path: /a}", "4:1: htpasswd: unknown key; did you mean auth.htpasswd?"),
    ];
    for (lines, expected) in rows {
        check_based_errors(lines, &[&format!("config.yml:{expected}")]);
    }
    let http = |keys: &str| format!("version: 0.1\nstorage: filesystem\nhttp: {{addr: ':1', {keys}}}\n");
    check_errors(
        &http("tsl: {certificate: /c, key: /k}"),
        &["config.yml:3:20: http.tsl: unknown key; did you mean tls?"],
    );
    check_errors(
        &http("auth: {htpasswd: {realm: R, path: /a}}"),
        &["config.yml:3:20: http.auth: unknown key; did you mean auth?"],
    );
}

#[test]
fn what_protects_and_is_empty_is_an_error() {
    for nothing in ["", "~", "''", "[]", "{}"] {
        check_based_errors(
            &format!("auth: {nothing}"),
            &[
                "config.yml:4:1: auth: expected a value, got nothing; write `auth: none` to serve without authentication",
            ],
        );
    }
    let advice = "expected a value, got nothing; leave the key out where it is not to count";
    let rule = |key: &str| format!("access: {{rules: [{{callers: everyone, actions: pull, {key}}}]}}");
    let rows = [
        ("access:".to_owned(), "4:1: access"),
        ("access: {groups: }".to_owned(), "4:10: access.groups"),
        ("access: {tokens: {}}".to_owned(), "4:10: access.tokens"),
        ("access: {tokens: {service: ''}}".to_owned(), "4:19: access.tokens.service"),
        (rule("networks: []"), "4:53: access.rules[0].networks"),
        (rule("networks: ''"), "4:53: access.rules[0].networks"),
        (rule("repositories: "), "4:53: access.rules[0].repositories"),
        (rule("effect: "), "4:53: access.rules[0].effect"),
        (rule("claims: {}"), "4:53: access.rules[0].claims"),
        (rule("claims: {team: []}"), "4:62: access.rules[0].claims.team"),
        (rule("immutabletags: []"), "4:53: access.rules[0].immutabletags"),
        ("policy: {repository: {classes: []}}".to_owned(), "4:23: policy.repository.classes"),
        ("policy: {repository: }".to_owned(), "4:10: policy.repository"),
    ];
    for (lines, expected) in rows {
        check_based_errors(&lines, &[&format!("config.yml:{expected}: {advice}")]);
    }
    let tls =
        |keys: &str| format!("version: 0.1\nstorage: filesystem\nhttp: {{addr: ':1', tls: {{{keys}}}}}\n");
    check_errors(
        &tls(""),
        &["config.yml:3:20: http.tls: expected a value, got nothing; leave the key out to serve without TLS"],
    );
    check_errors(
        &tls("certificate: /c, key: /k, clientcas: []"),
        &[&format!("config.yml:3:52: http.tls.clientcas: {advice}")],
    );
    check_errors(
        &tls("certificate: '', key: ''"),
        &[
            &format!("config.yml:3:26: http.tls.certificate: {advice}"),
            &format!("config.yml:3:43: http.tls.key: {advice}"),
        ],
    );
}

#[test]
fn a_variable_without_a_value_opens_nothing() {
    const CLOSED: &str = "version: 0.1\nstorage: filesystem\nhttp: {addr: ':1', host: 'https://a.example', \
        tls: {certificate: /c, key: /k, clientcas: [/a]}}\nauth: {htpasswd: {realm: R, path: /a}}\n\
        access: {rules: [{callers: ci, actions: push, networks: [10.0.0.0/8]}]}\n\
        policy: {repository: {classes: [image]}}\n";
    const NONE: &str = "expected a value, got nothing; write `auth: none` to serve without authentication";
    const OUT: &str = "expected a value, got nothing; leave the key out where it is not to count";
    for file in [CLOSED, BASE] {
        for nothing in ["", "~", "null", "{}", "[]", "\"\"", "''"] {
            check_variables(file, &[("REGISTRY_AUTH", nothing)], &[&format!("REGISTRY_AUTH: auth: {NONE}")]);
            check_variables(
                file,
                &[("REGISTRY_ACCESS", nothing)],
                &[&format!("REGISTRY_ACCESS: access: {OUT}")],
            );
            check_variables(
                file,
                &[("REGISTRY_POLICY", nothing)],
                &[&format!("REGISTRY_POLICY: policy: {OUT}")],
            );
        }
    }
    check_variables(
        CLOSED,
        &[("REGISTRY_HTTP_TLS", "")],
        &[
            "REGISTRY_HTTP_TLS: http.tls: expected a value, got nothing; leave the key out to serve without TLS",
        ],
    );
    for (name, key) in [
        ("REGISTRY_HTTP_TLS_CLIENTCAS", "http.tls.clientcas"),
        ("REGISTRY_ACCESS_RULES_0_NETWORKS", "access.rules[0].networks"),
        ("REGISTRY_POLICY_REPOSITORY_CLASSES", "policy.repository.classes"),
    ] {
        check_variables(CLOSED, &[(name, "")], &[&format!("{name}: {key}: {OUT}")]);
    }
    check_variables(
        CLOSED,
        &[("REGISTRY_ACCESS_RULES", "[]")],
        &[
            "REGISTRY_ACCESS_RULES: access.rules: expected a value, got nothing; without a rule every request is denied",
        ],
    );
    // What looks like `none` is a login that does not exist.
    for word in ["None", "NONE", "off", "false", "no"] {
        let errors = parse(CLOSED, &[("REGISTRY_AUTH", word)], UnknownKeys::Warn).expect_err(word);
        assert!(errors[0].to_string().starts_with(&format!("REGISTRY_AUTH: auth.{word}: unknown auth type")));
    }
}
