//! Whom a rule is about.

use super::*;

fn fits(rule: Rule, caller: &Caller) -> bool {
    may(&rules([rule], []), caller, Action::Pull, "x")
}

fn rules_without_groups() -> Rules {
    rules([to("everyone")], [("admins", "bob")])
}

fn to(callers: &str) -> Rule {
    rule(callers, "pull", "")
}

#[test]
fn words_mean_kinds_of_callers_and_other_texts_names() {
    let empty = Caller { name: Some("".into()), ..Caller::default() };
    for (callers, caller, expected) in [
        ("everyone", anonymous(), true),
        ("everyone", named("a"), true),
        ("anonymous", anonymous(), true),
        ("anonymous", named("a"), false),
        ("anonymous", empty.clone(), true),
        ("authenticated", empty, false),
        ("authenticated", anonymous(), false),
        ("authenticated", named("a"), true),
        ("a b", named("b"), true),
        ("a b", named("c"), false),
        ("a", anonymous(), false),
        ("ci-*", named("ci-1"), true),
        ("ci-*", named("ci/1"), false),
        ("ci-*", anonymous(), false),
        ("user:everyone", named("a"), false),
        ("user:everyone", named("everyone"), true),
        ("everyone", named("everyone"), true),
        ("admins", named("admins"), true),
    ] {
        assert_eq!(fits(to(callers), &caller), expected, "{callers} {caller:?}");
    }
}

#[test]
fn a_group_is_those_listed_and_those_who_bring_it() {
    let rules = rules([to("group:admins group:other")], [("admins", "bob alice")]);
    let brings = |group: &str| Caller { groups: [group].into_iter().collect(), ..named("x") };
    for (caller, expected) in [
        (named("alice"), true),
        (named("bob"), true),
        (named("carol"), false),
        // A name is not a group.
        (named("admins"), false),
        (named("group:admins"), false),
        (brings("admins"), true),
        (brings("other"), true),
        (brings("alice"), false),
        (anonymous(), false),
    ] {
        assert_eq!(may(&rules, &caller, Action::Pull, "x"), expected, "{caller:?}");
    }
    assert_eq!(rules.foreign_groups(), [(0, "other".to_owned())]);
    assert!(rules.name_groups() && !rules_without_groups().name_groups());
}

#[test]
fn a_certificate_is_looked_at_by_common_name_or_as_a_whole() {
    let certificate = ClientCertificate {
        subject: "CN=node-1.example.com,O=acme".to_owned(),
        common_name: Some("node-1.example.com".to_owned()),
        ..ClientCertificate::default()
    };
    let shown = Caller { certificate: Some(Arc::new(certificate)), ..named("node-1") };
    let nameless = ClientCertificate { subject: "O=acme".to_owned(), ..ClientCertificate::default() };
    let nameless = Caller { certificate: Some(Arc::new(nameless)), ..anonymous() };
    for (common_names, subjects, shown_fits, nameless_fits) in [
        ("*.example.com", "", true, false),
        ("*", "", true, false),
        ("other", "", false, false),
        ("", "CN=*,O=acme", true, false),
        ("", "O=*", false, true),
        ("*.example.com", "CN=*,O=other", false, false),
        // A common name is not a subject.
        ("CN=node-1.example.com,O=acme", "", false, false),
        ("", "CN=node-1.example.com", false, false),
    ] {
        let rule = Rule { common_names: list(common_names), subjects: list(subjects), ..to("") };
        for (caller, expected) in
            [(&shown, shown_fits), (&nameless, nameless_fits), (&named("node-1"), false)]
        {
            assert_eq!(fits(rule.clone(), caller), expected, "{rule} {caller:?}");
        }
        assert!(!rules([rule], []).anonymous_may_do_anything());
    }
}

#[test]
fn a_rule_that_denies_a_certificate_fits_one_whose_name_cannot_be_read() {
    let with = |certificate| Caller { certificate: Some(Arc::new(certificate)), ..named("job") };
    let readable = ClientCertificate {
        subject: "CN=builder,O=acme".to_owned(),
        common_name: Some("builder".to_owned()),
        ..ClientCertificate::default()
    };
    let unreadable = ClientCertificate {
        subject: "CN=#0203616263,O=acme".to_owned(),
        is_unreadable: true,
        ..ClientCertificate::default()
    };
    let second = ClientCertificate {
        subject: "CN=builder,CN=mallory,O=acme".to_owned(),
        other_common_names: vec!["mallory".to_owned()],
        ..readable.clone()
    };
    for (common_names, subjects) in [("mallory", ""), ("", "CN=mallory,**"), ("mallory", "CN=mallory,**")] {
        let rule = Rule { common_names: list(common_names), subjects: list(subjects), ..to("") };
        assert!(!fits(rule.clone(), &with(unreadable.clone())), "{rule}");
        let denying = rules([deny(rule), to("authenticated")], []);
        let allowed = |caller: &Caller| may(&denying, caller, Action::Pull, "x");
        assert!(allowed(&with(readable.clone())) && allowed(&named("job")), "{common_names} {subjects}");
        assert!(!allowed(&with(unreadable.clone())), "{common_names} {subjects}");
    }
    // The most specific common name is what allows; any of them is what denies.
    let mallory = Rule { common_names: list("mallory"), ..to("") };
    assert!(!fits(mallory.clone(), &with(second.clone())));
    assert!(!may(&rules([deny(mallory), to("authenticated")], []), &with(second), Action::Pull, "x"));
}

#[test]
fn a_token_has_to_claim_all_that_a_rule_wants() {
    let job = with_token(&json!({
        "repository": "acme/app", "sub": "repo:acme/app:ref:refs/heads/main",
        "roles": ["reader", "writer"], "protected": true, "run": 7, "nothing": null, "deep": {"a": "b"},
    }));
    for (claims, expected) in [
        (vec![("repository", "acme/*")], true),
        (vec![("repository", "other/*")], false),
        (vec![("sub", "repo:acme/app:ref:refs/heads/*")], true),
        (vec![("sub", "repo:acme/app:*")], false),
        (vec![("sub", "repo:acme/app:**")], true),
        (vec![("repository", "acme/*"), ("roles", "admin writer")], true),
        (vec![("repository", "acme/*"), ("roles", "admin")], false),
        (vec![("protected", "true"), ("run", "7")], true),
        (vec![("protected", "false")], false),
        (vec![("absent", "**")], false),
        (vec![("nothing", "**")], false),
        (vec![("deep", "**")], false),
    ] {
        let claims = claims.into_iter().map(|(claim, patterns)| (claim.to_owned(), list(patterns)));
        let rule = Rule { claims: claims.collect(), ..to("") };
        assert_eq!(fits(rule.clone(), &job), expected, "{rule}");
        assert!(!fits(rule, &named("job")));
    }
}

#[test]
fn a_rule_that_denies_fits_a_claim_that_cannot_be_read() {
    let claims = BTreeMap::from([("team".to_owned(), list("contractors"))]);
    let allowing = Rule { claims, ..to("") };
    let denying = |rule: Rule| rules([deny(rule), to("authenticated")], []);
    for (claimed, expected) in [
        (json!("contractors"), true),
        (json!({ "0": "contractors" }), true),
        (json!([["contractors"]]), true),
        (json!(["staff", { "name": "contractors" }]), true),
        (json!("staff"), false),
        (json!(["staff", 7, null]), false),
        (json!(null), false),
    ] {
        let caller = with_token(&json!({ "team": claimed }));
        let denied = !may(&denying(allowing.clone()), &caller, Action::Pull, "x");
        assert_eq!(denied, expected, "{claimed}");
        let allowed = fits(allowing.clone(), &caller);
        assert_eq!(allowed, claimed == json!("contractors"), "{claimed}");
    }
    assert!(may(&denying(allowing.clone()), &named("job"), Action::Pull, "x"), "there is no claim");
    // The token says that it is to be had elsewhere, or says so in a way that cannot be read.
    for (names, expected) in [
        (json!({ "team": "src1" }), true),
        (json!("team"), true),
        (json!({ "groups": "src1" }), false),
        (json!(null), false),
    ] {
        let caller = with_token(&json!({ "_claim_names": names }));
        assert_eq!(!may(&denying(allowing.clone()), &caller, Action::Pull, "x"), expected, "{names}");
        assert!(!fits(allowing.clone(), &caller), "{names}");
    }
    let groups = BTreeMap::from([("groups".to_owned(), list("contractors"))]);
    let allowing = Rule { claims: groups, ..to("") };
    let caller = with_token(&json!({ "hasgroups": true }));
    assert!(!may(&denying(allowing.clone()), &caller, Action::Pull, "x") && !fits(allowing, &caller));
}

#[test]
fn a_network_holds_addresses_however_they_are_written() {
    let rule = Rule { networks: list("10.0.0.0/8 192.0.2.7 fd00::/8"), ..to("everyone") };
    for (address, expected) in [
        ("10.1.2.3", true),
        ("::ffff:10.1.2.3", true),
        ("192.0.2.7", true),
        ("192.0.2.8", false),
        ("fd00::1", true),
        ("2001:db8::1", false),
    ] {
        let caller = Caller { address: Some(address.parse().unwrap()), ..anonymous() };
        assert_eq!(fits(rule.clone(), &caller), expected, "{address}");
    }
    assert!(!fits(rule.clone(), &anonymous()));
    assert!(rules([rule], []).look_at_addresses() && !example().look_at_addresses());
}

#[test]
fn an_unknown_address_is_in_no_network_that_allows_and_in_every_one_that_denies() {
    let known = Caller { address: Some("10.0.0.1".parse().unwrap()), ..anonymous() };
    let rule = Rule { networks: list("192.0.2.0/24"), ..to("everyone") };
    assert!(!fits(rule.clone(), &anonymous()) && !fits(rule.clone(), &known));
    let denies = Rule { effect: Effect::Deny, ..rule };
    let all = rules([denies, to("everyone")], []);
    let pulls = |caller: &Caller| all.decide(caller, Scope::Repository(&"a".parse().unwrap(), Action::Pull));
    assert!(!pulls(&anonymous()).allowed && pulls(&known).allowed);
    let everything = |caller: &Caller| all.decide(caller, Scope::PullEverything).allowed;
    assert!(!everything(&anonymous()) && everything(&known));
}

#[test]
fn all_conditions_on_a_caller_must_hold() {
    let rule =
        Rule { networks: list("10.0.0.0/8"), claims: [("team".to_owned(), list("a"))].into(), ..to("job") };
    let right = Caller { address: Some("10.0.0.1".parse().unwrap()), ..with_token(&json!({"team": "a"})) };
    assert!(fits(rule.clone(), &right));
    for wrong in [
        Caller { name: Some("other".into()), ..right.clone() },
        Caller { address: None, ..right.clone() },
        Caller { token: None, ..right },
    ] {
        assert!(!fits(rule.clone(), &wrong), "{wrong:?}");
    }
}
