//! Refusals as the older registries word them.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use wharf_auth::{Authorizer, Caller, Challenge, Realm, Refusal, Scope, Sender, TagWrite};
use wharf_oci::{ErrorCode, RepositoryName, Tag};
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::Response;

use crate::NOBODYS;

/// Nobody may do anything until they have said who they are.
#[derive(Debug)]
struct Locked(fn(Scope<'_>) -> Challenge);

#[async_trait]
impl Authorizer for Locked {
    async fn caller(&self, sender: Sender<'_>) -> Result<Caller, Refusal> {
        match sender.authorization {
            Some(_) => Err(Refusal::Unauthenticated { challenge: (self.0)(Scope::Base) }),
            None => Ok(Caller::default()),
        }
    }

    async fn allow(&self, _caller: &Caller, scope: Scope<'_>) -> Result<(), Refusal> {
        Err(Refusal::Unauthenticated { challenge: (self.0)(scope) })
    }

    async fn tag_write(
        &self,
        _caller: &Caller,
        _repository: &RepositoryName,
        _tag: &Tag,
    ) -> Result<TagWrite, Refusal> {
        Err(Refusal::Denied)
    }

    fn sees(&self, _caller: &Caller, _repository: &RepositoryName) -> bool {
        false
    }
}

async fn locked(challenge: fn(Scope<'_>) -> Challenge) -> ScratchRegistry {
    ScratchRegistry::memory_with(Setup { authorizer: Arc::new(Locked(challenge)), ..Setup::default() }).await
}

fn basic(_scope: Scope<'_>) -> Challenge {
    Challenge::Basic { realm: "My Realm".to_owned() }
}

fn bearer(scope: Scope<'_>) -> Challenge {
    let scope = match scope {
        Scope::Catalog => Some("registry:catalog:*".to_owned()),
        Scope::Repository(name, _) => Some(format!("repository:{name}:pull,push")),
        Scope::Base | Scope::PullEverything | Scope::Admin => None,
    };
    Challenge::Bearer {
        realm: Realm::Url("https://r/".to_owned()),
        service: "svc".to_owned(),
        scope,
        error: None,
    }
}

fn assert_refused(response: Response, challenge: &str, detail: &Value) {
    let response = response.refused(401, ErrorCode::Unauthorized);
    assert_eq!(response.values("WWW-Authenticate"), [challenge]);
    let error = json!({"code": "UNAUTHORIZED", "message": "authentication required", "detail": detail});
    assert_eq!(response.json(), json!({ "errors": [error] }));
}

fn repository(name: &str, action: &str) -> Value {
    json!({"Type": "repository", "Class": "", "Name": name, "Action": action})
}

#[tokio::test]
async fn a_refusal_lists_what_is_needed() {
    let registry = locked(basic).await;
    let digest = NOBODYS;
    for (line, detail) in [
        ("GET /v2/".to_owned(), Value::Null),
        ("GET /v2/a/tags/list".to_owned(), json!([repository("a", "pull")])),
        (format!("DELETE /v2/a/manifests/{digest}"), json!([repository("a", "delete")])),
        (
            format!("POST /v2/b/blobs/uploads/?mount={digest}&from=q"),
            json!([repository("b", "pull"), repository("b", "push"), repository("q", "pull")]),
        ),
        (
            format!("POST /v2/b/blobs/uploads/?mount={digest}"),
            json!([repository("b", "pull"), repository("b", "push")]),
        ),
    ] {
        let (method, target) = line.split_once(' ').unwrap();
        for authorization in [None, Some("Basic bm9ib2R5Og==")] {
            let mut request = registry.request(method, target);
            if let Some(authorization) = authorization {
                request = request.header("Authorization", authorization);
            }
            assert_refused(request.send().await, "Basic realm=\"My Realm\"", &detail);
        }
    }
    let base = registry.get("/v2/").send().await;
    let text = "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\",\"detail\":null}]}\n";
    assert_eq!(base.text(), text);
}

#[tokio::test]
async fn a_challenge_asks_for_a_token_that_is_enough() {
    let registry = locked(bearer).await;
    let catalog = json!([{"Type": "registry", "Class": "", "Name": "catalog", "Action": "*"}]);
    let response = registry.get("/v2/_catalog").send().await;
    assert_refused(
        response,
        "Bearer realm=\"https://r/\",service=\"svc\",scope=\"registry:catalog:*\"",
        &catalog,
    );

    let mount = registry.post(format!("/v2/b/blobs/uploads/?mount={NOBODYS}&from=q")).body("");
    let needed = json!([repository("b", "pull"), repository("b", "push"), repository("q", "pull")]);
    let challenge =
        "Bearer realm=\"https://r/\",service=\"svc\",scope=\"repository:b:pull,push repository:q:pull\"";
    assert_refused(mount.send().await, challenge, &needed);
}
