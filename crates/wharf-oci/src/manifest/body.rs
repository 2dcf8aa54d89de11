//! The JSON of a manifest, before anyone asks whether it makes sense.
//!
//! Of two equal keys the last counts, as it does to Go, which wrote what old trees hold. What is pushed has no such
//! keys; see `keys.rs`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};

use crate::{
    Descriptor, ManifestError,
    lenient::{Annotations, NullableAnnotations},
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
}

/// As much as tells one kind from another.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) schema_version: Option<u64>,
    pub(super) media_type: Option<String>,
    pub(super) manifests: Option<IgnoredAny>,
    pub(super) config: Option<IgnoredAny>,
}

/// The keys of a manifest.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Field {
    SchemaVersion,
    MediaType,
    Config,
    Layers,
    Manifests,
    Subject,
    ArtifactType,
    Annotations,
    #[serde(other)]
    Other,
}

struct BodyVisitor;

struct ShapeVisitor;

// === impl Body ===

impl Body {
    /// Reads exactly one JSON object, with nothing after it.
    pub(super) fn read(text: &str) -> Result<Self, ManifestError> {
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
        while let Some(field) = map.next_key()? {
            match field {
                Field::SchemaVersion => body.schema_version = map.next_value()?,
                Field::MediaType => body.media_type = map.next_value()?,
                Field::Config => body.config = map.next_value()?,
                Field::Layers => body.layers = map.next_value()?,
                Field::Manifests => body.manifests = map.next_value()?,
                Field::Subject => body.subject = map.next_value()?,
                Field::ArtifactType => body.artifact_type = map.next_value()?,
                Field::Annotations => body.annotations = map.next_value::<NullableAnnotations>()?.0,
                Field::Other => {
                    let _ = map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(body)
    }
}

// === impl Shape ===

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ShapeVisitor)
    }
}

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a manifest, which is a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut shape = Shape::default();
        while let Some(field) = map.next_key()? {
            match field {
                Field::SchemaVersion => shape.schema_version = map.next_value()?,
                Field::MediaType => shape.media_type = map.next_value()?,
                Field::Config => shape.config = map.next_value()?,
                Field::Manifests => shape.manifests = map.next_value()?,
                Field::Layers | Field::Subject | Field::ArtifactType | Field::Annotations | Field::Other => {
                    let _ = map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(shape)
    }
}
