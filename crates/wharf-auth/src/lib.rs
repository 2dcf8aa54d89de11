#![doc = include_str!("../README.md")]

mod access;
mod authorizer;
mod caller;
mod challenge;
mod rules;

pub use access::{Access, Delete, Granted, Pull, Push};
pub use authorizer::{Action, AllowAll, Authorizer, Refusal, Scope, TagWrite};
pub use caller::{Caller, ClientCertificate, Grant, Sender, Token};
pub use challenge::{Challenge, Realm, TokenFault};
pub use rules::{
    Decision, Effect, ExplainedRule, Explanation, Miss, Rule, RuleError, RulePlace, Rules, Verdict,
};
