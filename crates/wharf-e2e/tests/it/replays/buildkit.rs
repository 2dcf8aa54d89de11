//! BuildKit exporting its cache: an index whose members are layers, which no registry would know for manifests.

use serde_json::json;
use wharf_oci::MediaType;
use wharf_testkit::images::{Blob, Manifest};
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::Server;

use super::{Client, assert_holds, assert_is, finish};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.buildkit.cacheconfig.v0";
const TAG: &str = "/v2/acme/cache/manifests/main";

/// Two layers and a config, in the two forms of `image-manifest=false` and `=true`.
fn cache() -> ([Blob; 3], [Manifest; 2]) {
    let (one, two) = (Blob::random(1, 30_000), Blob::random(2, 50_000));
    let config = Blob::new(json!({ "layers": [{ "layer": 0 }, { "layer": 1, "parent": 0 }] }).to_string());
    let layers = [&one, &two].map(|layer| layer.descriptor(MediaType::new(LAYER)));
    let described = config.descriptor(MediaType::new(CONFIG));
    let index = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_INDEX,
        "manifests": [layers[0], layers[1], described],
    });
    let image = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": described,
        "layers": layers,
    });
    let manifests =
        [Manifest::new(MediaType::OCI_INDEX, &index), Manifest::new(MediaType::OCI_MANIFEST, &image)];
    ([one, two, config], manifests)
}

/// Sends what is not there yet, as containerd does it; gives how many blobs that were.
async fn export(buildkit: &mut Client, registry: &Server, blobs: &[Blob], manifest: &Manifest) -> usize {
    let mut sent = 0;
    for blob in blobs {
        let path = format!("/v2/acme/cache/blobs/{}", blob.digest);
        let head = registry.head(path).header("Accept", format!("{LAYER}, */*"));
        if buildkit.say(head).await.status == 200 {
            continue;
        }
        let opened = buildkit.say(registry.post("/v2/acme/cache/blobs/uploads/").body("")).await.expect(202);
        let put = registry
            .put(finish(opened.location(), &blob.digest))
            .header("Content-Type", "application/octet-stream")
            .body(blob.bytes.clone());
        let _ = buildkit.say(put).await.expect(201);
        sent += 1;
    }
    let accept = format!("{}, */*", manifest.media_type.as_str());
    let head = buildkit.say(registry.head(TAG).header("Accept", accept)).await;
    if head.header("Docker-Content-Digest") != Some(manifest.digest.to_string().as_str()) {
        let put = registry.put(TAG).header("Content-Type", manifest.media_type.as_str());
        let _ = buildkit.say(put.body(manifest.bytes.clone())).await.expect(201);
    }
    sent
}

#[tokio::test]
async fn buildkit_exports_its_cache_and_imports_it() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let mut buildkit = Client::new(&registry, "buildkit/v0.23").await;
        let (blobs, manifests) = cache();
        for (manifest, expected) in manifests.iter().zip([3, 0]) {
            assert_eq!(export(&mut buildkit, &registry, &blobs, manifest).await, expected);
            // Once more, by another builder that found nothing new.
            assert_eq!(export(&mut buildkit, &registry, &blobs, manifest).await, 0);

            let head = registry.head(TAG).header("Accept", "application/vnd.oci.image.index.v1+json, */*");
            assert_is(&buildkit.say(head).await, manifest);
            let path = format!("/v2/acme/cache/manifests/{}", manifest.digest);
            assert_eq!(buildkit.say(registry.get(path)).await.expect(200).body, manifest.bytes);
            for blob in &blobs {
                let path = format!("/v2/acme/cache/blobs/{}", blob.digest);
                assert_holds(&buildkit.say(registry.get(path).header("Accept", "*/*")).await, blob);
            }
        }
    }
}
