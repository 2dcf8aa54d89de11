//! Manifests: one that is taken as something is recognised as the same when it is read back, and a reader that ignores
//! the case of keys, as Go does, reads the same from it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use wharf_oci::{Digest, Manifest, ManifestKind};

/// The keys that clients read, in manifests, descriptors and platforms.
const FIELDS: [&str; 19] = [
    "schemaVersion",
    "mediaType",
    "config",
    "layers",
    "manifests",
    "blobs",
    "subject",
    "artifactType",
    "annotations",
    "digest",
    "size",
    "urls",
    "platform",
    "data",
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
];

fuzz_target!(|bytes: &[u8]| {
    drop(Manifest::parse(bytes, None));
    for kind in ManifestKind::ALL {
        if let Ok(manifest) = Manifest::parse(bytes, Some(&kind.media_type())) {
            assert_eq!(manifest.kind, kind);
            assert_eq!(ManifestKind::infer(bytes), Some(kind));
            assert_eq!(Manifest::parse(bytes, None).as_ref(), Ok(&manifest));
            let _ = (manifest.references().count(), manifest.children().len());
            drop(manifest.referrer_descriptor(&Digest::of(bytes), bytes.len() as u64));
            // A value may be one that this general reader refuses, such as a number beyond all others.
            if let Ok(value) = serde_json::from_slice(bytes) {
                let respelt = respelt(value).to_string();
                let read = Manifest::parse(respelt.as_bytes(), Some(&kind.media_type()));
                assert_eq!(read, Ok(manifest), "{respelt}");
            }
        }
    }
});

/// The value with every key spelt as the field that Go takes it for. Keys of annotations are nobody's fields.
fn respelt(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let respelt = entries.into_iter().map(|(key, value)| {
                let key = field(&key).map_or(key, str::to_owned);
                let value = if key == "annotations" { value } else { respelt(value) };
                (key, value)
            });
            Value::Object(respelt.collect::<Map<_, _>>())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(respelt).collect()),
        other => other,
    }
}

fn field(key: &str) -> Option<&'static str> {
    let folded = |text: &str| text.to_lowercase().replace('\u{17f}', "s");
    FIELDS.into_iter().find(|field| folded(field) == folded(key))
}
