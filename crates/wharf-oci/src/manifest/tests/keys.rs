//! Keys that two JSON readers would read differently: refused in a push, tolerated in what is stored.

use super::*;

/// The objects of a manifest whose keys are checked: where the object is, and the keys that clients read from it.
const OBJECTS: [(&str, &[&str]); 8] = [
    ("", TOP),
    ("/config", DESCRIPTOR),
    ("/config/platform", PLATFORM),
    ("/layers/1", DESCRIPTOR),
    ("/layers/1/platform", PLATFORM),
    ("/subject", DESCRIPTOR),
    ("/blobs/0", DESCRIPTOR),
    ("/blobs/0/platform", PLATFORM),
];

const LAYER: &MediaType = &MediaType::new("application/vnd.oci.image.layer.v1.tar");

const TOP: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "blobs",
    "subject",
    "artifactType",
    "annotations",
];

const DESCRIPTOR: &[&str] =
    &["mediaType", "digest", "size", "urls", "annotations", "artifactType", "platform", "data"];

const PLATFORM: &[&str] = &["architecture", "os", "os.version", "os.features", "variant", "features"];

/// A descriptor with a platform, as an index has.
fn detailed(digest: &str) -> Value {
    let platform = json!({ "architecture": "arm", "os": "linux", "later": 1 });
    with(descriptor(LAYER, digest), "platform", platform)
}

/// An image in which each of [`OBJECTS`] is there.
fn full_image() -> Value {
    let image = with(image(), "layers", json!([descriptor(LAYER, D1), detailed(D0)]));
    let image = with(with(image, "config", detailed(D0)), "subject", detailed(D1));
    with(with(image, "blobs", json!([detailed(D1)])), "annotations", json!({ "a": "1", "A": "2" }))
}

/// `manifest` as text, with another entry at the end of the object at `place`.
///
/// A `Value` cannot hold a key twice, so the entry is put into the text.
fn with_entry(mut manifest: Value, place: &str, entry: &str) -> String {
    let object = manifest.pointer_mut(place).and_then(Value::as_object_mut).expect(place);
    assert!(object.insert("~".to_owned(), Value::Null).is_none());
    manifest.to_string().replace(r#""~":null"#, entry)
}

fn pushed(text: &str) -> Result<Manifest, ManifestError> {
    let kind =
        if text.contains(r#""manifests":[{"#) { MediaType::OCI_INDEX } else { MediaType::OCI_MANIFEST };
    Manifest::parse(text.as_bytes(), Some(&kind))
}

fn refused(text: &str, expected: &str) {
    match pushed(text) {
        Err(ManifestError::AmbiguousKey(message)) => {
            assert!(message.contains(expected), "{text}: {message}");
        }
        other => panic!("{text}: {other:?}"),
    }
}

/// The ways in which Go's decoder takes another key for `key`.
fn spellings(key: &str) -> Vec<String> {
    let mut spellings = vec![key.to_uppercase(), key[..1].to_uppercase() + &key[1..]];
    spellings.extend(key.contains('s').then(|| key.replacen('s', "\u{17f}", 1)));
    spellings.extend(key.contains('k').then(|| key.replacen('k', "\u{212a}", 1)));
    // As an escape it is the same key.
    spellings.extend(key.contains('s').then(|| key.replacen('s', "\\u017F", 1)));
    spellings.extend([key.replacen('i', "I", 1), key.replacen('e', "E", 1)]);
    spellings.retain(|spelling| spelling != key);
    spellings
}

#[test]
fn a_full_image_and_a_full_index_are_taken() {
    pushed(&full_image().to_string()).unwrap();
    pushed(&with(index(), "manifests", json!([detailed(D1)])).to_string()).unwrap();
}

#[test]
fn a_key_that_differs_only_in_case_is_refused_wherever_clients_read_it() {
    for (place, keys) in OBJECTS {
        for key in keys {
            for spelling in spellings(key) {
                let entry = format!(r#""{spelling}":null"#);
                refused(&with_entry(full_image(), place, &entry), &format!("only in case from `{key}`"));
            }
        }
    }
}

#[test]
fn a_key_that_differs_only_in_case_is_refused_without_its_twin() {
    let text = r#"{"schemaVersion":2,"manifests":[{"digest":"D","Size":5}]}"#.replace('D', D0);
    refused(&text, "only in case from `size`");
}

#[test]
fn the_same_key_twice_is_refused_wherever_clients_read_it() {
    for (place, keys) in OBJECTS {
        for key in keys.iter().copied().chain(["own", "\u{e4}"]) {
            let entry = format!(r#""{key}":null,"{key}":null"#);
            refused(&with_entry(full_image(), place, &entry), &format!("duplicate key `{key}`"));
        }
        let entry = r#""own":1,"OWN":1"#;
        refused(&with_entry(full_image(), place, entry), "duplicate key `OWN`");
    }
    for place in ["/annotations", "/layers/1/annotations"] {
        let layers = json!([detailed(D0), with(detailed(D1), "annotations", json!({}))]);
        let image = with(full_image(), "layers", layers);
        refused(&with_entry(image, place, r#""own":"1","own":"2""#), "duplicate key `own`");
    }
}

#[test]
fn members_of_an_index_are_checked() {
    let index = with(index(), "manifests", json!([detailed(D1), detailed(D0)]));
    for (place, key) in [("/manifests/0", "digest"), ("/manifests/1/platform", "os")] {
        let entry = format!(r#""{}":null"#, key.to_uppercase());
        refused(&with_entry(index.clone(), place, &entry), &format!("only in case from `{key}`"));
    }
}

#[test]
fn what_no_client_reads_is_not_checked() {
    for (place, entry) in [
        ("", r#""own":{"digest":1,"digest":2,"Digest":3}"#),
        ("/config", r#""own":[{"os":1,"OS":2}]"#),
        ("/annotations", r#""digest":"1","Digest":"2","DIGEST":"3""#),
        ("/config", r#""digests":1,"sizes":1,"d\u0131gest":1"#),
    ] {
        pushed(&with_entry(full_image(), place, entry)).unwrap();
    }
}

#[test]
fn what_was_stored_is_read_with_the_last_of_two_equal_keys() {
    let cases = [
        r#"{"schemaVersion":1,"schemaVersion":2,"config":{"digest":"D"}}"#,
        r#"{"schemaVersion":2,"config":null,"config":{"digest":"D","Digest":"E","size":1,"Size":2}}"#,
        r#"{"schemaVersion":2,"config":{"digest":"D"},"layers":[],"layers":[],"Manifests":[{}],"own":1,"own":2}"#,
        r#"{"schemaVersion":2,"mediaType":"x","config":{"digest":"D"},"mediaType":"","MEDIATYPE":"x"}"#,
    ];
    for case in cases {
        let text = case.replace('D', D0).replace('E', D1);
        let manifest = Manifest::parse(text.as_bytes(), None).expect(case);
        assert_eq!(manifest.config.expect(case).digest.to_string(), D0);
        assert_eq!(ManifestKind::infer(text.as_bytes()), Some(ManifestKind::OciImage), "{case}");
        assert!(matches!(pushed(&text), Err(ManifestError::AmbiguousKey(_))), "{case}");
    }
}

/// As many keys as fit: none of them is compared with all the others.
#[test]
fn many_keys_take_as_long_as_their_number() {
    let keys: Vec<String> = (0..200_000).map(|number| format!(r#""k{number}":0"#)).collect();
    pushed(&with_entry(full_image(), "/config", &keys.join(","))).unwrap();
    let layers = vec![json!({ "digest": D0 }); 40_000];
    pushed(&with(image(), "layers", layers).to_string()).unwrap();
}
