//! Links that lead nowhere, say nothing or say half of it.
//!
//! What leads nowhere is absent; what cannot be read is broken. Their neighbours are served.

use std::path::PathBuf;

use wharf_oci::{Digest, ErrorCode};
use wharf_testkit::images::{Image, Manifest};
use wharf_testkit::push;

use crate::programs::{Program, Server};
use crate::served::{assert_blob, assert_manifest, assert_serves, blob, manifest, tags};
use crate::tree::{Contents, Tree, remove, two_levels, write};

const REPOSITORY: &str = "acme/app";
const NEIGHBOUR: &str = "acme/neighbour";

/// A directory of an old registry: two images each in two repositories.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) tree: Tree,
    pub(crate) hurt: Image,
    pub(crate) whole: Image,
    /// What the repository that nobody touches holds.
    pub(crate) neighbour: Contents,
}

// === impl Scene ===

impl Scene {
    pub(crate) async fn written_by(old: Program) -> Self {
        let tree = Tree::new();
        let server = old.start(&tree);
        let (hurt, whole) = (Image::random(1), Image::random(2));
        for repository in [REPOSITORY, NEIGHBOUR] {
            for (tag, image) in [("hurt", &hurt), ("whole", &whole)] {
                let _ = push::image(&server, repository, tag, image).await;
            }
        }
        server.stop();
        let mut neighbour = tree.contents();
        neighbour.repositories.remove(REPOSITORY);
        Self { tree, hurt, whole, neighbour }
    }

    fn revision(&self) -> PathBuf {
        let name = two_levels(&self.hurt.manifest.digest);
        self.tree.of(REPOSITORY, format!("_manifests/revisions/{name}/link"))
    }

    fn layer(&self) -> PathBuf {
        self.tree.of(REPOSITORY, format!("_layers/{}/link", two_levels(&self.hurt.layers[0].digest)))
    }

    fn tag(&self) -> PathBuf {
        self.tree.of(REPOSITORY, "_manifests/tags/hurt/current/link")
    }

    /// The image beside the one that was hurt, and all of the repository beside.
    async fn assert_neighbours_are_served(&self, server: &Server) {
        let digest = self.whole.manifest.digest;
        assert_manifest(server, REPOSITORY, "whole", &digest).await;
        assert_manifest(server, REPOSITORY, &digest.to_string(), &digest).await;
        for blob in self.whole.blobs() {
            assert_blob(server, REPOSITORY, &blob.digest).await;
        }
        let found = self.neighbour.of(NEIGHBOUR);
        assert_eq!(tags(server, NEIGHBOUR).await, ["hurt", "whole"]);
        for digest in &found.manifests {
            assert_manifest(server, NEIGHBOUR, &digest.to_string(), digest).await;
        }
    }
}

fn unknown() -> Digest {
    Digest::of(b"nobody has ever pushed this")
}

#[tokio::test]
async fn what_a_dangling_link_leads_to_is_absent() {
    let scene = Scene::written_by(Program::V2).await;
    let server = Program::Wharf.start(&scene.tree);
    let (unknown, digest) = (unknown(), scene.hurt.manifest.digest.to_string());

    // A revision and a layer whose bytes were collected, a tag whose revision was deleted.
    let name = two_levels(&unknown);
    let text = unknown.to_string();
    write(&scene.tree.of(REPOSITORY, format!("_manifests/revisions/{name}/link")), &text);
    write(&scene.tree.of(REPOSITORY, format!("_layers/{name}/link")), &text);
    let _ = manifest(&server, REPOSITORY, &text).await.refused(404, ErrorCode::ManifestUnknown);
    let _ = blob(&server, REPOSITORY, &unknown).await.refused(404, ErrorCode::BlobUnknown);
    remove(&scene.revision());
    for reference in ["hurt", &digest] {
        let _ = manifest(&server, REPOSITORY, reference).await.refused(404, ErrorCode::ManifestUnknown);
    }
    // The tag is still listed, as the older registries do; it goes like any other.
    assert_eq!(tags(&server, REPOSITORY).await, ["hurt", "whole"]);
    scene.assert_neighbours_are_served(&server).await;
    let target = format!("/v2/{REPOSITORY}/manifests/hurt");
    let _ = server.delete(target).send().await.expect(202);
    assert_eq!(tags(&server, REPOSITORY).await, ["whole"]);

    // A manifest whose tag came back with it.
    let _ = push::manifest(&server, REPOSITORY, "hurt", &scene.hurt.manifest).await;
    assert_manifest(&server, REPOSITORY, &digest, &scene.hurt.manifest.digest).await;
    server.stop();
}

/// Finds that a hurt link is an error of the server to whoever needs it, and mended by the push that writes it anew.
async fn is_broken_and_not_absent(content: &[u8]) {
    let scene = Scene::written_by(Program::V3).await;
    let server = Program::Wharf.start(&scene.tree);
    let digest = scene.hurt.manifest.digest;
    let by_digest = digest.to_string();
    for (link, references) in [(scene.tag(), &["hurt"][..]), (scene.revision(), &["hurt", &by_digest])] {
        write(&link, content);
        for reference in references {
            let _ = manifest(&server, REPOSITORY, reference).await.refused(500, ErrorCode::Unknown);
        }
        assert_eq!(tags(&server, REPOSITORY).await, ["hurt", "whole"]);
        scene.assert_neighbours_are_served(&server).await;
        let _ = push::manifest(&server, REPOSITORY, "hurt", &scene.hurt.manifest).await;
        assert_manifest(&server, REPOSITORY, "hurt", &digest).await;
    }

    let layer = &scene.hurt.layers[0];
    write(&scene.layer(), content);
    let _ = blob(&server, REPOSITORY, &layer.digest).await.refused(500, ErrorCode::Unknown);
    scene.assert_neighbours_are_served(&server).await;
    push::blob(&server, REPOSITORY, layer).await;
    assert_blob(&server, REPOSITORY, &layer.digest).await;
    server.stop();
}

#[tokio::test]
async fn an_empty_link_is_broken_and_not_absent() {
    is_broken_and_not_absent(b"").await;
}

#[tokio::test]
async fn a_half_written_link_is_broken_and_not_absent() {
    is_broken_and_not_absent(b"sha256:8d5c61f3").await;
}

#[tokio::test]
async fn what_cannot_be_read_can_be_deleted() {
    let scene = Scene::written_by(Program::V3).await;
    let server = Program::Wharf.start(&scene.tree);
    for (link, reference) in
        [(scene.tag(), "hurt".to_owned()), (scene.revision(), scene.hurt.manifest.digest.to_string())]
    {
        write(&link, "");
        let target = format!("/v2/{REPOSITORY}/manifests/{reference}");
        let _ = server.delete(target).send().await.expect(202);
        let _ = manifest(&server, REPOSITORY, &reference).await.refused(404, ErrorCode::ManifestUnknown);
    }
    write(&scene.layer(), "");
    let layer = scene.hurt.layers[0].digest;
    let _ = server.delete(format!("/v2/{REPOSITORY}/blobs/{layer}")).send().await.expect(202);
    let _ = blob(&server, REPOSITORY, &layer).await.refused(404, ErrorCode::BlobUnknown);
    scene.assert_neighbours_are_served(&server).await;
    server.stop();
}

/// A delete by digest looks through all tags for those of the manifest, a broken one among them.
#[tokio::test]
async fn a_broken_tag_does_not_keep_another_manifest_from_being_deleted() {
    let scene = Scene::written_by(Program::V2).await;
    let server = Program::Wharf.start(&scene.tree);
    write(&scene.tag(), "sha256:");

    let whole = scene.whole.manifest.digest;
    let target = format!("/v2/{REPOSITORY}/manifests/{whole}");
    let _ = server.delete(target).send().await.expect(202);

    assert_eq!(tags(&server, REPOSITORY).await, ["hurt"]);
    assert_manifest(
        &server,
        REPOSITORY,
        &scene.hurt.manifest.digest.to_string(),
        &scene.hurt.manifest.digest,
    )
    .await;
    server.stop();
}

#[tokio::test]
async fn a_manifest_that_needs_a_blob_behind_a_dangling_link_is_refused() {
    let scene = Scene::written_by(Program::V3).await;
    remove(&scene.tree.blob(&scene.hurt.layers[1].digest));
    let server = Program::Wharf.start(&scene.tree);

    let again = Manifest::from_bytes(
        scene.hurt.manifest.media_type.clone(),
        [&scene.hurt.manifest.bytes[..], b"\n"].concat(),
    );
    let put = server
        .put(format!("/v2/{REPOSITORY}/manifests/again"))
        .header("Content-Type", again.media_type.as_str())
        .body(again.bytes.clone());
    let _ = put.send().await.refused(400, ErrorCode::ManifestBlobUnknown);

    let _ =
        blob(&server, REPOSITORY, &scene.hurt.layers[1].digest).await.refused(404, ErrorCode::BlobUnknown);
    assert_eq!(tags(&server, REPOSITORY).await, ["hurt", "whole"]);
    // The bytes come back with a push, and all that leads to them is whole again.
    push::blob(&server, REPOSITORY, &scene.hurt.layers[1]).await;
    let _ = push::manifest(&server, REPOSITORY, "again", &again).await;
    assert_serves(&server, &scene.tree.contents()).await;
    server.stop();
}
