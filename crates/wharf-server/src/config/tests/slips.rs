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
        (
            "auth: {token: {autoredirect: true, service: s, issuer: i, jwks: ''}}".to_owned(),
            "4:59: auth.token.jwks",
        ),
        ("auth: {htpasswd: {realm: '', path: /a}}".to_owned(), "4:19: auth.htpasswd.realm"),
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

#[test]
fn no_authentication_is_said_in_a_word_and_alone() {
    for none in ["none", "{none: }", "{none: {}}"] {
        let config = based(&format!("auth: {none}"));
        assert!(config.auth.is_open() && config.auth.unauthenticated, "{none}");
        assert_eq!(config.warnings, [""; 0]);
    }
    check_based_errors(
        "auth: {none: true}",
        &["config.yml:4:14: auth.none: expected nothing below it, got \"true\""],
    );
    check_based_errors(
        "auth: {none: {}, htpasswd: {realm: R, path: /a}}",
        &["config.yml:4:14: auth.none: auth.htpasswd is set, too: keep one of them"],
    );
    let file = format!("{BASE}auth: {{htpasswd: {{realm: R, path: /a}}}}\n");
    let config = parse(&file, &[("REGISTRY_AUTH", "none")], UnknownKeys::Warn).unwrap();
    assert!(config.auth.is_open());
    assert_eq!(
        config.warnings,
        ["REGISTRY_AUTH: auth.none: clients are not authenticated, although the file has auth.htpasswd"]
    );
    check_variables(
        &file,
        &[
            ("REGISTRY_AUTH", "none"),
            ("REGISTRY_AUTH_HTPASSWD_REALM", "R"),
            ("REGISTRY_AUTH_HTPASSWD_PATH", "/a"),
        ],
        &["REGISTRY_AUTH: auth.none: auth.htpasswd is set, too: keep one of them"],
    );
}

#[test]
fn a_variable_removes_nothing_that_protects() {
    const FILE: &str = "version: 0.1\nstorage: filesystem\nauth: {htpasswd: {realm: R, path: /a}}\n\
        http: {addr: ':1', tls: {certificate: /c, key: /k, clientcas: [/a]}}\n\
        access: {rules: [{callers: ci, actions: push}]}\npolicy: {repository: {classes: [image]}}\n";
    let rows = [
        ("REGISTRY_HTTP", "{addr: ':1'}", "http", "http.tls"),
        ("REGISTRY_HTTP", "", "http", "http.tls"),
        ("REGISTRY_HTTP_TLS", "{certificate: /c, key: /k}", "http.tls", "http.tls.clientcas"),
        ("REGISTRY_ACCESS", "{tokens: {enabled: true}}", "access", "access.rules"),
        ("REGISTRY_ACCESS", "none", "access", "access.rules"),
    ];
    for (name, value, at, removed) in rows {
        let errors = parse(FILE, &[(name, value)], UnknownKeys::Warn).expect_err(name);
        assert_eq!(
            errors[0].to_string(),
            format!(
                "{name}: {at}: the file has {removed}, which this variable removes; set only the keys that are to change"
            )
        );
    }
    let fine: [&[(&str, &str)]; 4] = [
        &[("REGISTRY_HTTP_ADDR", ":2")],
        &[("REGISTRY_HTTP_TLS", "{certificate: /c, key: /k, clientcas: [/b]}")],
        &[("REGISTRY_HTTP_TLS", "{certificate: /c, key: /k}"), ("REGISTRY_HTTP_TLS_CLIENTCAS_0", "/b")],
        &[("REGISTRY_ACCESS", "{rules: [{callers: ops, actions: push}]}")],
    ];
    for variables in fine {
        let config = parse(FILE, variables, UnknownKeys::Warn);
        assert!(config.is_ok(), "{variables:?}: {config:?}");
    }
}

#[test]
fn an_unknown_variable_inside_of_what_protects_is_an_error() {
    let file = format!("{BASE}access: {{rules: [{{callers: everyone, actions: pull}}]}}\n");
    let rows = [
        (
            "REGISTRY_ACCESS_RULES_0_EFECT",
            "access.rules[0]: no such key; did you mean REGISTRY_ACCESS_RULES_0_EFFECT?",
        ),
        ("REGISTRY_ACCESS_RULES_0_EFFECT_X", "access.rules[0].effect: no such key"),
        (
            "REGISTRY_ACCESS_TOKENS_LIFETIM",
            "access.tokens: no such key; did you mean REGISTRY_ACCESS_TOKENS_LIFETIME?",
        ),
        ("REGISTRY_HTTP_TLS_CLIENTCA", "http.tls: no such key; did you mean REGISTRY_HTTP_TLS_CLIENTCAS?"),
        ("REGISTRY_POLICY_REPOSITORY_CLASS", "policy.repository: no such key"),
    ];
    for (name, expected) in rows {
        check_variables(&file, &[(name, "x")], &[&format!("{name}: {expected}")]);
    }
    // Words that other programs use for their own.
    for name in [
        "REGISTRY_ACCESS_TOKEN",
        "REGISTRY_ACCESS_KEY",
        "REGISTRY_POLICY_FILE",
        "REGISTRY_AUTH_FILE",
        "REGISTRY_AUHT",
    ] {
        let config = parse(&file, &[(name, "x")], UnknownKeys::Refuse).expect(name);
        assert_eq!(config.warnings.len(), 1, "{name}: {:?}", config.warnings);
    }
}

#[test]
fn what_every_address_may_do_is_a_warning_that_a_key_ends() {
    let open = "config.yml: auth: not set: every client that reaches :5000 may push and delete; set auth.htpasswd or \
        access.rules, or write `auth: none` where that is meant";
    let clear = "config.yml: http.tls: not set: passwords are sent in the clear to :5000; set http.tls.certificate and \
        http.tls.key, or http.host to the https:// URL of the proxy in front";
    let passwords = "\nauth: {htpasswd: {realm: R, path: /a}}";
    let deletes = "delete: {enabled: true}";
    let rows: [(&str, &str, &str, &[&str]); 15] = [
        ("addr: ':5000'", deletes, "", &[open]),
        ("addr: ':5000'", deletes, "\nauth: none", &[]),
        ("addr: ':5000'", deletes, "\naccess: {rules: [{callers: everyone, actions: \"*\"}]}", &[]),
        ("addr: ':5000'", "delete: {enabled: true}, maintenance: {readonly: {enabled: true}}", "", &[]),
        ("addr: ':5000'", "", "", &[]),
        ("addr: '127.0.0.1:5000'", deletes, "", &[]),
        ("addr: 'localhost:5000'", deletes, "", &[]),
        ("addr: '[::1]:5000'", deletes, "", &[]),
        ("net: unix, addr: /run/registry.sock", deletes, "", &[]),
        ("addr: ':5000'", deletes, passwords, &[clear]),
        ("addr: ':5000', host: 'http://a.example'", "", passwords, &[clear]),
        ("addr: ':5000', host: 'https://a.example'", "", passwords, &[]),
        ("addr: ':5000', tls: {certificate: /c, key: /k}", "", passwords, &[]),
        ("addr: '127.0.0.1:5000'", "", passwords, &[]),
        ("net: unix, addr: /run/registry.sock", "", passwords, &[]),
    ];
    for (http, storage, more, expected) in rows {
        let text = format!("version: 0.1\nstorage: {{filesystem: , {storage}}}\nhttp: {{{http}}}{more}\n");
        check_warnings(&text, expected);
    }
    for host in ["0.0.0.0", "[::]", "10.0.0.1"] {
        let text =
            format!("version: 0.1\nstorage: {{filesystem: , {deletes}}}\nhttp: {{addr: '{host}:5000'}}\n");
        check_warnings(&text, &[&open.replace(":5000", &format!("{host}:5000"))]);
    }
}
