//! What is true of every tree, whatever a registry was asked for and however it ended: each file of a blob is what its name
//! says, and each link leads to what it names.
//!
//! A client compares what it knows; this reads all files there are, behind the registry's back. The rules are those of
//! `docs/spec/storage-layout.md`: bytes come before the facts that name them, and facts go before bytes do. On a disk a tag
//! whose manifest is gone is a fault, as a delete removes the tags first. Uploads, temporary files and the history of tags,
//! whose manifests may be deleted, lead nowhere.

#![expect(clippy::disallowed_methods, reason = "files are read behind the registry's back")]

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wharf_oci::{Descriptor, Digest, Manifest};

/// Below the root of a store.
const TREE: &str = "docker/registry/v2";

/// The start of the name of a blob that a collector is removing.
const ASIDE: &str = "data.removing-";

/// A tree that is being read.
struct Tree {
    root: PathBuf,
    /// The file of each blob.
    blobs: BTreeMap<Digest, PathBuf>,
    faults: Vec<String>,
}

/// A repository of the tree.
struct Repository {
    folder: PathBuf,
}

/// Panics with all that is wrong in the tree below `root`. No registry may be writing to it.
#[track_caller]
pub(crate) fn assert_sound(root: &Path) {
    let faults = faults(root);
    assert!(faults.is_empty(), "the tree is damaged:\n{}", faults.join("\n"));
}

/// All that is wrong in the tree below `root`, a line each. An empty tree is in order.
pub(crate) fn faults(root: &Path) -> Vec<String> {
    let mut tree = Tree { root: root.join(TREE), blobs: BTreeMap::new(), faults: Vec::new() };
    tree.read_blobs();
    tree.check_repositories(&tree.root.join("repositories"));
    tree.faults
}

// === impl Tree ===

impl Tree {
    fn fault(&mut self, path: &Path, problem: impl AsRef<str>) {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        self.faults.push(format!("{}: {}", path.display(), problem.as_ref()));
    }

    fn read_blobs(&mut self) {
        for (digest, folder) in digests_of(&two_levels(&self.root.join("blobs"))) {
            let Some(digest) = digest.filter(|digest| is_under_its_prefix(digest, &folder)) else {
                self.fault(&folder, "not the folder of a digest");
                continue;
            };
            for file in entries(&folder) {
                let name = name_of(&file);
                if name == "data" {
                    let bytes = std::fs::read(&file).expect("a readable blob");
                    if Digest::of_with(digest.algorithm(), &bytes) != digest {
                        self.fault(&file, format!("its {} bytes are not what its name says", bytes.len()));
                    }
                    self.blobs.insert(digest, file);
                } else if name.starts_with(ASIDE) {
                    self.blobs.entry(digest).or_insert(file);
                } else if !name.ends_with(".tmp") {
                    self.fault(&file, "no file of a blob");
                }
            }
        }
    }

    fn check_repositories(&mut self, folder: &Path) {
        let (own, below): (Vec<PathBuf>, Vec<PathBuf>) =
            entries(folder).into_iter().partition(|path| name_of(path).starts_with('_'));
        if !own.is_empty() {
            self.check_repository(&Repository { folder: folder.to_owned() });
        }
        for folder in below {
            self.check_repositories(&folder);
        }
    }

    fn check_repository(&mut self, repository: &Repository) {
        self.check_named_links(&repository.folder.join("_layers"), |tree, digest| tree.holds(digest));
        let manifests = repository.folder.join("_manifests");
        self.check_named_links(&manifests.join("revisions"), |tree, digest| {
            tree.holds(digest)?;
            tree.check_manifest(repository, digest)
        });
        for tag in entries(&manifests.join("tags")) {
            self.check_tag(repository, &tag);
        }
        for (_, subject) in digests_of(&entries(&manifests.join("referrers"))) {
            for (digest, folder) in digests_of(&entries(&subject)) {
                let descriptor = folder.join("descriptor");
                if descriptor.exists()
                    && let Err(problem) = self.check_referrer(repository, &subject, digest, &descriptor)
                {
                    self.fault(&descriptor, problem);
                }
            }
        }
    }

    /// Checks each `<algorithm>/<hex>/link` below `folder`: it names its own digest, of which `check` holds.
    fn check_named_links(&mut self, folder: &Path, check: impl Fn(&Self, &Digest) -> Result<(), String>) {
        for (digest, folder) in digests_of(&entries(folder)) {
            let link = folder.join("link");
            let Some(text) = read_link(&link) else { continue };
            let result = match digest {
                Some(digest) if text == digest.to_string() => check(self, &digest),
                _ => Err(format!("it says {text:?}")),
            };
            if let Err(problem) = result {
                self.fault(&link, problem);
            }
        }
    }

    /// What a manifest needs is in its repository.
    fn check_manifest(&self, repository: &Repository, digest: &Digest) -> Result<(), String> {
        let bytes = std::fs::read(&self.blobs[digest]).expect("a readable manifest");
        let manifest = Manifest::parse(&bytes, None).map_err(|error| error.to_string())?;
        for needed in manifest.references().map(|descriptor| descriptor.digest) {
            repository.links("_layers", &needed).then_some(()).ok_or(format!("{needed} is not linked"))?;
        }
        for child in manifest.children().iter().map(|descriptor| descriptor.digest) {
            repository.has(&child).then_some(()).ok_or(format!("the child {child} is not there"))?;
        }
        Ok(())
    }

    fn check_tag(&mut self, repository: &Repository, tag: &Path) {
        let current = tag.join("current/link");
        if let Some(text) = read_link(&current) {
            match text.parse::<Digest>() {
                Ok(digest) if repository.has(&digest) => {}
                Ok(digest) => self.fault(&current, format!("there is no manifest {digest}")),
                Err(_) => self.fault(&current, format!("it says {text:?}")),
            }
        }
        // What a tag has meant may be gone; what is there is whole.
        self.check_named_links(&tag.join("index"), |_, _| Ok(()));
    }

    fn check_referrer(
        &self,
        repository: &Repository,
        subject: &Path,
        digest: Option<Digest>,
        descriptor: &Path,
    ) -> Result<(), String> {
        let bytes = std::fs::read(descriptor).expect("a readable descriptor");
        let descriptor: Descriptor = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        let digest = digest.filter(|digest| *digest == descriptor.digest).ok_or("not under its own name")?;
        if !repository.has(&digest) {
            return Err(format!("there is no manifest {digest}"));
        }
        self.holds(&digest)?;
        let manifest = std::fs::read(&self.blobs[&digest]).expect("a readable manifest");
        if manifest.len() as u64 != descriptor.size {
            return Err(format!("{digest} is not of {} bytes", descriptor.size));
        }
        let refers = Manifest::parse(&manifest, None).ok().and_then(|manifest| manifest.subject);
        let refers = refers.is_some_and(|refers| digest_of(subject) == Some(refers.digest));
        refers.then_some(()).ok_or(format!("{digest} refers to something else"))
    }

    fn holds(&self, digest: &Digest) -> Result<(), String> {
        self.blobs.contains_key(digest).then_some(()).ok_or_else(|| format!("there are no bytes of {digest}"))
    }
}

// === impl Repository ===

impl Repository {
    fn links(&self, kind: &str, digest: &Digest) -> bool {
        self.folder.join(kind).join(digest.algorithm().as_str()).join(digest.hex()).join("link").exists()
    }

    fn has(&self, manifest: &Digest) -> bool {
        self.links("_manifests/revisions", manifest)
    }
}

/// The folders in those folders, one by one as a digest: `<algorithm>/<hex>`, or none where it is something else.
fn digests_of(algorithms: &[PathBuf]) -> Vec<(Option<Digest>, PathBuf)> {
    let folders = algorithms.iter().flat_map(|algorithm| entries(algorithm));
    folders.map(|folder| (digest_of(&folder), folder)).collect()
}

/// `<algorithm>/<two digits>` of the blobs.
fn two_levels(folder: &Path) -> Vec<PathBuf> {
    entries(folder).iter().flat_map(|algorithm| entries(algorithm)).collect()
}

fn digest_of(folder: &Path) -> Option<Digest> {
    let above = |path: &Path| path.parent().map(name_of).unwrap_or_default();
    let algorithm = match above(folder) {
        // Of a blob: its first two digits are a folder of their own.
        prefix if prefix.len() == 2 => above(folder.parent()?),
        algorithm => algorithm,
    };
    format!("{algorithm}:{}", name_of(folder)).parse().ok()
}

fn is_under_its_prefix(digest: &Digest, folder: &Path) -> bool {
    folder.parent().is_some_and(|prefix| digest.hex().starts_with(&name_of(prefix)))
}

/// What a link says, if there is one.
fn read_link(link: &Path) -> Option<String> {
    link.exists().then(|| std::fs::read_to_string(link).expect("a readable link"))
}

/// What is in a folder, in the order of names; nothing if there is no such folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    if !folder.is_dir() {
        return Vec::new();
    }
    let entries = std::fs::read_dir(folder).expect("a readable folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}
