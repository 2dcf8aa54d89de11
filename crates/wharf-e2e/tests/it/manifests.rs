//! `PUT /v2/<name>/manifests/<reference>` (end-7), and what a `GET` then gives.

use serde_json::json;
use wharf_core::{Missing, Options, UrlRules, Validation};
use wharf_oci::{Algorithm, Digest, ErrorCode, ManifestKind, MediaType};
use wharf_testkit::images::{Blob, Image, Manifest};
use wharf_testkit::push;
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::{Response, Server};

use crate::NOBODYS;

/// Pushes without expecting anything.
async fn put(server: &Server, target: &str, content_type: &str, body: impl Into<bytes::Bytes>) -> Response {
    let request = server.put(format!("/v2/a/manifests/{target}")).header("Content-Type", content_type);
    request.body(body).send().await
}

async fn assert_served(server: &Server, reference: &str, manifest: &Manifest) {
    for method in ["GET", "HEAD"] {
        let request = server.request(method, format!("/v2/a/manifests/{reference}"));
        let response = request.header("Accept", manifest.media_type.as_str()).send().await.expect(200);
        assert_eq!(response.header("Content-Type"), Some(manifest.media_type.as_str()));
        assert_eq!(response.header("Content-Length"), Some(manifest.bytes.len().to_string().as_str()));
        assert_eq!(response.required("Docker-Content-Digest"), manifest.digest.to_string());
        assert_eq!(response.required("Etag"), format!("\"{}\"", manifest.digest));
        assert!(method == "HEAD" || response.body == manifest.bytes, "{reference} came back changed");
    }
}

#[tokio::test]
async fn every_kind_of_manifest_comes_back_as_it_went() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let (oci, docker) = (Image::random(1), Image::docker(2));
        for (tag, image) in [("oci", &oci), ("docker", &docker)] {
            let response = push::image(&registry, "a", tag, image).await;
            assert_eq!(response.location(), format!("/v2/a/manifests/{}", image.manifest.digest));
            assert_eq!(response.required("Docker-Content-Digest"), image.manifest.digest.to_string());
            assert_eq!(response.header("Content-Length"), Some("0"));
        }
        let members = [(&oci.manifest, "linux/amd64"), (&docker.manifest, "linux/arm64")];
        let index = Manifest::index(ManifestKind::OciIndex, &members);
        let list = Manifest::index(ManifestKind::DockerList, &members);
        push::manifest(&registry, "a", "index", &index).await;
        push::manifest(&registry, "a", &list.digest.to_string(), &list).await;
        for (tag, manifest) in [("oci", &oci.manifest), ("docker", &docker.manifest), ("index", &index)] {
            assert_served(&registry, tag, manifest).await;
            assert_served(&registry, &manifest.digest.to_string(), manifest).await;
        }
        assert_served(&registry, &list.digest.to_string(), &list).await;
    }
}

#[tokio::test]
async fn a_manifest_needs_its_blobs_in_this_very_repository() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    push::image(&registry, "elsewhere", "latest", &image).await;
    let body = image.manifest.bytes.clone();
    let response =
        put(&registry, "latest", image.manifest.media_type.as_str(), body.clone()).await.expect(400);
    assert_eq!(response.codes(), [ErrorCode::ManifestBlobUnknown; 3]);
    let missing: Vec<_> =
        response.json()["errors"].as_array().unwrap().iter().map(|e| e["detail"].clone()).collect();
    for blob in image.blobs() {
        assert!(missing.contains(&json!(blob.digest)), "{missing:?}");
        let _ = registry.get("/v2/a/manifests/latest").send().await.refused(404, ErrorCode::ManifestUnknown);
        push::blob(&registry, "a", blob).await;
    }
    let _ = put(&registry, "latest", image.manifest.media_type.as_str(), body).await.expect(201);
    assert_served(&registry, "latest", &image.manifest).await;
}

/// BuildKit's cache is an index of layers, so a blob will do for a child.
#[tokio::test]
async fn an_index_needs_its_children_be_they_manifests_or_blobs() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    let index = Manifest::index(ManifestKind::OciIndex, &[(&image.manifest, "linux/amd64")]);
    let refused = put(&registry, "index", index.media_type.as_str(), index.bytes.clone()).await;
    let refused = refused.refused(400, ErrorCode::ManifestBlobUnknown);
    assert_eq!(refused.json()["errors"][0]["detail"], image.manifest.digest.to_string());
    push::image(&registry, "a", &image.manifest.digest.to_string(), &image).await;
    push::manifest(&registry, "a", "index", &index).await;

    let layer = Blob::random(9, 100);
    push::blob(&registry, "a", &layer).await;
    let member = layer.descriptor(MediaType::new("application/vnd.oci.image.layer.v1.tar+zstd"));
    let body = json!({ "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": [member] });
    push::manifest(&registry, "a", "cache", &Manifest::new(MediaType::OCI_INDEX, &body)).await;
    let body = json!({ "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": [] });
    push::manifest(&registry, "a", "empty", &Manifest::new(MediaType::OCI_INDEX, &body)).await;
}

#[tokio::test]
async fn a_subject_need_not_exist_and_is_acknowledged() {
    let registry = ScratchRegistry::start().await;
    let subject = Image::random(1);
    let artifact = Image::artifact(2, &subject.manifest, "application/vnd.example.sbom");
    let response = push::image(&registry, "a", "artifact", &artifact).await;
    assert_eq!(response.required("Oci-Subject"), subject.manifest.digest.to_string());
    let response = push::image(&registry, "a", "latest", &subject).await;
    assert_eq!(response.header("Oci-Subject"), None);
}

#[tokio::test]
async fn a_manifest_put_to_another_digest_is_refused() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    push::image(&registry, "a", "latest", &image).await;
    let media_type = image.manifest.media_type.as_str();
    for target in [NOBODYS.to_owned(), format!("other?digest={NOBODYS}")] {
        let response = put(&registry, &target, media_type, image.manifest.bytes.clone()).await;
        let _ = response.refused(400, ErrorCode::DigestInvalid);
    }
    for reference in [NOBODYS, "other"] {
        let _ = registry.get(format!("/v2/a/manifests/{reference}")).send().await.expect(404);
    }
}

#[tokio::test]
async fn a_manifest_is_kept_under_the_algorithm_it_was_pushed_with() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    for blob in image.blobs() {
        push::blob(&registry, "a", blob).await;
    }
    let digest = Digest::of_with(Algorithm::Sha512, &image.manifest.bytes);
    let manifest = Manifest { digest, ..image.manifest.clone() };
    // By digest, and by a tag that says the digest, as regclient tries.
    for target in [digest.to_string(), format!("tagged?digest={digest}")] {
        let response = push::manifest(&registry, "a", &target, &manifest).await;
        assert_eq!(response.required("Docker-Content-Digest"), digest.to_string());
        assert_eq!(response.location(), format!("/v2/a/manifests/{digest}"));
    }
    assert_served(&registry, &digest.to_string(), &manifest).await;
    assert_served(&registry, "tagged", &manifest).await;
    let _ = registry.get(format!("/v2/a/manifests/{}", image.manifest.digest)).send().await.expect(404);
}

#[tokio::test]
async fn a_push_by_digest_may_set_tags() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    push::image(&registry, "a", "first", &image).await;
    let digest = image.manifest.digest;
    let tags: Vec<String> = (0..20).map(|i| format!("v{i}")).collect();
    let target = format!("{digest}?tag={}&tag=v3", tags.join("&tag="));
    let response = push::manifest(&registry, "a", &target, &image.manifest).await;
    let told: Vec<&str> =
        response.values("Oci-Tag").iter().flat_map(|line| line.split(',')).map(str::trim).collect();
    assert_eq!(told, tags);
    for tag in &tags {
        assert_served(&registry, tag, &image.manifest).await;
    }
    assert_eq!(
        push::manifest(&registry, "a", &digest.to_string(), &image.manifest).await.header("Oci-Tag"),
        None
    );
}

#[tokio::test]
async fn tags_that_cannot_be_set_are_refused_before_anything_is() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    push::image(&registry, "a", "first", &image).await;
    let digest = image.manifest.digest;
    let many = "&tag=x".repeat(100);
    for (target, status) in [
        (format!("{digest}?tag=good&tag=-bad"), 400),
        (format!("{digest}?tag=good&tag="), 400),
        ("first?tag=good".to_owned(), 400),
        (format!("{digest}?tag=good{many}"), 414),
    ] {
        let response =
            put(&registry, &target, image.manifest.media_type.as_str(), image.manifest.bytes.clone());
        let _ = response.await.refused(status, ErrorCode::TagInvalid);
        let _ = registry.get("/v2/a/manifests/good").send().await.expect(404);
    }
}

#[tokio::test]
async fn a_tag_means_what_was_pushed_to_it_last() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        for seed in [1, 2, 1] {
            let image = Image::random(seed);
            push::image(&registry, "a", "latest", &image).await;
            assert_served(&registry, "latest", &image.manifest).await;
        }
        for seed in [1, 2] {
            let manifest = Image::random(seed).manifest;
            assert_served(&registry, &manifest.digest.to_string(), &manifest).await;
        }
    }
}

#[tokio::test]
async fn a_tag_has_up_to_128_characters() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    let media_type = image.manifest.media_type.as_str();
    push::image(&registry, "a", &"t".repeat(128), &image).await;
    for tag in ["_", "A.B-c_d", "1", "sha256-0000.sig"] {
        push::manifest(&registry, "a", tag, &image.manifest).await;
        assert_served(&registry, tag, &image.manifest).await;
    }
    for bad in ["t".repeat(129), ".x".to_owned(), "-x".to_owned(), "a+b".to_owned(), "a%20b".to_owned()] {
        let response = put(&registry, &bad, media_type, image.manifest.bytes.clone()).await;
        let _ = response.refused(400, ErrorCode::TagInvalid);
        let _ = registry
            .get(format!("/v2/a/manifests/{bad}"))
            .send()
            .await
            .refused(404, ErrorCode::ManifestUnknown);
    }
}

#[tokio::test]
async fn only_the_four_types_are_manifests() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    push::image(&registry, "a", "first", &image).await;
    let bytes = image.manifest.bytes.clone();
    let with_parameter = format!("{}; charset=utf-8", image.manifest.media_type);
    let _ = put(&registry, "ok", &with_parameter, bytes.clone()).await.expect(201);
    assert_served(&registry, "ok", &image.manifest).await;
    let in_capitals = image.manifest.media_type.as_str().to_uppercase();
    let _ = put(&registry, "capitals", &in_capitals, bytes.clone()).await.expect(201);
    assert_served(&registry, "capitals", &image.manifest).await;
    for content_type in [
        "application/json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/octet-stream",
        "text/plain",
        "nonsense",
        // Another one of the four than the body says.
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.oci.image.index.v1+json",
    ] {
        let response = put(&registry, "bad", content_type, bytes.clone()).await;
        let _ = response.refused(400, ErrorCode::ManifestInvalid);
    }
    let _ = registry.get("/v2/a/manifests/bad").send().await.expect(404);
}

/// The old registry has no default either.
#[tokio::test]
async fn a_manifest_pushed_without_a_type_is_refused() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    push::image(&registry, "a", "first", &image).await;
    for request in
        [registry.put("/v2/a/manifests/bad"), registry.put("/v2/a/manifests/bad").header("Content-Type", "")]
    {
        let request = request.body(image.manifest.bytes.clone());
        let _ = request.send().await.refused(400, ErrorCode::ManifestInvalid);
    }
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let registry = ScratchRegistry::start().await;
    let config = Blob::empty_config();
    push::blob(&registry, "a", &config).await;
    let (oci, docker) = (MediaType::OCI_MANIFEST, MediaType::DOCKER_MANIFEST);
    let descriptor = json!(config.descriptor(MediaType::OCI_EMPTY));
    for (media_type, body) in [
        (&oci, "{".to_owned()),
        (&oci, String::new()),
        (&oci, "[]".to_owned()),
        (&oci, "null".to_owned()),
        (&oci, json!({ "schemaVersion": 1, "config": descriptor, "layers": [] }).to_string()),
        (&docker, json!({ "schemaVersion": 1, "mediaType": docker, "config": descriptor }).to_string()),
        (&oci, json!({ "config": descriptor, "layers": [] }).to_string()),
        (&oci, json!({ "schemaVersion": 2, "layers": [] }).to_string()),
        // Docker's types must be said.
        (&docker, json!({ "schemaVersion": 2, "config": descriptor, "layers": [] }).to_string()),
        // Two readers could take it for two things.
        (
            &oci,
            json!({ "schemaVersion": 2, "config": descriptor, "layers": [], "manifests": [] }).to_string(),
        ),
        (&MediaType::OCI_INDEX, json!({ "schemaVersion": 2, "manifests": [], "layers": [] }).to_string()),
        (&oci, format!(r#"{{"schemaVersion":2,"config":{descriptor},"config":{descriptor},"layers":[]}}"#)),
        (&oci, format!(r#"{{"schemaVersion":2,"config":{descriptor},"layers":[]}} trailing"#)),
    ] {
        let response = put(&registry, "bad", media_type.as_str(), body.clone()).await;
        assert_eq!((response.status, response.codes()), (400, vec![ErrorCode::ManifestInvalid]), "{body}");
    }
    let _ = registry.get("/v2/a/tags/list").send().await.refused(404, ErrorCode::NameUnknown);
}

#[tokio::test]
async fn an_oci_manifest_need_not_say_its_type() {
    let registry = ScratchRegistry::start().await;
    let config = Blob::empty_config();
    push::blob(&registry, "a", &config).await;
    let descriptor = json!(config.descriptor(MediaType::OCI_CONFIG));
    for (tag, media_type, body) in [
        ("image", MediaType::OCI_MANIFEST, json!({ "schemaVersion": 2, "config": descriptor, "layers": [] })),
        ("index", MediaType::OCI_INDEX, json!({ "schemaVersion": 2, "manifests": [] })),
    ] {
        let manifest = Manifest::new(media_type, &body);
        push::manifest(&registry, "a", tag, &manifest).await;
        assert_served(&registry, tag, &manifest).await;
    }
}

/// A layer that lies elsewhere: whether the operator allows the place decides.
fn foreign(url: &str) -> (Blob, Manifest) {
    let config = Blob::empty_config();
    let mut layer = Blob::random(7, 100)
        .descriptor(MediaType::new("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"));
    layer.urls = vec![url.to_owned()];
    let body = json!({
        "schemaVersion": 2,
        "mediaType": MediaType::OCI_MANIFEST,
        "config": config.descriptor(MediaType::OCI_CONFIG),
        "layers": [layer],
    });
    (config, Manifest::new(MediaType::OCI_MANIFEST, &body))
}

#[tokio::test]
async fn a_layer_may_lie_only_where_the_operator_allows() {
    let urls =
        UrlRules { allow: vec![regex::Regex::new("^https://allowed.example/").unwrap()], deny: Vec::new() };
    let strict = ScratchRegistry::memory().await;
    let open = ScratchRegistry::memory_with(validating(Validation { urls, ..Validation::default() })).await;
    for (registry, url, status) in [
        (&strict, "https://allowed.example/layer", 400),
        (&open, "https://allowed.example/layer", 201),
        (&open, "https://other.example/layer", 400),
        (&open, "ftp://allowed.example/layer", 400),
    ] {
        let (config, manifest) = foreign(url);
        push::blob(registry, "a", &config).await;
        let response = put(registry, "foreign", manifest.media_type.as_str(), manifest.bytes.clone()).await;
        assert_eq!(response.status, status, "{url}: {response:?}");
        if status == 400 {
            let _ = response.refused(400, ErrorCode::ManifestInvalid);
        }
    }
}

#[tokio::test]
async fn an_operator_may_allow_gaps() {
    let missing = Missing::Allow;
    let registry =
        ScratchRegistry::memory_with(validating(Validation { missing, ..Validation::default() })).await;
    let image = Image::random(1);
    push::manifest(&registry, "a", "latest", &image.manifest).await;
    assert_served(&registry, "latest", &image.manifest).await;
}

fn validating(validation: Validation) -> Setup {
    Setup { registry: Options { validation, ..Options::default() }, ..Setup::default() }
}

#[tokio::test]
async fn the_upstream_a_client_has_in_mind_changes_nothing() {
    let registry = ScratchRegistry::memory().await;
    let image = Image::random(1);
    push::image(&registry, "a", "latest", &image).await;
    for query in ["ns=docker.io", "ns=ghcr.io&x=y", "ns="] {
        let response = registry.get(format!("/v2/a/manifests/latest?{query}")).send().await.expect(200);
        assert_eq!(response.body, image.manifest.bytes);
        assert_eq!(response.header("Oci-Namespace"), None);
        let blob = &image.layers[0];
        let response = registry.get(format!("/v2/a/blobs/{}?{query}", blob.digest)).send().await.expect(200);
        assert_eq!(response.body, blob.bytes);
    }
}
