//! Each fault that a tree may have is found when it is planted, and nothing else is.

use std::path::{Path, PathBuf};
use std::process::Command;

use wharf_oci::{Digest, ManifestKind};
use wharf_testkit::images::{Image, Manifest};
use wharf_testkit::process::run;
use wharf_testkit::push;

use super::{TREE, faults};
use crate::disk::Folder;
use crate::server::Server;

const NAME: &str = "acme/app";

/// What the tree holds: an index of one image, and what refers to the image.
struct Pushed {
    image: Image,
    index: Manifest,
    artifact: Image,
}

impl Pushed {
    async fn into(server: &Server) -> Self {
        let image = Image::random(1);
        let index = Manifest::index(ManifestKind::OciIndex, &[(&image.manifest, "linux/amd64")]);
        let artifact = Image::artifact(2, &image.manifest, "application/vnd.example.sbom");
        let wire = server.wire();
        let _ = push::image(&wire, NAME, "v1", &image).await;
        let _ = push::manifest(&wire, NAME, "multi", &index).await;
        let _ = push::image(&wire, NAME, "sbom", &artifact).await;
        Self { image, index, artifact }
    }

    fn layer(&self) -> Digest {
        self.image.layers[0].digest
    }
}

/// A place in a copy of the tree.
struct Copied(Folder);

impl Copied {
    fn of(root: &Path) -> Self {
        let folder = Folder::new();
        run(Command::new("cp").arg("-a").arg(root.join("docker")).arg(folder.root()));
        Self(folder)
    }

    fn path(&self, rest: &str) -> PathBuf {
        self.0.root().join(TREE).join(rest)
    }

    fn write(&self, rest: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(rest);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }

    fn remove(&self, rest: &str) {
        std::fs::remove_file(self.path(rest)).expect("it was there");
    }

    fn rename(&self, from: &str, to: &str) {
        std::fs::rename(self.path(from), self.path(to)).expect("it was there");
    }
}

fn blob(digest: &Digest) -> String {
    let hex = digest.hex();
    format!("blobs/{}/{}/{hex}", digest.algorithm(), &hex[..2])
}

fn fact(kind: &str, digest: &Digest) -> String {
    format!("repositories/{NAME}/{kind}/{}/{}", digest.algorithm(), digest.hex())
}

fn layer_link(digest: &Digest) -> String {
    fact("_layers", digest) + "/link"
}

fn revision_link(digest: &Digest) -> String {
    fact("_manifests/revisions", digest) + "/link"
}

fn current(tag: &str) -> String {
    format!("repositories/{NAME}/_manifests/tags/{tag}/current/link")
}

fn descriptor(pushed: &Pushed) -> String {
    let digest = pushed.artifact.manifest.digest;
    let subject = fact("_manifests/referrers", &pushed.image.manifest.digest);
    format!("{subject}/{}/{}/descriptor", digest.algorithm(), digest.hex())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_planted_in_a_tree_is_found() {
    let folder = Folder::new();
    let server = Server::start(folder.root());
    let pushed = Pushed::into(&server).await;
    server.stop();
    assert_eq!(faults(folder.root()), [""; 0]);

    let (layer, manifest) = (pushed.layer(), pushed.image.manifest.digest);
    let (index, other) = (pushed.index.digest, Digest::of(b"something else"));
    // What is done to the tree, where the fault is found, and a word of it.
    type Row<'a> = (&'a dyn Fn(&Copied), String, &'a str);
    let rows: [Row<'_>; 17] = [
        (&|tree| tree.write(&(blob(&layer) + "/data"), "wrong"), blob(&layer) + "/data", "5 bytes"),
        (&|tree| tree.write(&(blob(&layer) + "/data"), ""), blob(&layer) + "/data", "0 bytes"),
        (&|tree| tree.write(&(blob(&other) + "/data"), "unlinked"), blob(&other) + "/data", "8 bytes"),
        (&|tree| tree.write(&(blob(&layer) + "/stray"), ""), blob(&layer) + "/stray", "no file of a blob"),
        (&|tree| tree.write("blobs/sha256/aa/bb/data", ""), "blobs/sha256/aa/bb".into(), "digest"),
        (&|tree| tree.remove(&(blob(&layer) + "/data")), layer_link(&layer), "no bytes"),
        (&|tree| tree.remove(&(blob(&index) + "/data")), revision_link(&index), "no bytes"),
        (&|tree| tree.remove(&layer_link(&layer)), revision_link(&manifest), "not linked"),
        (&|tree| tree.write(&layer_link(&layer), ""), layer_link(&layer), "says \"\""),
        (&|tree| tree.write(&layer_link(&layer), other.to_string()), layer_link(&layer), "says"),
        (&|tree| tree.remove(&revision_link(&index)), current("multi"), "no manifest"),
        (&|tree| tree.write(&revision_link(&index), "sha256:12"), revision_link(&index), "says"),
        (&|tree| tree.write(&current("v1"), other.to_string()), current("v1"), "no manifest"),
        (&|tree| tree.write(&current("v2"), ""), current("v2"), "says"),
        (&|tree| tree.write(&descriptor(&pushed), ""), descriptor(&pushed), "EOF"),
        (
            &|tree| {
                tree.remove(&current("v1"));
                tree.remove(&revision_link(&manifest));
            },
            revision_link(&index),
            "child",
        ),
        (
            &|tree| {
                tree.remove(&current("sbom"));
                tree.remove(&revision_link(&pushed.artifact.manifest.digest));
            },
            descriptor(&pushed),
            "no manifest",
        ),
    ];
    for (plant, place, word) in rows {
        let copied = Copied::of(folder.root());
        plant(&copied);
        let found = faults(copied.0.root());
        assert!(
            found.len() == 1 && found[0].starts_with(&place) && found[0].contains(word),
            "{place}: {found:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_writers_and_collectors_leave_in_a_tree_is_no_fault() {
    let folder = Folder::new();
    let server = Server::start(folder.root());
    let pushed = Pushed::into(&server).await;
    let _ = push::begin(&server.wire(), NAME).await;
    server.stop();
    let (copied, layer) = (Copied::of(folder.root()), blob(&pushed.layer()));
    copied.rename(&(layer.clone() + "/data"), &(layer.clone() + "/data.removing-1"));
    copied.write(&(layer + "/data.7.tmp"), "half");
    copied.write(&(layer_link(&pushed.layer()) + ".7.tmp"), "");
    copied.write(&format!("repositories/{NAME}/_manifests/tags/gone/index/x"), "");
    std::fs::create_dir_all(copied.path(&format!("repositories/{NAME}/_layers/sha256/empty")))
        .expect("a folder");
    assert_eq!(faults(copied.0.root()), [""; 0]);
}
