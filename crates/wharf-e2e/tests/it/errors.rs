//! Whatever is refused is refused in the spec's form.

use std::sync::Arc;

use async_trait::async_trait;
use wharf_auth::{Authorizer, Caller, Challenge, Refusal, Scope, Sender, TagWrite};
use wharf_oci::{Digest, ErrorCode, RepositoryName, Tag};
use wharf_store::{BlobUrls, Retry};
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::{Request, Response, Server};

use crate::NOBODYS;
use crate::guard::ByName;

/// Every way to be refused, with a repository `a` that holds something.
fn refused(server: &Server) -> Vec<(Request, u16, ErrorCode)> {
    use ErrorCode as E;
    let long = "a".repeat(256);
    vec![
        (server.get("/nothing"), 404, E::Unsupported),
        (server.get("/v1/"), 404, E::Unsupported),
        (server.get("/v2/a"), 404, E::Unsupported),
        (server.get("/v2/a/tags"), 404, E::Unsupported),
        (server.get("/v2//"), 404, E::Unsupported),
        (server.request("BREW", "/v2/a/pot"), 404, E::Unsupported),
        (server.post("/v2/_catalog").body(""), 405, E::Unsupported),
        (server.post("/v2/a/tags/list").body(""), 405, E::Unsupported),
        (server.patch("/v2/a/manifests/x").body("x"), 405, E::Unsupported),
        (server.put(format!("/v2/a/blobs/{NOBODYS}")).body("x"), 405, E::Unsupported),
        (server.post("/v2/a/blobs/uploads/some-id").body(""), 405, E::Unsupported),
        (server.get("/v2/foo/BAR/tags/list"), 400, E::NameInvalid),
        (server.get(format!("/v2/{long}/tags/list")), 400, E::NameInvalid),
        (server.get("/v2/a/../b/tags/list"), 400, E::NameInvalid),
        (server.get("/v2/a%2F..%2Fb/tags/list"), 400, E::NameInvalid),
        (server.get("/v2/a%00b/tags/list"), 400, E::NameInvalid),
        (server.get("/v2/a%zz/tags/list"), 400, E::NameInvalid),
        (server.get("/v2/a/tags/list?n=x"), 400, E::PaginationNumberInvalid),
        (server.get("/v2/zz/tags/list"), 404, E::NameUnknown),
        (server.get("/v2/a/blobs/sha256:abc"), 400, E::DigestInvalid),
        (server.get(format!("/v2/a/blobs/{NOBODYS}")), 404, E::BlobUnknown),
        (server.get("/v2/a/manifests/nope"), 404, E::ManifestUnknown),
        (server.get(format!("/v2/a/manifests/{NOBODYS}")), 404, E::ManifestUnknown),
        (server.put("/v2/a/manifests/-x").body("{}"), 400, E::TagInvalid),
        (server.delete("/v2/a/manifests/nope"), 404, E::ManifestUnknown),
        (server.get("/v2/a/blobs/uploads/no-such-id"), 404, E::BlobUploadUnknown),
        (server.get("/v2/a/referrers/nonsense"), 400, E::DigestInvalid),
    ]
}

fn assert_form(response: &Response, line: &str) {
    assert_eq!(response.header("Content-Type"), Some("application/json"), "{line}");
    assert_eq!(response.header("Content-Length"), Some(response.body.len().to_string().as_str()), "{line}");
    assert!(response.text().ends_with("}]}\n"), "{line}: {response:?}");
    for error in response.json()["errors"].as_array().expect("a list of errors") {
        assert!(error["code"].is_string(), "{line}: {response:?}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{line}: {response:?}");
    }
}

#[tokio::test]
async fn every_refusal_is_json_of_the_spec() {
    let registry = ScratchRegistry::start().await;
    push::image(&registry, "a", "latest", &Image::random(1)).await;
    for (request, status, code) in refused(&registry) {
        let line = format!("{request:?}");
        let response = request.send().await;
        assert_eq!((response.status, response.codes()), (status, vec![code]), "{line}: {response:?}");
        assert_form(&response, &line);
    }
}

#[tokio::test]
async fn a_refused_head_is_the_refused_get_without_its_body() {
    let registry = ScratchRegistry::start().await;
    push::image(&registry, "a", "latest", &Image::random(1)).await;
    for path in [
        format!("blobs/{NOBODYS}"),
        "blobs/sha256:abc".to_owned(),
        "manifests/nope".to_owned(),
        format!("manifests/{NOBODYS}"),
        "manifests/sha256:abc".to_owned(),
        "blobs/uploads/no-such-id".to_owned(),
        "nothing".to_owned(),
    ] {
        let get = registry.get(format!("/v2/a/{path}")).send().await;
        let head = registry.head(format!("/v2/a/{path}")).send().await;
        assert!(get.status >= 400, "{path}");
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("Content-Length"), Some(get.body.len().to_string().as_str()), "{path}");
        assert_eq!(head.header("Content-Type"), Some("application/json"), "{path}");
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let registry = ScratchRegistry::memory().await;
    for (method, path, allow) in [
        ("HEAD", "a/tags/list".to_owned(), "GET"),
        ("DELETE", "_catalog".to_owned(), "GET"),
        ("PUT", format!("a/referrers/{NOBODYS}"), "GET"),
        ("POST", "a/manifests/x".to_owned(), "DELETE, GET, HEAD, PUT"),
        ("TRACE", "a/manifests/x".to_owned(), "DELETE, GET, HEAD, PUT"),
        ("PATCH", format!("a/blobs/{NOBODYS}"), "DELETE, GET, HEAD"),
        ("TRACE", "a/blobs/uploads/".to_owned(), "POST"),
        ("POST", "a/blobs/uploads/x".to_owned(), "DELETE, GET, HEAD, PATCH, PUT"),
    ] {
        let response = registry.request(method, format!("/v2/{path}")).send().await.expect(405);
        assert_eq!(response.header("Allow"), Some(allow), "{method} {path}");
    }
}

/// A refused request leaves the connection fit for the next one, also where its body was never wanted.
#[tokio::test]
async fn a_connection_outlives_what_is_refused_on_it() {
    let registry = ScratchRegistry::start().await;
    push::image(&registry, "a", "latest", &Image::random(1)).await;
    let mut connection = registry.connect().await;
    let unwanted = Blob::random(1, 100_000).bytes;
    for (request, status, _) in refused(&registry) {
        let _ = connection.send(request).await.expect(status);
        let put = registry.put("/v2/A/blobs/uploads/x?digest=y").body(unwanted.clone());
        let _ = connection.send(put).await.refused(400, ErrorCode::NameInvalid);
        let chunked = registry.patch("/v2/a/blobs/uploads/no-such-id").chunks([unwanted.clone()]);
        let _ = connection.send(chunked).await.refused(404, ErrorCode::BlobUploadUnknown);
        let _ = connection.send(registry.get("/v2/")).await.expect(200);
    }
}

#[tokio::test]
async fn a_broken_store_says_whether_to_come_again_and_nothing_of_itself() {
    for (retry, status, code) in
        [(Retry::Later, 503, ErrorCode::Unavailable), (Retry::Never, 500, ErrorCode::Unknown)]
    {
        let (registry, faults) = ScratchRegistry::flaky().await;
        faults.fail_everything(retry);
        for request in [
            registry.get(format!("/v2/a/blobs/{NOBODYS}")),
            registry.get("/v2/a/manifests/latest"),
            registry.get("/v2/a/tags/list"),
            registry.post("/v2/a/blobs/uploads/").body(""),
        ] {
            let response = request.send().await.refused(status, code);
            assert_form(&response, "a broken store");
            assert_eq!(response.header("Retry-After").is_some(), retry == Retry::Later);
            assert!(!response.text().contains("flaky"), "{response:?}");
        }
    }
}

#[tokio::test]
async fn who_may_not_is_told_in_the_same_form() {
    let setup = Setup { authorizer: Arc::new(ByName), ..Setup::default() };
    let registry = ScratchRegistry::memory_with(setup).await;
    for path in ["/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v2/a/manifests/latest"] {
        let response = registry.get(path).send().await.refused(401, ErrorCode::Unauthorized);
        assert_eq!(response.header("Www-Authenticate"), Some("Basic realm=\"here\""));
        assert_form(&response, path);
        let known = registry.get(path).header("Authorization", "somebody").send().await;
        let known = known.refused(403, ErrorCode::Denied);
        assert_eq!(known.header("Www-Authenticate"), None);
        let broken = registry.get(path).header("Authorization", "broken").send().await;
        let broken = broken.refused(503, ErrorCode::Unavailable);
        assert!(!broken.text().contains("directory"), "{broken:?}");
        let guesser = registry.get(path).header("Authorization", "guesser").send().await;
        let guesser = guesser.refused(429, ErrorCode::TooManyRequests);
        // A second and a half: whole seconds, and not too few.
        assert_eq!(guesser.header("Retry-After"), Some("2"));
    }
}

/// Refuses every caller with a challenge that fits in no header, or sends them to an address that does not.
#[derive(Debug)]
struct Unwritable;

#[async_trait]
impl Authorizer for Unwritable {
    async fn caller(&self, _sender: Sender<'_>) -> Result<Caller, Refusal> {
        Err(Refusal::Unauthenticated { challenge: Challenge::Basic { realm: "My\nRealm".to_owned() } })
    }

    async fn allow(&self, _caller: &Caller, _scope: Scope<'_>) -> Result<(), Refusal> {
        Err(Refusal::Denied)
    }

    async fn tag_write(
        &self,
        _caller: &Caller,
        _repository: &RepositoryName,
        _tag: &Tag,
    ) -> Result<TagWrite, Refusal> {
        Err(Refusal::Denied)
    }

    fn sees(&self, _caller: &Caller, _repository: &RepositoryName) -> bool {
        false
    }
}

#[async_trait]
impl BlobUrls for Unwritable {
    async fn url(&self, _digest: &Digest) -> wharf_store::Result<Option<String>> {
        Ok(Some("https://cdn.example.com/\r\nX-A: b".to_owned()))
    }
}

#[tokio::test]
async fn an_answer_whose_header_cannot_be_made_is_a_500_and_not_one_without_it() {
    let setup = Setup { authorizer: Arc::new(Unwritable), ..Setup::default() };
    let registry = ScratchRegistry::memory_with(setup).await;
    for path in ["/v2/", "/v2/a/tags/list"] {
        let answer = registry.get(path).send().await.refused(500, ErrorCode::Unknown);
        assert_eq!(answer.header("Docker-Distribution-Api-Version"), Some("registry/2.0"));
    }
    assert_eq!(registry.head("/v2/a/manifests/x").send().await.status, 500);

    let mut setup = Setup::default();
    setup.registry.urls = Some(Arc::new(Unwritable));
    let registry = ScratchRegistry::memory_with(setup).await;
    let blob = Blob::random(1, 10);
    push::blob(&registry, "a", &blob).await;
    let path = format!("/v2/a/blobs/{}", blob.digest);
    let answer = registry.get(&path).send().await.refused(500, ErrorCode::Unknown);
    assert_eq!((answer.header("Location"), answer.header("X-A")), (None, None));
    let answer = registry.get(&path).header("Range", "bytes=0-3").send().await;
    let _ = answer.refused(500, ErrorCode::Unknown);
    // Nothing else is touched, not even on the same connection.
    let _ = registry.head(&path).send().await.expect(200);
}

/// Requests with a body that are refused by their head alone.
fn refused_early(registry: &ScratchRegistry) -> Vec<(u16, Request)> {
    let manifest = registry
        .put("/v2/a/manifests/large")
        .header("Content-Type", "application/vnd.oci.image.manifest.v1+json");
    vec![
        (404, registry.patch("/v2/a/blobs/uploads/none")),
        (400, registry.put("/v2/A/manifests/v1")),
        (404, registry.post("/none")),
        (405, registry.post("/v2/_catalog")),
        (413, manifest),
        (200, registry.get("/v2/")),
    ]
}

const MIB: usize = 1024 * 1024;

/// A client of Go's reads while it writes: when a write fails before it has read the response, it reports a broken pipe.
#[tokio::test]
async fn a_client_that_is_refused_in_the_middle_of_a_body_is_not_cut_off_while_it_sends() {
    let registry = ScratchRegistry::memory().await;
    for (status, request) in refused_early(&registry) {
        let mut connection = registry.connect().await;
        connection.begin(&request.header("Content-Length", (64 * MIB).to_string())).await;
        let response = connection.head().await.expect(status);
        assert_eq!(response.header("Connection"), Some("close"));
        // A connection that is reset fails the second of these at the latest.
        for _ in 0..32 {
            connection.write(vec![b'x'; MIB / 2]).await;
        }
    }
}

#[tokio::test]
async fn a_client_that_reads_only_after_it_has_sent_a_body_gets_the_refusal_of_it() {
    let registry = ScratchRegistry::memory().await;
    for (status, request) in refused_early(&registry) {
        for chunked in [false, true] {
            let request = match chunked {
                true => request.clone().chunks((0..32).map(|_| vec![b'x'; MIB])),
                false => request.clone().body(vec![b'x'; 32 * MIB]),
            };
            let mut connection = registry.connect().await;
            connection.write(request.parts().0).await;
            let response = connection.head().await;
            assert_eq!(response.status, status);
        }
    }
}

#[tokio::test]
async fn the_rest_of_a_short_body_is_read_and_the_connection_used_again() {
    let registry = ScratchRegistry::memory().await;
    let mut connection = registry.connect().await;
    for (status, request) in refused_early(&registry) {
        if status == 413 {
            continue;
        }
        let _ = connection.send(request.clone().body(vec![b'x'; 100_000])).await.expect(status);
        let _ = connection.send(request.chunks([vec![b'x'; 100_000]])).await.expect(status);
    }
}

/// A refusal does not wait for the rest of the body.
#[tokio::test]
async fn a_refusal_comes_before_the_body() {
    let registry = ScratchRegistry::memory().await;
    for (status, request) in refused_early(&registry) {
        if status == 413 {
            continue;
        }
        let mut connection = registry.connect().await;
        connection.begin(&request.header("Content-Length", "3")).await;
        let response = connection.head().await.expect(status);
        let length = response.required("Content-Length").parse().unwrap();
        let _ = connection.read(length).await;
        connection.write("abc").await;
        let _ = connection.send(registry.get("/v2/")).await.expect(200);
    }
}
