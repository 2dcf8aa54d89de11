#![doc = include_str!("../README.md")]

mod access;
mod authorizer;
mod backoff;
mod bounded_map;
mod caller;
mod challenge;
mod clock;
mod distinguished_name;
mod guard;
mod htpasswd;
mod jwt;
mod login_origin;
mod rate_limiter;
mod rules;
#[cfg(test)]
mod scratch;
mod secret;
mod token_service;
mod watched;

pub use access::{Access, Delete, Granted, Pull, Push};
pub use authorizer::{Action, AllowAll, Authorizer, Refusal, Scope, TagWrite};
pub use backoff::{Attempt, Backoff, BackoffOptions, Guess, NotAdmitted};
pub use caller::{Caller, CallerGroups, ClientCertificate, Grant, Sender, Token};
pub use challenge::{Challenge, Realm, TokenFault};
pub use clock::{Clock, SystemClock};
pub use distinguished_name::{ATTRIBUTE_TYPES, escape_value};
pub use guard::{ForeignTokens, Guard, Passwords, TOKEN_PATH};
pub use htpasswd::{
    CreateError, Htpasswd, HtpasswdError, HtpasswdOptions, LineError, QueueOptions,
    Verdict as PasswordVerdict,
};
pub use jwt::{
    Algorithm, FetchError, HttpJwks, JwksSource, KeyError, KeySet, KeySetError, RefreshOptions,
    TOKEN_CHAIN_LIMIT, TOKEN_HEADER_LIMIT_BYTES, TOKEN_LIMIT_BYTES, TokenError, TokenRules, TokenVerifier,
    TrustedKeys, UnknownAlgorithm, VerifyingKey,
};
pub use login_origin::LoginOrigin;
pub use rules::{
    Decision, Effect, ExplainedRule, Explanation, Miss, Rule, RuleError, RulePlace, Rules, Verdict,
};
pub use secret::Secret;
pub use token_service::{
    Claimed, FORM_BYTES, IssueError, IssuedToken, KeyRing, OwnTokens, SigningKeyError, TokenIssuer,
    TokenOptions, TokenRequest, TokenService, WeakSecret,
};
pub use watched::{ParseError, Watched, WatchedError};
