//! What a caller is told who has to say who they are, byte for byte.

use wharf_oci::ErrorCode;
use wharf_testkit::credentials::basic;
use wharf_testkit::wire::Response;

use super::world::{Ways, World, by, grant, public_and_ci};

#[track_caller]
fn check(answer: &Response, challenge: &str, detail: &str) {
    assert_eq!((answer.status, answer.values("WWW-Authenticate")), (401, vec![challenge]), "{answer:?}");
    let detail = if detail.is_empty() { String::new() } else { format!(",\"detail\":{detail}") };
    let body =
        format!(r#"{{"errors":[{{"code":"UNAUTHORIZED","message":"authentication required"{detail}}}]}}"#);
    assert_eq!(answer.text().trim_end(), body);
}

fn needed(name: &str, actions: &[&str]) -> String {
    let one = |action| format!(r#"{{"Action":"{action}","Class":"","Name":"{name}","Type":"repository"}}"#);
    format!("[{}]", actions.iter().map(one).collect::<Vec<_>>().join(","))
}

#[tokio::test]
async fn a_password_is_asked_for_as_it_always_was() {
    let world = World::start(Ways::Passwords, None).await;
    let basic_realm = r#"Basic realm="My Realm""#;
    check(&world.get(None, "/v2/").await, basic_realm, "null");
    check(&world.get(None, "/v2/a/tags/list").await, basic_realm, &needed("a", &["pull"]));
    check(&world.get(Some(&basic("ci", "wrong")), "/v2/").await, basic_realm, "null");
    check(&world.get(Some("Basic Og=="), "/v2/").await, basic_realm, "null");
    let ci = basic("ci", "secret");
    let _ = world.get(Some(&ci), "/v2/").await.expect(200);
    let _ = world.get(Some(&ci), "/v2/_catalog").await.expect(200);
    let _ = world.get(Some(&ci), "/v2/a/tags/list").await.refused(404, ErrorCode::NameUnknown);
}

#[tokio::test]
async fn a_token_server_is_named_with_the_scope_that_is_wanted() {
    let world = World::start(Ways::Foreign, None).await;
    let theirs = r#"Bearer realm="https://auth.example.com/token",service="theirs""#;
    let with = |rest: &str| format!("{theirs},{rest}");
    check(&world.get(None, "/v2/").await, theirs, "null");
    check(
        &world.get(None, "/v2/a/tags/list").await,
        &with(r#"scope="repository:a:pull""#),
        &needed("a", &["pull"]),
    );
    check(
        &world.registry.post("/v2/a/blobs/uploads/").send().await,
        &with(r#"scope="repository:a:pull,push""#),
        &needed("a", &["pull", "push"]),
    );
    check(
        &world.registry.delete("/v2/a/manifests/1").send().await,
        &with(r#"scope="repository:a:delete""#),
        &needed("a", &["delete"]),
    );
    let pulling = world.theirs("ci", Some(grant("a", &["pull"])));
    check(
        &by(Some(&pulling), world.registry.post("/v2/a/blobs/uploads/")).send().await,
        &with(r#"scope="repository:a:pull,push",error="insufficient_scope""#),
        &needed("a", &["pull", "push"]),
    );
    check(
        &world.get(Some("Bearer a.b.c"), "/v2/a/tags/list").await,
        &with(r#"scope="repository:a:pull",error="invalid_token""#),
        &needed("a", &["pull"]),
    );
    let _ = world.get(Some(&pulling), "/v2/a/tags/list").await.refused(404, ErrorCode::NameUnknown);
}

#[tokio::test]
async fn an_upload_is_cancelled_by_whoever_may_push() {
    let world = World::start(Ways::Foreign, None).await;
    let pushing = world.theirs("ci", Some(grant("a", &["push", "pull"])));
    let begun = by(Some(&pushing), world.registry.post("/v2/a/blobs/uploads/")).send().await.expect(202);
    let cancelled = by(Some(&pushing), world.registry.delete(begun.location())).send().await;
    let _ = cancelled.expect(204);
}

#[tokio::test]
async fn our_own_server_is_at_the_address_the_client_has_used() {
    let world = World::start(Ways::Own, public_and_ci()).await;
    let host = world.registry.address();
    let ours = format!(r#"Bearer realm="http://{host}/token",service="registry""#);
    check(&world.get(None, "/v2/").await, &ours, "null");
    check(
        &world.get(None, "/v2/team/app/tags/list").await,
        &format!(r#"{ours},scope="repository:team/app:pull""#),
        &needed("team/app", &["pull"]),
    );
    let proxied = world.registry.get("/v2/").header("X-Forwarded-Proto", "https");
    let proxied = proxied.header("X-Forwarded-Host", "registry.example.com").send().await;
    check(&proxied, r#"Bearer realm="https://registry.example.com/token",service="registry""#, "null");
    // What is for everybody is served to whoever asks for it.
    let _ = world.get(None, "/v2/public/app/tags/list").await.refused(404, ErrorCode::NameUnknown);
    // But not to whoever says something wrong.
    let wrong = world.get(Some(&basic("ci", "wrong")), "/v2/public/app/tags/list").await;
    let _ = wrong.refused(401, ErrorCode::Unauthorized);
}

#[tokio::test]
async fn who_keeps_guessing_has_to_wait() {
    let world = World::start(Ways::Own, public_and_ci()).await;
    let paths = || ["/v2/", "/token"].into_iter().cycle();
    // What a client repeats with each of its requests is one guess.
    let repeated = std::iter::repeat_n("guess 0", 10);
    for (guess, path) in repeated.chain(["guess 1", "guess 2", "guess 3", "guess 4"]).zip(paths()) {
        let wrong = basic("alice", guess);
        let _ = world.get(Some(&wrong), path).await.refused(401, ErrorCode::Unauthorized);
    }
    for path in paths().take(2) {
        let wrong = basic("alice", "another");
        let answer = world.get(Some(&wrong), path).await.refused(429, ErrorCode::TooManyRequests);
        let seconds: u64 = answer.required("Retry-After").parse().expect("a number of seconds");
        assert!(seconds > 0);
    }
    let _ = world.get(Some(&basic("ci", "secret")), "/v2/").await.expect(200);
}
