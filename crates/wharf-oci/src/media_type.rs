//! Media types, and the four of them that are manifests.
//!
//! Compared exactly, as every registry and client does, though RFC 6838 would ignore case.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::text::excerpt;

/// A media type without parameters.
///
/// [`MediaType::parse`] checks the grammar; one that comes out of JSON is kept as it is written there, even
/// empty, because a manifest's bytes are the client's and nothing is ever served under a layer's own type.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaType(Cow<'static, str>);

/// A text is not `type/subtype`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not a media type: expected type/subtype")]
pub struct MediaTypeError {
    /// What was given, cut to a length fit for a message.
    pub given: String,
}

/// The manifests a registry takes: of a single image or of several, in OCI's form or in Docker's. And one that it takes no
/// more, but has in old trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ManifestKind {
    /// An OCI image manifest; artifacts are these too.
    OciImage,
    /// An OCI image index.
    OciIndex,
    /// Docker's image manifest, version 2, schema 2.
    DockerImage,
    /// Docker's manifest list.
    DockerList,
    /// Docker's image manifest, version 2, schema 1, as older registries stored it: without its signatures. Only read.
    DockerSchema1,
}

/// Longest type and longest subtype, from RFC 6838, section 4.2.
const MAX_PART_BYTES: usize = 127;

// === impl MediaType ===

impl MediaType {
    /// An OCI image manifest.
    pub const OCI_MANIFEST: Self = Self::new("application/vnd.oci.image.manifest.v1+json");
    /// An OCI image index; also what the referrers API answers with (end-12a).
    pub const OCI_INDEX: Self = Self::new("application/vnd.oci.image.index.v1+json");
    /// Docker's image manifest, version 2, schema 2.
    pub const DOCKER_MANIFEST: Self = Self::new("application/vnd.docker.distribution.manifest.v2+json");
    /// Docker's manifest list.
    pub const DOCKER_LIST: Self = Self::new("application/vnd.docker.distribution.manifest.list.v2+json");
    /// Docker's image manifest, version 2, schema 1, without signatures.
    pub const DOCKER_SCHEMA1: Self = Self::new("application/vnd.docker.distribution.manifest.v1+json");
    /// The config of an artifact that has none: the two bytes `{}`.
    pub const OCI_EMPTY: Self = Self::new("application/vnd.oci.empty.v1+json");
    /// The config of an OCI image.
    pub const OCI_CONFIG: Self = Self::new("application/vnd.oci.image.config.v1+json");
    /// The config of a Docker image.
    pub const DOCKER_CONFIG: Self = Self::new("application/vnd.docker.container.image.v1+json");

    /// A media type known when compiling; not checked.
    pub const fn new(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Reads a `Content-Type`: parameters and surrounding blanks are dropped, the rest must fit RFC 6838.
    pub fn parse(text: &str) -> Result<Self, MediaTypeError> {
        let essence = essence(text);
        match essence.split_once('/') {
            Some((kind, subtype)) if is_restricted_name(kind) && is_restricted_name(subtype) => {
                Ok(Self(Cow::Owned(essence.to_owned())))
            }
            _ => Err(MediaTypeError { given: excerpt(essence) }),
        }
    }

    /// The media type as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a layer that stays where its `urls` point: a registry need not hold it.
    pub fn is_nondistributable(&self) -> bool {
        matches!(
            self.as_str(),
            "application/vnd.docker.image.rootfs.foreign.diff.tar"
                | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
                | "application/vnd.oci.image.layer.nondistributable.v1.tar"
                | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
                | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
        )
    }
}

impl FromStr for MediaType {
    type Err = MediaTypeError;

    fn from_str(text: &str) -> Result<Self, MediaTypeError> {
        Self::parse(text)
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

// === impl ManifestKind ===

impl ManifestKind {
    /// The four that may be pushed.
    pub const ALL: [Self; 4] = [Self::OciImage, Self::OciIndex, Self::DockerImage, Self::DockerList];

    /// What kind of manifest `media_type` is, if it is one that may be pushed.
    pub fn of(media_type: &MediaType) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.media_type() == *media_type)
    }

    /// The media type it is served with.
    pub const fn media_type(self) -> MediaType {
        match self {
            Self::OciImage => MediaType::OCI_MANIFEST,
            Self::OciIndex => MediaType::OCI_INDEX,
            Self::DockerImage => MediaType::DOCKER_MANIFEST,
            Self::DockerList => MediaType::DOCKER_LIST,
            Self::DockerSchema1 => MediaType::DOCKER_SCHEMA1,
        }
    }

    /// Whether it lists manifests, rather than a config and layers.
    pub const fn is_index(self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerList)
    }

    /// Whether it is one of Docker's, whose body must name its own media type.
    pub const fn is_docker(self) -> bool {
        matches!(self, Self::DockerImage | Self::DockerList)
    }
}

impl fmt::Display for ManifestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.media_type().as_str())
    }
}

/// A media type or range without its parameters.
pub(crate) fn essence(text: &str) -> &str {
    text.split_once(';').map_or(text, |(essence, _)| essence).trim_ascii()
}

/// RFC 6838, section 4.2: a letter or digit, then letters, digits and a few signs.
fn is_restricted_name(name: &str) -> bool {
    name.len() <= MAX_PART_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
}

#[cfg(test)]
mod tests;
