//! Images of Docker's schema 1, which older registries took: they are served as they are stored, and deleted.

use serde_json::Value;
use wharf_oci::{Digest, ErrorCode};

use crate::copy::{remote, skopeo};
use crate::layout::Layout;
use crate::programs::Program;
use crate::served::{assert_blob, catalog, manifest, tags};
use crate::tree::Tree;
use crate::workbench::Workbench;

const TYPE: &str = "application/vnd.docker.distribution.manifest.v1+json";

/// Pushes an image by way of schema 1, which docker-registry takes when it is told to.
fn written_by_v2(workbench: &Workbench) -> (Tree, Layout) {
    let tree = Tree::new();
    let image = Layout::single(workbench, "old");
    let server = Program::V2.start_with(&tree, "compatibility:\n  schema1:\n    enabled: true\n");
    skopeo(workbench, &["--format=v2s1"], &image.name("1"), &remote(&server, "acme/ancient:1"));
    skopeo(workbench, &[], &image.name("1"), &remote(&server, "acme/ancient:2"));
    server.stop();
    (tree, image)
}

/// The older registry signed it anew with every answer, and stored what it signs. That is what the digest is of, so that
/// is what is served, by the type it has without signatures.
#[tokio::test]
async fn a_schema_1_image_is_served_as_it_is_stored() {
    let workbench = Workbench::new();
    let (tree, _image) = written_by_v2(&workbench);
    let contents = tree.contents();
    let old = contents.of("acme/ancient").tags["1"];

    let server = Program::Wharf.start(&tree);
    for reference in ["1", &old.to_string()] {
        let found = manifest(&server, "acme/ancient", reference).await.expect(200);
        assert_eq!(found.required("Content-Type"), TYPE);
        assert_eq!(found.required("Docker-Content-Digest"), old.to_string());
        assert_eq!(Digest::of(&found.body), old);
        let body: Value = found.json();
        assert_eq!(body["schemaVersion"], 1);
        assert!(body["signatures"].is_null(), "{body}");
        assert_eq!(body["fsLayers"].as_array().unwrap().len(), 3);
    }
    assert_eq!(catalog(&server).await, ["acme/ancient"]);
    assert_eq!(tags(&server, "acme/ancient").await, ["1", "2"]);
    for blob in &contents.of("acme/ancient").blobs {
        assert_blob(&server, "acme/ancient", blob).await;
    }
    server.stop();
}

/// The way out of schema 1: a client reads it and writes what is taken today.
#[tokio::test]
async fn a_schema_1_image_is_converted_by_a_client_and_then_deleted() {
    let workbench = Workbench::new();
    let (tree, image) = written_by_v2(&workbench);
    let old = tree.contents().of("acme/ancient").tags["1"];
    let server = Program::Wharf.start(&tree);

    let (from, to) = (remote(&server, "acme/ancient:1"), remote(&server, "acme/ancient:converted"));
    skopeo(&workbench, &["--format=oci"], &from, &to);

    let converted = manifest(&server, "acme/ancient", "converted").await.expect(200).json();
    let layers: Vec<_> = converted["layers"].as_array().unwrap().iter().map(crate::layout::digest).collect();
    let pushed = image.manifest(&image.root());
    let expected: Vec<_> = pushed["layers"].as_array().unwrap().iter().map(crate::layout::digest).collect();
    assert_eq!(layers, expected);

    let refused = server.put("/v2/acme/ancient/manifests/again").header("Content-Type", TYPE);
    let stored = std::fs::read(tree.blob(&old).join("data")).unwrap();
    let _ = refused.body(stored).send().await.refused(400, ErrorCode::ManifestInvalid);
    let target = format!("/v2/acme/ancient/manifests/{old}");
    let _ = server.delete(target).send().await.expect(202);
    let _ =
        manifest(&server, "acme/ancient", &old.to_string()).await.refused(404, ErrorCode::ManifestUnknown);
    assert_eq!(tags(&server, "acme/ancient").await, ["2", "converted"]);
    server.stop();
}
