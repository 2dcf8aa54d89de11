//! Every way to say who one is, against every way to decide.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::caller::ClientCertificate;
use crate::clock::manual::ManualClock;
use crate::htpasswd::HtpasswdOptions;
use crate::jwt::{KeySet, TokenRules, TrustedKeys, VerifyingKey};
use crate::rules::Rule;
use crate::scratch;
use crate::token_service::{KeyRing, TokenIssuer, TokenOptions, TokenRequest, TokenService};

/// The realm of the other token server.
const ELSEWHERE: &str = "https://auth.example.com/token";

const BASIC: &str = r#"Basic realm="My Realm""#;
const OURS: &str = r#"Bearer realm="https://here/token",service="registry""#;
const THEIRS: &str = r#"Bearer realm="https://auth.example.com/token",service="theirs""#;

/// A guard with everything a test may want of it, and what it takes to come past it.
struct World {
    guard: Arc<Guard>,
    own: Arc<OwnTokens>,
    their_keys: KeyRing,
    clock: ManualClock,
    folder: TempDir,
}

fn lines(users: &[(&str, &str)]) -> String {
    users.iter().map(|(user, password)| format!("{user}:{}\n", bcrypt::hash(password, 4).unwrap())).collect()
}

#[derive(Default)]
struct Setup {
    passwords: bool,
    foreign: bool,
    own: bool,
    groups: BTreeMap<String, Vec<String>>,
    rules: Option<Vec<Rule>>,
}

impl World {
    async fn new(setup: Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("htpasswd");
        scratch::write(&path, lines(&[("alice", "secret"), ("ci", "secret")]));
        let clock = ManualClock::new();
        let shared: Arc<dyn crate::Clock> = Arc::new(clock.clone());
        let file = Htpasswd::open(&path, &HtpasswdOptions::default(), Arc::clone(&shared)).await.unwrap();
        let keys = KeyRing::random().unwrap();
        let own = Arc::new(OwnTokens::new(TokenOptions::default(), keys, Arc::clone(&shared)));
        let their_keys = KeyRing::random().unwrap();
        let (id, public) = their_keys.public();
        let trusted = KeySet::new([(Some(id), VerifyingKey::ed25519(&public).unwrap())]);
        let verifier = TokenVerifier::new(
            TokenRules::new("them", "theirs"),
            vec![TrustedKeys::fixed(trusted)],
            Arc::clone(&shared),
        );
        let realm = Realm::Url(ELSEWHERE.to_owned());
        let foreign = ForeignTokens { realm, service: "theirs".into(), verifier };
        let guard = Guard {
            passwords: setup.passwords.then(|| Passwords { realm: "My Realm".into(), file }),
            tokens: setup.foreign.then_some(foreign),
            own_tokens: setup.own.then(|| Arc::clone(&own)),
            rules: setup.rules.map(|rules| Rules::new(rules, setup.groups).unwrap()),
        };
        Self { guard: Arc::new(guard), own, their_keys, clock, folder }
    }

    /// Puts another file of passwords there, and lets the time pass until it counts.
    fn replace_passwords(&self, users: &[(&str, &str)]) {
        scratch::replace(&self.folder.path().join("htpasswd"), lines(users));
        self.clock.advance(std::time::Duration::from_secs(1));
    }

    /// A token of the other server.
    fn theirs(&self, subject: &str, access: Option<Value>) -> String {
        let claims = access.map_or_else(|| json!({}), |access| json!({ "access": access }));
        self.theirs_claiming(subject, &claims)
    }

    /// A token of the other server that claims more than whose it is.
    fn theirs_claiming(&self, subject: &str, more: &Value) -> String {
        let now = self.now();
        let mut claims = json!({
            "iss": "them", "aud": "theirs", "sub": subject, "exp": now + 300, "nbf": now, "iat": now,
        });
        for (name, value) in more.as_object().unwrap() {
            claims[name] = value.clone();
        }
        format!("Bearer {}", self.their_keys.sign("JWT", &claims).unwrap())
    }

    /// A token of our own service.
    async fn ours(&self, authorization: Option<&str>, scope: &str) -> String {
        let service = TokenService::new(Arc::clone(&self.guard), Arc::clone(&self.own)).unwrap();
        let request = TokenRequest { scopes: vec![scope.to_owned()], ..TokenRequest::default() };
        let sender = Sender { authorization, ..Sender::default() };
        format!("Bearer {}", service.issue(sender, request).await.unwrap().token)
    }

    fn now(&self) -> u64 {
        use crate::Clock as _;
        self.clock.now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
    }

    /// What comes of it: `ok`, `denied`, or the challenge.
    async fn outcome(&self, sender: Sender<'_>, scope: Scope<'_>) -> String {
        let outcome = async {
            let caller = self.guard.caller(sender).await?;
            self.guard.allow(&caller, scope).await
        };
        match outcome.await {
            Ok(()) => "ok".to_owned(),
            Err(Refusal::Unauthenticated { challenge }) => challenge.to_header("https://here"),
            Err(Refusal::Denied) => "denied".to_owned(),
            Err(other) => format!("{other:?}"),
        }
    }

    #[track_caller]
    fn check(&self, authorization: Option<&str>, scope: &str, expected: &str) -> impl Future<Output = ()> {
        let sender = Sender { authorization, ..Sender::default() };
        let place = std::panic::Location::caller();
        async move {
            let outcome = self.outcome(sender, named(scope, &NAMES)).await;
            assert_eq!(outcome, expected, "{authorization:?} {scope} at {place}");
        }
    }
}

static NAMES: std::sync::LazyLock<[RepositoryName; 2]> =
    std::sync::LazyLock::new(|| ["public/app".parse().unwrap(), "acme/app".parse().unwrap()]);

/// `pull public/app`, `catalog`, `base`, `everything`.
fn named<'a>(text: &str, names: &'a [RepositoryName; 2]) -> Scope<'a> {
    let Some((action, name)) = text.split_once(' ') else {
        return match text {
            "base" => Scope::Base,
            "catalog" => Scope::Catalog,
            "everything" => Scope::PullEverything,
            _ => Scope::Admin,
        };
    };
    let action = match action {
        "pull" => Action::Pull,
        "push" => Action::Push,
        _ => Action::Delete,
    };
    Scope::Repository(names.iter().find(|one| one.as_str() == name).unwrap(), action)
}

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
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

/// Anyone pulls `public/**`, ci pushes everywhere.
fn public_and_ci() -> Option<Vec<Rule>> {
    Some(vec![rule("everyone", "pull", "public/**"), rule("ci", "push", "")])
}

const SCOPES: [&str; 7] =
    ["base", "catalog", "pull acme/app", "push acme/app", "delete acme/app", "everything", "admin"];

#[tokio::test]
async fn a_password_alone_opens_everything_as_it_always_has() {
    let world = World::new(Setup { passwords: true, ..Setup::default() }).await;
    world.check(Some(&basic("alice", "wrong")), "base", BASIC).await;
    world.check(Some(&basic("nobody", "secret")), "base", BASIC).await;
    for scope in SCOPES {
        world.check(None, scope, BASIC).await;
        world.check(Some("Basic Og=="), scope, BASIC).await;
        world.check(Some("Digest a"), scope, BASIC).await;
        world.check(Some("Bearer a.b.c"), scope, BASIC).await;
        world.check(Some(&basic("alice", "secret")), scope, "ok").await;
    }
}

#[tokio::test]
async fn a_foreign_token_decides_alone_as_it_always_has() {
    let world = World::new(Setup { foreign: true, ..Setup::default() }).await;
    let wants = |scope: &str| format!("{THEIRS},scope=\"{scope}\"");
    let lacks = |scope: &str| format!("{THEIRS},scope=\"{scope}\",error=\"insufficient_scope\"");
    world.check(None, "base", THEIRS).await;
    world.check(None, "pull acme/app", &wants("repository:acme/app:pull")).await;
    world.check(None, "push acme/app", &wants("repository:acme/app:pull,push")).await;
    world.check(None, "delete acme/app", &wants("repository:acme/app:delete")).await;
    world.check(None, "catalog", &wants("registry:catalog:*")).await;

    let access = json!([{ "type": "repository", "name": "acme/app", "actions": ["pull", "push"] }]);
    for subject in ["alice", ""] {
        let token = world.theirs(subject, Some(access.clone()));
        for scope in ["base", "pull acme/app", "push acme/app"] {
            world.check(Some(&token), scope, "ok").await;
        }
        world.check(Some(&token), "delete acme/app", &lacks("repository:acme/app:delete")).await;
        world.check(Some(&token), "pull public/app", &lacks("repository:public/app:pull")).await;
        world.check(Some(&token), "catalog", &lacks("registry:catalog:*")).await;
    }
    // Without `access` it is a name, and there is nothing here to look a name up in.
    let token = world.theirs("alice", None);
    world.check(Some(&token), "pull acme/app", &lacks("repository:acme/app:pull")).await;
    world.check(Some(&token), "base", "ok").await;
    world.check(Some(&basic("alice", "secret")), "base", THEIRS).await;
    let invalid = format!("{THEIRS},error=\"invalid_token\"");
    world.check(Some("Bearer a.b.c"), "pull acme/app", &invalid).await;
}

#[tokio::test]
async fn anyone_pulls_what_is_public_and_ci_pushes() {
    let world =
        World::new(Setup { passwords: true, own: true, rules: public_and_ci(), ..Setup::default() }).await;
    let wants = |scope: &str| format!("{OURS},scope=\"{scope}\"");
    // Nobody: told how to log in at the base, and served what is for everybody.
    world.check(None, "base", OURS).await;
    world.check(Some("Basic Og=="), "base", OURS).await;
    world.check(None, "pull public/app", "ok").await;
    world.check(None, "pull acme/app", &wants("repository:acme/app:pull")).await;
    world.check(None, "push public/app", &wants("repository:public/app:pull,push")).await;
    // By password, unasked.
    let ci = basic("ci", "secret");
    for scope in ["base", "pull acme/app", "push public/app"] {
        world.check(Some(&ci), scope, "ok").await;
    }
    world.check(Some(&ci), "delete public/app", "denied").await;
    world.check(Some(&basic("alice", "secret")), "push public/app", "denied").await;
    // A wrong password is wrong, whatever it is for.
    world.check(Some(&basic("ci", "wrong")), "pull public/app", OURS).await;
    world.check(Some(&basic("ci", "wrong")), "base", OURS).await;
    world.check(Some("Bearer x"), "pull public/app", &format!("{OURS},error=\"invalid_token\"")).await;
}

#[tokio::test]
async fn our_own_tokens_open_what_was_asked_for_and_no_more_than_the_rules() {
    let world =
        World::new(Setup { passwords: true, own: true, rules: public_and_ci(), ..Setup::default() }).await;
    let lacks = |scope: &str| format!("{OURS},scope=\"{scope}\",error=\"insufficient_scope\"");
    let ci = basic("ci", "secret");

    let anonymous = world.ours(None, "repository:public/app:pull,push").await;
    world.check(Some(&anonymous), "base", "ok").await;
    world.check(Some(&anonymous), "pull public/app", "ok").await;
    world.check(Some(&anonymous), "push public/app", &lacks("repository:public/app:pull,push")).await;

    let pulling = world.ours(Some(&ci), "repository:acme/app:pull").await;
    world.check(Some(&pulling), "pull acme/app", "ok").await;
    // The rules would let them: another token helps.
    world.check(Some(&pulling), "push acme/app", &lacks("repository:acme/app:pull,push")).await;
    world.check(Some(&pulling), "pull public/app", &lacks("repository:public/app:pull")).await;
    // The rules would not: none does.
    world.check(Some(&pulling), "delete acme/app", "denied").await;

    let pushing = world.ours(Some(&ci), "repository:acme/app:pull,push,delete").await;
    world.check(Some(&pushing), "push acme/app", "ok").await;
    world.check(Some(&pushing), "delete acme/app", "denied").await;

    world.clock.advance(std::time::Duration::from_secs(361));
    world.check(Some(&pushing), "push acme/app", &format!("{OURS},error=\"invalid_token\"")).await;
}

#[tokio::test]
async fn our_own_tokens_end_with_the_password_of_their_holder() {
    let world =
        World::new(Setup { passwords: true, own: true, rules: public_and_ci(), ..Setup::default() }).await;
    let (ci, alice) = (basic("ci", "secret"), basic("alice", "secret"));
    let of_ci = world.ours(Some(&ci), "repository:acme/app:pull").await;
    let of_alice = world.ours(Some(&alice), "repository:public/app:pull").await;
    let anonymous = world.ours(None, "repository:public/app:pull").await;
    world.check(Some(&of_ci), "pull acme/app", "ok").await;
    world.check(Some(&of_alice), "pull public/app", "ok").await;

    // One user is removed, the other has another password.
    world.replace_passwords(&[("alice", "changed")]);
    let invalid = format!("{OURS},error=\"invalid_token\"");
    world.check(Some(&of_ci), "pull acme/app", &invalid).await;
    world.check(Some(&of_alice), "pull public/app", &invalid).await;
    world.check(Some(&anonymous), "pull public/app", "ok").await;
    let again = world.ours(Some(&basic("alice", "changed")), "repository:public/app:pull").await;
    world.check(Some(&again), "pull public/app", "ok").await;
}

#[tokio::test]
async fn rules_about_a_group_fit_our_own_tokens_of_its_members() {
    let deny = Rule { effect: crate::rules::Effect::Deny, ..rule("group:contractors", "pull", "acme/**") };
    let rules = vec![deny, rule("authenticated", "push", "")];
    let groups = [("contractors".to_owned(), vec!["ci".to_owned()])];
    let setup =
        Setup { passwords: true, own: true, groups: groups.into(), rules: Some(rules), ..Setup::default() };
    let world = World::new(setup).await;
    let rows = [("ci", "denied", "ok"), ("alice", "ok", "ok")];
    for (user, acme, public) in rows {
        let password = basic(user, "secret");
        let scopes = "repository:acme/app:pull,push repository:public/app:pull,push";
        let token = world.ours(Some(&password), scopes).await;
        for shown in [&password, &token] {
            world.check(Some(shown), "pull acme/app", acme).await;
            world.check(Some(shown), "push acme/app", acme).await;
            world.check(Some(shown), "push public/app", public).await;
        }
    }
}

#[tokio::test]
async fn groups_that_cannot_be_read_matter_only_where_rules_name_groups() {
    let elsewhere = json!({ "_claim_names": { "groups": "src1" } });
    let nested = json!({ "groups": [["contractors"]] });
    let by_group = || Some(vec![rule("group:staff", "pull", "public/**"), rule("authenticated", "pull", "")]);
    let invalid = format!("{THEIRS},error=\"invalid_token\"");
    for (rules, expected) in [(by_group(), &*invalid), (Some(vec![rule("authenticated", "pull", "")]), "ok")]
    {
        let world = World::new(Setup { foreign: true, rules, ..Setup::default() }).await;
        for claims in [&elsewhere, &nested] {
            let token = world.theirs_claiming("alice", claims);
            world.check(Some(&token), "pull acme/app", expected).await;
        }
        let token =
            world.theirs_claiming("alice", &json!({ "groups": "staff", "_claim_names": { "x": "y" } }));
        world.check(Some(&token), "pull acme/app", "ok").await;
    }
}

#[tokio::test]
async fn rules_and_a_tokens_grants_must_both_allow() {
    let world = World::new(Setup { foreign: true, rules: public_and_ci(), ..Setup::default() }).await;
    let access =
        json!([{ "type": "repository", "name": "public/app", "actions": ["pull", "push", "delete"] }]);
    let ci = world.theirs("ci", Some(access.clone()));
    world.check(Some(&ci), "push public/app", "ok").await;
    world.check(Some(&ci), "delete public/app", "denied").await;
    let lacks = format!("{THEIRS},scope=\"repository:acme/app:pull,push\",error=\"insufficient_scope\"");
    world.check(Some(&ci), "push acme/app", &lacks).await;
    world.check(Some(&world.theirs("alice", Some(access))), "push public/app", "denied").await;
    // A token that only says who somebody is leaves it to the rules.
    let ci = world.theirs("ci", None);
    world.check(Some(&ci), "push acme/app", "ok").await;
    world.check(Some(&ci), "delete acme/app", "denied").await;
}

#[tokio::test]
async fn passwords_that_come_unasked_are_taken_beside_another_token_server() {
    let world = World::new(Setup { passwords: true, foreign: true, ..Setup::default() }).await;
    world.check(None, "base", THEIRS).await;
    world.check(Some(&basic("alice", "secret")), "push acme/app", "ok").await;
    world.check(Some(&basic("alice", "wrong")), "base", THEIRS).await;
    let access = json!([{ "type": "repository", "name": "acme/app", "actions": ["pull"] }]);
    let token = world.theirs("alice", Some(access));
    // Her password would let her; what she has shown is a token.
    let lacks = format!("{THEIRS},scope=\"repository:acme/app:pull,push\",error=\"insufficient_scope\"");
    world.check(Some(&token), "push acme/app", &lacks).await;
    // Ours are no tokens where we give none out, however well they are signed.
    let ours = world.ours(Some(&basic("alice", "secret")), "repository:acme/app:pull,push").await;
    world.check(Some(&ours), "base", &format!("{THEIRS},error=\"invalid_token\"")).await;
}

#[tokio::test]
async fn without_a_way_to_log_in_nobody_is_asked_to() {
    let world = World::new(Setup { rules: public_and_ci(), ..Setup::default() }).await;
    world.check(None, "base", "ok").await;
    world.check(None, "pull public/app", "ok").await;
    world.check(None, "push public/app", "denied").await;
    world.check(Some(&basic("ci", "secret")), "pull public/app", "denied").await;
}

#[tokio::test]
async fn a_certificate_is_something_to_rules_and_nothing_else() {
    let builder = Rule { common_names: vec!["builder".to_owned()], ..rule("", "push", "acme/**") };
    let certificate = |name: &str| {
        Arc::new(ClientCertificate {
            subject: format!("CN={name}"),
            common_name: Some(name.to_owned()),
            ..ClientCertificate::default()
        })
    };
    let (known, unknown) = (certificate("builder"), certificate("stranger"));
    let sender = |certificate| Sender { certificate: Some(certificate), ..Sender::default() };
    let with = |rules, own| Setup { passwords: true, own, rules, ..Setup::default() };
    let push = named("push acme/app", &NAMES);

    let world = World::new(with(Some(vec![builder.clone()]), false)).await;
    assert_eq!(world.outcome(sender(&known), Scope::Base).await, "ok");
    assert_eq!(world.outcome(sender(&known), push).await, "ok");
    assert_eq!(world.outcome(sender(&unknown), Scope::Base).await, BASIC);
    assert_eq!(world.outcome(sender(&unknown), push).await, BASIC);
    // It says nothing more than a password would have to.
    let world = World::new(with(None, false)).await;
    assert_eq!(world.outcome(sender(&known), Scope::Base).await, BASIC);
    assert_eq!(world.outcome(sender(&known), push).await, BASIC);
    // What it shares with everybody does not keep its owner from logging in.
    let world = World::new(with(Some(vec![rule("everyone", "pull", "public/**"), builder]), true)).await;
    assert_eq!(world.outcome(sender(&known), Scope::Base).await, OURS);
    assert_eq!(world.outcome(sender(&known), push).await, "ok");
}

#[tokio::test]
async fn tags_and_lists_are_the_rules_business() {
    let tag: Tag = "v1".parse().unwrap();
    let [public, acme] = &*NAMES;
    let stays = Rule { immutable_tags: vec!["v*".to_owned()], ..rule("ci", "push", "") };
    let rules = Some(vec![rule("everyone", "pull", "public/**"), stays]);
    let world = World::new(Setup { passwords: true, own: true, rules, ..Setup::default() }).await;
    let ci = Caller { name: Some("ci".into()), ..Caller::default() };
    let nobody = Caller::default();

    assert_eq!(world.guard.tag_write(&ci, acme, &tag).await.unwrap(), TagWrite::Create);
    assert!(matches!(world.guard.tag_write(&nobody, acme, &tag).await, Err(Refusal::Unauthenticated { .. })));
    assert!(world.guard.sees(&nobody, public) && !world.guard.sees(&nobody, acme));
    assert!(world.guard.sees(&ci, acme));

    let open = World::new(Setup { passwords: true, ..Setup::default() }).await;
    assert_eq!(open.guard.tag_write(&ci, acme, &tag).await.unwrap(), TagWrite::Any);
    assert!(open.guard.sees(&ci, acme));
}

#[tokio::test]
async fn too_many_wrong_passwords_have_to_wait() {
    let world = World::new(Setup { passwords: true, ..Setup::default() }).await;
    let mut last = String::new();
    for guess in 0..10 {
        let wrong = basic("alice", &guess.to_string());
        last = world.outcome(Sender { authorization: Some(&wrong), ..Sender::default() }, Scope::Base).await;
    }
    assert!(last.starts_with("TooManyFailures"), "{last}");
}
