//! What the rules say, a test for each thing that can be written in one.

mod callers;
mod decisions;
mod errors;
mod patterns;
mod repositories;
mod subjects;

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::authorizer::TagWrite;
use crate::caller::{CallerGroups, ClientCertificate, Grant, Token};

/// The five lines of the guide.
fn example() -> Rules {
    rules(
        [
            rule("everyone", "pull", "public/**"),
            Rule { immutable_tags: list("v*"), ..rule("ci", "push", "team-a/**") },
            rule("group:admins", "*", ""),
        ],
        [("admins", "alice bob")],
    )
}

fn rules<const N: usize, const M: usize>(rules: [Rule; N], groups: [(&str, &str); M]) -> Rules {
    try_rules(rules, groups).unwrap()
}

fn try_rules<const N: usize, const M: usize>(
    rules: [Rule; N],
    groups: [(&str, &str); M],
) -> Result<Rules, RuleError> {
    let groups = groups.map(|(name, members)| (name.to_owned(), list(members)));
    Rules::new(rules.into(), groups.into())
}

fn rule(callers: &str, actions: &str, repositories: &str) -> Rule {
    Rule {
        callers: list(callers),
        actions: list(actions),
        repositories: list(repositories),
        ..Rule::default()
    }
}

fn deny(rule: Rule) -> Rule {
    Rule { effect: Effect::Deny, ..rule }
}

fn list(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

fn named(name: &str) -> Caller {
    Caller { name: Some(name.into()), ..Caller::default() }
}

fn anonymous() -> Caller {
    Caller::default()
}

fn with_token(claims: &serde_json::Value) -> Caller {
    let claims = claims.as_object().unwrap().clone();
    let groups = Some(CallerGroups::default());
    let token = Token { subject: "job".to_owned(), access: None, groups, claims };
    Caller { token: Some(Arc::new(token)), ..named("job") }
}

fn may(rules: &Rules, caller: &Caller, action: Action, repository: &str) -> bool {
    let repository = repository.parse().unwrap();
    let allowed = rules.decide(caller, Scope::Repository(&repository, action)).allowed;
    if action == Action::Pull {
        assert_eq!(rules.sees(caller, &repository), allowed);
    }
    allowed
}

fn write(rules: &Rules, caller: &Caller, repository: &str, tag: &str) -> Option<TagWrite> {
    rules.tag_write(caller, &repository.parse().unwrap(), &tag.parse().unwrap())
}
