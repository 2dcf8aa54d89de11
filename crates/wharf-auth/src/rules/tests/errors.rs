//! What is no rule: it says where it is wrong, and what would be right.

use super::*;

#[test]
fn a_rule_that_could_surprise_is_an_error() {
    let with_tags = |tags, rule| Rule { tags: list(tags), ..rule };
    let staying = |tags, rule| Rule { immutable_tags: list(tags), ..rule };
    let to = |actions| rule("a", actions, "x");
    for (wrong, key, word) in [
        (rule("", "pull", "x"), "callers", "everyone"),
        (Rule { networks: list("10.0.0.0/8"), ..rule("", "pull", "x") }, "callers", "everyone"),
        (rule("group:", "pull", "x"), "callers", "name"),
        (rule("user:", "pull", "x"), "callers", "empty"),
        (to(""), "actions", "pull"),
        (to("read"), "actions", "`read`"),
        (to("pull,push"), "actions", "`pull,push`"),
        (to("catalog"), "actions", "without `repositories`"),
        (to("admin"), "actions", "without `repositories`"),
        (rule("a", "pull", "Team-A/**"), "repositories", "'T'"),
        (rule("a", "pull", "team-[ab]/**"), "repositories", "'['"),
        (rule("a", "pull", "/team-a/**"), "repositories", "segment"),
        (rule("a", "pull", "team-a/"), "repositories", "segment"),
        (rule("a", "pull", "a//b"), "repositories", "segment"),
        (rule("a", "pull", "{group}/x"), "repositories", "'{'"),
        (rule("a", "pull", "x{user}/**"), "repositories", "whole segment"),
        (rule("a", "pull", "**/{user}/**"), "repositories", "star before"),
        (rule("a", "pull", "{user}/{user}"), "repositories", "whole segment"),
        (rule("a", "pull", &"x".repeat(256)), "repositories", "256 bytes"),
        (with_tags("v*", to("pull")), "tags", "pushing"),
        (with_tags("v*", to("push delete")), "tags", "pushing"),
        (with_tags("v*", deny(to("pull"))), "tags", "pushing"),
        (with_tags("v/1", to("push")), "tags", "'/'"),
        (staying("v*", to("pull")), "immutabletags", "push"),
        (staying("v*", deny(to("push"))), "immutabletags", "push"),
        (staying("v?", to("push")), "immutabletags", "'?'"),
        (Rule { networks: list("10.0.0.0/33"), ..to("pull") }, "networks", "10.0.0.0/33"),
        (Rule { claims: [("a".to_owned(), Vec::new())].into(), ..to("pull") }, "claims", "`a`"),
        (Rule { subjects: vec![String::new()], ..to("pull") }, "subjects", "empty"),
        (Rule { subjects: vec!["builder".to_owned()], ..to("pull") }, "subjects", "no attribute"),
        (Rule { subjects: vec!["CN=a,,O=b".to_owned()], ..to("pull") }, "subjects", "no attribute"),
        (Rule { subjects: vec!["*=a".to_owned()], ..to("pull") }, "subjects", "no type of attribute"),
        (Rule { subjects: vec!["emailAddress=a".to_owned()], ..to("pull") }, "subjects", "a number"),
        (Rule { subjects: vec!["CN=a+CN=b".to_owned()], ..to("pull") }, "subjects", "twice"),
        (Rule { subjects: vec!["CN=\"a,b\"".to_owned()], ..to("pull") }, "subjects", "write \\\""),
        (Rule { subjects: vec![r"CN=a\*".to_owned()], ..to("pull") }, "subjects", "backslash"),
        (Rule { subjects: vec![r"CN=a\".to_owned()], ..to("pull") }, "subjects", "backslash"),
        (Rule { subjects: vec!["CN=a ,O=b".to_owned()], ..to("pull") }, "subjects", "blank"),
        (Rule { common_names: vec![String::new()], ..to("pull") }, "commonnames", "empty"),
    ] {
        let error = try_rules([to("pull"), wrong.clone()], []).unwrap_err();
        assert_eq!(error.place, RulePlace::Rule { index: 1, key }, "{wrong} {error}");
        assert!(error.problem.contains(word), "{wrong}: {error}");
    }
}

#[test]
fn a_group_lists_users_and_no_patterns() {
    for (name, member) in
        [("", "a"), ("g", "ci-*"), ("g", "group:x"), ("g", "everyone"), ("g", "anonymous"), ("g", "user:a")]
    {
        let error = try_rules([], [(name, member)]).unwrap_err();
        assert_eq!(error.place, RulePlace::Group { name: name.to_owned() }, "{error}");
    }
}

#[test]
fn an_error_says_which_rule_it_means_as_people_count() {
    let error = try_rules([rule("a", "fly", "")], []).unwrap_err();
    let expected = "rule 1, actions: `fly` is none of pull, push, delete, catalog, admin and \"*\"";
    assert_eq!(error.to_string(), expected);
}
