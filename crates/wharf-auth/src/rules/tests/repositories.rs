//! Which repositories a rule is about.

use super::*;

fn fits(pattern: &str, caller: &Caller, repository: &str) -> bool {
    may(&rules([rule("everyone", "pull", pattern)], []), caller, Action::Pull, repository)
}

#[test]
fn patterns_match_whole_names() {
    for (pattern, matching, others) in [
        ("team-a/app", "team-a/app", "team-a team-a/app2 team-a/app/x xteam-a/app"),
        ("team-a/*", "team-a/app team-a/x", "team-a team-a/app/x team-b/app"),
        ("team-a/**", "team-a/app team-a/app/x", "team-a team-ab/app x/team-a/app"),
        ("**", "a a/b a/b/c", ""),
        ("*", "a", "a/b"),
        ("*/*", "a/b", "a a/b/c"),
        ("**/cache", "cache a/cache a/b/cache", "acache a/cache/b"),
        ("a/**/z", "a/z a/b/z a/b/c/z", "az a/bz a/z/b"),
        ("a/**/b/**", "a/b/c a/x/b/c/d", "a/b a/x/b"),
        ("app-*-x/y*", "app-1-x/y app-1-x/y2", "app-1/x/y app-1-x/z"),
        ("a**z", "az a/b/z abz", "a z"),
        ("", "a a/b", ""),
    ] {
        for name in matching.split_whitespace() {
            assert!(fits(pattern, &anonymous(), name), "{pattern} {name}");
        }
        for name in others.split_whitespace() {
            assert!(!fits(pattern, &anonymous(), name), "{pattern} {name}");
        }
    }
}

#[test]
fn a_users_own_place_is_theirs_alone() {
    for (pattern, caller, repository, expected) in [
        ("users/{user}/**", named("alice"), "users/alice/app", true),
        ("users/{user}/**", named("alice"), "users/alice", false),
        ("users/{user}/**", named("alice"), "users/bob/app", false),
        ("users/{user}/**", named("alice"), "users/alicent/app", false),
        ("users/{user}", named("alice"), "users/alice", true),
        ("{user}/*", named("alice"), "alice/x", true),
        ("users/{user}/**", anonymous(), "users/x/app", false),
        ("users/{user}/**", Caller { name: Some("".into()), ..Caller::default() }, "users/app", false),
        // A name must not reach into what is not one segment, and has no stars.
        ("users/{user}/**", named("alice/app"), "users/alice/app/x", false),
        ("users/{user}/**", named("*"), "users/alice/app", false),
        ("users/{user}/**", named("**"), "users/alice/app", false),
    ] {
        assert_eq!(fits(pattern, &caller, repository), expected, "{pattern} {caller:?} {repository}");
    }
}
