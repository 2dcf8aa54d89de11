//! The Docker engine with layers in its own store: a PATCH of unknown length, a HEAD after the PUT, a resumed pull.

use bytes::Bytes;
use wharf_oci::ManifestKind;
use wharf_testkit::images::{Blob, Image, ImageOptions};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::{Request, Server};

use super::{Client, assert_holds, assert_is, assert_rest, finish};

const ACCEPT: [&str; 5] = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/json",
];

/// Tries other repositories first, and gives up the upload that each of these tries opened in vain.
async fn send(docker: &mut Client, registry: &Server, blob: &Blob, from: &[&str]) {
    let path = format!("/v2/acme/app/blobs/{}", blob.digest);
    let _ = docker.say(registry.head(&path)).await.expect(404);
    for from in from {
        let query =
            format!("from={}&mount={}", super::escaped(from), super::escaped(&blob.digest.to_string()));
        let answer = docker.say(registry.post(format!("/v2/acme/app/blobs/uploads/?{query}")).body("")).await;
        if answer.status == 201 {
            assert_eq!(answer.required("Docker-Content-Digest"), blob.digest.to_string());
            return;
        }
        let _ = docker.say(registry.delete(answer.expect(202).location())).await.expect(204);
    }
    let answer = docker.say(registry.post("/v2/acme/app/blobs/uploads/").body("")).await.expect(202);
    assert!(!answer.required("Docker-Upload-Uuid").is_empty());

    let pieces = blob.bytes.chunks(32 * 1024).map(Bytes::copy_from_slice);
    let patched = docker.say(registry.patch(answer.location()).chunks(pieces)).await.expect(202);
    // It reads this as two numbers, and gives up if they are not.
    let range = patched.required("Range").split_once('-').map(|(first, last)| (first.parse(), last.parse()));
    assert_eq!(range, Some((Ok(0), Ok(blob.bytes.len() - 1))));
    let put = registry.put(finish(patched.location(), &blob.digest)).body("");
    let _ = docker.say(put).await.expect(201);
    let head = docker.say(registry.head(&path)).await.expect(200);
    assert_eq!(head.required("Content-Length"), blob.bytes.len().to_string());
}

fn accepting(request: Request) -> Request {
    ACCEPT.iter().fold(request, |request, each| request.header("Accept", *each))
}

#[tokio::test]
async fn the_engine_pushes_and_resumes_a_broken_pull() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let mut docker =
            Client::new(&registry, "docker/20.10.24 go/go1.19.8 kernel/6.1 os/linux arch/amd64").await;
        let ping = docker.say(registry.get("/v2/")).await.expect(200);
        assert_eq!(ping.required("Docker-Distribution-Api-Version"), "registry/2.0");
        let image = Image::build(&ImageOptions {
            kind: ManifestKind::DockerImage,
            layer_bytes: 100_000,
            ..ImageOptions::default()
        });
        push::blob(&registry, "library/base", &image.layers[0]).await;
        for layer in &image.layers {
            send(&mut docker, &registry, layer, &["library/gone", "library/other", "library/base"]).await;
        }
        send(&mut docker, &registry, &image.config, &[]).await;
        let put = registry
            .put("/v2/acme/app/manifests/1")
            .header("Content-Type", image.manifest.media_type.as_str());
        let put = docker.say(put.body(image.manifest.bytes.clone())).await.expect(201);
        assert_eq!(put.required("Docker-Content-Digest"), image.manifest.digest.to_string());

        assert_is(&docker.say(accepting(registry.head("/v2/acme/app/manifests/1"))).await, &image.manifest);
        let path = format!("/v2/acme/app/manifests/{}", image.manifest.digest);
        let got = docker.say(accepting(registry.get(path))).await;
        assert_is(&got, &image.manifest);
        assert_eq!(got.body, image.manifest.bytes);
        for blob in image.blobs() {
            let path = format!("/v2/acme/app/blobs/{}", blob.digest);
            assert_holds(&docker.say(registry.get(&path)).await, blob);
            let first = blob.bytes.len() / 2;
            let rest = registry.get(&path).header("Range", format!("bytes={first}-"));
            assert_rest(&docker.say(rest).await, blob, first);
        }
    }
}
