//! One rule, compiled.

use wharf_oci::{RepositoryName, Tag};

use super::callers::{Callers, Groups};
use super::glob::Glob;
use super::repositories::Repositories;
use super::{Effect, Miss, Rule};
use crate::authorizer::{Action, TagWrite};
use crate::caller::Caller;

/// What is wrong with a rule: in which key, and what.
pub(super) type Problem = (&'static str, String);

/// A rule that is ready to decide.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) effect: Effect,
    pub(super) actions: Actions,
    pub(super) callers: Callers,
    pub(super) repositories: Repositories,
    /// Empty: it is about all tags, and about what has none.
    pub(super) tags: Vec<Glob>,
    immutable_tags: Vec<Glob>,
    /// The rule as a sentence.
    pub(super) text: Box<str>,
}

/// A set of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Actions(u8);

// === impl Compiled ===

impl Compiled {
    pub(super) fn new(rule: &Rule, groups: &Groups, foreign: &mut Vec<String>) -> Result<Self, Problem> {
        let repositories =
            Repositories::new(&rule.repositories).map_err(|problem| ("repositories", problem))?;
        let actions = Actions::read(rule, repositories.are_all()).map_err(|problem| ("actions", problem))?;
        let compiled = Self {
            effect: rule.effect,
            actions,
            callers: Callers::new(rule, groups, foreign)?,
            repositories,
            tags: tags(&rule.tags).map_err(|problem| ("tags", problem))?,
            immutable_tags: tags(&rule.immutable_tags).map_err(|problem| ("immutabletags", problem))?,
            text: rule.to_string().into(),
        };
        compiled.check_tags()?;
        Ok(compiled)
    }

    /// A rule about tags must not seem to say more than it does.
    fn check_tags(&self) -> Result<(), Problem> {
        let pushing = if self.allows() { Actions::PULL.and(Actions::PUSH) } else { Actions::PUSH };
        if !self.tags.is_empty() && (!self.covers(Actions::PUSH) || !self.actions.within(pushing)) {
            let problem =
                "it is about pushing: give the rule `actions: push`, and other actions a rule without tags";
            return Err(("tags", problem.to_owned()));
        }
        let allows_push = self.allows() && self.covers(Actions::PUSH);
        if !self.immutable_tags.is_empty() && !allows_push {
            let problem = "it is about what may be pushed: only a rule that allows `push` can have it";
            return Err(("immutabletags", problem.to_owned()));
        }
        Ok(())
    }

    pub(super) fn allows(&self) -> bool {
        self.effect == Effect::Allow
    }

    pub(super) fn covers(&self, action: Actions) -> bool {
        action.within(self.actions)
    }

    pub(super) fn fits(
        &self,
        caller: &Caller,
        action: Actions,
        repository: Option<&RepositoryName>,
        tag: Option<&Tag>,
    ) -> bool {
        self.miss(caller, action, repository, tag).is_none()
    }

    /// Why the rule is not about this; the cheapest looks come first.
    pub(super) fn miss(
        &self,
        caller: &Caller,
        action: Actions,
        repository: Option<&RepositoryName>,
        tag: Option<&Tag>,
    ) -> Option<Miss> {
        if !self.covers(action) {
            return Some(Miss::Action);
        }
        if repository.is_some_and(|repository| !self.repositories.include(repository, caller)) {
            return Some(Miss::Repository);
        }
        let about_tag = match tag {
            Some(tag) => self.tags.is_empty() || self.tags.iter().any(|glob| glob.matches(tag.as_str())),
            // Whoever may push some tags may push what they are to mean; whoever may not push some may push others.
            None => self.tags.is_empty() || self.allows(),
        };
        if !about_tag {
            return Some(Miss::Tag);
        }
        self.callers.miss(caller)
    }

    pub(super) fn tag_write(&self, tag: &Tag) -> TagWrite {
        match self.immutable_tags.iter().any(|glob| glob.matches(tag.as_str())) {
            true => TagWrite::Create,
            false => TagWrite::Any,
        }
    }
}

// === impl Actions ===

impl Actions {
    pub(super) const PULL: Self = Self(1);
    pub(super) const PUSH: Self = Self(2);
    pub(super) const DELETE: Self = Self(4);
    pub(super) const CATALOG: Self = Self(8);
    pub(super) const ADMIN: Self = Self(16);

    /// What the rule's words come to.
    fn read(rule: &Rule, of_all_repositories: bool) -> Result<Self, String> {
        if rule.actions.is_empty() {
            return Err("say which: pull, push, delete, catalog, admin, or \"*\"".to_owned());
        }
        let mut actions = Self(0);
        for word in &rule.actions {
            let action = match word.as_str() {
                "pull" => Self::PULL,
                "push" => Self::PUSH,
                "delete" => Self::DELETE,
                "*" if of_all_repositories => Self::PULL.and(Self::PUSH).and(Self::DELETE).and(Self::CATALOG),
                "*" => Self::PULL.and(Self::PUSH).and(Self::DELETE),
                "catalog" | "admin" if !of_all_repositories => {
                    return Err(format!(
                        "{word} is about the whole registry: give it a rule without `repositories`"
                    ));
                }
                "catalog" => Self::CATALOG,
                "admin" => Self::ADMIN,
                other => {
                    return Err(format!("`{other}` is none of pull, push, delete, catalog, admin and \"*\""));
                }
            };
            actions = actions.and(action);
        }
        Ok(actions.with_implied(rule.effect))
    }

    /// Whoever may push may pull.
    fn with_implied(self, effect: Effect) -> Self {
        match effect {
            Effect::Allow if Self::PUSH.within(self) => self.and(Self::PULL),
            Effect::Deny if Self::PULL.within(self) => self.and(Self::PUSH),
            Effect::Allow | Effect::Deny => self,
        }
    }

    fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }
}

impl From<Action> for Actions {
    fn from(action: Action) -> Self {
        match action {
            Action::Pull => Self::PULL,
            Action::Push => Self::PUSH,
            Action::Delete => Self::DELETE,
        }
    }
}

fn tags(patterns: &[String]) -> Result<Vec<Glob>, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '*');
    let tag = |pattern: &String| match pattern.chars().find(|c| !fits(*c)) {
        Some(wrong) => Err(format!("`{pattern}` matches no tag: there is never a {wrong:?} in one")),
        None => Glob::new(pattern),
    };
    patterns.iter().map(tag).collect()
}
