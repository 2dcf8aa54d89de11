//! What a request asks for, in the words of a refusal.
//!
//! It decides nothing: what a handler needs is in the type of its argument. This is what the client is told of it.

use serde_json::{Value, json};
use wharf_auth::{Action, Scope};
use wharf_oci::{BeginUpload, RepositoryName, Route};

/// What would have to be allowed.
#[derive(Debug)]
pub(crate) enum Asked {
    /// To talk to the registry.
    Base,
    /// To list all repositories.
    Catalog,
    /// To act on a repository, and perhaps to mount from another.
    Repository { name: RepositoryName, action: Action, from: Option<RepositoryName> },
}

impl Asked {
    /// `None` for what is never refused.
    pub(crate) fn by(route: Route) -> Option<Self> {
        let (name, action, from) = match route {
            Route::Root | Route::BaseWithoutSlash | Route::Options { .. } => return None,
            Route::Base => return Some(Self::Base),
            Route::Catalog { .. } => return Some(Self::Catalog),
            Route::ListTags { name, .. }
            | Route::ListReferrers { name, .. }
            | Route::GetManifest { name, .. }
            | Route::HeadManifest { name, .. }
            | Route::GetBlob { name, .. }
            | Route::HeadBlob { name, .. } => (name, Action::Pull, None),
            Route::BeginUpload { name, begin: BeginUpload::Mount { from, .. } } => (name, Action::Push, from),
            Route::PutManifest { name, .. }
            | Route::BeginUpload { name, .. }
            | Route::UploadStatus { name, .. }
            | Route::AppendUpload { name, .. }
            | Route::FinishUpload { name, .. }
            | Route::CancelUpload { name, .. } => (name, Action::Push, None),
            Route::DeleteManifest { name, .. } | Route::DeleteBlob { name, .. } => {
                (name, Action::Delete, None)
            }
        };
        Some(Self::Repository { name, action, from })
    }

    /// The list that the older registries send, in their order and with their names: pull, push, pull from the source.
    pub(crate) fn needed(&self) -> Value {
        let entry = |kind: &str, name: &str, action: &str| json!({ "Type": kind, "Class": "", "Name": name, "Action": action });
        match self {
            Self::Base => Value::Null,
            Self::Catalog => json!([entry("registry", "catalog", "*")]),
            Self::Repository { name, action, from } => {
                let actions: &[&str] = match action {
                    Action::Pull => &["pull"],
                    Action::Push => &["pull", "push"],
                    Action::Delete => &["delete"],
                };
                let own = actions.iter().map(|action| entry("repository", name.as_str(), action));
                own.chain(from.iter().map(|from| entry("repository", from.as_str(), "pull"))).collect()
            }
        }
    }

    /// What a token has to grant, the source of a mount left out.
    pub(crate) fn scope(&self) -> Option<String> {
        match self {
            Self::Base => None,
            Self::Catalog => Scope::Catalog.to_text(),
            Self::Repository { name, action, .. } => Scope::Repository(name, *action).to_text(),
        }
    }

    /// What a token has to grant beside the rest for a mount to be one: a client that learns of it here need not ask for
    /// another token.
    pub(crate) fn source(&self) -> Option<String> {
        match self {
            Self::Repository { from: Some(from), .. } => Some(format!("repository:{from}:pull")),
            Self::Base | Self::Catalog | Self::Repository { from: None, .. } => None,
        }
    }

    /// The sentence for somebody who may not; its beginning is what scripts look for.
    pub(crate) fn refusal(&self, who: Option<&str>) -> String {
        let who = who.unwrap_or("an anonymous caller");
        let what = match self {
            Self::Base => "use this registry".to_owned(),
            Self::Catalog => "list the repositories".to_owned(),
            Self::Repository { name, action, .. } => match action {
                Action::Pull => format!("pull from {name}"),
                Action::Push => format!("push to {name}"),
                Action::Delete => format!("delete from {name}"),
            },
        };
        format!("requested access to the resource is denied: {who} may not {what}")
    }
}
