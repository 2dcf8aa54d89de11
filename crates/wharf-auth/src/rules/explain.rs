//! Why the rules say what they say.

use std::fmt;

use wharf_oci::Tag;

use super::rule::Actions;
use super::{Decision, Effect, Rule, Rules};
use crate::authorizer::Scope;
use crate::caller::Caller;

/// A decision, and what each rule had to do with it. Shown as text, a line for each rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What was decided.
    pub decision: Decision,
    /// What became of each rule, in their order.
    pub rules: Vec<ExplainedRule>,
}

/// A rule and what it had to do with a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedRule {
    /// The rule as a sentence.
    pub rule: String,
    /// What became of it.
    pub verdict: Verdict,
}

/// What one rule had to do with a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was not about this.
    Missed(Miss),
    /// It has decided.
    Decided,
    /// One before it has decided.
    TooLate,
}

/// Why a rule is not about something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// It is about other actions.
    Action,
    /// It is about other repositories.
    Repository,
    /// It is about other tags.
    Tag,
    /// It is about other callers.
    Caller,
    /// The caller's certificate has another common name, or there is none.
    CommonName,
    /// The caller's certificate has another subject, or there is none.
    Subject,
    /// The caller's token claims something else, or there is none.
    Claim,
    /// The caller is in another network, or it is not known where.
    Network,
}

impl Rules {
    /// Why the caller may do it, or may not; with a tag, write that tag. There is nothing to be said about each rule
    /// where the question is not about one repository or one right ([`Scope::Base`], [`Scope::PullEverything`]).
    pub fn explain(&self, caller: &Caller, scope: Scope<'_>, tag: Option<&Tag>) -> Explanation {
        let (action, repository) = match scope {
            Scope::Base | Scope::PullEverything => {
                return Explanation { decision: self.decide(caller, scope), rules: Vec::new() };
            }
            Scope::Catalog => (Actions::CATALOG, None),
            Scope::Admin => (Actions::ADMIN, None),
            Scope::Repository(repository, action) => (action.into(), Some(repository)),
        };
        let decision = self.first(caller, action, repository, tag);
        let rules = self.rules.iter().enumerate().map(|(index, rule)| {
            let verdict = match rule.miss(caller, action, repository, tag) {
                _ if decision.rule.is_some_and(|decided| decided < index) => Verdict::TooLate,
                Some(miss) => Verdict::Missed(miss),
                None => Verdict::Decided,
            };
            ExplainedRule { rule: rule.text.to_string(), verdict }
        });
        Explanation { decision, rules: rules.collect() }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.decision.allowed { "allowed" } else { "denied" })?;
        match self.decision.rule {
            Some(rule) => write!(f, " by rule {}", rule + 1)?,
            None if self.decision.allowed => {}
            None => f.write_str(": no rule is about this, and what no rule allows is denied")?,
        }
        for (index, explained) in self.rules.iter().enumerate() {
            write!(f, "\n  rule {} ({}): {}", index + 1, explained.rule, explained.verdict)?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missed(Miss::Action) => "is about other actions",
            Self::Missed(Miss::Repository) => "is about other repositories",
            Self::Missed(Miss::Tag) => "is about other tags",
            Self::Missed(Miss::Caller) => "is about other callers",
            Self::Missed(Miss::CommonName) => "wants a certificate with another common name",
            Self::Missed(Miss::Subject) => "wants a certificate with another subject",
            Self::Missed(Miss::Claim) => "wants a token with other claims",
            Self::Missed(Miss::Network) => "wants a caller in another network",
            Self::Decided => "decides",
            Self::TooLate => "comes too late",
        })
    }
}

/// As in `allow push of team-a/** by ci, but never overwrite v*`.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let effect = match self.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        write!(f, "{effect} {}", self.actions.join(", "))?;
        list(f, " of tags ", &self.tags)?;
        list(f, if self.tags.is_empty() { " of " } else { " in " }, &self.repositories)?;
        list(f, " by ", &self.callers)?;
        list(f, " with the common name ", &self.common_names)?;
        list(f, " with the subject ", &self.subjects)?;
        for (claim, patterns) in &self.claims {
            list(f, &format!(" whose {claim} is "), patterns)?;
        }
        list(f, " from ", &self.networks)?;
        list(f, ", but never overwrite ", &self.immutable_tags)
    }
}

fn list(f: &mut fmt::Formatter<'_>, before: &str, words: &[String]) -> fmt::Result {
    if words.is_empty() { Ok(()) } else { write!(f, "{before}{}", words.join(", ")) }
}
