//! `GET /v2/_catalog`: of the old registry, not of the spec.

use serde_json::json;
use wharf_http::{Limits, Options};
use wharf_oci::ErrorCode;
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;
use wharf_testkit::registry::{ScratchRegistry, Setup};
use wharf_testkit::wire::{Response, Server};

/// In byte order of the whole name, which is not the order of folders.
const NAMES: [&str; 8] = ["a", "a-b/c", "a/b", "a/b-c", "a/b/c", "a/b0", "ab", "b/manifests/x"];

/// The smallest thing that makes a repository.
async fn founded(server: &Server, names: &[impl AsRef<str>]) {
    let config = Blob::empty_config();
    let body = json!({ "schemaVersion": 2, "manifests": [] });
    let index = wharf_testkit::images::Manifest::new(wharf_oci::MediaType::OCI_INDEX, &body);
    for name in names {
        push::blob(server, name.as_ref(), &config).await;
        push::manifest(server, name.as_ref(), "latest", &index).await;
    }
}

fn names(response: &Response) -> Vec<String> {
    assert_eq!(response.header("Content-Type"), Some("application/json"));
    let body = response.json();
    let names = body["repositories"].as_array().expect("a list of repositories");
    names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

async fn list(server: &Server, query: &str) -> Response {
    server.get(format!("/v2/_catalog{query}")).send().await
}

#[tokio::test]
async fn an_empty_registry_has_an_empty_catalog() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let response = list(&registry, "").await.expect(200);
        assert_eq!(response.text(), "{\"repositories\":[]}\n");
    }
}

#[tokio::test]
async fn repositories_come_in_byte_order_and_links_lead_through_them() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        founded(&registry, &NAMES).await;
        assert_eq!(names(&list(&registry, "").await.expect(200)), NAMES);
        for n in 1..=NAMES.len() {
            let (mut target, mut found) = (Some(format!("/v2/_catalog?n={n}")), Vec::new());
            while let Some(page) = target {
                let response = registry.get(page).send().await.expect(200);
                found.extend(names(&response));
                let link = response.header("Link");
                assert_eq!(link.is_some(), found.len() < NAMES.len(), "n={n}");
                target = link.map(|link| {
                    let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
                    target.expect("a link to the next page").to_owned()
                });
            }
            assert_eq!(found, NAMES, "n={n}");
        }
    }
}

#[tokio::test]
async fn a_catalog_goes_on_after_the_last_name_which_need_not_exist() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        founded(&registry, &NAMES).await;
        for (query, expected) in [
            ("?last=a", &NAMES[1..]),
            ("?last=a/b", &NAMES[3..]),
            ("?last=a%2Fb", &NAMES[3..]),
            ("?last=a/a", &NAMES[2..]),
            ("?last=a/b/d", &NAMES[5..]),
            ("?last=b", &NAMES[7..]),
            ("?last=zz", &[]),
            ("?n=2&last=a-b/c", &NAMES[2..4]),
        ] {
            assert_eq!(names(&list(&registry, query).await.expect(200)), expected, "{query}");
        }
    }
}

#[tokio::test]
async fn only_what_holds_a_manifest_is_a_repository() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let image = Image::random(1);
        push::image(&registry, "full", "latest", &image).await;
        push::blob(&registry, "only-blobs", &Blob::random(1, 10)).await;
        push::begin(&registry, "only-uploads").await;
        push::image(&registry, "emptied", "latest", &image).await;
        let path = format!("/v2/emptied/manifests/{}", image.manifest.digest);
        let _ = registry.delete(path).send().await.expect(202);
        assert_eq!(names(&list(&registry, "").await.expect(200)), ["full"]);
    }
}

#[tokio::test]
async fn a_catalog_has_a_hundred_names_unless_asked_otherwise() {
    let registry = ScratchRegistry::memory().await;
    let all: Vec<String> = (0..101).map(|i| format!("r{i:03}")).collect();
    founded(&registry, &all).await;
    let response = list(&registry, "").await.expect(200);
    assert_eq!(names(&response), all[..100]);
    assert_eq!(response.header("Link"), Some("</v2/_catalog?last=r099&n=100>; rel=\"next\""));
    for n in ["101", "1000", "1001", "10000", "99999999999999999999999"] {
        let response = list(&registry, &format!("?n={n}")).await.expect(200);
        assert_eq!(names(&response), all);
        assert_eq!(response.header("Link"), None);
    }
}

#[tokio::test]
async fn a_page_is_never_larger_than_the_limit() {
    let limits = Limits { catalog_page: 3, ..Limits::default() };
    let edge = Options { limits, ..Options::default() };
    let registry = ScratchRegistry::memory_with(Setup { edge, ..Setup::default() }).await;
    founded(&registry, &NAMES).await;
    for query in ["", "?n=4", "?n=1001"] {
        let response = list(&registry, query).await.expect(200);
        assert_eq!(names(&response), NAMES[..3], "{query}");
        assert_eq!(response.header("Link"), Some("</v2/_catalog?last=a%2Fb&n=3>; rel=\"next\""));
    }
}

#[tokio::test]
async fn a_page_of_none_is_empty_and_leads_nowhere() {
    let registry = ScratchRegistry::memory().await;
    founded(&registry, &NAMES).await;
    let response = list(&registry, "?n=0").await.expect(200);
    assert_eq!(response.text(), "{\"repositories\":[]}\n");
    assert_eq!(response.header("Link"), None);
}

#[tokio::test]
async fn a_page_size_that_is_no_number_is_refused() {
    let registry = ScratchRegistry::memory().await;
    for (n, detail) in [("-1", json!(-1)), ("x", json!("x"))] {
        let response = list(&registry, &format!("?n={n}")).await;
        let response = response.refused(400, ErrorCode::PaginationNumberInvalid);
        assert_eq!(response.json()["errors"][0]["detail"], json!({ "n": detail }));
    }
}
