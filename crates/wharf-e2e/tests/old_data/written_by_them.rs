//! A directory of an old registry, served by ours as it is.

use wharf_oci::ErrorCode;
use wharf_testkit::push;

use crate::copy::{crane, digest_of};
use crate::layout::Layout;
use crate::programs::Program;
use crate::pushed::everything;
use crate::served::{assert_blob, assert_serves, blob, manifest, referrers};
use crate::tree::Tree;
use crate::workbench::Workbench;

async fn is_served_without_a_change(old: Program) {
    let (workbench, tree) = (Workbench::new(), Tree::new());
    let server = old.start(&tree);
    let (pushed, unfinished) = everything(&workbench, &server).await;
    pushed.assert_held(&tree);
    let contents = tree.contents();
    assert_serves(&server, &contents).await;
    server.stop();

    let before = tree.listing();
    let server = Program::Wharf.start(&tree);
    assert_serves(&server, &contents).await;
    let missing = manifest(&server, "by/crane", &pushed.deleted.to_string()).await;
    let _ = missing.refused(404, ErrorCode::ManifestUnknown);
    let _ = blob(&server, "acme/app", &unfinished.blob.digest).await.refused(404, ErrorCode::BlobUnknown);
    assert_eq!(referrers(&server, "by/wire", &pushed.subject).await, [pushed.referrer.to_string()]);
    for name in ["acme/app:oci", "acme/app:docker", "acme/app:index", "acme/mounted:1", "by/crane:moves"] {
        crane(&workbench, &["validate", "--remote", &server.name(name)]);
    }
    let pulled = Layout::open(workbench.path("pulled"));
    let folder = pulled.folder().to_str().expect("a path of ours is text");
    crane(&workbench, &["pull", "--format=oci", &server.name("acme/mounted:1"), folder]);
    assert_eq!((pulled.root(), pulled.blobs()), (pushed.index.root(), pushed.index.blobs()));
    assert_eq!(digest_of(&workbench, &server, "by/crane:added"), pushed.index.root());

    server.stop();
    assert_eq!(tree.listing(), before);
}

#[tokio::test]
async fn a_tree_written_by_docker_registry_2_8_is_served_without_a_change_to_a_file() {
    is_served_without_a_change(Program::V2).await;
}

#[tokio::test]
async fn a_tree_written_by_distribution_3_1_is_served_without_a_change_to_a_file() {
    is_served_without_a_change(Program::V3).await;
}

/// Distribution stores what is pushed under a sha512 as sha256, and links both names to that.
#[tokio::test]
async fn a_blob_is_served_by_both_names_an_old_registry_gave_it() {
    for old in Program::OLD {
        let tree = Tree::new();
        let server = old.start(&tree);
        let blob = crate::pushed::sha512_layer(&server).await;
        server.stop();
        let content = wharf_oci::Digest::of(&blob.bytes);
        let link = tree.of("by/wire", format!("_layers/{}/link", crate::tree::two_levels(&blob.digest)));
        assert_eq!(std::fs::read_to_string(link).unwrap(), content.to_string());
        assert!(!tree.blob(&blob.digest).exists());

        let server = Program::Wharf.start(&tree);
        for name in [&blob.digest, &content] {
            assert_blob(&server, "by/wire", name).await;
        }
        // The bytes pushed again under their own name: now the tree has both, and all names still lead to them.
        push::blob(&server, "by/other", &blob).await;
        for (repository, name) in
            [("by/wire", &blob.digest), ("by/wire", &content), ("by/other", &blob.digest)]
        {
            assert_blob(&server, repository, name).await;
        }
        server.stop();
    }
}
