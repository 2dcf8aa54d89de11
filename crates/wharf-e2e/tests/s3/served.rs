//! What a registry serves, each byte of it hashed.

use serde_json::Value;
use wharf_oci::Digest;
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::wire::{Response, Server};

/// All that a manifest can be, so that nothing is withheld or converted.
const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// Finds that an image is served whole: its manifest by tag and by digest, and each blob.
pub(crate) async fn assert_image(server: &Server, repository: &str, tag: &str, image: &Image) {
    for reference in [tag, &image.manifest.digest.to_string()] {
        let found = manifest(server, repository, reference).await.expect(200);
        assert_eq!(found.body, image.manifest.bytes, "{repository} {reference}");
    }
    for each in image.blobs() {
        assert_blob(server, repository, each).await;
    }
}

/// Finds that a blob is served whole, by GET and by HEAD.
pub(crate) async fn assert_blob(server: &Server, repository: &str, expected: &Blob) {
    let target = format!("/v2/{repository}/blobs/{}", expected.digest);
    let found = server.get(&target).send().await.expect(200);
    assert_eq!(Digest::of(&found.body), expected.digest, "{target}");
    let head = server.head(&target).send().await.expect(200);
    assert_eq!(head.required("Content-Length"), expected.bytes.len().to_string(), "{target}");
}

/// The answer to a GET of a manifest, whatever it is.
pub(crate) async fn manifest(server: &Server, repository: &str, reference: &str) -> Response {
    server.get(format!("/v2/{repository}/manifests/{reference}")).header("Accept", ACCEPT).send().await
}

/// The tags as they are listed, in byte order.
pub(crate) async fn tags(server: &Server, repository: &str) -> Vec<String> {
    let answer = server.get(format!("/v2/{repository}/tags/list")).send().await.expect(200).json();
    sorted(&answer["tags"])
}

/// The repositories as they are listed, in byte order.
pub(crate) async fn catalog(server: &Server) -> Vec<String> {
    let answer = server.get("/v2/_catalog?n=1000").send().await.expect(200).json();
    sorted(&answer["repositories"])
}

/// The old registry lists in the order of folders, and says `null` for a list of nothing.
fn sorted(list: &Value) -> Vec<String> {
    let list: Option<Vec<String>> = serde_json::from_value(list.clone()).expect("a list of texts");
    let mut list = list.unwrap_or_default();
    list.sort();
    list
}
