//! Manifests.

use serde_json::json;
use wharf_oci::{ManifestKind, MediaType};
use wharf_testkit::images::{Image, Manifest};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::{Response, Server};

use super::shows;
use crate::NOBODYS;

async fn put(server: &Server, reference: &str, media_type: &str, bytes: impl Into<bytes::Bytes>) -> Response {
    let request = server.put(format!("/v2/a/manifests/{reference}"));
    request.header("Content-Type", media_type).body(bytes).send().await
}

/// One error with this status, code, message and detail.
fn refused(response: &Response, status: u16, code: &str, message: &str, detail: Option<&str>) {
    assert_eq!(response.status, status, "{response:?}");
    let mut error = json!({ "code": code, "message": message });
    if let Some(detail) = detail {
        error["detail"] = json!(detail);
    }
    assert_eq!(response.json(), json!({ "errors": [error] }));
}

/// One error with this status, code and message; the detail is ours to word.
fn refused_somehow(response: &Response, status: u16, code: &str, message: &str) {
    let detail = response.json()["errors"][0]["detail"].as_str().map(str::to_owned);
    assert!(detail.is_some(), "{response:?}");
    refused(response, status, code, message, detail.as_deref());
}

#[tokio::test]
async fn a_pushed_manifest() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    let digest = image.manifest.digest.to_string();
    let response = push::image(&registry, "a", "t1", &image).await;
    shows(
        &response,
        &[(&digest, "<d>")],
        "201 Created
         Content-Length: 0
         Docker-Content-Digest: <d>
         Docker-Distribution-Api-Version: registry/2.0
         Location: /v2/a/manifests/<d>",
    );
    let request = registry.head("/v2/a/manifests/t1").header("Accept", image.manifest.media_type.as_str());
    let length = image.manifest.bytes.len();
    shows(
        &request.send().await,
        &[(&digest, "<d>")],
        &format!(
            "200 OK
             Content-Length: {length}
             Content-Type: application/vnd.oci.image.manifest.v1+json
             Docker-Content-Digest: <d>
             Docker-Distribution-Api-Version: registry/2.0
             Etag: \"<d>\""
        ),
    );
    // What the client has may be said without quotes, too. The old registry leaves digest and tag out here.
    let request = registry.get("/v2/a/manifests/t1").header("If-None-Match", &digest);
    shows(
        &request.send().await,
        &[(&digest, "<d>")],
        "304 Not Modified
         Docker-Content-Digest: <d>
         Docker-Distribution-Api-Version: registry/2.0
         Etag: \"<d>\"",
    );
}

#[tokio::test]
async fn an_artifact_and_tags_pushed_by_digest() {
    let registry = ScratchRegistry::start().await;
    let subject = Image::random(1).manifest;
    let artifact = Image::artifact(2, &subject, "application/vnd.example");
    push::image(&registry, "a", "first", &artifact).await;
    let digest = artifact.manifest.digest.to_string();
    let target = format!("{digest}?tag=t1&tag=t2");
    shows(
        &push::manifest(&registry, "a", &target, &artifact.manifest).await,
        &[(&digest, "<d>"), (&subject.digest.to_string(), "<subject>")],
        "201 Created
         Content-Length: 0
         Docker-Content-Digest: <d>
         Docker-Distribution-Api-Version: registry/2.0
         Location: /v2/a/manifests/<d>
         Oci-Subject: <subject>
         Oci-Tag: t1, t2",
    );
}

#[tokio::test]
async fn manifests_that_are_refused() {
    let registry = ScratchRegistry::start().await;
    let image = Image::build(&wharf_testkit::images::ImageOptions { layers: 0, ..Default::default() });
    let (media_type, bytes) = (image.manifest.media_type.as_str(), image.manifest.bytes.clone());
    let invalid = "manifest invalid";

    let missing = put(&registry, "t1", media_type, bytes.clone()).await;
    let config = image.config.digest.to_string();
    refused(&missing, 400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry", Some(&config));
    push::blob(&registry, "a", &image.config).await;

    let other_type = put(&registry, "t1", "application/json", bytes.clone()).await;
    refused_somehow(&other_type, 400, "MANIFEST_INVALID", invalid);
    assert!(other_type.text().contains("application/json"), "{other_type:?}");
    let other_digest = put(&registry, NOBODYS, media_type, bytes.clone()).await;
    let message = "provided digest did not match uploaded content";
    refused_somehow(&other_digest, 400, "DIGEST_INVALID", message);
    refused_somehow(&put(&registry, "t1", media_type, "{").await, 400, "MANIFEST_INVALID", invalid);
    let large = vec![b' '; 4 * 1024 * 1024 + 1];
    refused_somehow(&put(&registry, "t1", media_type, large).await, 413, "MANIFEST_INVALID", invalid);
    // The old registry answers 500 to this one.
    let docker = MediaType::DOCKER_MANIFEST;
    let first = json!({ "schemaVersion": 1, "mediaType": docker, "config": {} }).to_string();
    refused_somehow(&put(&registry, "t1", docker.as_str(), first).await, 400, "MANIFEST_INVALID", invalid);
}

#[tokio::test]
async fn manifests_that_are_not_shown() {
    let registry = ScratchRegistry::start().await;
    let (oci, docker) = (Image::random(1), Image::docker(2));
    push::image(&registry, "a", "oci", &oci).await;
    push::image(&registry, "a", "docker", &docker).await;
    let list = Manifest::index(ManifestKind::DockerList, &[(&docker.manifest, "linux/amd64")]);
    push::manifest(&registry, "a", "list", &list).await;
    let only_docker = MediaType::DOCKER_MANIFEST;

    // It was so with `*/*`, too, which means anything now.
    let _ = registry.get("/v2/a/manifests/oci").header("Accept", "*/*").send().await.expect(200);
    let response = registry.get("/v2/a/manifests/oci").header("Accept", only_docker.as_str()).send().await;
    let error = &response.clone().expect(404).json()["errors"][0];
    assert_eq!(error["code"], "MANIFEST_UNKNOWN");
    assert_eq!(error["message"], "OCI manifest found, but accept header does not support OCI manifests");

    let response = registry.get("/v2/a/manifests/list").send().await.expect(200);
    assert_eq!(response.body, list.bytes);
    let request = registry.head("/v2/a/manifests/list").header("Accept", only_docker.as_str());
    let length = docker.manifest.bytes.len();
    shows(
        &request.send().await,
        &[(&docker.manifest.digest.to_string(), "<child>")],
        &format!(
            "200 OK
             Content-Length: {length}
             Content-Type: application/vnd.docker.distribution.manifest.v2+json
             Docker-Content-Digest: <child>
             Docker-Distribution-Api-Version: registry/2.0
             Etag: \"<child>\""
        ),
    );
}

#[tokio::test]
async fn manifests_that_are_none_or_no_more() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    push::image(&registry, "a", "t1", &image).await;
    let (tag, digest) = ("/v2/a/manifests/nope", format!("/v2/a/manifests/{NOBODYS}"));
    let (code, message) = ("MANIFEST_UNKNOWN", "manifest unknown");
    let detail = format!("unknown manifest name=a revision={NOBODYS}");
    refused(&registry.get(tag).send().await, 404, code, message, Some("unknown tag=nope"));
    refused(&registry.get(&digest).send().await, 404, code, message, Some(&detail));
    // The old registry tells a path of its storage here.
    refused(&registry.delete(tag).send().await, 404, code, message, Some("unknown tag=nope"));
    refused(&registry.delete(&digest).send().await, 404, code, message, Some(&detail));
    for reference in ["t1".to_owned(), image.manifest.digest.to_string()] {
        shows(
            &registry.delete(format!("/v2/a/manifests/{reference}")).send().await,
            &[],
            "202 Accepted
             Content-Length: 0
             Docker-Distribution-Api-Version: registry/2.0",
        );
    }
}
