//! crane, ko, kaniko and Tekton, which are go-containerregistry.

use wharf_oci::ErrorCode;
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::{Response, Server};

use super::{Client, assert_holds, assert_is, finish};

/// Opens an upload, with a query or without. The body is there and empty, and called JSON.
async fn open(client: &mut Client, registry: &Server, repository: &str, query: &str) -> Response {
    let path = format!("/v2/{repository}/blobs/uploads/{query}");
    client.say(registry.post(path).header("Content-Type", "application/json").body("")).await
}

/// Mounts the blob if it can be; else one PATCH with a length, and an empty PUT.
async fn send(client: &mut Client, registry: &Server, repository: &str, blob: &Blob, from: Option<&str>) {
    let _ = client.say(registry.head(format!("/v2/{repository}/blobs/{}", blob.digest))).await.expect(404);
    let query = from.map(|from| format!("?from={}&mount={}", super::escaped(from), blob.digest));
    let opened = open(client, registry, repository, query.as_deref().unwrap_or_default()).await;
    if opened.status == 201 {
        return;
    }
    let patch =
        registry.patch(opened.expect(202).location()).header("Content-Type", "application/octet-stream");
    let patched = client.say(patch.body(blob.bytes.clone())).await.expect(202);
    let _ = client.say(registry.put(finish(patched.location(), &blob.digest)).body("")).await.expect(201);
}

async fn put(client: &mut Client, registry: &Server, path: &str, image: &Image) {
    let _ = client.say(registry.head(path)).await.expect(404);
    let put = registry.put(path).header("Content-Type", image.manifest.media_type.as_str());
    let _ = client.say(put.body(image.manifest.bytes.clone())).await.expect(201);
}

#[tokio::test]
async fn crane_pushes_copies_pulls_and_deletes() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let mut crane = Client::new(&registry, "crane/0.20.6 go-containerregistry/0.20.6").await;
        let _ = crane.say(registry.get("/v2/")).await.expect(200);
        let image = Image::random(1);
        for blob in image.blobs() {
            send(&mut crane, &registry, "acme/app", blob, None).await;
        }
        put(&mut crane, &registry, "/v2/acme/app/manifests/1", &image).await;
        for blob in image.blobs() {
            send(&mut crane, &registry, "else/where", blob, Some("acme/app")).await;
        }
        put(&mut crane, &registry, "/v2/else/where/manifests/2", &image).await;

        assert_is(&crane.say(registry.head("/v2/else/where/manifests/2")).await, &image.manifest);
        let path = format!("/v2/else/where/manifests/{}", image.manifest.digest);
        assert_eq!(crane.say(registry.get(&path)).await.expect(200).body, image.manifest.bytes);
        for blob in image.blobs() {
            assert_holds(
                &crane.say(registry.get(format!("/v2/else/where/blobs/{}", blob.digest))).await,
                blob,
            );
        }
        let tags = crane.say(registry.get("/v2/else/where/tags/list?n=1000")).await.expect(200);
        assert_eq!(tags.json()["tags"], serde_json::json!(["2"]));
        let _ = crane.say(registry.delete(&path)).await.expect(202);
        let _ = crane.say(registry.get(&path)).await.refused(404, ErrorCode::ManifestUnknown);
    }
}

/// Before it builds anything kaniko looks whether it could push, and whether a layer is in the cache.
#[tokio::test]
async fn kaniko_tries_the_door_misses_the_cache_and_pushes() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let (base, image) = (Image::random(1), Image::docker(2));
        push::image(&registry, "library/base", "1", &base).await;
        let mut kaniko = Client::new(&registry, "kaniko/v1.24.0 go-containerregistry/v0.20.3").await;
        let _ = kaniko.say(registry.get("/v2/")).await.expect(200);
        let opened = open(&mut kaniko, &registry, "acme/app", "").await.expect(202);
        let _ = kaniko.say(registry.delete(opened.location())).await.expect(204);
        // Nothing has come to be by that.
        let _ = kaniko.say(registry.get("/v2/acme/app/tags/list")).await.refused(404, ErrorCode::NameUnknown);

        assert_is(&kaniko.say(registry.get("/v2/library/base/manifests/1")).await, &base.manifest);
        let key = format!("/v2/acme/cache/manifests/{}", base.config.digest.hex());
        let _ = kaniko.say(registry.get(&key)).await.refused(404, ErrorCode::ManifestUnknown);
        for blob in base.blobs() {
            send(&mut kaniko, &registry, "acme/cache", blob, Some("library/base")).await;
        }
        put(&mut kaniko, &registry, &key, &base).await;
        assert_is(&kaniko.say(registry.get(&key)).await, &base.manifest);

        for blob in image.blobs() {
            send(&mut kaniko, &registry, "acme/app", blob, None).await;
        }
        put(&mut kaniko, &registry, "/v2/acme/app/manifests/1", &image).await;
        assert_is(&kaniko.say(registry.head("/v2/acme/app/manifests/1")).await, &image.manifest);
    }
}
