//! The scratch tree: a repository with an image, a small blob and many tags, among many repositories.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use wharf_oci::{Digest, RepositoryName, Tag};
use wharf_store::layout::Key;

/// The repository that everything but the catalog is about.
pub(crate) const REPOSITORY: &str = "acme/app";

/// Enough for pages of a hundred, and for the listing to be one of the long ones that are kept.
const TAGS: usize = 300;

/// Repositories with one manifest each, as small as a repository can be.
const OTHERS: usize = 250;

/// The bytes of the small blob.
const BLOB_BYTES: usize = 4096;

/// What is in the tree that a request can name.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) blob: Digest,
}

impl Tree {
    /// Writes the tree below `root`.
    pub(crate) fn write(root: &Path) -> Result<Self> {
        let put = |key: Key<'_>, bytes: &[u8]| write(&root.join(key.path()), bytes);
        let name: RepositoryName = REPOSITORY.parse()?;
        let blob_bytes = vec![b'w'; BLOB_BYTES];
        let blob = Digest::of(&blob_bytes);
        let manifest_bytes = manifest(&blob);
        let manifest = Digest::of(&manifest_bytes);
        put(Key::BlobData(&blob), &blob_bytes)?;
        put(Key::BlobData(&manifest), &manifest_bytes)?;
        put(Key::LayerLink(&name, &blob), blob.to_string().as_bytes())?;
        let link = manifest.to_string();
        put(Key::RevisionLink(&name, &manifest), link.as_bytes())?;
        for number in 0..TAGS {
            let tag: Tag = format!("v1.{number}").parse()?;
            put(Key::TagLink(&name, &tag), link.as_bytes())?;
        }
        for number in 0..OTHERS {
            let other: RepositoryName = format!("others/app-{number:03}").parse()?;
            put(Key::RevisionLink(&other, &manifest), link.as_bytes())?;
        }
        Ok(Self { blob })
    }
}

/// An image whose config and only layer are one blob.
fn manifest(blob: &Digest) -> Vec<u8> {
    let descriptor = |kind: &str| {
        format!(r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{blob}","size":{BLOB_BYTES}}}"#)
    };
    let (config, layer) = (descriptor("config.v1+json"), descriptor("layer.v1.tar+gzip"));
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","config":{config},"layers":[{layer}]}}"#).into()
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
