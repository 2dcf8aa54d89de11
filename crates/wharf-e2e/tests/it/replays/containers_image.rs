//! podman, buildah, skopeo and CRI-O, which are containers/image: a mount that comes to nothing, and a broken download.

use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::Server;

use super::{Client, assert_holds, assert_rest, finish};

const AGENT: &str = "containers/5.36.0 (github.com/containers/image)";

/// Every type has a line of its own.
const ACCEPT: [&str; 6] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
];

/// Tries to mount the blob from where it is believed to be; else sends it in one piece of unknown length.
async fn send(podman: &mut Client, registry: &Server, blob: &Blob, from: &str) -> bool {
    let head = registry.head(format!("/v2/acme/app/blobs/{}", blob.digest));
    let _ = podman.say(head).await.expect(404);
    let query = format!("from={}&mount={}", super::escaped(from), super::escaped(&blob.digest.to_string()));
    let mount = registry.post(format!("/v2/acme/app/blobs/uploads/?{query}")).body("");
    let mounted = podman.say(mount).await;
    if mounted.status == 201 {
        return true;
    }
    // An upload that it has no use for. Any other answer than 204 is an error.
    let _ = podman.say(registry.delete(mounted.expect(202).location())).await.expect(204);
    let opened = podman.say(registry.post("/v2/acme/app/blobs/uploads/").body("")).await.expect(202);
    let patch = registry.patch(opened.location()).header("Content-Type", "application/octet-stream");
    let patched = podman.say(patch.chunks([blob.bytes.clone()])).await.expect(202);
    let put = registry.put(finish(patched.location(), &blob.digest));
    let _ = podman.say(put.header("Content-Type", "application/octet-stream").body("")).await.expect(201);
    false
}

#[tokio::test]
async fn podman_pushes_what_cannot_be_mounted_and_resumes_a_broken_pull() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let mut podman = Client::new(&registry, AGENT).await;
        let _ = podman.say(registry.get("/v2/")).await.expect(200);
        let image = Image::random(1);
        push::blob(&registry, "library/base", &image.layers[0]).await;
        assert!(send(&mut podman, &registry, &image.layers[0], "library/base").await);
        for blob in [&image.layers[1], &image.config] {
            assert!(!send(&mut podman, &registry, blob, "library/gone").await);
        }
        let put = registry
            .put("/v2/acme/app/manifests/1")
            .header("Content-Type", image.manifest.media_type.as_str());
        let _ = podman.say(put.body(image.manifest.bytes.clone())).await.expect(201);

        let get = registry.get("/v2/acme/app/manifests/1");
        let get = ACCEPT.iter().fold(get, |request, each| request.header("Accept", *each));
        let got = podman.say(get).await.expect(200);
        assert_eq!(got.required("Content-Type"), image.manifest.media_type.as_str());
        assert_eq!(got.body, image.manifest.bytes);
        for blob in image.blobs() {
            let path = format!("/v2/acme/app/blobs/{}", blob.digest);
            assert_holds(&podman.say(registry.get(&path)).await, blob);
            // A connection that broke after some bytes.
            let first = blob.bytes.len() / 3;
            let rest = registry.get(&path).header("Range", format!("bytes={first}-"));
            assert_rest(&podman.say(rest).await, blob, first);
        }
    }
}
