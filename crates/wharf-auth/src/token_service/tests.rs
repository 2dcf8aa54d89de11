//! The token service as clients use it, without HTTP.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::authorizer::Authorizer as _;
use crate::clock::manual::ManualClock;
use crate::guard::{Guard, Passwords};
use crate::htpasswd::{Htpasswd, HtpasswdOptions};
use crate::rules::{Rule, Rules};
use crate::scratch;

struct World {
    service: TokenService,
    clock: ManualClock,
    file: PathBuf,
    _folder: TempDir,
}

impl World {
    async fn new(keys: KeyRing, rules: Option<Vec<Rule>>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("htpasswd");
        write_password(&file, "secret");
        let clock = ManualClock::new();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let opened = Htpasswd::open(&file, &HtpasswdOptions::default(), Arc::clone(&shared)).await.unwrap();
        let tokens = Arc::new(OwnTokens::new(TokenOptions::default(), keys, shared));
        let guard = Guard {
            passwords: Some(Passwords { realm: "My Realm".into(), file: opened }),
            own_tokens: Some(Arc::clone(&tokens)),
            rules: rules.map(|rules| Rules::new(rules, BTreeMap::new()).unwrap()),
            ..Guard::default()
        };
        let service = TokenService::new(Arc::new(guard), tokens).unwrap();
        Self { service, clock, file, _folder: folder }
    }

    async fn usual() -> Self {
        let rules = vec![rule("everyone", "pull", "public/**"), rule("ci", "push", "team/**")];
        Self::new(KeyRing::from_pem(keys::new_pem().as_bytes()).unwrap(), Some(rules)).await
    }

    async fn query(&self, authorization: Option<&str>, query: &str) -> Result<IssuedToken, IssueError> {
        let sender = Sender { authorization, ..Sender::default() };
        self.service.issue(sender, TokenRequest::from_query(query)).await
    }

    async fn form(&self, form: &str) -> Result<IssuedToken, IssueError> {
        self.service.issue(Sender::default(), TokenRequest::from_form(form.as_bytes())?).await
    }
}

fn write_password(file: &Path, password: &str) {
    scratch::replace(file, format!("ci:{}\n", bcrypt::hash(password, 4).unwrap()));
}

fn rule(callers: &str, actions: &str, repositories: &str) -> Rule {
    let list = |words: &str| words.split_whitespace().map(str::to_owned).collect();
    Rule {
        callers: list(callers),
        actions: list(actions),
        repositories: list(repositories),
        ..Rule::default()
    }
}

fn ci() -> String {
    format!("Basic {}", BASE64_STANDARD.encode("ci:secret"))
}

/// What a token grants, one a line.
fn access(issued: &IssuedToken) -> Vec<String> {
    let claims = issued.token.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    let one = |grant: &Value| {
        let actions = grant["actions"].as_array().unwrap().iter().map(|a| a.as_str().unwrap());
        let actions = actions.collect::<Vec<_>>().join(",");
        format!("{}:{}:{actions}", grant["type"].as_str().unwrap(), grant["name"].as_str().unwrap())
    };
    claims["access"].as_array().unwrap().iter().map(one).collect()
}

#[tokio::test]
async fn a_token_grants_what_was_asked_for_and_may_be() {
    let world = World::usual().await;
    let ci = ci();
    let rows: [(Option<&str>, &str, &[&str]); 7] = [
        (None, "scope=repository:public/app:pull,push", &["repository:public/app:pull"]),
        (None, "scope=repository:team/app:pull", &[]),
        (None, "", &[]),
        (Some(&ci), "scope=repository:team/app:pull,push,delete", &["repository:team/app:pull,push"]),
        (Some(&ci), "scope=repository:team/app:*", &["repository:team/app:pull,push"]),
        (
            Some(&ci),
            "scope=repository:team/app:pull&scope=repository:team/app:push+repository:public/app:pull",
            &["repository:team/app:pull,push", "repository:public/app:pull"],
        ),
        (Some(&ci), "scope=registry:catalog:*&scope=repository:Bad Name:pull&scope=nonsense", &[]),
    ];
    for (authorization, query, expected) in rows {
        let issued = world.query(authorization, query).await.unwrap();
        assert_eq!(access(&issued), expected, "{query}");
        assert_eq!(issued.holder.as_deref(), authorization.map(|_| "ci"), "{query}");
    }
}

#[tokio::test]
async fn without_rules_whoever_is_known_gets_all_they_ask_for() {
    let world = World::new(KeyRing::random().unwrap(), None).await;
    let query = "scope=repository:a:pull,push,delete&scope=registry:catalog:*";
    let all = ["repository:a:pull,push,delete", "registry:catalog:*"];
    assert_eq!(access(&world.query(Some(&ci()), query).await.unwrap()), all);
    assert!(access(&world.query(None, query).await.unwrap()).is_empty());
}

#[tokio::test]
async fn the_answer_is_what_clients_read() {
    let world = World::usual().await;
    let issued = world.query(None, "service=registry").await.unwrap();
    let answer: Value = serde_json::from_str(&issued.to_json()).unwrap();
    assert_eq!(answer["token"], issued.token.as_str());
    assert_eq!(answer["access_token"], issued.token.as_str());
    assert_eq!(answer["expires_in"], 300);
    let issued_at = answer["issued_at"].as_str().unwrap();
    assert!(humantime::parse_rfc3339(issued_at).is_ok(), "{issued_at}");
    assert_eq!(answer.get("refresh_token"), None);
}

#[tokio::test]
async fn what_is_wrong_is_told_apart() {
    let world = World::usual().await;
    let wrong = format!("Basic {}", BASE64_STANDARD.encode("ci:wrong"));
    let own = format!("Bearer {}", world.query(None, "").await.unwrap().token);
    for authorization in [wrong.as_str(), own.as_str(), "Digest x", ""] {
        let error = world.query(Some(authorization), "").await.unwrap_err();
        let IssueError::WrongCredentials { challenge } = &error else { panic!("{error:?}") };
        assert_eq!(challenge.to_header(""), r#"Basic realm="My Realm""#);
    }
    let error = world.query(None, "service=other").await.unwrap_err();
    assert_eq!(error.to_string(), r#"this registry is the service "registry", not "other""#);
    let many: String = (0..300).map(|n| format!("scope=repository:r{n}:pull&")).collect();
    assert!(matches!(world.query(None, &many).await, Err(IssueError::TooMuch { .. })));
    // Empty credentials are none.
    assert!(world.query(Some("Basic Og=="), "").await.is_ok());
    assert!(world.form("grant_type=password&username=&password=").await.is_ok());
}

#[tokio::test]
async fn scopes_are_parsed_after_the_credentials_were_verified() {
    let world = World::usual().await;
    let wrong = format!("Basic {}", BASE64_STANDARD.encode("ci:wrong"));
    let many: String = (0..300).map(|n| format!("scope=repository:r{n}:pull&")).collect();
    let refused = world.query(Some(&wrong), &many).await;
    assert!(matches!(refused, Err(IssueError::WrongCredentials { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_form_takes_the_place_of_the_header() {
    let world = World::usual().await;
    let scope = "scope=repository%3Ateam%2Fapp%3Apull%2Cpush";
    let issued =
        world.form(&format!("grant_type=password&username=ci&password=secret&{scope}")).await.unwrap();
    assert_eq!(access(&issued), ["repository:team/app:pull,push"]);
    let wrong = world.form("grant_type=password&username=ci&password=wrong").await;
    assert!(matches!(wrong, Err(IssueError::WrongCredentials { .. })));
}

#[tokio::test]
async fn a_refresh_token_is_as_good_as_the_password_until_that_is_changed() {
    let world = World::usual().await;
    let issued = world.query(Some(&ci()), "offline_token=true&account=ci").await.unwrap();
    let refresh = issued.refresh_token.unwrap();
    let form = format!("grant_type=refresh_token&refresh_token={refresh}&scope=repository:team/app:push");
    let issued = world.form(&form).await.unwrap();
    assert_eq!(access(&issued), ["repository:team/app:push"]);
    assert_eq!(issued.holder.as_deref(), Some("ci"));
    // The other way round neither is the other.
    let swapped = format!("grant_type=refresh_token&refresh_token={}", issued.token);
    assert!(matches!(world.form(&swapped).await, Err(IssueError::WrongCredentials { .. })));

    write_password(&world.file, "changed");
    world.clock.advance(Duration::from_secs(2));
    assert!(matches!(world.form(&form).await, Err(IssueError::WrongCredentials { .. })));
    // The same password written anew is another hash.
    write_password(&world.file, "secret");
    world.clock.advance(Duration::from_secs(2));
    assert!(matches!(world.form(&form).await, Err(IssueError::WrongCredentials { .. })));
}

#[tokio::test]
async fn no_refresh_token_is_given_that_would_not_outlive_the_process_or_has_no_password() {
    let world = World::usual().await;
    assert!(world.query(None, "offline_token=true").await.unwrap().refresh_token.is_none());
    let world = World::new(KeyRing::random().unwrap(), None).await;
    assert!(world.query(Some(&ci()), "offline_token=true").await.unwrap().refresh_token.is_none());
}

#[tokio::test]
async fn keys_in_files_are_rotated_without_a_refused_token() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first.pem"), folder.path().join("second.pem"));
    let (old, new) = (keys::new_pem(), keys::new_pem());
    scratch::write(&first, &old);
    scratch::write(&second, &old);
    let clock = ManualClock::new();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let files = [first.clone(), second.clone()];
    let tokens = OwnTokens::with_key_files(TokenOptions::default(), &files, shared).await.unwrap();
    let issue = async || {
        let keys = tokens.keys().await.unwrap();
        own::access_token(&keys, &tokens.options, clock.now(), None, &[]).unwrap()
    };
    let before = issue().await;
    assert!(tokens.read(&before, None).await.is_some());

    scratch::replace(&first, &new);
    clock.advance(Duration::from_secs(2));
    let after = issue().await;
    assert!(tokens.read(&before, None).await.is_some() && tokens.read(&after, None).await.is_some());

    scratch::replace(&second, &new);
    clock.advance(Duration::from_secs(2));
    assert!(tokens.read(&before, None).await.is_none(), "its key is gone, remembered or not");
    assert!(tokens.read(&after, None).await.is_some());
}

/// A start must answer before a key is derived, and a request that needs the key must get it and no refusal.
#[tokio::test]
async fn while_a_key_is_derived_clients_are_answered_and_tokens_wait() {
    let (finish, derived) = std::sync::mpsc::channel();
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    let before = OwnTokens::new(TokenOptions::default(), KeyRing::random().unwrap(), Arc::clone(&clock));
    let keys = before.keys().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("htpasswd");
    write_password(&path, "secret");
    let file = Htpasswd::open(&path, &HtpasswdOptions::default(), Arc::clone(&clock)).await.unwrap();
    let stored = file.stored("ci").await.unwrap();
    let holder = own::Holder { name: "ci", stored: &stored };
    let token = own::access_token(&keys, &before.options, clock.now(), Some(holder), &[]).unwrap();
    let derive = move || {
        derived.recv().unwrap();
        Ok(keys)
    };
    let tokens = Arc::new(OwnTokens::deriving(TokenOptions::default(), derive, clock));
    let passwords = Some(Passwords { realm: "My Realm".into(), file });
    let guard = Guard { own_tokens: Some(Arc::clone(&tokens)), passwords, ..Guard::default() };

    let caller = guard.caller(Sender::default()).await.unwrap();
    assert!(!caller.is_known(), "a caller without credentials waits for no key");
    let authorization = format!("Bearer {token}");
    let with_token = guard.caller(Sender { authorization: Some(&authorization), ..Sender::default() });
    let mut with_token = std::pin::pin!(with_token);
    assert!(with_token.as_mut().now_or_never().is_none());
    finish.send(()).unwrap();
    assert_eq!(with_token.await.unwrap().known_name(), Some("ci"));
}

#[tokio::test]
async fn without_a_key_every_token_is_refused() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new());
    let keys = KeyRing::random().unwrap();
    let token = own::access_token(&keys, &TokenOptions::default(), clock.now(), None, &[]).unwrap();
    let tokens =
        OwnTokens::deriving(TokenOptions::default(), || Err(SigningKeyError::Library), Arc::clone(&clock));
    assert!(tokens.read(&token, None).await.is_none());
    assert!(OwnTokens::with_secret(TokenOptions::default(), "swordfish".into(), clock).is_err());
}
