//! Rules: who may do what, written down in a list.
//!
//! A rule is about repositories, actions and callers, and allows or denies. The first that fits decides; where none
//! does, the answer is no. Nothing here knows how somebody has proved who they are, or what a refusal looks like.

mod callers;
mod explain;
mod glob;
mod grants;
mod repositories;
mod rule;
mod subjects;

use std::collections::BTreeMap;
use std::fmt;

use wharf_oci::{RepositoryName, Tag};

pub use self::explain::{ExplainedRule, Explanation, Miss, Verdict};
use self::rule::{Actions, Compiled};
use crate::authorizer::{Action, Scope, TagWrite};
use crate::caller::Caller;

/// A list of rules, checked and ready to decide. Deciding allocates nothing and never waits.
///
/// **Whoever may push may pull**, and whoever may not pull may not push: a rule that allows `push` allows `pull` as
/// well, one that denies `pull` denies `push` as well. Clients ask for the two together.
#[derive(Debug, Clone)]
pub struct Rules {
    rules: Vec<Compiled>,
    foreign_groups: Vec<(usize, String)>,
}

/// A rule as the operator writes it. Of each list one entry has to fit, and of the conditions on the caller all that are
/// given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// What it says to whom it fits.
    pub effect: Effect,
    /// Who: names (with `*`), `group:<name>`, `anonymous`, `authenticated`, `everyone`; `user:<name>` is a name whatever
    /// it looks like. Empty: anybody who fulfils the other conditions, of which there must be one in the certificate or
    /// the token.
    pub callers: Vec<String>,
    /// Patterns of the common name in the caller's certificate.
    pub common_names: Vec<String>,
    /// Patterns of the whole subject of the caller's certificate, attribute by attribute: `CN=*,O=acme`, `CN=*,**`.
    pub subjects: Vec<String>,
    /// Patterns of what the caller's token claims.
    pub claims: BTreeMap<String, Vec<String>>,
    /// The caller's address is in one of these networks, as in `10.0.0.0/8`.
    pub networks: Vec<String>,
    /// Patterns of names; a segment `{user}` stands for the caller's own name. Empty: all repositories.
    pub repositories: Vec<String>,
    /// `pull`, `push`, `delete`; `*` for these three, and for `catalog` if the rule is about all repositories;
    /// `catalog`, `admin`.
    pub actions: Vec<String>,
    /// Patterns of tags: the rule is about pushing these only.
    pub tags: Vec<String>,
    /// Patterns of tags that may be created and then stay as they are.
    pub immutable_tags: Vec<String>,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Effect {
    /// They may.
    #[default]
    Allow,
    /// They may not.
    Deny,
}

/// What the rules say to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether they may.
    pub allowed: bool,
    /// The rule that has decided, counted from 0; `None` if none was about it, and so the answer is no.
    pub rule: Option<usize>,
}

/// A rule that means nothing, or not what it seems to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct RuleError {
    /// Where.
    pub place: RulePlace,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// A place in the block of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RulePlace {
    /// A key of a rule, as the configuration spells it.
    Rule {
        /// Which, counted from 0.
        index: usize,
        /// The key, as in `immutabletags`.
        key: &'static str,
    },
    /// A group.
    Group {
        /// Its name.
        name: String,
    },
}

// === impl Rules ===

impl Rules {
    /// Checks the rules; `groups` are the names of each group's members.
    pub fn new(rules: Vec<Rule>, groups: BTreeMap<String, Vec<String>>) -> Result<Self, RuleError> {
        let groups = callers::Groups::new(groups)?;
        let mut foreign_groups = Vec::new();
        let rules = rules.into_iter().enumerate().map(|(index, rule)| {
            let mut foreign = Vec::new();
            let compiled = Compiled::new(&rule, &groups, &mut foreign);
            foreign_groups.extend(foreign.into_iter().map(|name| (index, name)));
            compiled.map_err(|(key, problem)| RuleError { place: RulePlace::Rule { index, key }, problem })
        });
        let rules = rules.collect::<Result<_, _>>()?;
        Ok(Self { rules, foreign_groups })
    }

    /// Groups that rules name and that are not defined here, each with the index of its rule, counted from 0: either
    /// callers' tokens name them, or they are misspelt.
    pub fn foreign_groups(&self) -> &[(usize, String)] {
        &self.foreign_groups
    }

    /// Whether any rule names a group.
    pub fn name_groups(&self) -> bool {
        self.rules.iter().any(|rule| rule.callers.name_groups())
    }

    /// Whether any rule looks at the caller's address.
    pub fn look_at_addresses(&self) -> bool {
        self.rules.iter().any(|rule| rule.callers.look_at_address())
    }

    /// Whether the caller may do it.
    pub fn decide(&self, caller: &Caller, scope: Scope<'_>) -> Decision {
        match scope {
            Scope::Base => self.base(caller),
            Scope::Catalog => self.first(caller, Actions::CATALOG, None, None),
            Scope::Admin => self.first(caller, Actions::ADMIN, None, None),
            Scope::PullEverything => self.pull_everything(caller),
            Scope::Repository(repository, action) => {
                self.first(caller, action.into(), Some(repository), None)
            }
        }
    }

    /// On which condition the caller may write the tag; `None` if not at all.
    pub fn tag_write(&self, caller: &Caller, repository: &RepositoryName, tag: &Tag) -> Option<TagWrite> {
        let decision = self.first(caller, Actions::PUSH, Some(repository), Some(tag));
        let rule = self.rules.get(decision.rule?)?;
        decision.allowed.then(|| rule.tag_write(tag))
    }

    /// Whether the repository is shown to the caller.
    pub fn sees(&self, caller: &Caller, repository: &RepositoryName) -> bool {
        self.decide(caller, Scope::Repository(repository, Action::Pull)).allowed
    }

    /// Whether there is anything that somebody may do without saying who they are. Where they call from, and what is
    /// denied to them before, is not looked at: this is for whoever sets things up.
    pub fn anonymous_may_do_anything(&self) -> bool {
        self.rules.iter().any(|rule| rule.allows() && rule.callers.may_be_anonymous())
    }

    /// Somebody who is known may talk to the registry; an anonymous caller if there is anything in it for them.
    fn base(&self, caller: &Caller) -> Decision {
        if caller.is_known() {
            return Decision { allowed: true, rule: None };
        }
        let rule = self.rules.iter().position(|rule| rule.allows() && rule.callers.fit(caller));
        Decision { allowed: rule.is_some(), rule }
    }

    /// All repositories can be pulled from if a rule says so before any denies some.
    fn pull_everything(&self, caller: &Caller) -> Decision {
        let about = |rule: &Compiled| rule.covers(Actions::PULL) && rule.callers.fit(caller);
        let mut rules = self.rules.iter().enumerate().filter(|(_, rule)| about(rule));
        let decides = rules.find(|(_, rule)| !rule.allows() || rule.repositories.are_all());
        Decision {
            allowed: decides.is_some_and(|(_, rule)| rule.allows()),
            rule: decides.map(|(index, _)| index),
        }
    }

    fn first(
        &self,
        caller: &Caller,
        action: Actions,
        repository: Option<&RepositoryName>,
        tag: Option<&Tag>,
    ) -> Decision {
        let decides = self.rules.iter().position(|rule| rule.fits(caller, action, repository, tag));
        let allowed = decides.is_some_and(|index| self.rules[index].allows());
        Decision { allowed, rule: decides }
    }
}

impl fmt::Display for RulePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule { index, key } => write!(f, "rule {}, {key}", index + 1),
            Self::Group { name } => write!(f, "group {name}"),
        }
    }
}

#[cfg(test)]
mod tests;
