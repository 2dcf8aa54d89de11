//! Who is let in, as it was written: values without behaviour, and without a secret but where it is.

use std::path::PathBuf;
use std::time::Duration;

use wharf_auth::{Algorithm, Realm, Rules};

/// `auth` and `access`.
#[derive(Debug, Clone, Default)]
pub struct AuthConfig {
    /// Whether `auth.none` says that clients are not authenticated: it is meant, and not forgotten.
    pub unauthenticated: bool,
    /// Names and passwords (`auth.htpasswd`).
    pub htpasswd: Option<HtpasswdConfig>,
    /// Tokens of somebody else's server (`auth.token`).
    pub token: Option<TokenConfig>,
    /// Who may do what (`access.rules`).
    pub rules: Option<Rules>,
    /// How many rules there are, for people.
    pub rule_count: usize,
    /// Tokens of our own (`access.tokens`), where they are given out.
    pub own_tokens: Option<OwnTokensConfig>,
}

/// Names and passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtpasswdConfig {
    /// What they are for, for people.
    pub realm: String,
    /// The file.
    pub path: PathBuf,
}

/// Tokens of somebody else's server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenConfig {
    /// Where they are to be had.
    pub realm: Realm,
    /// For whom they have to be.
    pub service: String,
    /// From whom they have to be.
    pub issuer: String,
    /// Certificates that they may be signed with, or with what those have signed.
    pub root_cert_bundle: Option<PathBuf>,
    /// Keys that they may be signed with.
    pub jwks: Option<JwksPlace>,
    /// The claim that names their holders' groups.
    pub groups_claim: String,
    /// How they may be signed.
    pub algorithms: Vec<Algorithm>,
}

/// Where a set of keys is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksPlace {
    /// In a file.
    File(PathBuf),
    /// At a URL.
    Url(String),
}

/// Tokens of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnTokensConfig {
    /// For whom they are (`access.tokens.service`).
    pub service: String,
    /// How long one is good (`access.tokens.lifetime`).
    pub lifetime: Duration,
    /// How long one stands for a password at the token service (`access.tokens.refreshlifetime`).
    pub refresh_lifetime: Duration,
    /// Files with keys, the first of which signs (`access.tokens.keys`).
    pub keys: Vec<PathBuf>,
}

impl AuthConfig {
    /// Whether nobody is asked anything.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.htpasswd.is_none() && self.token.is_none() && self.rules.is_none()
    }
}
