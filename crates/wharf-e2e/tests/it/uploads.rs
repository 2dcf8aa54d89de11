//! `/v2/<name>/blobs/uploads/` (end-4 to end-6, end-13, end-14): what clients do, and what goes wrong with it.

mod offsets;
mod sessions;
mod shapes;

use wharf_testkit::images::Blob;
use wharf_testkit::wire::{Response, Server};

/// The blob is there, in this repository, byte for byte.
async fn assert_pulled(server: &Server, repository: &str, blob: &Blob) {
    let path = format!("/v2/{repository}/blobs/{}", blob.digest);
    // The Docker engine asks right after its PUT.
    let head = server.head(&path).send().await.expect(200);
    assert_eq!(head.header("Content-Length"), Some(blob.bytes.len().to_string().as_str()));
    let response = server.get(&path).send().await.expect(200);
    assert!(response.body == blob.bytes, "{} came back changed", blob.digest);
}

/// The blob came to be, and the answer says so as clients expect it.
fn assert_created(response: Response, repository: &str, blob: &Blob) {
    let response = response.expect(201);
    assert_eq!(response.location(), format!("/v2/{repository}/blobs/{}", blob.digest));
    assert_eq!(response.required("Docker-Content-Digest"), blob.digest.to_string());
    assert_eq!(response.header("Content-Length"), Some("0"));
}

/// An open upload's answer: where it goes on, and how far it is. Gives the location.
fn assert_at(response: &Response, end: u64) -> String {
    let range = format!("0-{}", end.saturating_sub(1));
    assert_eq!(response.header("Range"), Some(range.as_str()), "{response:?}");
    let location = response.location();
    let id = response.required("Docker-Upload-Uuid");
    assert!(location.ends_with(&format!("/blobs/uploads/{id}?_state={end}")), "{location}");
    location.to_owned()
}
