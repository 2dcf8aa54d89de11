//! Pushing over the raw client, the plain way: for tests whose subject is something else.
//!
//! What goes wrong here stops the test.

use wharf_oci::Digest;

use crate::images::{Blob, Image, Manifest};
use crate::wire::{Response, Server};

/// Opens an upload and gives its `Location`.
pub async fn begin(server: &Server, repository: &str) -> String {
    let request = server.post(format!("/v2/{repository}/blobs/uploads/")).body("");
    request.send().await.expect(202).location().to_owned()
}

/// The target that finishes the upload at `location`: clients append the digest to whatever is there.
pub fn finish(location: &str, digest: &Digest) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

/// A blob in two requests.
pub async fn blob(server: &Server, repository: &str, blob: &Blob) {
    let location = begin(server, repository).await;
    let request = server.put(finish(&location, &blob.digest)).body(blob.bytes.clone());
    let _ = request.send().await.expect(201);
}

/// A manifest under a tag or its digest, whose blobs are there.
pub async fn manifest(server: &Server, repository: &str, reference: &str, manifest: &Manifest) -> Response {
    let request = server
        .put(format!("/v2/{repository}/manifests/{reference}"))
        .header("Content-Type", manifest.media_type.as_str())
        .body(manifest.bytes.clone());
    request.send().await.expect(201)
}

/// An image with everything it needs.
pub async fn image(server: &Server, repository: &str, reference: &str, image: &Image) -> Response {
    for each in image.blobs() {
        blob(server, repository, each).await;
    }
    manifest(server, repository, reference, &image.manifest).await
}
