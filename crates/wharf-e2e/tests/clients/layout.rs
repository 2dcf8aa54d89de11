//! Images made on the spot: real layers in an OCI layout, the folder that skopeo and crane read and write.
//!
//! The same name gives the same bytes, so two tests that disagree can be compared.

#![expect(clippy::disallowed_methods, reason = "an OCI layout is files, which other programs read and write")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wharf_oci::{Descriptor, Digest, MediaType, Platform};
use wharf_testkit::process::run;

use crate::workbench::{Workbench, isolated};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The annotation by which `oci:<folder>:<name>` finds a manifest.
const NAME: &str = "org.opencontainers.image.ref.name";

/// Files in a tar, plain and compressed.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) tar: PathBuf,
    /// The digest of the plain tar: what a config lists, and what an engine checks after unpacking.
    pub(crate) diff_id: Digest,
    pub(crate) digest: Digest,
    compressed: PathBuf,
}

/// A folder in the form of the image spec's "OCI Image Layout".
#[derive(Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
}

// === impl Layer ===

impl Layer {
    /// Incompressible bytes, some text, and a folder of their own for them.
    #[track_caller]
    pub(crate) fn make(workbench: &Workbench, name: &str, size_bytes: usize) -> Self {
        let files = workbench.path(format!("{name}.files"));
        let inside = files.join(name);
        std::fs::create_dir_all(&inside).expect("a folder can be made");
        std::fs::write(inside.join("random"), noise(name, size_bytes)).expect("a file can be written");
        std::fs::write(inside.join("text"), format!("{name}\n").repeat(1000)).expect("a file can be written");

        let tar = workbench.path(format!("{name}.tar"));
        let mut command = workbench.tool("tar");
        command.args(["--create", "--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"]);
        run(command.arg("--file").arg(&tar).arg("--directory").arg(&files).arg(name));
        run(workbench.tool("gzip").args(["--keep", "--no-name"]).arg(&tar));
        let compressed = workbench.path(format!("{name}.tar.gz"));
        Self { diff_id: hash(&tar), digest: hash(&compressed), tar, compressed }
    }
}

// === impl Layout ===

impl Layout {
    /// A new one without any image.
    #[track_caller]
    pub(crate) fn create(folder: PathBuf) -> Self {
        std::fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder can be made");
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#)
            .expect("a file can be written");
        Self { folder }
    }

    /// One that a client wrote.
    pub(crate) fn open(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// An image for linux/amd64 under the tag `1`, of three layers.
    #[track_caller]
    pub(crate) fn single(workbench: &Workbench, name: &str) -> Self {
        let layout = Self::create(workbench.path(name));
        let layers = [(1, 5_000), (2, 300_000), (3, 3_000_000)]
            .map(|(number, size_bytes)| Layer::make(workbench, &format!("{name}-{number}"), size_bytes));
        let image = layout.add_image(&platform("amd64", None), &layers.each_ref());
        layout.tag("1", &image);
        layout
    }

    /// An index of linux/amd64 and linux/arm64 under the tag `1`; the two share a layer.
    #[track_caller]
    pub(crate) fn multi_platform(workbench: &Workbench, name: &str) -> Self {
        let layout = Self::create(workbench.path(name));
        let shared = Layer::make(workbench, &format!("{name}-shared"), 1_000_000);
        let members = [("amd64", None), ("arm64", Some("v8"))].map(|(architecture, variant)| {
            let own = Layer::make(workbench, &format!("{name}-{architecture}"), 2_000_000);
            layout.add_image(&platform(architecture, variant), &[&shared, &own])
        });
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": members});
        let index = layout.add(INDEX, &serde_json::to_vec(&index).expect("JSON can be written"));
        layout.tag("1", &index);
        layout
    }

    /// Writes layers, config and manifest.
    #[track_caller]
    pub(crate) fn add_image(&self, platform: &Platform, layers: &[&Layer]) -> Descriptor {
        let diff_ids: Vec<_> = layers.iter().map(|layer| layer.diff_id).collect();
        let mut config = json!({
            "created": "2020-01-01T00:00:00Z",
            "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
            "history": vec![json!({"created": "2020-01-01T00:00:00Z", "created_by": "made for a test"}); layers.len()],
        });
        let Value::Object(platform_fields) = json!(platform) else { unreachable!("a platform is an object") };
        config.as_object_mut().expect("it is one").extend(platform_fields);
        let layers: Vec<_> = layers.iter().map(|layer| self.add_layer(layer)).collect();
        let config = self.add(CONFIG, &serde_json::to_vec(&config).expect("JSON can be written"));
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
        let mut image = self.add(MANIFEST, &serde_json::to_vec(&manifest).expect("JSON can be written"));
        image.platform = Some(platform.clone());
        image
    }

    /// Makes `root` the one thing that the layout is about, by the name `tag`.
    #[track_caller]
    pub(crate) fn tag(&self, tag: &str, root: &Descriptor) {
        let mut root = root.clone();
        root.annotations.insert(NAME.to_owned(), tag.to_owned());
        let index = json!({"schemaVersion": 2, "manifests": [root]});
        std::fs::write(self.folder.join("index.json"), index.to_string()).expect("a file can be written");
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// `oci:<folder>:<tag>`, as skopeo names what is tagged here.
    pub(crate) fn name(&self, tag: &str) -> String {
        format!("oci:{}:{tag}", self.folder.display())
    }

    /// The digest of the one thing that the layout is about.
    #[track_caller]
    pub(crate) fn root(&self) -> Digest {
        let index = self.json("index.json");
        let manifests = index["manifests"].as_array().expect("an index has manifests");
        assert_eq!(manifests.len(), 1, "{index}");
        digest(&manifests[0])
    }

    /// A manifest of this layout.
    #[track_caller]
    pub(crate) fn manifest(&self, digest: &Digest) -> Value {
        self.json(&format!("blobs/sha256/{}", digest.hex()))
    }

    /// The digest and size of every blob, each of which must be what its name promises.
    #[track_caller]
    pub(crate) fn blobs(&self) -> BTreeMap<Digest, u64> {
        let folder = std::fs::read_dir(self.folder.join("blobs/sha256")).expect("a layout has blobs");
        let blobs = folder.map(|entry| {
            let entry = entry.expect("a folder can be read");
            let digest = hash(&entry.path());
            assert_eq!(digest.hex(), entry.file_name().to_string_lossy());
            (digest, entry.metadata().expect("a blob has a size").len())
        });
        blobs.collect()
    }

    #[track_caller]
    fn add(&self, media_type: &str, content: &[u8]) -> Descriptor {
        let digest = Digest::of(content);
        std::fs::write(self.blob(&digest), content).expect("a blob can be written");
        descriptor(media_type, digest, content.len() as u64)
    }

    #[track_caller]
    fn add_layer(&self, layer: &Layer) -> Descriptor {
        let size = std::fs::copy(&layer.compressed, self.blob(&layer.digest)).expect("a blob can be written");
        descriptor(LAYER, layer.digest, size)
    }

    fn blob(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    #[track_caller]
    fn json(&self, path: &str) -> Value {
        let text = std::fs::read(self.folder.join(path)).expect("the layout has this file");
        serde_json::from_slice(&text).expect("it is JSON")
    }
}

fn descriptor(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    let media_type: MediaType = media_type.parse().expect("a media type");
    Descriptor::new(media_type, digest, size)
}

/// The digest of a file, by a program that is not ours.
#[track_caller]
fn hash(file: &Path) -> Digest {
    let output = run(isolated("sha256sum").arg("--binary").arg(file));
    let hex = output.text().split(' ').next().expect("a split has a first part");
    format!("sha256:{hex}").parse().expect("it prints a digest first")
}

pub(crate) fn platform(architecture: &str, variant: Option<&str>) -> Platform {
    Platform {
        architecture: architecture.to_owned(),
        os: "linux".to_owned(),
        variant: variant.map(str::to_owned),
        ..Platform::default()
    }
}

/// The digest in a descriptor.
#[track_caller]
pub(crate) fn digest(descriptor: &Value) -> Digest {
    let text = descriptor["digest"].as_str().unwrap_or_else(|| panic!("no digest: {descriptor}"));
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Bytes that gzip cannot compress, the same ones for the same name: splitmix64 seeded by the name's digest.
///
/// A block of them over and over: it is wider than the 32 KiB that gzip remembers.
fn noise(name: &str, size_bytes: usize) -> Vec<u8> {
    const BLOCK_WORDS: usize = 16 << 10;
    let seed = Digest::of(name.as_bytes());
    let mut state = seed.as_bytes()[..8].iter().fold(0_u64, |state, byte| state << 8 | u64::from(*byte));
    let mut block = Vec::with_capacity(8 * BLOCK_WORDS);
    for _ in 0..BLOCK_WORDS {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        block.extend_from_slice(&(word ^ (word >> 31)).to_le_bytes());
    }
    let mut bytes = block.repeat(size_bytes.div_ceil(block.len()));
    bytes.truncate(size_bytes);
    bytes
}
