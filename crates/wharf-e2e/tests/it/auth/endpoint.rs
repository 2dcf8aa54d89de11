//! `/token`: every form of asking, and what comes of it.

use wharf_http::{Limits, Options};
use wharf_oci::ErrorCode;
use wharf_testkit::credentials::basic;
use wharf_testkit::images::Image;
use wharf_testkit::wire::{Request, Response};

use super::world::{Ways, World, by, public_and_ci};

const FORM: &str = "application/x-www-form-urlencoded";

fn form(world: &World, form: &str) -> Request {
    world.registry.post("/token").header("Content-Type", FORM).body(form.to_owned())
}

/// Pushes an image with one header on every request.
async fn push(world: &World, authorization: &str, repository: &str) -> Response {
    let image = Image::random(7);
    for blob in image.blobs() {
        let to = format!("/v2/{repository}/blobs/uploads/?digest={}", blob.digest);
        let _ = by(Some(authorization), world.registry.post(to))
            .body(blob.bytes.clone())
            .send()
            .await
            .expect(201);
    }
    let manifest = world.registry.put(format!("/v2/{repository}/manifests/1"));
    let manifest = manifest.header("Content-Type", image.manifest.media_type.to_string());
    by(Some(authorization), manifest).body(image.manifest.bytes.clone()).send().await
}

#[tokio::test]
async fn a_token_is_had_by_a_query_and_opens_what_it_was_asked_for() {
    let world = World::start(Ways::Own, public_and_ci()).await;
    let ci = basic("ci", "secret");
    let query = "service=registry&account=ci&client_id=test&scope=repository:public/app:pull,push";
    let token = world.ours(Some(&ci), query).await;
    let _ = push(&world, &token, "public/app").await.expect(201);
    // Another repository takes another token.
    let other = by(Some(&token), world.registry.post("/v2/other/blobs/uploads/")).send().await;
    assert!(
        other
            .refused(401, ErrorCode::Unauthorized)
            .required("WWW-Authenticate")
            .contains("insufficient_scope")
    );

    let anonymous = world.ours(None, "scope=repository:public/app:pull,push").await;
    let _ = world.get(Some(&anonymous), "/v2/").await.expect(200);
    let _ = world.get(Some(&anonymous), "/v2/public/app/manifests/1").await.expect(200);
    let _ = world.get(None, "/v2/public/app/manifests/1").await.expect(200);
    let refused = by(Some(&anonymous), world.registry.post("/v2/public/app/blobs/uploads/")).send().await;
    let _ = refused.refused(401, ErrorCode::Unauthorized);
}

#[tokio::test]
async fn the_answer_has_what_every_client_looks_for() {
    let world = World::start(Ways::Own, public_and_ci()).await;
    let answer = world.get(None, "/token?service=registry").await.expect(200);
    assert_eq!(answer.header("Content-Type"), Some("application/json"));
    assert_eq!(answer.header("Cache-Control"), Some("no-store"));
    let said = answer.json();
    assert_eq!(said["token"], said["access_token"]);
    assert_eq!(said["expires_in"], 300);
    let issued_at = said["issued_at"].as_str().expect("a time");
    assert!(issued_at.ends_with('Z') && issued_at.len() == 20, "{issued_at}");
}

#[tokio::test]
async fn several_scopes_are_united_however_they_are_written() {
    let world = World::start(Ways::Own, public_and_ci()).await;
    let ci = basic("ci", "secret");
    for query in [
        "scope=repository:a:pull&scope=repository:a:pull,push&scope=repository:b:pull",
        "scope=repository:a:pull%20repository:a:push+repository:b:pull",
    ] {
        let token = world.ours(Some(&ci), query).await;
        let _ = push(&world, &token, "a").await.expect(201);
        let _ = world.get(Some(&token), "/v2/b/tags/list").await.refused(404, ErrorCode::NameUnknown);
    }
}

#[tokio::test]
async fn a_token_is_had_by_a_form_too() {
    let world = World::start(Ways::Own, public_and_ci()).await;
    let rest = "service=registry&client_id=test&scope=repository%3Aa%3Apull%2Cpush";
    let asked =
        form(&world, &format!("grant_type=password&username=ci&password=secret&access_type=offline&{rest}"));
    let answer = asked.send().await.expect(200).json();
    let token = format!("Bearer {}", answer["access_token"].as_str().expect("a token"));
    let _ = push(&world, &token, "a").await.expect(201);

    let refresh = answer["refresh_token"].as_str().expect("a refresh token");
    let asked = form(&world, &format!("grant_type=refresh_token&refresh_token={refresh}&{rest}"));
    let token =
        format!("Bearer {}", asked.send().await.expect(200).json()["token"].as_str().expect("a token"));
    let _ = push(&world, &token, "a").await.expect(201);
    // It opens nothing by itself.
    let _ = world.get(Some(&format!("Bearer {refresh}")), "/v2/").await.refused(401, ErrorCode::Unauthorized);
}

#[tokio::test]
async fn what_cannot_be_had_is_told() {
    let world = World::start(Ways::Own, public_and_ci()).await;
    let wrong = world.get(Some(&basic("ci", "wrong")), "/token?service=registry").await;
    assert_eq!(wrong.header("WWW-Authenticate"), Some(r#"Basic realm="My Realm""#));
    assert_eq!(
        wrong.refused(401, ErrorCode::Unauthorized).text().trim_end(),
        r#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong name or password"}]}"#
    );
    let other = world.get(None, "/token?service=other").await.refused(400, ErrorCode::Unsupported);
    assert!(other.text().contains("this registry is the service"), "{other:?}");
    let rows = [
        ("grant_type=password&username=ci&password=wrong", 401, ErrorCode::Unauthorized),
        ("grant_type=refresh_token&refresh_token=a.b.c", 401, ErrorCode::Unauthorized),
        ("grant_type=authorization_code", 400, ErrorCode::Unsupported),
        ("", 400, ErrorCode::Unsupported),
    ];
    for (text, status, code) in rows {
        let _ = form(&world, text).send().await.refused(status, code);
    }
    let _ = form(&world, &"a".repeat(17 * 1024)).send().await.refused(413, ErrorCode::SizeInvalid);
    let json = world.registry.post("/token").header("Content-Type", "application/json").body("{}");
    let _ = json.send().await.refused(400, ErrorCode::Unsupported);
    let put = world.registry.put("/token").body("").send().await.refused(405, ErrorCode::Unsupported);
    assert_eq!(put.header("Allow"), Some("GET, POST"));
}

#[tokio::test]
async fn there_is_no_such_path_where_no_tokens_are_given_out() {
    let world = World::start(Ways::Passwords, None).await;
    let _ = world.get(Some(&basic("ci", "secret")), "/token").await.expect(404);
}

#[tokio::test]
async fn a_list_shows_what_the_holder_of_a_token_may_pull() {
    let world = World::start(Ways::Own, public_and_ci()).await;
    let ci = basic("ci", "secret");
    for repository in ["public/app", "team/app"] {
        let _ = push(&world, &ci, repository).await.expect(201);
    }
    let listed = async |authorization: Option<&str>| {
        let token = world.ours(authorization, "scope=registry:catalog:*").await;
        let catalog = world.get(Some(&token), "/v2/_catalog").await.expect(200);
        catalog.text().trim().to_owned()
    };
    assert_eq!(listed(Some(&ci)).await, r#"{"repositories":["public/app","team/app"]}"#);
    assert_eq!(listed(None).await, r#"{"repositories":["public/app"]}"#);
    let alice = basic("alice", "secret");
    assert_eq!(listed(Some(&alice)).await, r#"{"repositories":["public/app"]}"#);
    let without = world.ours(None, "").await;
    let _ = world.get(Some(&without), "/v2/_catalog").await.refused(401, ErrorCode::Unauthorized);
}

/// Before its form has come nothing is known of a client: it must not shut others out.
#[tokio::test]
async fn a_connection_that_waits_for_its_form_is_closed_like_an_idle_one() {
    let limits = Limits { connections: 10, connections_per_address: 10, ..Limits::default() };
    let edge = Options { limits, ..Options::default() };
    let world = World::start_at(Ways::Own, public_and_ci(), edge).await;
    let mut waiting = Vec::new();
    for _ in 0..9 {
        let mut connection = world.registry.connect().await;
        let post = world.registry.post("/token").header("Content-Type", FORM).header("Content-Length", "30");
        // The answer to this is that the form is wanted now.
        connection.begin(&post.header("Expect", "100-continue")).await;
        assert_eq!(connection.head().await.status, 100);
        waiting.push(connection);
    }
    for _ in 0..20 {
        let mut one_more = world.registry.connect().await;
        let _ = one_more.send(world.registry.get("/v2/public/app/tags/list")).await.expect(404);
        assert_eq!(waiting.remove(0).closed().await, "");
        waiting.push(one_more);
    }
}
