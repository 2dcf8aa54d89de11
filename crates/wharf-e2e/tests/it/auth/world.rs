//! A registry that asks who calls, with files that a test may change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use wharf_auth::{
    Clock, ForeignTokens, Guard, Htpasswd, HtpasswdOptions, KeyRing, OwnTokens, Passwords, Realm, Rule,
    Rules, SystemClock, TokenOptions, TokenRules, TokenService, TokenVerifier, TrustedKeys,
};
use wharf_http::Options;
use wharf_testkit::credentials::{CHEAP, Claims, Signer, htpasswd_line};
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::{Request, Response};

/// Which ways there are to say who one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ways {
    Passwords,
    Foreign,
    Own,
}

pub(super) struct World {
    pub(super) registry: ScratchRegistry,
    /// The file of passwords.
    pub(super) htpasswd: PathBuf,
    /// The file of the other server's keys.
    pub(super) jwks: PathBuf,
    pub(super) signer: Signer,
    _folder: TempDir,
}

impl World {
    pub(super) async fn start(ways: Ways, rules: Option<Vec<Rule>>) -> Self {
        Self::start_at(ways, rules, Options::default()).await
    }

    /// One with an edge of its own.
    pub(super) async fn start_at(ways: Ways, rules: Option<Vec<Rule>>, edge: Options) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (htpasswd, jwks) = (folder.path().join("htpasswd"), folder.path().join("jwks.json"));
        replace(
            &htpasswd,
            &(htpasswd_line("ci", "secret", CHEAP) + &htpasswd_line("alice", "secret", CHEAP)),
        );
        let signer = Signer::new("first");
        replace(&jwks, &Signer::jwks([&signer]));
        let mut setup = set_up(ways, rules, &htpasswd, &jwks).await;
        setup.edge = Options { token_issuer: setup.edge.token_issuer, ..edge };
        let registry = ScratchRegistry::memory_with(setup).await;
        Self { registry, htpasswd, jwks, signer, _folder: folder }
    }

    /// A token of the other server, as a header.
    pub(super) fn theirs(&self, subject: &str, access: Option<Value>) -> String {
        format!("Bearer {}", self.signer.token(subject, &claims(access)))
    }

    /// A token of ours, as a header.
    pub(super) async fn ours(&self, authorization: Option<&str>, query: &str) -> String {
        let answer = by(authorization, self.registry.get(format!("/token?{query}"))).send().await.expect(200);
        format!("Bearer {}", answer.json()["token"].as_str().expect("a token"))
    }

    pub(super) async fn get(&self, authorization: Option<&str>, path: &str) -> Response {
        by(authorization, self.registry.get(path)).send().await
    }
}

async fn set_up(ways: Ways, rules: Option<Vec<Rule>>, htpasswd: &PathBuf, jwks: &PathBuf) -> Setup {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let file =
        Htpasswd::open(htpasswd, &HtpasswdOptions::default(), Arc::clone(&clock)).await.expect("a file");
    let trusted = TrustedKeys::jwks_file(jwks, Arc::clone(&clock)).await.expect("a key set");
    let foreign = ForeignTokens {
        realm: Realm::Url("https://auth.example.com/token".to_owned()),
        service: "theirs".to_owned(),
        verifier: TokenVerifier::new(TokenRules::new("them", "theirs"), vec![trusted], Arc::clone(&clock)),
    };
    let keys = KeyRing::from_pem(Signer::new("ours").to_pem().as_bytes()).expect("a key");
    let own = Arc::new(OwnTokens::new(TokenOptions::default(), keys, clock));
    let passwords = Passwords { realm: "My Realm".to_owned(), file };
    let guard = Arc::new(Guard {
        passwords: (ways != Ways::Foreign).then_some(passwords),
        tokens: (ways == Ways::Foreign).then_some(foreign),
        own_tokens: (ways == Ways::Own).then(|| Arc::clone(&own)),
        rules: rules.map(|rules| Rules::new(rules, BTreeMap::new()).expect("rules")),
    });
    let service = TokenService::new(Arc::clone(&guard), own).expect("a token service");
    let mut setup = Setup { authorizer: guard, ..Setup::default() };
    setup.edge.token_issuer = (ways == Ways::Own).then(|| Arc::new(service) as _);
    setup
}

pub(super) fn claims(access: Option<Value>) -> Claims {
    Claims { issuer: "them".into(), audience: "theirs".into(), access, lifetime: Duration::from_secs(300) }
}

/// Anyone pulls `public/**`, ci pushes everywhere and lists.
pub(super) fn public_and_ci() -> Option<Vec<Rule>> {
    Some(vec![rule("everyone", "pull", "public/**"), rule("everyone", "catalog", ""), rule("ci", "push", "")])
}

pub(super) fn rule(callers: &str, actions: &str, repositories: &str) -> Rule {
    let list = |words: &str| words.split_whitespace().map(str::to_owned).collect();
    Rule {
        callers: list(callers),
        actions: list(actions),
        repositories: list(repositories),
        ..Rule::default()
    }
}

pub(super) fn grant(name: &str, actions: &[&str]) -> Value {
    json!([{ "type": "repository", "name": name, "actions": actions }])
}

pub(super) fn by(authorization: Option<&str>, request: Request) -> Request {
    match authorization {
        Some(authorization) => request.header("Authorization", authorization),
        None => request,
    }
}

/// Puts another file in the place of one, as operators and their tools do.
#[expect(clippy::disallowed_methods, reason = "the test plays the operator")]
pub(super) fn replace(path: &std::path::Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).expect("a file can be written");
    std::fs::rename(&new, path).expect("a file can be renamed");
}
