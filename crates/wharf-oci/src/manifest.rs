//! Manifests, read for what a registry must know of them: what they point to and what they are called.
//!
//! The bytes themselves stay the client's; this never writes a manifest. Whether what it points to exists is
//! the registry's to ask.

use crate::{Descriptor, Digest, ManifestKind, MediaType, lenient::Annotations, text::excerpt};

use body::{Body, Shape};

mod body;
mod keys;

/// What one of the four kinds of manifest says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Which of the four it is.
    pub kind: ManifestKind,
    /// The config: always there in an image, never in an index.
    pub config: Option<Descriptor>,
    /// The layers of an image, base first.
    pub layers: Vec<Descriptor>,
    /// The members of an index.
    pub manifests: Vec<Descriptor>,
    /// The manifest this one refers to, which need not exist ("Pushing Manifests with Subject").
    pub subject: Option<Descriptor>,
    /// What kind of artifact this is; never empty.
    pub artifact_type: Option<String>,
    /// Free-form facts.
    pub annotations: Annotations,
}

/// Why bytes are not a manifest that may be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// The media type is none of the four.
    #[error(
        "unsupported manifest media type `{given}`: expected an OCI image manifest or index, or Docker's version 2"
    )]
    UnsupportedMediaType {
        /// What the header or the body says.
        given: String,
    },
    /// The body names another type than the request's `Content-Type`.
    #[error("the manifest's mediaType is `{body}` but it was pushed as `{content_type}`")]
    MediaTypeMismatch {
        /// What the header says.
        content_type: String,
        /// What the body says.
        body: String,
    },
    /// `schemaVersion` is not 2.
    #[error("{}", schema_version_message(*.found))]
    SchemaVersion {
        /// What it is, if it is there.
        found: Option<u64>,
    },
    /// An image with an index's fields or an index with an image's: two readers could take it for two things
    /// (CVE-2021-41190).
    #[error("a manifest of type {kind} must not have `{field}`")]
    TypeConfusion {
        /// What it says it is.
        kind: ManifestKind,
        /// The field of the other kind.
        field: &'static str,
    },
    /// It is not JSON of the right form; the message tells line and column.
    #[error("the manifest cannot be read: {0}")]
    Json(String),
    /// Two JSON readers would read a key differently: it is there twice, or differs only in case from one that
    /// clients read. The message says where.
    #[error("the manifest is ambiguous: {0}")]
    AmbiguousKey(String),
    /// A field that this kind must have is not there.
    #[error("the manifest lacks `{field}`")]
    Missing {
        /// The field.
        field: &'static str,
    },
}

// === impl Manifest ===

impl Manifest {
    /// Reads and checks a manifest.
    ///
    /// With a `content_type`, that of a push (end-7a), it must be one of the four and the body must agree
    /// with it. Without one, when reading back what was stored, the body's `mediaType` tells, else whether it
    /// has `manifests`.
    pub fn parse(bytes: &[u8], content_type: Option<&MediaType>) -> Result<Self, ManifestError> {
        let pushed_as = content_type.map(supported_kind).transpose()?;
        // Strings that are skipped are not read, so this comes first: clients refuse what is not UTF-8.
        let text = std::str::from_utf8(bytes).map_err(|error| ManifestError::Json(error.to_string()))?;
        // What old trees hold is taken as it is, but a new one must be the same to every reader.
        if pushed_as.is_some() {
            keys::check(text)?;
        }
        let body = Body::read(text)?;
        if body.schema_version != Some(2) {
            return Err(ManifestError::SchemaVersion { found: body.schema_version });
        }
        let kind = agreed_kind(pushed_as, &body)?;
        refuse_confusion(kind, &body)?;
        if !kind.is_index() && body.config.is_none() {
            return Err(ManifestError::Missing { field: "config" });
        }
        // Old trees hold indexes without members; only a new one is asked for the field.
        if kind.is_index() && pushed_as.is_some() && body.manifests.is_none() {
            return Err(ManifestError::Missing { field: "manifests" });
        }
        Ok(Self {
            kind,
            config: body.config,
            layers: body.layers.unwrap_or_default(),
            manifests: body.manifests.unwrap_or_default(),
            subject: body.subject,
            artifact_type: body.artifact_type.filter(|kind| !kind.is_empty()),
            annotations: body.annotations,
        })
    }

    /// What an image needs to be whole: its config, then its layers. Nothing for an index.
    pub fn references(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(&self.layers)
    }

    /// What an index lists. Nothing for an image.
    pub fn children(&self) -> &[Descriptor] {
        &self.manifests
    }

    /// How this manifest, stored as `digest` with `size` bytes, appears among the referrers of its subject
    /// (end-12a).
    ///
    /// `artifactType` is the manifest's own, else the type of an image's config, else absent.
    pub fn referrer_descriptor(&self, digest: &Digest, size: u64) -> Descriptor {
        let config_type = || self.config.as_ref().map(|config| config.media_type.as_str().to_owned());
        let artifact_type = self.artifact_type.clone().or_else(config_type).filter(|kind| !kind.is_empty());
        Descriptor {
            annotations: self.annotations.clone(),
            artifact_type,
            ..Descriptor::new(self.kind.media_type(), *digest, size)
        }
    }
}

// === impl ManifestKind ===

impl ManifestKind {
    /// What kind of manifest stored bytes are, without reading all of them into values.
    ///
    /// `None` for what is no manifest; bytes for which it is `Some` may still fail [`Manifest::parse`], as all of
    /// [`ManifestKind::DockerSchema1`] do.
    pub fn infer(bytes: &[u8]) -> Option<Self> {
        let shape: Shape = serde_json::from_slice(bytes).ok()?;
        match shape.media_type.filter(|media_type| !media_type.is_empty()) {
            Some(media_type) => Self::ALL.into_iter().find(|kind| kind.media_type().as_str() == media_type),
            None if shape.schema_version == Some(1) => Some(Self::DockerSchema1),
            None if shape.manifests.is_some() => Some(Self::OciIndex),
            None => shape.config.map(|_| Self::OciImage),
        }
    }
}

/// The kind both the header and the body name, or the one that does, or the one whose shape the body has.
fn agreed_kind(pushed_as: Option<ManifestKind>, body: &Body) -> Result<ManifestKind, ManifestError> {
    let named = body.media_type.as_deref().filter(|media_type| !media_type.is_empty());
    match (pushed_as, named) {
        (Some(kind), Some(named)) if kind.media_type().as_str() == named => Ok(kind),
        (Some(kind), Some(named)) => {
            Err(ManifestError::MediaTypeMismatch { content_type: kind.to_string(), body: excerpt(named) })
        }
        (Some(kind), None) if kind.is_docker() => Err(ManifestError::Missing { field: "mediaType" }),
        (Some(kind), None) => Ok(kind),
        (None, Some(named)) => ManifestKind::ALL
            .into_iter()
            .find(|kind| kind.media_type().as_str() == named)
            .ok_or_else(|| ManifestError::UnsupportedMediaType { given: excerpt(named) }),
        (None, None) if body.manifests.is_some() => Ok(ManifestKind::OciIndex),
        (None, None) => Ok(ManifestKind::OciImage),
    }
}

fn supported_kind(media_type: &MediaType) -> Result<ManifestKind, ManifestError> {
    ManifestKind::of(media_type)
        .ok_or_else(|| ManifestError::UnsupportedMediaType { given: excerpt(media_type.as_str()) })
}

/// Even an empty list of the other kind is refused: it is there for a reader that takes this for something
/// else.
fn refuse_confusion(kind: ManifestKind, body: &Body) -> Result<(), ManifestError> {
    let field = match kind.is_index() {
        true if body.config.is_some() => "config",
        true if body.layers.is_some() => "layers",
        false if body.manifests.is_some() => "manifests",
        _ => return Ok(()),
    };
    Err(ManifestError::TypeConfusion { kind, field })
}

fn schema_version_message(found: Option<u64>) -> String {
    match found {
        Some(found) => format!("schemaVersion is {found}, only 2 is supported"),
        None => "the manifest lacks `schemaVersion`, which must be 2".to_owned(),
    }
}

#[cfg(test)]
mod tests;
