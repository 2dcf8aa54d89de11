//! What a manifest needs to be there.

use regex::Regex;
use wharf_oci::MediaType;
use wharf_store::BlobStore;

use super::*;
use crate::{Missing, Platforms, UrlRules, Validation};

fn validated(validation: Validation) -> Fixture {
    fixture_with(Options { validation, ..Options::default() })
}

/// The references a put is refused for; none if it is taken.
async fn missing(fixture: &Fixture, name: &RepositoryName, manifest: &Value) -> Vec<Digest> {
    match try_put(&fixture.registry, name, to_put(tag("v1"), manifest)).await {
        Ok(_) => Vec::new(),
        Err(Error::ReferencesUnknown { digests, .. }) => digests,
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn what_is_missing_is_listed_once_in_the_order_of_the_manifest() {
    let (fixture, name) = (fixture(), repo("a"));
    push_blob(&fixture.registry, &name, b"there").await;
    push_blob(&fixture.registry, &repo("b"), b"2").await;
    let manifest = image(&[layer(b"2"), layer(b"there"), layer(b"1"), layer(b"2"), layer(b"{}")]);
    let expected = [b"{}".as_slice(), b"2", b"1"].map(Digest::of);
    assert_eq!(missing(&fixture, &name, &manifest).await, expected);
    assert_eq!(meaning(&fixture.registry, &name, "v1").await, None);

    for bytes in [b"{}".as_slice(), b"2", b"1"] {
        push_blob(&fixture.registry, &name, bytes).await;
    }
    assert!(missing(&fixture, &name, &manifest).await.is_empty());
}

#[tokio::test]
async fn a_reference_whose_bytes_were_collected_is_missing() {
    let (fixture, name) = (fixture(), repo("a"));
    let child = push_manifest(&fixture.registry, &name, "child", &image(&[])).await;
    let blob = push_blob(&fixture.registry, &name, b"layer").await;
    for digest in [child, blob] {
        fixture.store.remove(&digest).await.unwrap();
    }
    assert_eq!(missing(&fixture, &name, &image(&[layer(b"layer")])).await, [blob]);
    let listed = described(&MediaType::OCI_MANIFEST, &bytes_of(&image(&[])));
    assert_eq!(missing(&fixture, &name, &index(&[listed])).await, [child]);
}

#[tokio::test]
async fn the_operator_may_allow_gaps() {
    let fixture = validated(Validation { missing: Missing::Allow, ..Validation::default() });
    let name = repo("a");
    assert!(missing(&fixture, &name, &image(&[layer(b"absent")])).await.is_empty());
    assert!(missing(&fixture, &name, &index(&[layer(b"absent")])).await.is_empty());
}

#[tokio::test]
async fn layers_from_elsewhere_need_not_be_here_if_their_urls_are_allowed() {
    const FOREIGN: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let rules = UrlRules {
        allow: vec![Regex::new("^https://mcr.example/").unwrap()],
        deny: vec![Regex::new("secret").unwrap()],
    };
    let fixture = validated(Validation { urls: rules, ..Validation::default() });
    let name = repo("a");
    push_blob(&fixture.registry, &name, b"{}").await;
    let of = |media_type, urls| with(described(&MediaType::new(media_type), b"layer"), "urls", urls);
    let absent = vec![Digest::of(b"layer")];
    let plain = "application/vnd.oci.image.layer.v1.tar";
    let rows = [
        (of(FOREIGN, json!(["https://mcr.example/layer"])), Ok(vec![])),
        (of(FOREIGN, json!([])), Ok(absent.clone())),
        (of(plain, json!(["https://mcr.example/layer"])), Ok(absent)),
        (of(FOREIGN, json!(["https://mcr.example/secret"])), Err("https://mcr.example/secret")),
        (
            of(FOREIGN, json!(["https://mcr.example/layer", "https://other.example/"])),
            Err("https://other.example/"),
        ),
        (of(FOREIGN, json!(["ftp://mcr.example/layer"])), Err("ftp://mcr.example/layer")),
    ];
    for (layer, expected) in rows {
        let put = to_put(tag("v1"), &image(std::slice::from_ref(&layer)));
        let answer = match try_put(&fixture.registry, &name, put).await {
            Ok(_) => Ok(Vec::new()),
            Err(Error::ReferencesUnknown { digests, .. }) => Ok(digests),
            Err(Error::UrlForbidden { url, .. }) => Err(url),
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(answer, expected.map_err(str::to_owned), "{layer}");
    }
}

#[tokio::test]
async fn no_url_is_allowed_unless_the_operator_says_so() {
    let (fixture, name) = (fixture(), repo("a"));
    push_blob(&fixture.registry, &name, b"{}").await;
    push_blob(&fixture.registry, &name, b"layer").await;
    let layer = with(layer(b"layer"), "urls", json!(["https://mcr.example/layer"]));
    let error = try_put(&fixture.registry, &name, to_put(tag("v1"), &image(&[layer]))).await.unwrap_err();
    assert!(matches!(error, Error::UrlForbidden { .. }), "{error:?}");
}

#[tokio::test]
async fn the_operator_says_which_platforms_must_be_there() {
    let on = |architecture: &str, content: &[u8]| {
        let platform = json!({"architecture": architecture, "os": "linux"});
        with(described(&MediaType::OCI_MANIFEST, content), "platform", platform)
    };
    let (amd, arm, plain) = (Digest::of(b"amd"), Digest::of(b"arm"), Digest::of(b"plain"));
    let children = [on("amd64", b"amd"), on("arm64", b"arm"), described(&MediaType::OCI_MANIFEST, b"plain")];
    let list = Platforms::List(vec![("arm64".into(), "linux".into()), ("amd64".into(), "windows".into())]);
    let rows = [
        (false, Platforms::All, vec![amd, arm, plain]),
        (false, Platforms::None, vec![]),
        (false, list, vec![arm]),
        (true, Platforms::All, vec![]),
    ];
    for (disabled, platforms, expected) in rows {
        let label = format!("{platforms:?}, disabled: {disabled}");
        let fixture = validated(Validation { disabled, platforms, ..Validation::default() });
        assert_eq!(missing(&fixture, &repo("a"), &index(&children)).await, expected, "{label}");
    }
}

/// BuildKit's cache is an index whose children are layers.
#[tokio::test]
async fn a_child_of_an_index_may_be_a_manifest_an_index_or_a_blob() {
    let (fixture, name) = (fixture(), repo("a"));
    let (child, nested) = (image(&[]), index(&[]));
    push_manifest(&fixture.registry, &name, "child", &child).await;
    push_manifest(&fixture.registry, &name, "nested", &nested).await;
    push_blob(&fixture.registry, &name, b"cache").await;
    let children = [
        described(&MediaType::OCI_MANIFEST, &bytes_of(&child)),
        described(&MediaType::OCI_INDEX, &bytes_of(&nested)),
        layer(b"cache"),
        layer(b"absent"),
    ];
    assert_eq!(missing(&fixture, &name, &index(&children)).await, [Digest::of(b"absent")]);
    assert!(missing(&fixture, &name, &index(&children[..3])).await.is_empty());
}

#[tokio::test]
async fn a_subject_need_not_be_there() {
    let (fixture, name, subject) = (fixture(), repo("a"), Digest::of(b"absent"));
    push_blob(&fixture.registry, &name, b"{}").await;
    let put = to_put(tag("v1"), &referring(&subject, "sbom", "application/sbom"));
    assert_eq!(try_put(&fixture.registry, &name, put).await.unwrap().subject, Some(subject));
}

#[tokio::test]
async fn what_a_manifest_needs_is_kept_from_a_collector_until_the_manifest_is_there() {
    let (fixture, name) = (fixture(), repo("a"));
    push_blob(&fixture.registry, &name, b"{}").await;
    let layer_digest = push_blob(&fixture.registry, &name, b"layer").await;
    let child = push_manifest(&fixture.registry, &name, "child", &image(&[])).await;
    fixture.clock.advance(Duration::from_secs(7200));

    push_manifest(&fixture.registry, &name, "v1", &image(&[layer(b"layer")])).await;
    let listed = described(&MediaType::OCI_MANIFEST, &bytes_of(&image(&[])));
    push_manifest(&fixture.registry, &name, "v2", &index(&[listed])).await;

    for digest in [layer_digest, child] {
        assert_eq!(fixture.store.stat(&digest).await.unwrap().modified, fixture.clock.now());
    }
}
