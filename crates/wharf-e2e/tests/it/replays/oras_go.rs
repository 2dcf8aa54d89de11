//! helm 3.18 and later pushing and pulling a chart: oras-go, one POST and one PUT a blob, a tag for a version with `+`.

use serde_json::json;
use wharf_oci::MediaType;
use wharf_testkit::images::{Blob, Manifest};
use wharf_testkit::registry::ScratchRegistry;

use super::{Client, assert_holds, assert_is, finish};
use crate::NOBODYS;

/// What oras-go resolves with, in one line.
const ACCEPT: &str = "application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.oci.image.index.v1+json, application/vnd.oci.artifact.manifest.v1+json";

fn chart() -> (Blob, Blob, Manifest) {
    let config = Blob::new(r#"{"name":"chart","version":"1.2.3+build.5"}"#);
    let content = Blob::random(1, 20_000);
    let manifest = Manifest::new(
        MediaType::OCI_MANIFEST,
        &json!({
            "schemaVersion": 2,
            "config": config.descriptor(MediaType::new("application/vnd.cncf.helm.config.v1+json")),
            "layers": [content.descriptor(MediaType::new("application/vnd.cncf.helm.chart.content.v1.tar+gzip"))],
            "annotations": { "org.opencontainers.image.version": "1.2.3+build.5" },
        }),
    );
    (config, content, manifest)
}

#[tokio::test]
async fn helm_pushes_a_chart_and_pulls_it_by_its_version() {
    let registry = ScratchRegistry::start().await;
    let mut helm = Client::new(&registry, "Helm/3.18.4").await;
    let (config, content, manifest) = chart();

    // Whether there are referrers at all is asked of a repository that does not exist yet, about nothing.
    let probe = helm.say(registry.get(format!("/v2/charts/chart/referrers/{NOBODYS}"))).await.expect(200);
    assert_eq!(probe.required("Content-Type"), "application/vnd.oci.image.index.v1+json");

    let by_digest = format!("/v2/charts/chart/manifests/{}", manifest.digest);
    let head = registry.head(&by_digest).header("Accept", manifest.media_type.as_str());
    let _ = helm.say(head).await.expect(404);
    for blob in [&config, &content] {
        let path = format!("/v2/charts/chart/blobs/{}", blob.digest);
        let _ = helm.say(registry.head(&path)).await.expect(404);
        let opened = helm.say(registry.post("/v2/charts/chart/blobs/uploads/").body("")).await.expect(202);
        let put = registry
            .put(finish(opened.location(), &blob.digest))
            .header("Content-Type", "application/octet-stream")
            .body(blob.bytes.clone());
        let _ = helm.say(put).await.expect(201);
    }
    let put = registry
        .put("/v2/charts/chart/manifests/1.2.3_build.5")
        .header("Content-Type", manifest.media_type.as_str())
        .body(manifest.bytes.clone());
    let put = helm.say(put).await.expect(201);
    // If it is there, it has to be right.
    assert_eq!(put.required("Docker-Content-Digest"), manifest.digest.to_string());

    // A range of versions is looked for among the tags.
    let tags = helm.say(registry.get("/v2/charts/chart/tags/list")).await.expect(200);
    assert_eq!(tags.json(), json!({ "name": "charts/chart", "tags": ["1.2.3_build.5"] }));
    let head = registry.head("/v2/charts/chart/manifests/1.2.3_build.5").header("Accept", ACCEPT);
    assert_is(&helm.say(head).await, &manifest);
    let get = registry.get(&by_digest).header("Accept", manifest.media_type.as_str());
    let got = helm.say(get).await;
    assert_is(&got, &manifest);
    assert_eq!(got.body, manifest.bytes);
    for blob in [&config, &content] {
        let got = helm.say(registry.get(format!("/v2/charts/chart/blobs/{}", blob.digest))).await;
        assert_holds(&got, blob);
        // Else it could not seek.
        assert_eq!(got.required("Accept-Ranges"), "bytes");
    }
}
