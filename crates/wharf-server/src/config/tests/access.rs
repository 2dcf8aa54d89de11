//! `auth` and `access`: what they mean, and every line that a mistake in them is shown as.

use super::*;

const TOKEN: &str = "realm: 'https://auth.example.com/token', service: registry, issuer: auth";

#[track_caller]
fn check_means(lines: &str, expected: &[&str]) {
    let said = based(lines).to_string();
    let found: Vec<&str> =
        said.lines().filter(|line| line.starts_with("access ") || line.starts_with("tokens ")).collect();
    assert_eq!(found, expected, "{lines}");
}

#[test]
fn what_is_in_force_is_said_in_a_line() {
    check_means(
        "auth: {htpasswd: {realm: R, path: /a}}",
        &["access         passwords in /a, who is known may do everything"],
    );
    check_means(
        &format!("auth: {{token: {{{TOKEN}, jwks: 'https://auth.example.com/keys'}}}}"),
        &["access         tokens of auth from https://auth.example.com/token for registry, no rules"],
    );
    check_means(
        "auth: {token: {service: s, issuer: i, jwks: /k, autoredirect: true}}",
        &["access         tokens of i from /auth/token of the same host for s, no rules"],
    );
    check_means("access: {rules: [{callers: everyone, actions: pull}]}", &["access         1 rule"]);
}

#[test]
fn our_own_tokens_are_given_out_where_somebody_anonymous_may_do_something() {
    let passwords = "auth: {htpasswd: {realm: R, path: /a}}\naccess: ";
    let open = "{rules: [{callers: everyone, actions: pull}, {callers: ci, actions: push}]}";
    let access = "access         passwords in /a, 2 rules";
    let random = "tokens         of our own for the service registry, good for 300s, signed with a key that ends with the process; set http.secret to share and keep it";
    check_means(&format!("{passwords}{open}"), &[access, random]);
    check_means(
        &format!("{passwords}{{rules: [{{callers: ci, actions: push}}]}}"),
        &["access         passwords in /a, 1 rule"],
    );
    let off = "{tokens: {enabled: false}, rules: [{callers: everyone, actions: pull}]}";
    check_means(&format!("{passwords}{off}"), &["access         passwords in /a, 1 rule"]);
    check_means(
        &format!("{passwords}{{tokens: {{enabled: true, service: r, lifetime: 1h, keys: [/new, /old]}}}}"),
        &[
            "access         passwords in /a, who is known may do everything",
            "tokens         of our own for the service r, good for 3600s, signed with the key in /new",
        ],
    );
}

#[test]
fn a_secret_that_can_be_guessed_signs_no_tokens() {
    let file = |secret: &str, more: &str| {
        format!(
            "version: 0.1\nstorage: filesystem\nhttp: {{addr: '127.0.0.1:1', secret: {secret}}}\n\
             auth: {{htpasswd: {{realm: R, path: /a}}}}\naccess: {{rules: [{{callers: everyone, actions: pull}}]{more}}}\n"
        )
    };
    let sample = "asecretforlocaldevelopment";
    let short = |bytes: usize| {
        format!(
            "{bytes} bytes are too few to sign tokens with, 32 are needed; make it with `openssl rand -hex 32`"
        )
    };
    let guessable =
        "it can be guessed and must not sign tokens; make it with `openssl rand -hex 32`".to_owned();
    for (secret, problem) in [
        ("012345", short(6)),
        (sample, short(26)),
        ("asecretforlocaldevelopment-of-ours", guessable.clone()),
        ("0123456789abcdef0123456789abcdef", guessable),
    ] {
        check_errors(
            &file(secret, ""),
            &[&format!("config.yml:3:37: http.secret: {problem}, or set access.tokens.keys")],
        );
    }
    check_warnings(&file("b4c1f0a2d9e877365be0c3f1a2967d48", ""), &[]);
    check_warnings(&file(sample, ", tokens: {keys: [/k]}"), &[]);
    check_warnings(&file(sample, ", tokens: {enabled: false}"), &[]);
}

#[test]
fn tokens_are_for_the_host_of_the_registry() {
    let service = |host: &str, tokens: &str| {
        let config = config(&format!(
            "version: 0.1\nstorage: filesystem\nhttp: {{addr: ':1', host: {host}}}\n\
             auth: {{htpasswd: {{realm: R, path: /a}}}}\naccess: {{tokens: {{enabled: true{tokens}}}}}\n"
        ));
        config.auth.own_tokens.unwrap().service
    };
    assert_eq!(service("''", ""), "registry");
    assert_eq!(service("'https://Registry.example.com/sub/'", ""), "registry.example.com");
    assert_eq!(service("'https://registry.example.com:8443'", ""), "registry.example.com:8443");
    assert_eq!(service("'https://registry.example.com'", ", service: r"), "r");
}

#[test]
fn a_door_that_was_named_is_never_left_open() {
    check_based_errors(
        "auth: htpasswd",
        &[
            "config.yml: auth.htpasswd.realm: missing; set it to what the passwords are for, as in `realm: Registry`",
            "config.yml: auth.htpasswd.path: missing; set it to the file that `htpasswd -B` writes",
        ],
    );
    check_based_errors(
        "auth: {token: {service: s, issuer: i, realm: nowhere}}",
        &[
            "config.yml:4:46: auth.token.realm: expected the URL of a token server such as https://auth.example.com/token, got \"nowhere\"",
            "config.yml: auth.token.rootcertbundle: missing; set this to a file of certificates, or auth.token.jwks to a file or URL of keys",
        ],
    );
    check_based_errors(
        "access: {rules: everyone}",
        &["config.yml:4:17: access.rules: expected a list of rules, got \"everyone\""],
    );
    for nothing in ["", "[]", "{}", "''"] {
        check_based_errors(
            &format!("access: {{rules: {nothing}}}"),
            &[
                "config.yml:4:10: access.rules: expected a value, got nothing; without a rule every request is denied",
            ],
        );
    }
    check_based_errors(
        "access: {groups: {a: [b]}}",
        &["config.yml: access.rules: missing; groups mean nothing without rules"],
    );
}

#[test]
fn a_rule_that_cannot_be_is_one_line() {
    let check =
        |rule: &str, expected: &str| check_based_errors(&format!("access: {{rules: [{rule}]}}"), &[expected]);
    check("everyone", "config.yml:4:18: access.rules[0]: expected a mapping, got \"everyone\"");
    check(
        "{actions: pull}",
        "config.yml:4:18: access.rules[0].callers: say who: names, group:<name>, authenticated, anonymous or everyone",
    );
    check(
        "{callers: everyone, actions: pul}",
        "config.yml:4:47: access.rules[0].actions: `pul` is none of pull, push, delete, catalog, admin and \"*\"",
    );
    check(
        "{callers: everyone, actions: pull, effect: maybe}",
        "config.yml:4:61: access.rules[0].effect: expected allow or deny, got \"maybe\"",
    );
    check(
        "{callers: everyone, actions: pull, repositories: []}",
        "config.yml:4:53: access.rules[0].repositories: expected a value, got nothing; leave the key out where it is not to count",
    );
    check(
        "{callers: everyone, actions: [pull, [push]]}",
        "config.yml:4:54: access.rules[0].actions[1]: expected text, got a list",
    );
    check(
        "{callers: everyone, actions: push, immutabletags: 'v 1'}",
        "config.yml:4:68: access.rules[0].immutabletags: `v 1` matches no tag: there is never a ' ' in one",
    );
}

#[test]
fn tokens_of_two_servers_are_one_too_many() {
    check_based_errors(
        &format!(
            "auth: {{htpasswd: {{realm: R, path: /a}}, token: {{{TOKEN}, jwks: /k}}}}\naccess: {{tokens: {{enabled: true}}}}"
        ),
        &[
            "config.yml:5:28: access.tokens.enabled: auth.token sends clients to another token server, and they can be sent to one only",
        ],
    );
    check_based_errors(
        "access: {tokens: {enabled: true, lifetime: 30s}}",
        &[
            "config.yml:4:44: access.tokens.lifetime: expected a duration of a minute at least such as 5m, got \"30s\"",
            "config.yml:4:28: access.tokens.enabled: there is nobody to give tokens to: set auth.htpasswd",
        ],
    );
}

#[test]
fn secrets_are_shown_nowhere() {
    let config = based("auth: {htpasswd: {realm: R, path: /a}}\nhttp: {addr: ':1', secret: hunter2}");
    assert!(!format!("{config:?} {config}").contains("hunter2"));
    check_errors(
        "version: 0.1\nstorage: filesystem\nhttp: {addr: ':1', secret: hunter2, secretfile: /s}\n",
        &["config.yml:3:49: http.secretfile: http.secret is set, too: keep one of them"],
    );
}

#[test]
fn rules_that_look_at_networks_want_to_know_the_proxies() {
    let rules = "access: {rules: [{callers: everyone, actions: pull, networks: 10.0.0.0/8}]}";
    check_based_warnings(
        rules,
        &[
            "config.yml:4:17: access.rules: rules look at networks, and no proxy is believed in that: name yours in http.trustedproxies, or write `[]` there",
        ],
    );
    check_warnings(
        &format!("version: 0.1\nstorage: filesystem\nhttp: {{addr: ':1', trustedproxies: []}}\n{rules}\n"),
        &[],
    );
}

#[test]
fn a_group_that_no_caller_can_be_in_is_an_error() {
    check_based_errors(
        "access: {rules: [{callers: [a, group:admin], actions: pull}], groups: {admins: [a]}}",
        &[
            "config.yml:4:28: access.rules[0].callers: there is no group `admin`: list its members in access.groups",
        ],
    );
    let rules = "access: {rules: [{callers: group:staff, actions: push}, {callers: group:contractors, \
                 actions: pull, effect: deny}, {callers: group:staff, actions: pull}]}";
    let passwords = "auth: {htpasswd: {realm: R, path: /a}}";
    let missing = |rule: usize, column: usize, group: &str| {
        format!(
            "config.yml:5:{column}: access.rules[{rule}].callers: there is no group `{group}`: list its members in access.groups"
        )
    };
    let expected = [missing(0, 28, "staff"), missing(1, 67, "contractors"), missing(2, 126, "staff")];
    check_based_errors(&format!("{passwords}\n{rules}"), &expected.each_ref().map(String::as_str));

    // A token may name them; which ones it has to is said where the configuration is shown.
    let tokens =
        |more: &str| based(&format!("auth: {{token: {{{TOKEN}, jwks: /k{more}}}}}\n{rules}")).to_string();
    for (more, claim) in [("", "groups"), (", groupsclaim: roles", "roles")] {
        let line = format!("groups         contractors, staff from the claim `{claim}` of tokens");
        let said = tokens(more);
        assert!(said.lines().any(|found| found == line), "{said}");
    }
}
