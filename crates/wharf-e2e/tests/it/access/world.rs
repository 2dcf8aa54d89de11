//! A registry that decides by rules, and callers of every kind.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use tempfile::TempDir;
use wharf_auth::{
    Action, Authorizer, Caller, CallerGroups, Challenge, ClientCertificate, Effect, Realm, Refusal, Rule,
    Rules, Scope, Sender, TagWrite, Token, TokenFault,
};
use wharf_oci::{RepositoryName, Tag};
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::Request;

/// Everybody is who they say, and the rules decide: how one proves it is not what is tested here.
#[derive(Debug)]
pub(super) struct ByRules(pub(super) Rules);

/// The registry that decides, and another over the same tree that lets everybody do everything.
#[derive(Debug)]
pub(super) struct World {
    pub(super) asked: ScratchRegistry,
    pub(super) open: ScratchRegistry,
    directory: TempDir,
}

/// The kinds of callers there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Anonymous,
    Reader,
    Pusher,
    Admin,
    OtherTeam,
    Certificate,
    Token,
}

/// Who may do what in repository `a`; nothing of it is for anonymous callers, who have `public/**`.
pub(super) fn usual() -> Rules {
    rules([
        rule("everyone", "pull", "public/**"),
        rule("reader", "pull", "a"),
        rule("reader", "catalog", ""),
        Rule { immutable_tags: list("v*"), ..rule("pusher", "push", "a yet/to/come") },
        Rule { tags: list("dev-*"), ..rule("developer", "push", "a") },
        rule("group:admins", "*", ""),
        rule("other-team", "push", "b/** target"),
        Rule { common_names: list("*.example.com"), ..rule("", "pull", "a") },
        Rule { claims: [("repository".to_owned(), list("a"))].into(), ..rule("", "push", "a") },
    ])
}

pub(super) fn rules<const N: usize>(rules: [Rule; N]) -> Rules {
    Rules::new(rules.into(), [("admins".to_owned(), list("root admin"))].into()).expect("rules")
}

pub(super) fn rule(callers: &str, actions: &str, repositories: &str) -> Rule {
    Rule {
        callers: list(callers),
        actions: list(actions),
        repositories: list(repositories),
        ..Rule::default()
    }
}

pub(super) fn deny(rule: Rule) -> Rule {
    Rule { effect: Effect::Deny, ..rule }
}

pub(super) fn list(words: &str) -> Vec<String> {
    words.split_whitespace().map(str::to_owned).collect()
}

/// A request in somebody's name.
pub(super) fn by(name: &str, request: Request) -> Request {
    if name.is_empty() { request } else { request.header("Authorization", name) }
}

// === impl World ===

impl World {
    pub(super) async fn start(rules: Rules) -> Self {
        Self::start_with(Setup { authorizer: Arc::new(ByRules(rules)), ..Setup::default() }).await
    }

    pub(super) async fn start_with(setup: Setup) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let open = ScratchRegistry::over(directory.path(), Setup::default()).await;
        let asked = ScratchRegistry::over(directory.path(), setup).await;
        Self { asked, open, directory }
    }

    pub(super) fn root(&self) -> &Path {
        self.directory.path()
    }
}

// === impl Kind ===

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Anonymous,
        Self::Reader,
        Self::Pusher,
        Self::Admin,
        Self::OtherTeam,
        Self::Certificate,
        Self::Token,
    ];

    /// What they send.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Anonymous => "",
            Self::Reader => "reader",
            Self::Pusher => "pusher",
            Self::Admin => "admin",
            Self::OtherTeam => "other-team",
            Self::Certificate => "certificate",
            Self::Token => "token",
        }
    }
}

// === impl ByRules ===

impl ByRules {
    /// With a token one is told to bring a better one, without a name to have one.
    fn refusal(caller: &Caller, scope: Option<String>) -> Refusal {
        let bearer = |error| Challenge::Bearer {
            realm: Realm::Here("/token".to_owned()),
            service: "registry".to_owned(),
            scope,
            error,
        };
        let challenge = match (&caller.token, caller.is_known()) {
            (Some(_), _) => bearer(Some(TokenFault::InsufficientScope)),
            (None, true) => return Refusal::Denied,
            (None, false) => bearer(None),
        };
        Refusal::Unauthenticated { challenge }
    }
}

#[async_trait]
impl Authorizer for ByRules {
    async fn caller(&self, sender: Sender<'_>) -> Result<Caller, Refusal> {
        let Some(name) = sender.authorization else {
            return Ok(Caller { address: sender.address, ..Caller::default() });
        };
        let mut caller = Caller { name: Some(name.into()), address: sender.address, ..Caller::default() };
        if name == "certificate" {
            caller.certificate = Some(Arc::new(ClientCertificate {
                subject: "CN=node.example.com".to_owned(),
                common_name: Some("node.example.com".to_owned()),
                ..ClientCertificate::default()
            }));
        }
        if name == "token" {
            let claims = json!({ "repository": "a" }).as_object().cloned().unwrap_or_default();
            caller.token = Some(Arc::new(Token {
                subject: name.to_owned(),
                access: None,
                groups: Some(CallerGroups::default()),
                claims,
            }));
        }
        Ok(caller)
    }

    async fn allow(&self, caller: &Caller, scope: Scope<'_>) -> Result<(), Refusal> {
        if self.0.decide(caller, scope).allowed {
            return Ok(());
        }
        let wanted = match scope {
            Scope::Base | Scope::PullEverything | Scope::Admin => None,
            Scope::Catalog => Some("registry:catalog:*".to_owned()),
            Scope::Repository(name, Action::Pull) => Some(format!("repository:{name}:pull")),
            Scope::Repository(name, Action::Push) => Some(format!("repository:{name}:pull,push")),
            Scope::Repository(name, Action::Delete) => Some(format!("repository:{name}:delete")),
        };
        Err(Self::refusal(caller, wanted))
    }

    async fn tag_write(
        &self,
        caller: &Caller,
        repository: &RepositoryName,
        tag: &Tag,
    ) -> Result<TagWrite, Refusal> {
        let write = self.0.tag_write(caller, repository, tag);
        write.ok_or_else(|| Self::refusal(caller, Some(format!("repository:{repository}:pull,push"))))
    }

    fn sees(&self, caller: &Caller, repository: &RepositoryName) -> bool {
        self.0.sees(caller, repository)
    }
}
