//! `/`, `/v2` and `/v2/` (end-1), and what every answer has.

use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;

use crate::NOBODYS;

#[tokio::test]
async fn the_base_answers_any_method() {
    let registry = ScratchRegistry::memory().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let response = registry.request(method, "/v2/").send().await.expect(200);
        assert_eq!(response.header("Content-Type"), Some("application/json"), "{method}");
        assert_eq!(response.text(), "{}", "{method}");
    }
    let response = registry.head("/v2/").send().await.expect(200);
    assert_eq!(response.header("Content-Length"), Some("2"));
}

#[tokio::test]
async fn the_base_without_its_slash_redirects_to_the_base() {
    let registry = ScratchRegistry::memory().await;
    let response = registry.get("/v2").send().await.expect(301);
    assert_eq!(response.location(), "/v2/");
}

#[tokio::test]
async fn the_root_says_that_something_listens() {
    let registry = ScratchRegistry::memory().await;
    for method in ["GET", "HEAD", "POST"] {
        let response = registry.request(method, "/").send().await.expect(200);
        assert_eq!(response.header("Cache-Control"), Some("no-cache"));
        assert_eq!(response.header("Docker-Distribution-Api-Version"), None);
        assert!(response.body.is_empty());
    }
}

#[tokio::test]
async fn options_tell_the_methods_of_every_kind_of_path() {
    let registry = ScratchRegistry::memory().await;
    for (path, allow) in [
        ("_catalog".to_owned(), "GET"),
        ("a/tags/list".to_owned(), "GET"),
        (format!("a/referrers/{NOBODYS}"), "GET"),
        ("a/manifests/latest".to_owned(), "DELETE, GET, HEAD, PUT"),
        (format!("a/blobs/{NOBODYS}"), "DELETE, GET, HEAD"),
        ("a/blobs/uploads/".to_owned(), "POST"),
        ("a/blobs/uploads/some-id".to_owned(), "DELETE, GET, HEAD, PATCH, PUT"),
    ] {
        let response = registry.request("OPTIONS", format!("/v2/{path}")).send().await.expect(200);
        assert_eq!(response.header("Allow"), Some(allow), "{path}");
    }
}

/// Old clients look for it, on refusals as well.
#[tokio::test]
async fn every_answer_of_the_api_names_its_version_and_its_headers_in_title_case() {
    let registry = ScratchRegistry::memory().await;
    let (image, blob) = (Image::random(1), Blob::random(1, 10));
    push::image(&registry, "a", "latest", &image).await;
    push::blob(&registry, "a", &blob).await;
    let artifact = Image::artifact(2, &image.manifest, "application/vnd.example");
    push::image(&registry, "a", "artifact", &artifact).await;
    let location = push::begin(&registry, "a").await;
    let (blob, image) = (blob.digest, image.manifest.digest);
    for (request, status) in [
        (registry.get("/v2/"), 200),
        (registry.get("/v2"), 301),
        (registry.get("/v2/_catalog"), 200),
        (registry.get("/v2/a/tags/list?n=1"), 200),
        (registry.get("/v2/zz/tags/list"), 404),
        (registry.head("/v2/a/tags/list"), 405),
        (registry.get("/v2/nothing"), 404),
        (registry.get("/v2/A/tags/list"), 400),
        (registry.get(format!("/v2/a/blobs/{blob}")), 200),
        (registry.get(format!("/v2/a/blobs/{blob}")).header("Range", "bytes=1-2"), 206),
        (registry.get(format!("/v2/a/blobs/{blob}")).header("Range", "bytes=99-"), 416),
        (registry.get(format!("/v2/a/blobs/{blob}")).header("If-None-Match", "*"), 304),
        (registry.head(format!("/v2/a/blobs/{NOBODYS}")), 404),
        (registry.get("/v2/a/manifests/latest"), 200),
        (registry.get(format!("/v2/a/referrers/{image}?artifactType=x")), 200),
        (registry.post("/v2/a/blobs/uploads/").body(""), 202),
        (registry.get(&location), 204),
        (registry.patch(&location).body("x").header("Content-Range", "7-7"), 416),
        (registry.delete(&location), 204),
        (registry.request("OPTIONS", "/v2/_catalog"), 200),
    ] {
        let response = request.send().await.expect(status);
        let version = response.header("Docker-Distribution-Api-Version");
        assert_eq!(version, Some("registry/2.0"), "{response:?}");
        for (name, _) in &response.headers {
            assert!(name.split('-').all(is_title), "{name} in {response:?}");
        }
    }
}

fn is_title(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && !word[1..].contains(|c: char| c.is_ascii_uppercase())
}
