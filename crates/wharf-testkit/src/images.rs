//! Random images: the same seed gives the same bytes, on every machine and for ever.
//!
//! How they get into a registry is [`push`](crate::push)'s business.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};
use wharf_oci::{Algorithm, Descriptor, Digest, ManifestKind, MediaType, Platform};

/// Bytes and their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// What they hash to.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Bytes,
}

/// A manifest's bytes, what they hash to, and what they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What it is pushed as.
    pub media_type: MediaType,
    /// What it hashes to.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Bytes,
}

/// An image or an artifact, with all it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The config.
    pub config: Blob,
    /// The layers, base first.
    pub layers: Vec<Blob>,
    /// The manifest that holds them together.
    pub manifest: Manifest,
}

/// What an image shall be like.
#[derive(Debug, Clone)]
pub struct ImageOptions {
    /// Everything random comes from here.
    pub seed: u64,
    /// OCI's or Docker's.
    pub kind: ManifestKind,
    /// How many layers.
    pub layers: usize,
    /// How many bytes a layer has.
    pub layer_bytes: usize,
    /// What it refers to.
    pub subject: Option<Descriptor>,
    /// What kind of artifact it is.
    pub artifact_type: Option<String>,
    /// Free-form facts.
    pub annotations: BTreeMap<String, String>,
}

// === impl ImageOptions ===

impl Default for ImageOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            kind: ManifestKind::OciImage,
            layers: 2,
            layer_bytes: 1024,
            subject: None,
            artifact_type: None,
            annotations: BTreeMap::new(),
        }
    }
}

// === impl Blob ===

impl Blob {
    /// These bytes, under sha256.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self::with(Algorithm::Sha256, bytes)
    }

    /// These bytes, under another algorithm.
    pub fn with(algorithm: Algorithm, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of_with(algorithm, &bytes), bytes }
    }

    /// So many random bytes.
    pub fn random(seed: u64, length: usize) -> Self {
        Self::new(noise(seed, length))
    }

    /// The config of an artifact that has none: `{}`.
    pub fn empty_config() -> Self {
        Self::new("{}")
    }

    /// How a manifest points to it.
    pub fn descriptor(&self, media_type: MediaType) -> Descriptor {
        Descriptor::new(media_type, self.digest, self.bytes.len() as u64)
    }
}

// === impl Manifest ===

impl Manifest {
    /// A manifest with this body, indented: a registry that writes it anew is found out.
    pub fn new(media_type: MediaType, body: &Value) -> Self {
        let mut text = format!("{body:#}");
        text.push('\n');
        Self::from_bytes(media_type, text)
    }

    /// A manifest of exactly these bytes, which need not be one.
    pub fn from_bytes(media_type: MediaType, bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { media_type, digest: Digest::of(&bytes), bytes }
    }

    /// An index or a list of these members, each for an operating system's architecture (`linux/amd64`).
    pub fn index(kind: ManifestKind, members: &[(&Self, &str)]) -> Self {
        assert!(kind.is_index(), "{kind} has no members");
        let members: Vec<Value> = members
            .iter()
            .map(|(member, platform)| {
                let mut descriptor = member.descriptor();
                descriptor.platform = Some(platform_of(platform));
                json!(descriptor)
            })
            .collect();
        let body = json!({
            "schemaVersion": 2,
            "mediaType": kind.media_type(),
            "manifests": members,
        });
        Self::new(kind.media_type(), &body)
    }

    /// How another manifest points to it.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(self.media_type.clone(), self.digest, self.bytes.len() as u64)
    }
}

// === impl Image ===

impl Image {
    /// An OCI image.
    pub fn random(seed: u64) -> Self {
        Self::build(&ImageOptions { seed, ..ImageOptions::default() })
    }

    /// An image in Docker's form.
    pub fn docker(seed: u64) -> Self {
        Self::build(&ImageOptions { seed, kind: ManifestKind::DockerImage, ..ImageOptions::default() })
    }

    /// An artifact of this type that refers to `subject`, the way today's signing tools make them.
    pub fn artifact(seed: u64, subject: &Manifest, artifact_type: &str) -> Self {
        Self::build(&ImageOptions {
            seed,
            layers: 1,
            subject: Some(subject.descriptor()),
            artifact_type: Some(artifact_type.to_owned()),
            annotations: [("org.example.seed".to_owned(), seed.to_string())].into(),
            ..ImageOptions::default()
        })
    }

    /// An image to measure.
    pub fn build(options: &ImageOptions) -> Self {
        let layers: Vec<Blob> = (0..options.layers as u64)
            .map(|index| {
                Blob::random(options.seed.wrapping_mul(1_000).wrapping_add(index), options.layer_bytes)
            })
            .collect();
        let config = match options.artifact_type {
            Some(_) => Blob::empty_config(),
            None => {
                Blob::new(json!({ "architecture": "amd64", "os": "linux", "seed": options.seed }).to_string())
            }
        };
        let manifest = Manifest::new(options.kind.media_type(), &body(options, &config, &layers));
        Self { config, layers, manifest }
    }

    /// Every blob it needs.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.layers.iter().chain([&self.config])
    }
}

/// So many random bytes, by splitmix64.
pub fn noise(seed: u64, length: usize) -> Bytes {
    let mut state = seed;
    let mut bytes = Vec::with_capacity(length.next_multiple_of(8));
    while bytes.len() < length {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

fn body(options: &ImageOptions, config: &Blob, layers: &[Blob]) -> Value {
    let docker = options.kind.is_docker();
    let config_type = match options.artifact_type {
        Some(_) => MediaType::OCI_EMPTY,
        None if docker => MediaType::DOCKER_CONFIG,
        None => MediaType::OCI_CONFIG,
    };
    let layer_type = MediaType::new(if docker {
        "application/vnd.docker.image.rootfs.diff.tar.gzip"
    } else {
        "application/vnd.oci.image.layer.v1.tar+gzip"
    });
    let layers: Vec<_> = layers.iter().map(|layer| layer.descriptor(layer_type.clone())).collect();
    let mut body = json!({
        "schemaVersion": 2,
        "mediaType": options.kind.media_type(),
        "config": config.descriptor(config_type),
        "layers": layers,
    });
    if let Some(subject) = &options.subject {
        body["subject"] = json!(subject);
    }
    if let Some(artifact_type) = &options.artifact_type {
        body["artifactType"] = json!(artifact_type);
    }
    if !options.annotations.is_empty() {
        body["annotations"] = json!(options.annotations);
    }
    body
}

fn platform_of(text: &str) -> Platform {
    let (os, architecture) = text.split_once('/').unwrap_or((text, ""));
    Platform { os: os.to_owned(), architecture: architecture.to_owned(), ..Platform::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_for_ever() {
        assert_eq!(noise(7, 11), noise(7, 13).slice(..11));
        assert_ne!(noise(7, 11), noise(8, 11));
        assert_eq!(noise(1, 9).as_ref(), [0xc1, 0x5c, 0x02, 0x89, 0xec, 0x2d, 0x0a, 0x91, 0x67]);
        assert_eq!(Image::random(3), Image::random(3));
        assert_ne!(Image::random(3).manifest, Image::random(4).manifest);
    }

    #[test]
    fn every_manifest_is_one_that_may_be_stored() {
        let image = Image::random(1);
        let docker = Image::docker(1);
        let artifact = Image::artifact(2, &image.manifest, "application/vnd.example.sbom");
        let index = Manifest::index(ManifestKind::OciIndex, &[(&image.manifest, "linux/amd64")]);
        let list = Manifest::index(ManifestKind::DockerList, &[(&docker.manifest, "linux/arm64")]);
        for manifest in [&image.manifest, &docker.manifest, &artifact.manifest, &index, &list] {
            let parsed = wharf_oci::Manifest::parse(&manifest.bytes, Some(&manifest.media_type)).unwrap();
            assert_eq!(parsed.kind.media_type(), manifest.media_type);
            assert_eq!(Digest::of(&manifest.bytes), manifest.digest);
        }
        let subject = wharf_oci::Manifest::parse(&artifact.manifest.bytes, None).unwrap().subject;
        assert_eq!(subject, Some(image.manifest.descriptor()));
    }
}
