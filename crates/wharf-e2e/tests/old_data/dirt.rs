//! What years of crashes, older versions and operators leave in a directory.

use wharf_oci::{Digest, ErrorCode};
use wharf_testkit::images::Image;
use wharf_testkit::push;

use crate::dirty_links::Scene;
use crate::programs::{Program, Server};
use crate::served::{assert_manifest, assert_serves, catalog, manifest, tags};
use crate::tree::{Tree, remove, two_levels, write};

const REPOSITORY: &str = "acme/app";

/// Finds that dirt changes nothing: the same is served as before, nothing is cleaned away by a pull, and pushes, moves
/// and deletes go on.
async fn is_not_minded(old: Program, soil: impl Fn(&Tree, &Scene)) {
    let scene = Scene::written_by(old).await;
    let contents = scene.tree.contents();
    soil(&scene.tree, &scene);
    let before = scene.tree.listing();
    let server = Program::Wharf.start(&scene.tree);
    assert_serves(&server, &contents).await;
    assert_eq!(scene.tree.listing(), before);
    goes_on(&server, &scene).await;
    server.stop();
}

async fn goes_on(server: &Server, scene: &Scene) {
    let image = Image::random(3);
    for tag in ["new", "hurt"] {
        let _ = push::image(server, REPOSITORY, tag, &image).await;
        assert_manifest(server, REPOSITORY, tag, &image.manifest.digest).await;
    }
    let target = format!("/v2/{REPOSITORY}/manifests/{}", scene.whole.manifest.digest);
    let _ = server.delete(target).send().await.expect(202);
    assert_eq!(tags(server, REPOSITORY).await, ["hurt", "new"]);
    let _ = server.delete(format!("/v2/{REPOSITORY}/manifests/new")).send().await.expect(202);
    assert_eq!(tags(server, REPOSITORY).await, ["hurt"]);
}

/// Registries before 2.5 kept the signatures of a manifest beside its link.
#[tokio::test]
async fn leftover_signatures_are_not_minded() {
    is_not_minded(Program::V2, |tree, scene| {
        let signature = Digest::of(b"a signature");
        let revision = two_levels(&scene.hurt.manifest.digest);
        let folder = format!("_manifests/revisions/{revision}/signatures");
        let link = tree.of(REPOSITORY, format!("{folder}/{}/link", two_levels(&signature)));
        write(&link, signature.to_string());
        write(&tree.blob(&signature).join("data"), "a signature");
    })
    .await;
}

/// Registries of 2014 linked layers by the digest of their unpacked tar.
#[tokio::test]
async fn tarsum_links_are_not_minded() {
    is_not_minded(Program::V2, |tree, scene| {
        let hex = Digest::of(b"tarsum").hex();
        for name in
            [format!("tarsum.v1+sha256/{hex}"), format!("tarsum/v1/sha256/{hex}"), format!("md5/{hex}")]
        {
            write(
                &tree.of(REPOSITORY, format!("_layers/{name}/link")),
                scene.hurt.layers[0].digest.to_string(),
            );
            write(&tree.path(format!("blobs/{name}/data")), "tar");
        }
    })
    .await;
}

#[tokio::test]
async fn tags_without_a_history_are_not_minded() {
    is_not_minded(Program::V3, |tree, _| {
        for tag in ["hurt", "whole"] {
            remove(&tree.of(REPOSITORY, format!("_manifests/tags/{tag}/index")));
        }
    })
    .await;
}

/// Crashes leave folders without a link: of a tag, a revision, a layer, a blob.
#[tokio::test]
async fn empty_folders_are_not_minded() {
    is_not_minded(Program::V3, |tree, _| {
        let name = two_levels(&Digest::of(b"interrupted"));
        for folder in [
            tree.of(REPOSITORY, "_manifests/tags/interrupted/current"),
            tree.of(REPOSITORY, "_manifests/tags/interrupted/index/sha256"),
            tree.of(REPOSITORY, "_manifests/tags/another"),
            tree.of(REPOSITORY, format!("_manifests/revisions/{name}")),
            tree.of(REPOSITORY, format!("_layers/{name}")),
            tree.blob(&Digest::of(b"interrupted")),
            tree.of("empty", ""),
            tree.of("empty/deeper", "_uploads"),
        ] {
            std::fs::create_dir_all(folder).expect("folders can be made");
        }
    })
    .await;
}

#[tokio::test]
async fn leftovers_of_uploads_are_not_minded() {
    is_not_minded(Program::V3, |tree, _| {
        let id = "5f2c1b1e-6b0a-4b8e-9a53-3f1a7a3c9d10";
        for (path, content) in [
            ("junk", "a file where a folder should be"),
            ("not-an-id/data", "bytes"),
            ("0193-cafe/hashstates/sha256/0", "no state"),
            (&format!("{id}/data"), "bytes without a beginning"),
            (&format!("{id}/hashstates/sha256/9"), "no state"),
            ("6f2c1b1e-6b0a-4b8e-9a53-3f1a7a3c9d10/startedat", "yesterday"),
            ("7f2c1b1e-6b0a-4b8e-9a53-3f1a7a3c9d10/startedat", "2015-04-01T00:00:00Z"),
        ] {
            write(&tree.of(REPOSITORY, format!("_uploads/{path}")), content);
        }
        write(&tree.of("only/uploads", format!("_uploads/{id}/data")), "bytes");
    })
    .await;
}

/// Distribution 3 writes beside a file and renames; a proxy keeps its schedule at the root; operators leave more.
#[tokio::test]
async fn stray_files_are_not_minded() {
    is_not_minded(Program::V3, |tree, scene| {
        let revision = two_levels(&scene.hurt.manifest.digest);
        for path in [
            tree.of(REPOSITORY, "_manifests/tags/hurt/current/link.1700000000000000000.tmp"),
            tree.of(REPOSITORY, "_manifests/tags/hurt.tmp"),
            tree.of(REPOSITORY, "_manifests/tags/README"),
            tree.of(REPOSITORY, format!("_manifests/revisions/{revision}/link.1700000000000000000.tmp")),
            tree.of(REPOSITORY, "_manifests/revisions/sha256/stray"),
            tree.of(REPOSITORY, "_layers/sha256/stray.tmp"),
            tree.of(REPOSITORY, "stray.tmp"),
            tree.blob(&scene.hurt.manifest.digest).join("data.1700000000000000000.tmp"),
            tree.path("blobs/stray"),
            tree.path("repositories/stray"),
            tree.path("stray"),
            tree.root().join("scheduler-state.json"),
            tree.root().join("docker/registry/v1/stray"),
            tree.root().join("lost+found/stray"),
        ] {
            write(&path, "{}");
        }
    })
    .await;
}

/// No registry would have taken these names, and no client can ask for them.
#[tokio::test]
async fn folders_with_impossible_names_are_not_minded() {
    is_not_minded(Program::V2, |tree, scene| {
        let digest = scene.hurt.manifest.digest;
        for name in ["Upper", "acme/UPPER", "with space", ".snapshot", "a__", "-a", "ä", "acme/app/.git"] {
            let link = format!("_manifests/revisions/{}/link", two_levels(&digest));
            write(&tree.of(name, link), digest.to_string());
            write(&tree.of(name, "_manifests/tags/1/current/link"), digest.to_string());
        }
        for tag in ["-a", ".a", "with space", "ä", &"a".repeat(129)] {
            write(&tree.of(REPOSITORY, format!("_manifests/tags/{tag}/current/link")), digest.to_string());
        }
        let upper = digest.hex().to_uppercase();
        for name in [format!("sha256/{upper}"), "sha256/0000".into(), format!("md5/{}", &upper[..32])] {
            write(&tree.of(REPOSITORY, format!("_manifests/revisions/{name}/link")), digest.to_string());
            write(&tree.of(REPOSITORY, format!("_layers/{name}/link")), digest.to_string());
        }
        write(&tree.path("blobs/sha256/zz/zz/data"), "stray");
    })
    .await;
}

/// Operators delete `_manifests` to be rid of a repository, or all manifests one by one.
#[tokio::test]
async fn a_repository_without_manifests_does_not_exist() {
    for old in Program::OLD {
        let tree = Tree::new();
        let server = old.start(&tree);
        let image = Image::random(1);
        for repository in ["gutted", "emptied", "emptied/below", "kept"] {
            let _ = push::image(&server, repository, "1", &image).await;
        }
        let target = format!("/v2/emptied/manifests/{}", image.manifest.digest);
        let _ = server.delete(target).send().await.expect(202);
        server.stop();
        remove(&tree.of("gutted", "_manifests"));

        let server = Program::Wharf.start(&tree);
        assert_eq!(catalog(&server).await, ["emptied/below", "kept"]);
        for repository in ["gutted", "emptied"] {
            let list = server.get(format!("/v2/{repository}/tags/list"));
            let _ = list.send().await.refused(404, ErrorCode::NameUnknown);
            let _ = manifest(&server, repository, "1").await.expect(404);
            // Its blobs are there, so a push has little to send.
            let _ = push::manifest(&server, repository, "1", &image.manifest).await;
        }
        assert_serves(&server, &tree.contents()).await;
        server.stop();
    }
}
