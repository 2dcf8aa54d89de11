//! The data every server is given: trees written directly in the layout of registries, once, and read by all.
//!
//! Pushing them would take hours for the large one, and would make each peer's tree a different one.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use wharf_oci::{Digest, RepositoryName, Tag};
use wharf_testkit::images::{Blob, Image, ImageOptions, noise};

use tree::Tree;

mod tree;

/// The version of what this file writes; another one is written anew.
const VERSION: u32 = 1;
/// Where a tree says what it holds; written last.
const CONTENTS: &str = "contents.json";
/// The repository of the small tree.
pub(crate) const REPOSITORY: &str = "acme/app";

/// How much of everything there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub(crate) manifests: usize,
    /// Blobs of 4 KiB.
    pub(crate) small_blobs: usize,
    /// Blobs of 10 MiB, and how long they are.
    pub(crate) medium_blobs: (usize, usize),
    /// Blobs of 256 MiB, and how long they are.
    pub(crate) large_blobs: (usize, usize),
    /// Tags of the two repositories of the large tree.
    pub(crate) tags: [usize; 2],
    /// Repositories of the large tree.
    pub(crate) repositories: usize,
}

/// The two trees.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    pub(crate) contents: Contents,
    folder: PathBuf,
}

/// What is in the trees.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Contents {
    version: u32,
    pub(crate) shape: Shape,
    /// Of the manifests; the tag of the n-th is `v<n>`.
    pub(crate) manifests: Vec<String>,
    pub(crate) small_blobs: Vec<String>,
    pub(crate) medium_blobs: Vec<String>,
    pub(crate) large_blobs: Vec<String>,
}

// === impl Seed ===

impl Seed {
    /// The trees in `folder`, written there unless they are there already.
    pub(crate) fn prepare(folder: &Path, shape: &Shape) -> Result<Self> {
        if let Some(contents) = read_contents(folder, shape) {
            return Ok(Self { contents, folder: folder.to_owned() });
        }
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        let contents = write_small(&Tree::at(folder.join("small")), shape)?;
        write_large(&Tree::at(folder.join("large")), shape)?;
        fs::write(folder.join(CONTENTS), serde_json::to_vec_pretty(&contents)?)?;
        Ok(Self { contents, folder: folder.to_owned() })
    }

    /// One repository with manifests and blobs of every size.
    pub(crate) fn small(&self) -> PathBuf {
        self.folder.join("small")
    }

    /// Many repositories, and two with many tags.
    pub(crate) fn large(&self) -> PathBuf {
        self.folder.join("large")
    }

    /// The small tree once more, for a server that writes: links of its own, blobs shared as hard links.
    pub(crate) fn copy_small(&self, root: &Path) -> Result<()> {
        let (from, to) = (Tree::at(self.small()), Tree::at(root.to_owned()));
        let contents = &self.contents;
        let name = RepositoryName::from_str(REPOSITORY)?;
        for (index, digest) in contents.manifests.iter().enumerate() {
            let digest = Digest::from_str(digest)?;
            to.share_blob(&from, &digest)?;
            to.revision(&name, &digest)?;
            to.tag(&name, &Tag::from_str(&format!("v{index}"))?, &digest)?;
        }
        for digest in
            [&contents.small_blobs, &contents.medium_blobs, &contents.large_blobs].into_iter().flatten()
        {
            let digest = Digest::from_str(digest)?;
            to.share_blob(&from, &digest)?;
            to.layer(&name, &digest)?;
        }
        Ok(())
    }

    /// The files of these blobs in the small tree.
    pub(crate) fn files(&self, digests: &[String]) -> Result<Vec<PathBuf>> {
        let tree = Tree::at(self.small());
        digests.iter().map(|digest| Ok(tree.blob_path(&Digest::from_str(digest)?))).collect()
    }
}

/// The repository of the large tree that has so many tags.
pub(crate) fn repository_of_tags(tags: usize) -> String {
    format!("tags/of-{tags}")
}

/// The name of the n-th tag: all of one length, so that their order is that of the numbers.
pub(crate) fn tag_name(index: usize) -> String {
    format!("build-{index:06}")
}

/// The name of the n-th repository.
pub(crate) fn repository_name(index: usize) -> String {
    format!("many/app-{index:06}")
}

fn read_contents(folder: &Path, shape: &Shape) -> Option<Contents> {
    let text = fs::read(folder.join(CONTENTS)).ok()?;
    let contents: Contents = serde_json::from_slice(&text).ok()?;
    (contents.version == VERSION && contents.shape == *shape).then_some(contents)
}

fn write_small(tree: &Tree, shape: &Shape) -> Result<Contents> {
    let name = RepositoryName::from_str(REPOSITORY)?;
    let mut manifests = Vec::new();
    for index in 0..shape.manifests {
        let image = Image::build(&ImageOptions { seed: index as u64, layers: 3, ..ImageOptions::default() });
        for blob in image.blobs() {
            tree.blob(&blob.digest, &blob.bytes)?;
            tree.layer(&name, &blob.digest)?;
        }
        let manifest = &image.manifest;
        tree.blob(&manifest.digest, &manifest.bytes)?;
        tree.revision(&name, &manifest.digest)?;
        tree.tag(&name, &Tag::from_str(&format!("v{index}"))?, &manifest.digest)?;
        manifests.push(manifest.digest.to_string());
    }
    let blobs = |base: u64, (count, length): (usize, usize)| -> Result<Vec<String>> {
        let mut digests = Vec::new();
        for index in 0..count as u64 {
            let blob = Blob::new(noise(base + index, length));
            tree.blob(&blob.digest, &blob.bytes)?;
            tree.layer(&name, &blob.digest)?;
            digests.push(blob.digest.to_string());
        }
        Ok(digests)
    };
    Ok(Contents {
        version: VERSION,
        shape: shape.clone(),
        manifests,
        small_blobs: blobs(1 << 32, (shape.small_blobs, 4 << 10))?,
        medium_blobs: blobs(2 << 32, shape.medium_blobs)?,
        large_blobs: blobs(3 << 32, shape.large_blobs)?,
    })
}

fn write_large(tree: &Tree, shape: &Shape) -> Result<()> {
    let manifest = Image::random(1).manifest;
    tree.blob(&manifest.digest, &manifest.bytes)?;
    for tags in shape.tags {
        let name = RepositoryName::from_str(&repository_of_tags(tags))?;
        tree.revision(&name, &manifest.digest)?;
        in_two_threads(tags, |index| tree.tag(&name, &Tag::from_str(&tag_name(index))?, &manifest.digest))?;
    }
    in_two_threads(shape.repositories, |index| {
        tree.revision(&RepositoryName::from_str(&repository_name(index))?, &manifest.digest)
    })
}

/// Does `write` for every index below `count`.
fn in_two_threads(count: usize, write: impl Fn(usize) -> Result<()> + Sync) -> Result<()> {
    std::thread::scope(|scope| {
        let write = &write;
        let half = scope.spawn(move || (0..count / 2).try_for_each(write));
        let other = (count / 2..count).try_for_each(write);
        half.join().map_err(|_| anyhow::anyhow!("a thread that writes the tree panicked"))??;
        other
    })
}

#[cfg(test)]
mod tests;
