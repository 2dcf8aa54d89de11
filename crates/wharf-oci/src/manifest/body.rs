//! The JSON of a manifest, before anyone asks whether it makes sense.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};

use crate::{
    Descriptor, ManifestError,
    lenient::{Annotations, NullableAnnotations},
    text::excerpt,
};

/// The fields of all four kinds. A field that is absent or `null` is `None`; an empty list is not.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) schema_version: Option<u64>,
    pub(super) media_type: Option<String>,
    pub(super) config: Option<Descriptor>,
    pub(super) layers: Option<Vec<Descriptor>>,
    pub(super) manifests: Option<Vec<Descriptor>>,
    pub(super) subject: Option<Descriptor>,
    pub(super) artifact_type: Option<String>,
    pub(super) annotations: Annotations,
    /// One of these that is there in other letters. It is not read, but Go reads it as if it were spelt right.
    pub(super) misspelt: Option<&'static str>,
}

/// As much as tells one kind from another.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shape {
    pub(super) schema_version: Option<u64>,
    pub(super) media_type: Option<String>,
    pub(super) manifests: Option<IgnoredAny>,
    pub(super) config: Option<IgnoredAny>,
}

struct BodyVisitor;

/// What the fields are called.
const FIELDS: [&str; 8] =
    ["schemaVersion", "mediaType", "config", "layers", "manifests", "subject", "artifactType", "annotations"];

// === impl Body ===

impl Body {
    /// Reads exactly one JSON object, with nothing after it.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, ManifestError> {
        // Strings that are skipped are not looked into, so look here: clients refuse what is not UTF-8.
        let text = std::str::from_utf8(bytes).map_err(|error| ManifestError::Json(error.to_string()))?;
        serde_json::from_str(text).map_err(|error| ManifestError::Json(error.to_string()))
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor)
    }
}

// === impl BodyVisitor ===

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = Body;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a manifest, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
        let mut body = Body::default();
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            // Of two equal keys one reader takes the first and another the last; Go, moreover, ignores their
            // case.
            if !seen.insert(key.to_ascii_lowercase()) {
                return Err(A::Error::custom(format_args!("duplicate key `{}`", excerpt(&key))));
            }
            match key.as_str() {
                "schemaVersion" => body.schema_version = map.next_value()?,
                "mediaType" => body.media_type = map.next_value()?,
                "config" => body.config = map.next_value()?,
                "layers" => body.layers = map.next_value()?,
                "manifests" => body.manifests = map.next_value()?,
                "subject" => body.subject = map.next_value()?,
                "artifactType" => body.artifact_type = map.next_value()?,
                "annotations" => body.annotations = map.next_value::<NullableAnnotations>()?.0,
                _ => {
                    let meant = FIELDS.into_iter().find(|field| field.eq_ignore_ascii_case(&key));
                    body.misspelt = body.misspelt.or(meant);
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(body)
    }
}
