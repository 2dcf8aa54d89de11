//! Blobs.

use wharf_core::Options;
use wharf_testkit::images::Blob;
use wharf_testkit::push;
use wharf_testkit::registry::{ScratchRegistry, Setup};

use super::shows;
use crate::NOBODYS;

/// A registry with a blob of five bytes, the path of it, and its digest.
async fn holding() -> (ScratchRegistry, String, String) {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::new("hello");
    push::blob(&registry, "a", &blob).await;
    (registry, format!("/v2/a/blobs/{}", blob.digest), blob.digest.to_string())
}

#[tokio::test]
async fn a_blob() {
    let (registry, path, digest) = holding().await;
    let head = "200 OK
         Accept-Ranges: bytes
         Cache-Control: max-age=31536000
         Content-Length: 5
         Content-Type: application/octet-stream
         Docker-Content-Digest: <d>
         Docker-Distribution-Api-Version: registry/2.0
         Etag: \"<d>\"";
    shows(&registry.head(&path).send().await, &[(&digest, "<d>")], head);
    shows(&registry.get(&path).send().await, &[(&digest, "<d>")], &format!("{head}\n\nhello"));
}

#[tokio::test]
async fn a_range_of_a_blob() {
    let (registry, path, digest) = holding().await;
    shows(
        &registry.get(&path).header("Range", "bytes=1-2").send().await,
        &[(&digest, "<d>")],
        "206 Partial Content
         Accept-Ranges: bytes
         Cache-Control: max-age=31536000
         Content-Length: 2
         Content-Range: bytes 1-2/5
         Content-Type: application/octet-stream
         Docker-Content-Digest: <d>
         Docker-Distribution-Api-Version: registry/2.0
         Etag: \"<d>\"

         el",
    );
}

#[tokio::test]
async fn a_range_beyond_a_blob() {
    let (registry, path, digest) = holding().await;
    let response = registry.get(&path).header("Range", "bytes=99-").send().await;
    let length = response.body.len();
    shows(
        &response,
        &[(&digest, "<d>")],
        &format!(
            r#"416 Range Not Satisfiable
             Content-Length: {length}
             Content-Range: bytes */5
             Content-Type: application/json
             Docker-Content-Digest: <d>
             Docker-Distribution-Api-Version: registry/2.0

             {{"errors":[{{"code":"RANGE_INVALID","message":"invalid content range","detail":"the content is 5 bytes long"}}]}}"#
        ),
    );
}

#[tokio::test]
async fn a_blob_the_client_has() {
    let (registry, path, digest) = holding().await;
    shows(
        &registry.get(&path).header("If-None-Match", format!("\"{digest}\"")).send().await,
        &[(&digest, "<d>")],
        "304 Not Modified
         Cache-Control: max-age=31536000
         Docker-Content-Digest: <d>
         Docker-Distribution-Api-Version: registry/2.0
         Etag: \"<d>\"",
    );
}

#[tokio::test]
async fn an_unknown_blob() {
    let (registry, ..) = holding().await;
    let path = format!("/v2/a/blobs/{NOBODYS}");
    let head = "404 Not Found
         Content-Length: 157
         Content-Type: application/json
         Docker-Distribution-Api-Version: registry/2.0";
    shows(&registry.head(&path).send().await, &[], head);
    let body = r#"{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry","detail":"<d0>"}]}"#;
    let expected = format!("{head}\n\n{body}");
    shows(&registry.get(&path).send().await, &[(NOBODYS, "<d0>")], &expected);
    shows(&registry.delete(&path).send().await, &[(NOBODYS, "<d0>")], &expected);
}

#[tokio::test]
async fn a_digest_that_is_none() {
    let (registry, ..) = holding().await;
    for digest in ["sha256:abc".to_owned(), format!("sha256:{}", "0".repeat(66))] {
        let response = registry.get(format!("/v2/a/blobs/{digest}")).send().await.expect(400);
        let error = &response.json()["errors"][0];
        assert_eq!(error["code"], "DIGEST_INVALID");
        assert_eq!(error["message"], "provided digest did not match uploaded content");
        assert!(error["detail"].as_str().is_some_and(|detail| detail.contains("64 hex digits")), "{error}");
    }
}

#[tokio::test]
async fn a_deleted_blob() {
    let (registry, path, digest) = holding().await;
    shows(
        &registry.delete(&path).send().await,
        &[(&digest, "<d>")],
        "202 Accepted
         Content-Length: 0
         Docker-Distribution-Api-Version: registry/2.0",
    );
}

#[tokio::test]
async fn a_delete_that_is_switched_off() {
    let registry = Options { deletes: false, ..Options::default() };
    let registry = ScratchRegistry::start_with(Setup { registry, ..Setup::default() }).await;
    let response = registry.delete(format!("/v2/a/blobs/{NOBODYS}")).send().await.expect(405);
    let error = &response.json()["errors"][0];
    assert_eq!(error["code"], "UNSUPPORTED");
    assert_eq!(error["message"], "The operation is unsupported.");
}
