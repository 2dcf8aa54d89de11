//! One tree in the layout of registries, written file by file.
//!
//! The paths are `wharf_store::layout`'s. Nothing is synced one by one: who seeds a tree can seed it again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use wharf_oci::{Digest, RepositoryName, Tag};
use wharf_store::layout::Key;

/// A tree below a root directory.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

// === impl Tree ===

impl Tree {
    pub(super) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    pub(super) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join(Key::BlobData(digest).path())
    }

    pub(super) fn blob(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        self.write(Key::BlobData(digest), bytes)
    }

    /// The blob of another tree on the same file system.
    pub(super) fn share_blob(&self, other: &Self, digest: &Digest) -> Result<()> {
        let (from, to) = (other.blob_path(digest), self.blob_path(digest));
        make_folder_of(&to)?;
        match fs::hard_link(&from, &to) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(error).with_context(|| format!("cannot link {} to {}", to.display(), from.display()))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn layer(&self, name: &RepositoryName, digest: &Digest) -> Result<()> {
        self.write(Key::LayerLink(name, digest), digest.to_string().as_bytes())
    }

    pub(super) fn revision(&self, name: &RepositoryName, digest: &Digest) -> Result<()> {
        self.write(Key::RevisionLink(name, digest), digest.to_string().as_bytes())
    }

    /// A tag with its history, which is part of what it costs.
    pub(super) fn tag(&self, name: &RepositoryName, tag: &Tag, digest: &Digest) -> Result<()> {
        let link = digest.to_string();
        self.write(Key::TagIndexLink(name, tag, digest), link.as_bytes())?;
        self.write(Key::TagLink(name, tag), link.as_bytes())
    }

    fn write(&self, key: Key<'_>, bytes: &[u8]) -> Result<()> {
        let path = self.root.join(key.path());
        make_folder_of(&path)?;
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}
