//! A directory of ours, served and collected by the old registries.

use std::collections::BTreeSet;

use wharf_oci::{Algorithm, Digest, ErrorCode};
use wharf_testkit::images::{Blob, noise};
use wharf_testkit::push;

use crate::collect::{assert_nothing_needed_is_collected, doomed_with};
use crate::copy::{crane, digest_of};
use crate::layout::Layout;
use crate::programs::{Program, Server};
use crate::pushed::{Pushed, everything, image_of};
use crate::served::{assert_serves, blob, referrers};
use crate::tree::{Contents, Tree};
use crate::workbench::Workbench;

/// Everything that old registries know of.
async fn written(workbench: &Workbench, tree: &Tree) -> (Pushed, Contents) {
    let server = Program::Wharf.start(tree);
    let (pushed, _unfinished) = everything(workbench, &server).await;
    in_every_shape(&server).await;
    pushed.assert_held(tree);
    let contents = tree.contents();
    assert_serves(&server, &contents).await;
    server.stop();
    (pushed, contents)
}

/// An image whose config comes in a single POST and whose layer comes in three chunks.
async fn in_every_shape(server: &Server) {
    let (config, layer) = (Blob::new(r#"{"architecture":"arm64","os":"linux"}"#), Blob::random(33, 300_000));
    let post = format!("/v2/by/wire/blobs/uploads/?digest={}", config.digest);
    let _ = server.post(post).body(config.bytes.clone()).send().await.expect(201);
    let mut location = push::begin(server, "by/wire").await;
    for from in [0, 100_000, 200_000] {
        let chunk = server
            .patch(&location)
            .header("Content-Range", format!("{from}-{}", from + 99_999))
            .body(layer.bytes.slice(from..from + 100_000));
        location = chunk.send().await.expect(202).location().to_owned();
    }
    let _ = server.put(push::finish(&location, &layer.digest)).body("").send().await.expect(201);
    let _ = push::manifest(server, "by/wire", "shapes", &image_of(&config, &layer)).await;
}

async fn is_served_by(old: Program) {
    let (workbench, tree) = (Workbench::new(), Tree::new());
    let (pushed, contents) = written(&workbench, &tree).await;

    let server = old.start(&tree);
    assert_serves(&server, &contents).await;
    for name in ["acme/app:oci", "acme/app:docker", "acme/app:index", "acme/mounted:1", "by/crane:moves"] {
        crane(&workbench, &["validate", "--remote", &server.name(name)]);
    }
    let pulled = Layout::open(workbench.path("pulled"));
    let folder = pulled.folder().to_str().expect("a path of ours is text");
    crane(&workbench, &["pull", "--format=oci", &server.name("acme/mounted:1"), folder]);
    assert_eq!((pulled.root(), pulled.blobs()), (pushed.index.root(), pushed.index.blobs()));
    assert_eq!(digest_of(&workbench, &server, "by/crane:added"), pushed.index.root());
    server.stop();

    assert_nothing_needed_is_collected(old, &tree);
    // Really collected, all is there but what the deleted image alone needed. The older of the two leaves its links.
    old.collect(&tree, &[]);
    let (kept, taken) = split(contents, &tree.needed());
    assert_eq!(split(tree.contents(), &tree.needed()).0, kept);
    let server = Program::Wharf.start(&tree);
    assert_serves(&server, &kept).await;
    assert_eq!(referrers(&server, "by/wire", &pushed.subject).await, [pushed.referrer.to_string()]);
    assert_eq!(taken.len(), 4);
    for digest in &taken {
        let _ = blob(&server, "by/crane", digest).await.refused(404, ErrorCode::BlobUnknown);
    }
    server.stop();
}

/// What a collector keeps, and the blobs that it takes.
fn split(mut contents: Contents, needed: &BTreeSet<Digest>) -> (Contents, BTreeSet<Digest>) {
    let taken =
        contents.repositories.values().flat_map(|found| found.blobs.difference(needed).copied()).collect();
    contents.repositories.values_mut().for_each(|found| found.blobs.retain(|blob| needed.contains(blob)));
    (contents, taken)
}

#[tokio::test]
async fn a_tree_of_ours_is_served_and_collected_by_docker_registry_2_8() {
    is_served_by(Program::V2).await;
}

#[tokio::test]
async fn a_tree_of_ours_is_served_and_collected_by_distribution_3_1() {
    is_served_by(Program::V3).await;
}

/// What neither of the old registries writes, both of them read, and collect once nothing needs it: a manifest under its
/// sha512, and blobs under theirs.
#[tokio::test]
async fn what_is_stored_under_a_sha512_is_served_and_collected_by_the_old_registries() {
    let tree = Tree::new();
    let server = Program::Wharf.start(&tree);
    let (config, layer) =
        (Blob::with(Algorithm::Sha512, "{}"), Blob::with(Algorithm::Sha512, noise(5, 5000)));
    for blob in [&config, &layer] {
        push::blob(&server, "by/wire", blob).await;
    }
    let manifest = image_of(&config, &layer);
    let digest = Digest::of_with(Algorithm::Sha512, &manifest.bytes);
    let put = server
        .put(format!("/v2/by/wire/manifests/{digest}?tag=sha512"))
        .header("Content-Type", manifest.media_type.as_str())
        .body(manifest.bytes.clone());
    let _ = put.send().await.expect(201);
    let orphan = Blob::with(Algorithm::Sha512, "no manifest asks for it");
    push::blob(&server, "by/wire", &orphan).await;
    let contents = tree.contents();
    assert_eq!(contents.of("by/wire").tags["sha512"], digest);
    assert_eq!(contents.of("by/wire").blobs, [config.digest, layer.digest, orphan.digest].into());
    assert_serves(&server, &contents).await;
    server.stop();

    for old in Program::OLD {
        let server = old.start(&tree);
        assert_serves(&server, &contents).await;
        server.stop();
        for options in [&["--dry-run"][..], &["--dry-run", "--delete-untagged"]] {
            assert_eq!(doomed_with(old, &tree, options), [orphan.digest].into());
        }
    }
    // The newer of the two takes its link as well.
    Program::V3.collect(&tree, &[]);
    let (kept, taken) = split(contents, &tree.needed());
    assert_eq!((tree.contents(), taken), (kept.clone(), [orphan.digest].into()));
    let server = Program::Wharf.start(&tree);
    assert_serves(&server, &kept).await;
    server.stop();
}
