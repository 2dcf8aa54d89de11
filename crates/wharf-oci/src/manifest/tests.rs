//! Manifests: each kind, and each way not to be one.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

mod keys;

const D0: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";
const D1: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn descriptor(media_type: &MediaType, digest: &str) -> Value {
    json!({ "mediaType": media_type, "digest": digest, "size": 2 })
}

fn image() -> Value {
    json!({
        "schemaVersion": 2,
        "config": descriptor(&MediaType::OCI_CONFIG, D0),
        "layers": [descriptor(&MediaType::new("application/x"), D1)],
    })
}

fn index() -> Value {
    json!({ "schemaVersion": 2, "manifests": [descriptor(&MediaType::OCI_MANIFEST, D1)] })
}

fn with(mut manifest: Value, field: &str, value: impl Into<Value>) -> Value {
    manifest[field] = value.into();
    manifest
}

fn without(mut manifest: Value, field: &str) -> Value {
    manifest.as_object_mut().unwrap().remove(field);
    manifest
}

fn parse(manifest: &Value, pushed_as: Option<&MediaType>) -> Result<Manifest, ManifestError> {
    Manifest::parse(manifest.to_string().as_bytes(), pushed_as)
}

#[test]
fn each_kind_is_read() {
    for kind in ManifestKind::ALL {
        let body = if kind.is_index() { index() } else { image() };
        let body = with(body, "mediaType", kind.media_type().as_str());
        for content_type in [Some(kind.media_type()), None] {
            let manifest = parse(&body, content_type.as_ref()).unwrap();
            assert_eq!(manifest.kind, kind);
            let references: Vec<_> = manifest.references().map(|one| one.digest.to_string()).collect();
            let children: Vec<_> = manifest.children().iter().map(|one| one.digest.to_string()).collect();
            let (expected_references, expected_children) =
                if kind.is_index() { (vec![], vec![D1]) } else { (vec![D0, D1], vec![]) };
            assert_eq!(references, expected_references);
            assert_eq!(children, expected_children);
        }
        assert_eq!(ManifestKind::infer(body.to_string().as_bytes()), Some(kind));
    }
}

#[test]
fn a_push_must_be_of_one_type_throughout() {
    let check = |body: Value, pushed_as: MediaType, expected: &str| {
        let error = parse(&body, Some(&pushed_as)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(image(), MediaType::new("application/json"), "unsupported manifest media type `application/json`");
    check(image(), MediaType::DOCKER_MANIFEST, "lacks `mediaType`");
    check(index(), MediaType::DOCKER_LIST, "lacks `mediaType`");
    let named = with(image(), "mediaType", MediaType::DOCKER_MANIFEST.as_str());
    check(named, MediaType::OCI_MANIFEST, "but it was pushed as");
    check(with(index(), "mediaType", "x"), MediaType::OCI_INDEX, "mediaType is `x`");
    check(without(image(), "config"), MediaType::OCI_MANIFEST, "lacks `config`");
    check(with(image(), "config", Value::Null), MediaType::OCI_MANIFEST, "lacks `config`");
    check(without(index(), "manifests"), MediaType::OCI_INDEX, "lacks `manifests`");
}

#[test]
fn a_manifest_of_two_shapes_is_refused() {
    let check = |body: Value, pushed_as: MediaType, expected: &'static str| {
        for pushed_as in [Some(pushed_as.clone()), None] {
            let body = with(
                body.clone(),
                "mediaType",
                MediaType::as_str(pushed_as.as_ref().unwrap_or(&MediaType::OCI_INDEX)),
            );
            let error = parse(&body, pushed_as.as_ref()).unwrap_err();
            assert!(
                matches!(error, ManifestError::TypeConfusion { field, .. } if field == expected),
                "{error}"
            );
        }
    };
    let config = descriptor(&MediaType::OCI_CONFIG, D0);
    check(with(index(), "config", config), MediaType::OCI_INDEX, "config");
    check(with(index(), "layers", json!([])), MediaType::DOCKER_LIST, "layers");

    for members in [json!([]), json!([descriptor(&MediaType::OCI_MANIFEST, D1)])] {
        let both = with(image(), "manifests", members);
        let error = parse(&both, Some(&MediaType::OCI_MANIFEST)).unwrap_err();
        assert!(matches!(error, ManifestError::TypeConfusion { field: "manifests", .. }), "{error}");
        // Without a type it looks like an index, which must not have a config.
        assert!(matches!(parse(&both, None), Err(ManifestError::TypeConfusion { field: "config", .. })));
    }
    assert!(parse(&with(image(), "manifests", Value::Null), Some(&MediaType::OCI_MANIFEST)).is_ok());
    let nulls = with(with(index(), "config", Value::Null), "layers", Value::Null);
    assert!(parse(&nulls, Some(&MediaType::OCI_INDEX)).is_ok());
}

#[test]
fn only_schema_version_2_is_taken() {
    for (body, expected) in [
        (with(image(), "schemaVersion", 1), Some(1)),
        (with(image(), "schemaVersion", 3), Some(3)),
        (with(image(), "schemaVersion", Value::Null), None),
        (without(image(), "schemaVersion"), None),
        (json!({}), None),
    ] {
        assert_eq!(parse(&body, None), Err(ManifestError::SchemaVersion { found: expected }), "{body}");
    }
    assert!(matches!(parse(&with(image(), "schemaVersion", "2"), None), Err(ManifestError::Json(_))));
}

#[test]
fn an_unfit_body_names_the_place() {
    let check = |text: &str, expected: &str| match Manifest::parse(text.as_bytes(), None) {
        Err(ManifestError::Json(message)) => assert!(message.contains(expected), "{text}: {message}"),
        other => panic!("{text}: {other:?}"),
    };
    check("", "EOF while parsing a value at line 1 column 0");
    check("{", "at line 1 column 1");
    check("[]", "expected a manifest");
    check("null", "expected a manifest");
    check("{}\n{}", "trailing characters at line 2 column 1");
    check(&format!("{}x", image()), "trailing characters");
    check(
        "{\"config\":\n{\"digest\":\"sha256:00\"}}",
        "has 64 hex digits, this one has 2 characters at line 2",
    );
    assert!(matches!(Manifest::parse(b"{\"x\":\"\xff\"}", None), Err(ManifestError::Json(_))));
}

#[test]
fn deep_nesting_is_survived() {
    let deep = "[".repeat(1_000_000);
    for text in [deep.clone(), format!("{{\"x\":{deep}"), format!("{{\"layers\":{deep}")] {
        assert!(Manifest::parse(text.as_bytes(), None).is_err());
        assert_eq!(ManifestKind::infer(text.as_bytes()), None);
    }
}

#[test]
fn what_was_stored_is_told_by_its_shape() {
    let check = |body: &Value, expected: Option<ManifestKind>| {
        assert_eq!(parse(body, None).ok().map(|manifest| manifest.kind), expected, "{body}");
        assert_eq!(ManifestKind::infer(body.to_string().as_bytes()), expected, "{body}");
    };
    check(&image(), Some(ManifestKind::OciImage));
    check(&index(), Some(ManifestKind::OciIndex));
    check(&with(image(), "mediaType", ""), Some(ManifestKind::OciImage));
    check(&with(index(), "manifests", json!([])), Some(ManifestKind::OciIndex));
    let memberless = json!({ "schemaVersion": 2, "mediaType": MediaType::OCI_INDEX });
    check(&memberless, Some(ManifestKind::OciIndex));
    check(&with(image(), "mediaType", "application/json"), None);
    check(&json!({ "architecture": "amd64", "rootfs": {} }), None);
    check(&json!([1]), None);
}

#[test]
fn schema_1_is_known_where_it_is_stored_and_never_taken() {
    let stored = json!({ "schemaVersion": 1, "name": "a", "tag": "1", "fsLayers": [{ "blobSum": D0 }] });
    assert_eq!(ManifestKind::infer(stored.to_string().as_bytes()), Some(ManifestKind::DockerSchema1));
    assert_eq!(ManifestKind::of(&MediaType::DOCKER_SCHEMA1), None);
    for pushed_as in [None, Some(MediaType::DOCKER_SCHEMA1), Some(MediaType::DOCKER_MANIFEST)] {
        assert!(parse(&stored, pushed_as.as_ref()).is_err());
    }
}

#[test]
fn nulls_are_empty() {
    let body = json!({
        "schemaVersion": 2, "mediaType": null, "config": { "digest": D0 }, "layers": null, "manifests": null,
        "subject": null, "artifactType": "", "annotations": null, "later": [{}],
    });
    let manifest = parse(&body, Some(&MediaType::OCI_MANIFEST)).unwrap();
    assert!(manifest.layers.is_empty() && manifest.annotations.is_empty());
    assert_eq!((manifest.subject, manifest.artifact_type), (None, None));

    let body = with(image(), "annotations", json!({ "a": null, "b": "c" }));
    let annotations = parse(&body, None).unwrap().annotations;
    assert_eq!(
        annotations.into_iter().collect::<Vec<_>>(),
        [("a".into(), String::new()), ("b".into(), "c".into())]
    );
}

#[test]
fn a_referrer_is_listed_by_its_artifact_type() {
    let check = |body: Value, expected: Option<&str>| {
        let body = with(body, "annotations", json!({ "k": "v" }));
        let body = with(body, "subject", descriptor(&MediaType::OCI_MANIFEST, D0));
        let manifest = parse(&body, None).unwrap();
        assert_eq!(manifest.subject.as_ref().unwrap().digest.to_string(), D0);
        let listed = manifest.referrer_descriptor(&D1.parse().unwrap(), 77);
        assert_eq!(listed.artifact_type.as_deref(), expected);
        assert_eq!(listed.media_type, manifest.kind.media_type());
        assert_eq!((listed.digest.to_string().as_str(), listed.size), (D1, 77));
        assert_eq!(listed.annotations, manifest.annotations);
    };
    check(with(image(), "artifactType", "application/sbom"), Some("application/sbom"));
    check(image(), Some(MediaType::OCI_CONFIG.as_str()));
    check(with(image(), "artifactType", ""), Some(MediaType::OCI_CONFIG.as_str()));
    check(with(image(), "config", json!({ "digest": D0 })), None);
    check(with(index(), "artifactType", "application/sbom"), Some("application/sbom"));
    check(index(), None);
}

proptest! {
    #[test]
    fn nonsense_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..100), text in ".*") {
        for bytes in [bytes.as_slice(), text.as_bytes()] {
            let _ = Manifest::parse(bytes, None);
            let _ = Manifest::parse(bytes, Some(&MediaType::OCI_INDEX));
            let _ = ManifestKind::infer(bytes);
        }
    }

    #[test]
    fn a_damaged_manifest_never_panics(at in 0_usize..200, byte: u8, as_index: bool) {
        let mut bytes = if as_index { index() } else { image() }.to_string().into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(manifest) = Manifest::parse(&bytes, None) {
            prop_assert_eq!(ManifestKind::infer(&bytes), Some(manifest.kind));
        }
    }
}
