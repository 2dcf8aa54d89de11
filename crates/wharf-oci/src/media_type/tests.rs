//! Media types: what is read, what is kept, and which of them are manifests.

use proptest::prelude::*;

use super::*;

#[test]
fn parameters_and_blanks_are_dropped() {
    for text in [
        "application/vnd.oci.image.manifest.v1+json",
        " application/vnd.oci.image.manifest.v1+json ",
        "application/vnd.oci.image.manifest.v1+json;charset=utf-8",
        "application/vnd.oci.image.manifest.v1+json ; a=b; c=d",
    ] {
        assert_eq!(MediaType::parse(text), Ok(MediaType::OCI_MANIFEST), "{text}");
    }
}

#[test]
fn what_is_not_type_and_subtype_is_refused() {
    let long = format!("application/{}", "a".repeat(128));
    for text in [
        "",
        ";",
        "a",
        "/",
        "a/",
        "/b",
        "a/b/c",
        "a b/c",
        "*/*",
        "application/*",
        "a/b,c/d",
        "é/b",
        "-a/b",
        &long,
    ] {
        assert!(MediaType::parse(text).is_err(), "{text}");
    }
}

#[test]
fn case_is_kept_and_counts() {
    let upper = MediaType::parse("Application/vnd.oci.image.manifest.v1+JSON").unwrap();
    assert_eq!(upper.as_str(), "Application/vnd.oci.image.manifest.v1+JSON");
    assert_eq!(ManifestKind::of(&upper), None);
}

#[test]
fn json_keeps_whatever_is_there() {
    for text in ["", "nonsense", "text/plain; charset=utf-8", "application/x"] {
        let json = serde_json::to_string(text).unwrap();
        let media_type: MediaType = serde_json::from_str(&json).unwrap();
        assert_eq!(media_type.as_str(), text);
        assert_eq!(serde_json::to_string(&media_type).unwrap(), json);
    }
    assert!(serde_json::from_str::<MediaType>("5").is_err());
}

#[test]
fn four_kinds_are_manifests() {
    for kind in ManifestKind::ALL {
        assert_eq!(ManifestKind::of(&kind.media_type()), Some(kind));
        assert_eq!(MediaType::parse(&kind.to_string()), Ok(kind.media_type()));
        assert_eq!(kind.is_docker(), kind.to_string().contains("docker"));
        assert_eq!(kind.is_index(), kind.to_string().contains("index") || kind.to_string().contains("list"));
    }
    for other in [MediaType::OCI_EMPTY, MediaType::OCI_CONFIG, MediaType::DOCKER_CONFIG, MediaType::default()]
    {
        assert_eq!(ManifestKind::of(&other), None, "{other}");
    }
}

#[test]
fn layers_that_stay_elsewhere_are_known() {
    for text in [
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    ] {
        assert!(MediaType::parse(text).unwrap().is_nondistributable(), "{text}");
    }
    for text in
        ["application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.oci.image.layer.v1.tar+gzip"]
    {
        assert!(!MediaType::parse(text).unwrap().is_nondistributable(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_back(text in "[a-z0-9]{1,5}/[a-zA-Z0-9][a-zA-Z0-9!#$&^_.+-]{0,20}") {
        prop_assert_eq!(MediaType::parse(&text).unwrap().to_string(), text);
    }

    #[test]
    fn nonsense_never_panics(text in ".*") {
        if let Ok(media_type) = MediaType::parse(&text) {
            prop_assert_eq!(media_type.as_str().parse(), Ok(media_type));
        }
    }
}
