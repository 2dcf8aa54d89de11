//! The base, and paths and methods that are not there.

use wharf_http::Options;
use wharf_testkit::images::Image;
use wharf_testkit::push;
use wharf_testkit::registry::{ScratchRegistry, Setup};

use super::shows;
use crate::NOBODYS;

#[tokio::test]
async fn the_root() {
    let registry = ScratchRegistry::start().await;
    shows(
        &registry.get("/").send().await,
        &[],
        "200 OK
         Cache-Control: no-cache
         Content-Length: 0",
    );
}

#[tokio::test]
async fn the_base() {
    let registry = ScratchRegistry::start().await;
    for method in ["GET", "POST"] {
        let response = registry.request(method, "/v2/").send().await;
        shows(
            &response,
            &[],
            "200 OK
             Content-Length: 2
             Content-Type: application/json
             Docker-Distribution-Api-Version: registry/2.0

             {}",
        );
        // No line feed here.
        assert_eq!(response.body.len(), 2);
    }
}

#[tokio::test]
async fn the_base_without_its_slash() {
    let registry = ScratchRegistry::start().await;
    shows(
        &registry.get("/v2").send().await,
        &[],
        "301 Moved Permanently
         Content-Length: 0
         Docker-Distribution-Api-Version: registry/2.0
         Location: /v2/",
    );
}

/// The old registry redirects, and clients turn that into a GET.
#[tokio::test]
async fn where_uploads_begin_without_its_slash() {
    let registry = ScratchRegistry::start().await;
    shows(
        &registry.post("/v2/a/blobs/uploads").body("").send().await,
        &[],
        "202 Accepted
         Content-Length: 0
         Docker-Distribution-Api-Version: registry/2.0
         Docker-Upload-Uuid: <id>
         Location: /v2/a/blobs/uploads/<id>?_state=0
         Range: 0-0",
    );
}

#[tokio::test]
async fn options() {
    let registry = ScratchRegistry::start().await;
    shows(
        &registry.request("OPTIONS", "/v2/a/tags/list").send().await,
        &[],
        "200 OK
         Allow: GET
         Content-Length: 0
         Docker-Distribution-Api-Version: registry/2.0",
    );
}

#[tokio::test]
async fn a_method_that_is_not_allowed() {
    let registry = ScratchRegistry::start().await;
    shows(
        &registry.post("/v2/a/tags/list").body("").send().await,
        &[],
        r#"405 Method Not Allowed
         Allow: GET
         Content-Length: 78
         Content-Type: application/json
         Docker-Distribution-Api-Version: registry/2.0

         {"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}"#,
    );
    shows(
        &registry.head("/v2/a/tags/list").send().await,
        &[],
        "405 Method Not Allowed
         Allow: GET
         Content-Length: 78
         Content-Type: application/json
         Docker-Distribution-Api-Version: registry/2.0",
    );
}

#[tokio::test]
async fn whatever_changes_something_in_a_registry_that_is_only_read() {
    let directory = tempfile::tempdir().unwrap();
    let image = Image::random(1);
    let writable = ScratchRegistry::over(directory.path(), Setup::default()).await;
    push::image(&writable, "a", "latest", &image).await;
    let edge = Options { read_only: true, ..Options::default() };
    let registry = ScratchRegistry::over(directory.path(), Setup { edge, ..Setup::default() }).await;
    let upload = "/v2/a/blobs/uploads/some-id";
    for request in [
        registry.post("/v2/a/blobs/uploads/").body(""),
        registry.post(format!("/v2/b/blobs/uploads/?mount={}&from=a", image.config.digest)).body(""),
        registry.patch(upload).body("x"),
        registry.put(format!("{upload}?digest={NOBODYS}")).body("x"),
        registry.delete(upload),
        registry.put("/v2/a/manifests/latest").body("{}"),
        registry.delete("/v2/a/manifests/latest"),
        registry.delete(format!("/v2/a/blobs/{}", image.config.digest)),
    ] {
        shows(
            &request.send().await,
            &[],
            r#"405 Method Not Allowed
             Allow: GET, HEAD
             Content-Length: 78
             Content-Type: application/json
             Docker-Distribution-Api-Version: registry/2.0

             {"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}"#,
        );
    }
    let response = registry.get("/v2/a/manifests/latest").send().await.expect(200);
    assert_eq!(response.body, image.manifest.bytes);
    let _ = registry.get("/v2/a/tags/list").send().await.expect(200);
}

#[tokio::test]
async fn a_path_that_is_none() {
    let registry = ScratchRegistry::start().await;
    shows(
        &registry.get("/v2/a/nothing").send().await,
        &[],
        r#"404 Not Found
         Content-Length: 78
         Content-Type: application/json
         Docker-Distribution-Api-Version: registry/2.0

         {"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}"#,
    );
}

/// The old registry has no such path.
#[tokio::test]
async fn referrers_of_nobody() {
    let registry = ScratchRegistry::start().await;
    let response = registry.get(format!("/v2/a/referrers/{NOBODYS}")).send().await;
    let length = response.body.len().to_string();
    shows(
        &response,
        &[(&format!("Content-Length: {length}"), "Content-Length: <length>")],
        r#"200 OK
         Content-Length: <length>
         Content-Type: application/vnd.oci.image.index.v1+json
         Docker-Distribution-Api-Version: registry/2.0

         {"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#,
    );
}

/// The old registry answers 404 with text, 404 with the name as unknown, and 500 with the body twice.
#[tokio::test]
async fn names_that_are_none() {
    let registry = ScratchRegistry::start().await;
    for name in ["foo/BAR", "FOO/bar", &"a".repeat(256)] {
        let response = registry.get(format!("/v2/{name}/tags/list")).send().await.expect(400);
        let body = response.json();
        assert_eq!(body["errors"].as_array().map(Vec::len), Some(1));
        assert_eq!(body["errors"][0]["code"], "NAME_INVALID");
        assert_eq!(body["errors"][0]["message"], "invalid repository name");
    }
}
