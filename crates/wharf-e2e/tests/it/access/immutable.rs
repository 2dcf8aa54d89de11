//! Tags that are made and then stay.

use std::sync::Arc;

use wharf_oci::ErrorCode;
use wharf_testkit::images::{Image, Manifest};
use wharf_testkit::push;
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::{Request, Response, Server};

use super::world::{ByRules, World, by, usual};

/// How often two registries race for a tag. Each round is a tag of its own.
const ROUNDS: usize = 60;

/// Two images whose blobs are in `a`.
async fn images(server: &Server) -> [Manifest; 2] {
    let images = [1, 2].map(Image::random);
    for blob in images.iter().flat_map(Image::blobs) {
        push::blob(server, "a", blob).await;
    }
    images.map(|image| image.manifest)
}

fn put(server: &Server, who: &str, reference: &str, manifest: &Manifest) -> Request {
    let request = server.put(format!("/v2/a/manifests/{reference}"));
    by(who, request.header("Content-Type", manifest.media_type.as_str()).body(manifest.bytes.clone()))
}

fn assert_immutable(response: Response, tag: &str) {
    let response = response.refused(409, ErrorCode::Denied);
    let message = response.json()["errors"][0]["message"].as_str().unwrap_or_default().to_owned();
    assert!(message.starts_with(&format!("tag {tag} of a is immutable and means sha256:")), "{message}");
}

async fn means(server: &Server, tag: &str) -> Option<String> {
    let response = server.head(format!("/v2/a/manifests/{tag}")).send().await;
    (response.status == 200).then(|| response.required("Docker-Content-Digest").to_owned())
}

#[tokio::test]
async fn an_immutable_tag_can_be_made_and_not_be_moved() {
    let world = World::start(usual()).await;
    let [first, second] = images(&world.open).await;
    let _ = put(&world.asked, "pusher", "v1", &first).send().await.expect(201);
    // The same again is what clients do when an answer was lost.
    let _ = put(&world.asked, "pusher", "v1", &first).send().await.expect(201);
    assert_immutable(put(&world.asked, "pusher", "v1", &second).send().await, "v1");
    assert_eq!(means(&world.open, "v1").await, Some(first.digest.to_string()));
    // What was refused has left nothing, by no name.
    assert_eq!(means(&world.open, &second.digest.to_string()).await, None);

    let _ = put(&world.asked, "pusher", "latest", &first).send().await.expect(201);
    let _ = put(&world.asked, "pusher", "latest", &second).send().await.expect(201);
    let _ = put(&world.asked, "admin", "v1", &second).send().await.expect(201);
    assert_eq!(means(&world.open, "v1").await, Some(second.digest.to_string()));
}

#[tokio::test]
async fn deleting_an_immutable_tag_takes_the_right_to_delete() {
    let world = World::start(usual()).await;
    let [first, second] = images(&world.open).await;
    let _ = put(&world.asked, "pusher", "v1", &first).send().await.expect(201);
    let delete = |who| by(who, world.asked.delete("/v2/a/manifests/v1"));
    let _ = delete("pusher").send().await.refused(403, ErrorCode::Denied);
    let _ = delete("admin").send().await.expect(202);
    let _ = put(&world.asked, "pusher", "v1", &second).send().await.expect(201);
}

#[tokio::test]
async fn of_several_tags_none_is_written_if_one_may_not_be() {
    let world = World::start(usual()).await;
    let [first, second] = images(&world.open).await;
    let _ = put(&world.asked, "pusher", "v2", &first).send().await.expect(201);
    let reference = format!("{}?tag=new&tag=v1&tag=v2", second.digest);
    assert_immutable(put(&world.asked, "pusher", &reference, &second).send().await, "v2");
    for tag in ["new", "v1"] {
        assert_eq!(means(&world.open, tag).await, None);
    }
    let reference = format!("{}?tag=new&tag=v1&tag=v2", first.digest);
    let response = put(&world.asked, "pusher", &reference, &first).send().await.expect(201);
    assert_eq!(response.header("OCI-Tag"), Some("new, v1, v2"));
}

#[tokio::test]
async fn a_tag_that_one_may_not_write_is_named() {
    let world = World::start(usual()).await;
    let [image, _] = images(&world.open).await;
    let _ = put(&world.asked, "developer", "dev-1", &image).send().await.expect(201);
    let by_digest = image.digest.to_string();
    let _ = put(&world.asked, "developer", &by_digest, &image).send().await.expect(201);
    for reference in ["v1".to_owned(), format!("{by_digest}?tag=dev-2&tag=v1")] {
        let response = put(&world.asked, "developer", &reference, &image).send().await;
        let response = response.refused(403, ErrorCode::Denied);
        let message = response.json()["errors"][0]["message"].as_str().unwrap().to_owned();
        assert!(message.ends_with("developer may not write tag v1 of a"), "{message}");
    }
    assert_eq!(means(&world.open, "dev-2").await, None);
}

/// Each has a store of its own on the one directory, as two processes have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_registries_that_make_one_immutable_tag_one_wins() {
    let world = World::start(usual()).await;
    let [first, second] = images(&world.open).await;
    let setup = || Setup { authorizer: Arc::new(ByRules(usual())), ..Setup::default() };
    let other = ScratchRegistry::over(world.root(), setup()).await;
    let mut won = [0, 0];
    for round in 0..ROUNDS {
        let tag = format!("v{round}");
        let (one, two) = tokio::join!(
            put(&world.asked, "pusher", &tag, &first).send(),
            put(&other, "pusher", &tag, &second).send()
        );
        let winner = match (one.status, two.status) {
            (201, 409) => 0,
            (409, 201) => 1,
            statuses => panic!("{tag}: {statuses:?}"),
        };
        won[winner] += 1;
        let digest = [&first, &second][winner].digest.to_string();
        assert_eq!(means(&world.open, &tag).await, Some(digest), "{tag}");
    }
    assert_eq!(won[0] + won[1], ROUNDS);
}
