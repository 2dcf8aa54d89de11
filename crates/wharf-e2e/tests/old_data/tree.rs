//! A directory, read and dirtied by its files alone: nothing here asks a registry, or our own code for one.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;
use wharf_oci::Digest;

use crate::layout::digest;

/// The directory of one test, which goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Tree {
    folder: TempDir,
}

/// What a tree holds by the names of its files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    pub(crate) repositories: BTreeMap<String, Repository>,
}

/// What a repository holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Repository {
    pub(crate) tags: BTreeMap<String, Digest>,
    pub(crate) manifests: BTreeSet<Digest>,
    /// Under the names they are linked by: an alias is a name of its own.
    pub(crate) blobs: BTreeSet<Digest>,
}

/// A file or folder as a listing shows it: size and time of the last change; a folder's size says nothing.
type Entry = (Option<u64>, i64, i64);

// === impl Tree ===

impl Tree {
    pub(crate) fn new() -> Self {
        let tree = Self { folder: tempfile::tempdir().expect("a folder for the tree") };
        std::fs::create_dir(tree.root()).expect("a folder can be made");
        tree
    }

    /// What the programs are given as their root.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A path beside the root.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path below `docker/registry/v2`.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root().join("docker/registry/v2").join(path)
    }

    /// A path in the folder of a repository.
    pub(crate) fn of(&self, repository: &str, path: impl AsRef<Path>) -> PathBuf {
        self.path("repositories").join(repository).join(path)
    }

    /// The folder of a blob's bytes.
    pub(crate) fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.path(format!("blobs/{}/{}/{hex}", digest.algorithm(), &hex[..2]))
    }

    /// Every file and folder, with its size and its time.
    pub(crate) fn listing(&self) -> BTreeMap<PathBuf, Entry> {
        let mut listing = BTreeMap::new();
        let mut due = vec![self.root()];
        while let Some(path) = due.pop() {
            let meta = std::fs::symlink_metadata(&path).expect("what is listed is there");
            if meta.is_dir() {
                due.extend(children(&path));
            }
            let size = meta.is_file().then_some(meta.len());
            listing.insert(path, (size, meta.mtime(), meta.mtime_nsec()));
        }
        listing
    }

    /// All that a clean tree promises to serve.
    pub(crate) fn contents(&self) -> Contents {
        let mut contents = Contents::default();
        let root = self.path("repositories");
        let mut due = vec![root.clone()];
        while let Some(folder) = due.pop() {
            let repository = read_repository(&folder);
            if !repository.manifests.is_empty() {
                let name = folder.strip_prefix(&root).expect("it is below").to_str().expect("names are text");
                contents.repositories.insert(name.to_owned(), repository);
            }
            due.extend(children(&folder).into_iter().filter(|path| !name_of(path).starts_with('_')));
        }
        contents
    }

    /// Everything that a collector may not take: the manifests, and what they say they need.
    pub(crate) fn needed(&self) -> BTreeSet<Digest> {
        let mut needed = BTreeSet::new();
        for manifest in self.contents().repositories.values().flat_map(|found| &found.manifests) {
            let bytes = std::fs::read(self.blob(manifest).join("data")).expect("a manifest has bytes");
            let body: Value = serde_json::from_slice(&bytes).expect("a manifest is JSON");
            let lists =
                ["layers", "manifests"].map(|field| body[field].as_array().cloned().unwrap_or_default());
            let descriptors = lists.into_iter().flatten().chain(body.get("config").cloned());
            needed.extend(descriptors.map(|descriptor| digest(&descriptor)));
            needed.insert(*manifest);
        }
        needed
    }

    /// The unfinished uploads of a repository.
    pub(crate) fn uploads(&self, repository: &str) -> BTreeSet<String> {
        children(&self.of(repository, "_uploads")).iter().map(|path| name_of(path)).collect()
    }
}

// === impl Contents ===

impl Contents {
    #[track_caller]
    pub(crate) fn of(&self, repository: &str) -> &Repository {
        match self.repositories.get(repository) {
            Some(found) => found,
            None => panic!("no repository {repository}: {:?}", self.repositories.keys()),
        }
    }
}

/// Writes a file and the folders above it, as another program would.
#[track_caller]
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("folders can be made");
    std::fs::write(path, content).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

/// Removes a file or a folder with all that is in it, which must be there.
#[track_caller]
pub(crate) fn remove(path: &Path) {
    let removed = if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.unwrap_or_else(|error| panic!("cannot remove {}: {error}", path.display()));
}

/// `<alg>/<hex>`, as the tree has it.
pub(crate) fn two_levels(digest: &Digest) -> String {
    format!("{}/{}", digest.algorithm(), digest.hex())
}

fn read_repository(folder: &Path) -> Repository {
    let tags = children(&folder.join("_manifests/tags")).into_iter().filter_map(|tag| {
        let link = std::fs::read_to_string(tag.join("current/link")).ok()?;
        Some((name_of(&tag), link.parse().ok()?))
    });
    Repository {
        tags: tags.collect(),
        manifests: linked(&folder.join("_manifests/revisions")),
        blobs: linked(&folder.join("_layers")),
    }
}

/// The digests whose names lead to a link.
fn linked(folder: &Path) -> BTreeSet<Digest> {
    let digests = children(folder).into_iter().flat_map(|algorithm| children(&algorithm));
    let linked = digests.filter(|folder| folder.join("link").is_file());
    linked
        .filter_map(|folder| {
            let algorithm = name_of(folder.parent()?);
            format!("{algorithm}:{}", name_of(&folder)).parse().ok()
        })
        .collect()
}

/// What is in a folder; nothing if it is no folder.
fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.map(|entry| entry.expect("a folder can be read").path()).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("an entry has a name").to_string_lossy().into_owned()
}
