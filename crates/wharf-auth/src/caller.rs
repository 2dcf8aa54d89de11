//! Who calls: what a request says of its sender, and what that comes to.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::login_origin::LoginOrigin;

/// What a request says of who sent it; nothing of it has been checked but the certificate.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sender<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The certificate whose key the client proved to hold when the connection was made.
    pub certificate: Option<&'a Arc<ClientCertificate>>,
    /// The client's address: the one of the connection, or what the proxies that the operator has named say of it.
    pub address: Option<IpAddr>,
    /// The last address in `X-Forwarded-For` where no proxies are named: not believed, and no right depends on it. Failed
    /// logins are counted for it within those of `address`.
    pub forwarded: Option<IpAddr>,
}

impl Sender<'_> {
    /// Where a login in this request comes from.
    pub(crate) fn origin(&self) -> LoginOrigin {
        LoginOrigin { address: self.address, forwarded: self.forwarded }
    }
}

impl Caller {
    /// Their name, if they have one: an empty one, as in tokens for nobody in particular, is none.
    pub fn known_name(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| !name.is_empty())
    }

    /// Whether they are not anonymous.
    pub fn is_known(&self) -> bool {
        self.known_name().is_some()
    }
}

/// A certificate that a client has shown, signed by somebody the operator trusts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The whole subject, as RFC 4514 writes it: `CN=builder,O=acme`.
    pub subject: String,
    /// The subject's common name, if it has one: of several the most specific.
    pub common_name: Option<String>,
    /// The subject's other common names.
    pub other_common_names: Vec<String>,
    /// Whether a part of the subject cannot be read. Rules that deny certificates then fit it.
    pub is_unreadable: bool,
}

/// Who sent a request.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// Their name; `None` for somebody who gave none.
    pub name: Option<Arc<str>>,
    /// The groups that their token names; those that are listed beside the rules are not here.
    pub groups: CallerGroups,
    /// The certificate they have shown.
    pub certificate: Option<Arc<ClientCertificate>>,
    /// Their address.
    pub address: Option<IpAddr>,
    /// The token they brought.
    pub token: Option<Arc<Token>>,
}

/// What a token says whose signature, times and audience have been found right.
#[derive(Debug, Clone, PartialEq)]
pub struct Token {
    /// Whose it is (`sub`).
    pub subject: String,
    /// What it grants (`access`); `None` if it says nothing of that and only tells who somebody is.
    pub access: Option<Vec<Grant>>,
    /// The groups that it names; `None` if the claim for them cannot be read, so that nothing is known of them.
    pub groups: Option<CallerGroups>,
    /// All that it claims.
    pub claims: Map<String, Value>,
}

/// The groups a caller is in. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallerGroups(
    /// In order, each once.
    Arc<[Box<str>]>,
);

/// An element of a token's `access`: the actions that may be done to one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// What kind of thing: `repository`, `registry`.
    pub kind: String,
    /// Its whole name; there are no patterns.
    pub name: String,
    /// `pull`, `push`, `delete`, or `*` for any.
    pub actions: Vec<String>,
}

/// Whether a token only refers to where a claim is to be had: by `_claim_names` (OpenID Connect Core, section 5.6.2), or, for
/// `groups`, by a `hasgroups` without any, as Microsoft's servers do where the list would be long.
pub(crate) fn is_elsewhere(claims: &Map<String, Value>, name: &str) -> bool {
    let is_named = match claims.get("_claim_names") {
        None | Some(Value::Null) => false,
        Some(Value::Object(names)) => names.contains_key(name),
        Some(_) => true,
    };
    let has_groups = || match claims.get("hasgroups") {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(value) => value.as_str() != Some("false"),
    };
    let is_empty = || match claims.get(name) {
        None | Some(Value::Null) => true,
        Some(Value::Array(values)) => values.is_empty(),
        Some(_) => false,
    };
    is_named || (name == "groups" && has_groups() && is_empty())
}

// === impl CallerGroups ===

impl CallerGroups {
    /// Whether the caller is in the group of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.binary_search_by(|group| (**group).cmp(name)).is_ok()
    }
}

impl<T: Into<Box<str>>> FromIterator<T> for CallerGroups {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let mut names: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        Self(names.into())
    }
}
