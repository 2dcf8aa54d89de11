//! Who may do what.

use super::*;

#[test]
fn the_five_lines_mean_what_they_say() {
    let rules = example();
    for (caller, repository, pull, push, delete) in [
        (anonymous(), "public/app", true, false, false),
        (anonymous(), "team-a/app", false, false, false),
        (named("carol"), "public/app", true, false, false),
        (named("ci"), "team-a/app", true, true, false),
        (named("ci"), "team-b/app", false, false, false),
        (named("ci"), "public/app", true, false, false),
        (named("alice"), "team-a/app", true, true, true),
        (named("bob"), "any/thing", true, true, true),
    ] {
        let may = |action| may(&rules, &caller, action, repository);
        let answer = (may(Action::Pull), may(Action::Push), may(Action::Delete));
        assert_eq!(answer, (pull, push, delete), "{caller:?} {repository}");
    }
    let tags = [("ci", "v1", Some(TagWrite::Create)), ("ci", "latest", Some(TagWrite::Any))];
    for (name, tag, expected) in
        tags.into_iter().chain([("alice", "v1", Some(TagWrite::Any)), ("carol", "v1", None)])
    {
        assert_eq!(write(&rules, &named(name), "team-a/app", tag), expected, "{name} {tag}");
    }
}

#[test]
fn what_no_rule_allows_is_denied() {
    let rules = rules([], []);
    for scope in [Scope::Catalog, Scope::Admin, Scope::PullEverything] {
        assert_eq!(rules.decide(&named("alice"), scope), Decision { allowed: false, rule: None });
    }
    for action in [Action::Pull, Action::Push, Action::Delete] {
        assert!(!may(&rules, &named("alice"), action, "a"));
    }
    assert!(!rules.anonymous_may_do_anything());
}

#[test]
fn the_first_rule_that_fits_decides() {
    let rules = rules(
        [
            rule("root", "*", ""),
            deny(rule("everyone", "pull", "acme/secret/**")),
            rule("authenticated", "push", "acme/**"),
        ],
        [],
    );
    let scope = |name| (name, Action::Pull);
    for (caller, (repository, action), allowed, decided) in [
        ("root", scope("acme/secret/x"), true, Some(0)),
        ("alice", scope("acme/secret/x"), false, Some(1)),
        ("alice", scope("acme/app"), true, Some(2)),
        ("alice", scope("else"), false, None),
    ] {
        let repository: RepositoryName = repository.parse().unwrap();
        let decision = rules.decide(&named(caller), Scope::Repository(&repository, action));
        assert_eq!(decision, Decision { allowed, rule: decided }, "{caller} {repository}");
    }
}

#[test]
fn whoever_may_push_may_pull_and_whoever_may_not_pull_may_not_push() {
    let pusher = rules([rule("a", "push", "x")], []);
    assert!(may(&pusher, &named("a"), Action::Pull, "x") && !may(&pusher, &named("a"), Action::Delete, "x"));
    let hidden = rules([deny(rule("a", "pull", "x")), rule("a", "*", "")], []);
    assert!(!may(&hidden, &named("a"), Action::Pull, "x") && !may(&hidden, &named("a"), Action::Push, "x"));
    assert!(may(&hidden, &named("a"), Action::Delete, "x"));
    let frozen = rules([deny(rule("a", "push", "x")), rule("a", "*", "")], []);
    assert!(may(&frozen, &named("a"), Action::Pull, "x") && !may(&frozen, &named("a"), Action::Push, "x"));
}

#[test]
fn a_star_is_all_that_can_be_done_to_what_the_rule_is_about() {
    let whole = rules([rule("a", "*", "")], []);
    let part = rules([rule("a", "*", "x/**")], []);
    assert!(whole.decide(&named("a"), Scope::Catalog).allowed);
    assert!(!part.decide(&named("a"), Scope::Catalog).allowed);
    for rules in [whole, part] {
        assert!(!rules.decide(&named("a"), Scope::Admin).allowed);
        assert!(may(&rules, &named("a"), Action::Delete, "x/y"));
    }
    assert!(rules([rule("a", "admin", "")], []).decide(&named("a"), Scope::Admin).allowed);
}

#[test]
fn a_denial_of_some_repositories_leaves_the_catalog_alone() {
    let rules = rules([deny(rule("everyone", "*", "secret/**")), rule("a", "pull catalog", "")], []);
    assert!(rules.decide(&named("a"), Scope::Catalog).allowed);
    assert!(!may(&rules, &named("a"), Action::Pull, "secret/x"));
}

#[test]
fn everything_may_be_pulled_only_if_nothing_is_denied_before() {
    let everything = |rules: &Rules, name| rules.decide(&named(name), Scope::PullEverything).allowed;
    let rules = rules(
        [
            rule("root", "pull", ""),
            deny(rule("bob", "push", "frozen")),
            deny(rule("group:team", "pull", "secret")),
            rule("everyone", "pull", "public/**"),
            rule("authenticated", "pull", "**"),
        ],
        [("team", "carol")],
    );
    for (name, expected) in [("root", true), ("bob", true), ("carol", false)] {
        assert_eq!(everything(&rules, name), expected, "{name}");
    }
    assert!(!rules.decide(&anonymous(), Scope::PullEverything).allowed);
}

#[test]
fn whoever_is_known_or_has_something_to_find_may_knock() {
    let closed = rules([rule("alice", "pull", "")], []);
    let open = rules([rule("everyone", "pull", "public/**")], []);
    for (rules, caller, expected) in
        [(&closed, anonymous(), false), (&closed, named("bob"), true), (&open, anonymous(), true)]
    {
        assert_eq!(rules.decide(&caller, Scope::Base).allowed, expected, "{caller:?}");
    }
    assert!(open.anonymous_may_do_anything() && !closed.anonymous_may_do_anything());
    assert!(!rules([deny(rule("everyone", "pull", ""))], []).anonymous_may_do_anything());
}

#[test]
fn tags_narrow_what_is_pushed_and_nothing_else() {
    let rules = rules(
        [
            deny(Rule { tags: list("latest"), ..rule("everyone", "push", "") }),
            Rule { tags: list("dev-*"), ..rule("dev", "push", "app") },
            rule("ci", "push", "app"),
        ],
        [],
    );
    for (name, tag, expected) in [
        ("dev", "dev-1", Some(TagWrite::Any)),
        ("dev", "v1", None),
        ("ci", "v1", Some(TagWrite::Any)),
        ("ci", "latest", None),
    ] {
        assert_eq!(write(&rules, &named(name), "app", tag), expected, "{name} {tag}");
    }
    for name in ["dev", "ci"] {
        assert!(
            may(&rules, &named(name), Action::Push, "app") && may(&rules, &named(name), Action::Pull, "app")
        );
    }
    assert!(rules.decide(&named("dev"), Scope::PullEverything).rule.is_none());
}

#[test]
fn a_token_is_granted_what_may_be_done_and_no_more() {
    let grant = |kind: &str, name: &str, actions: &str| Grant {
        kind: kind.to_owned(),
        name: name.to_owned(),
        actions: list(actions),
    };
    let rules = example();
    let requested = [
        grant("repository", "team-a/app", "pull"),
        grant("repository", "public/app", "push,pull"),
        grant("repository", "team-a/app", "push pull delete"),
        grant("repository", "team-b/app", "pull push"),
        grant("repository", "Not/A/Name", "pull"),
        grant("registry", "catalog", "*"),
        grant("something", "else", "*"),
    ];
    let granted = rules.grants(&named("ci"), &requested);
    assert_eq!(granted, [grant("repository", "team-a/app", "pull push")]);
    let all = [grant("repository", "x", "*"), grant("registry", "catalog", "*")];
    let expected = [grant("repository", "x", "pull push delete"), grant("registry", "catalog", "*")];
    assert_eq!(rules.grants(&named("alice"), &all), expected);
    assert_eq!(rules.grants(&anonymous(), &all), []);
}

#[test]
fn an_explanation_says_which_rule_has_decided_and_why_the_others_have_not() {
    let rules = example();
    let repository = "team-a/app".parse().unwrap();
    let scope = Scope::Repository(&repository, Action::Push);
    assert_eq!(
        rules.explain(&named("ci"), scope, None).to_string(),
        "allowed by rule 2
  rule 1 (allow pull of public/** by everyone): is about other actions
  rule 2 (allow push of team-a/** by ci, but never overwrite v*): decides
  rule 3 (allow * by group:admins): comes too late"
    );
    let refused = rules.explain(&named("eve"), scope, Some(&"v1".parse().unwrap())).to_string();
    assert!(refused.starts_with("denied: no rule is about this"), "{refused}");
    assert!(refused.contains("rule 3 (allow * by group:admins): is about other callers"), "{refused}");
}

/// What is decided is what is explained, and whoever may push may pull, for whatever is written.
mod whatever_is_written {
    use super::*;

    fn some_rule() -> impl Strategy<Value = Rule> {
        let callers =
            prop::sample::select(vec!["everyone", "anonymous", "authenticated", "a", "group:g", "a b"]);
        let actions = prop::sample::select(vec!["pull", "push", "delete", "*", "pull delete", "push delete"]);
        let repositories = prop::sample::select(vec!["", "x", "x/*", "x/**", "**", "{user}/**", "**/y"]);
        (callers, actions, repositories, any::<bool>()).prop_map(
            |(callers, actions, repositories, denies)| {
                let rule = rule(callers, actions, repositories);
                if denies { deny(rule) } else { rule }
            },
        )
    }

    proptest! {
        #[test]
        fn pushing_takes_pulling_and_every_decision_is_explained(written in prop::collection::vec(some_rule(), 0..6)) {
            let groups = BTreeMap::from([("g".to_owned(), list("a c"))]);
            let rules = Rules::new(written, groups).unwrap();
            let callers = [anonymous(), named("a"), named("b"), named("c")];
            for caller in &callers {
                let everything = rules.decide(caller, Scope::PullEverything).allowed;
                for repository in ["x", "x/y", "x/y/z", "a/y", "y"] {
                    let repository: RepositoryName = repository.parse().unwrap();
                    let decide = |action| rules.decide(caller, Scope::Repository(&repository, action));
                    prop_assert!(decide(Action::Pull).allowed || !decide(Action::Push).allowed);
                    prop_assert!(decide(Action::Pull).allowed || !everything);
                    for action in [Action::Pull, Action::Push, Action::Delete] {
                        let explained = rules.explain(caller, Scope::Repository(&repository, action), None);
                        prop_assert_eq!(explained.decision, decide(action));
                        let decided = explained.rules.iter().position(|rule| rule.verdict == Verdict::Decided);
                        prop_assert_eq!(decided, explained.decision.rule);
                    }
                    if caller.name.is_none() && decide(Action::Pull).allowed {
                        prop_assert!(rules.anonymous_may_do_anything());
                        prop_assert!(rules.decide(caller, Scope::Base).allowed);
                    }
                }
            }
        }
    }
}
