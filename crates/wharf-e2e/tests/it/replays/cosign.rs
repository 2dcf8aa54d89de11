//! cosign signing an image: in a manifest under a tag made of the digest, and, since v3, in one that refers to it.

use serde_json::json;
use wharf_oci::{ErrorCode, MediaType};
use wharf_testkit::images::{Blob, Image, Manifest};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::Server;

use super::{Client, assert_holds, assert_is, escaped, finish};

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// As go-containerregistry sends a blob.
async fn send(cosign: &mut Client, registry: &Server, blob: &Blob) {
    let path = format!("/v2/acme/app/blobs/{}", blob.digest);
    if cosign.say(registry.head(path)).await.status == 200 {
        return;
    }
    let post =
        registry.post("/v2/acme/app/blobs/uploads/").header("Content-Type", "application/json").body("");
    let opened = cosign.say(post).await.expect(202);
    let patched = cosign.say(registry.patch(opened.location()).body(blob.bytes.clone())).await.expect(202);
    let _ = cosign.say(registry.put(finish(patched.location(), &blob.digest)).body("")).await.expect(201);
}

#[tokio::test]
async fn cosign_signs_under_a_tag_made_of_the_digest() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    push::image(&registry, "acme/app", "1", &image).await;
    let mut cosign = Client::new(&registry, "cosign/v2.5.0 go-containerregistry/v0.20.3").await;
    let _ = cosign.say(registry.get("/v2/")).await.expect(200);
    assert_is(&cosign.say(registry.head("/v2/acme/app/manifests/1")).await, &image.manifest);
    let tag = format!("/v2/acme/app/manifests/sha256-{}.sig", image.manifest.digest.hex());
    let _ = cosign.say(registry.get(&tag)).await.refused(404, ErrorCode::ManifestUnknown);

    let payload =
        Blob::new(json!({ "critical": { "type": "cosign container image signature" } }).to_string());
    let config =
        Blob::new(json!({ "architecture": "", "os": "", "rootfs": { "type": "layers" } }).to_string());
    let mut layer = payload.descriptor(MediaType::new("application/vnd.dev.cosign.simplesigning.v1+json"));
    layer.annotations.insert("dev.cosignproject.cosign/signature".to_owned(), "MEUCIQ==".to_owned());
    let signature = Manifest::new(
        MediaType::OCI_MANIFEST,
        &json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "config": config.descriptor(MediaType::OCI_CONFIG),
            "layers": [layer],
        }),
    );
    send(&mut cosign, &registry, &payload).await;
    send(&mut cosign, &registry, &config).await;
    let put = registry.put(&tag).header("Content-Type", signature.media_type.as_str());
    let _ = cosign.say(put.body(signature.bytes.clone())).await.expect(201);

    let got = cosign.say(registry.get(&tag)).await;
    assert_is(&got, &signature);
    assert_eq!(got.body, signature.bytes);
    assert_holds(&cosign.say(registry.get(format!("/v2/acme/app/blobs/{}", payload.digest))).await, &payload);
    // The tag is a name like any other, and neither the image nor what refers to it.
    let referrers = registry.get(format!("/v2/acme/app/referrers/{}", image.manifest.digest));
    assert_eq!(cosign.say(referrers).await.expect(200).json()["manifests"], json!([]));
    let tags = cosign.say(registry.get("/v2/acme/app/tags/list?n=1000")).await.expect(200);
    assert_eq!(tags.json()["tags"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn cosign_signs_with_a_bundle_that_refers_to_the_image() {
    let registry = ScratchRegistry::start().await;
    let image = Image::random(1);
    push::image(&registry, "acme/app", "1", &image).await;
    let mut cosign = Client::new(&registry, "cosign/v3.0.2 go-containerregistry/v0.20.6").await;
    let _ = cosign.say(registry.get("/v2/")).await.expect(200);
    assert_is(&cosign.say(registry.head("/v2/acme/app/manifests/1")).await, &image.manifest);

    let (config, bundle) = (Blob::empty_config(), Blob::new(json!({ "mediaType": BUNDLE }).to_string()));
    let mut empty = config.descriptor(MediaType::OCI_EMPTY);
    empty.artifact_type = Some(BUNDLE.to_owned());
    let signature = Manifest::new(
        MediaType::OCI_MANIFEST,
        &json!({
            "schemaVersion": 2,
            "mediaType": MediaType::OCI_MANIFEST,
            "artifactType": BUNDLE,
            "config": empty,
            "layers": [bundle.descriptor(MediaType::new(BUNDLE))],
            "annotations": { "dev.sigstore.bundle.content": "dsse-envelope" },
            "subject": image.manifest.descriptor(),
        }),
    );
    send(&mut cosign, &registry, &config).await;
    send(&mut cosign, &registry, &bundle).await;
    let path = format!("/v2/acme/app/manifests/{}", signature.digest);
    let put = registry.put(&path).header("Content-Type", signature.media_type.as_str());
    let put = cosign.say(put.body(signature.bytes.clone())).await.expect(201);
    // Without this it would write the list of referrers under a tag.
    assert_eq!(put.required("Oci-Subject"), image.manifest.digest.to_string());

    let path = format!("/v2/acme/app/referrers/{}?artifactType={}", image.manifest.digest, escaped(BUNDLE));
    let found = cosign.say(registry.get(path)).await.expect(200).json();
    assert_eq!(found["manifests"].as_array().map(Vec::len), Some(1), "{found}");
    assert_eq!(found["manifests"][0]["digest"], json!(signature.digest));
    assert_eq!(found["manifests"][0]["artifactType"], BUNDLE);
    assert_eq!(found["manifests"][0]["annotations"]["dev.sigstore.bundle.content"], "dsse-envelope");
    assert_holds(&cosign.say(registry.get(format!("/v2/acme/app/blobs/{}", bundle.digest))).await, &bundle);
}
