//! `GET /v2/<name>/tags/list` (end-8).

use serde_json::json;
use wharf_oci::ErrorCode;
use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::{Response, Server};

/// In byte order: where a bucket would list them otherwise, and where a person would.
const TAGS: [&str; 9] = ["1.0", "1.0-alpine", "1.0.1", "10", "2", "A", "_", "a", "latest"];

/// Sets these tags on one image in `repository`, few requests for many tags.
async fn tagged(server: &Server, repository: &str, tags: &[impl AsRef<str>]) {
    let image = Image::random(1);
    let digest = image.manifest.digest.to_string();
    push::image(server, repository, &digest, &image).await;
    for some in tags.chunks(50) {
        let query: Vec<String> = some.iter().map(|tag| format!("tag={}", tag.as_ref())).collect();
        push::manifest(server, repository, &format!("{digest}?{}", query.join("&")), &image.manifest).await;
    }
}

async fn list(server: &Server, query: &str) -> Response {
    server.get(format!("/v2/a/tags/list{query}")).send().await
}

fn names(response: &Response) -> Vec<String> {
    assert_eq!(response.header("Content-Type"), Some("application/json"));
    let body = response.json();
    assert_eq!(body["name"], "a");
    let tags = body["tags"].as_array().expect("a list of tags");
    tags.iter().map(|tag| tag.as_str().expect("a tag").to_owned()).collect()
}

/// The target of `Link: <…>; rel="next"`.
fn next(response: &Response) -> Option<String> {
    let link = response.header("Link")?;
    let target = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    Some(target.expect("a link to the next page").to_owned())
}

#[tokio::test]
async fn tags_come_in_byte_order() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        tagged(&registry, "a", &TAGS).await;
        let response = list(&registry, "").await.expect(200);
        assert_eq!(names(&response), TAGS);
        assert_eq!(response.header("Link"), None);
    }
}

#[tokio::test]
async fn links_lead_through_all_tags_and_end() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        tagged(&registry, "a", &TAGS).await;
        for n in 1..=TAGS.len() + 1 {
            let mut target = Some(format!("/v2/a/tags/list?n={n}"));
            let mut found = Vec::new();
            while let Some(page) = target {
                let response = registry.get(page).send().await.expect(200);
                let tags = names(&response);
                // Every page is full but the last, and none is empty.
                assert_eq!(tags.len(), n.min(TAGS.len() - found.len()), "n={n}");
                found.extend(tags);
                target = next(&response);
                assert_eq!(target.is_some(), found.len() < TAGS.len(), "n={n}");
            }
            assert_eq!(found, TAGS, "n={n}");
        }
    }
}

#[tokio::test]
async fn a_link_is_a_path_with_the_last_tag_and_the_page_size() {
    let registry = ScratchRegistry::start().await;
    tagged(&registry, "a", &TAGS).await;
    let response = list(&registry, "?n=2&x=y&ns=docker.io").await.expect(200);
    assert_eq!(response.header("Link"), Some("</v2/a/tags/list?last=1.0-alpine&n=2>; rel=\"next\""));
}

#[tokio::test]
async fn a_list_goes_on_after_the_last_tag_which_need_not_exist() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        tagged(&registry, "a", &TAGS).await;
        for (query, expected) in [
            ("?last=1.0", &TAGS[1..]),
            ("?last=1.0-alpine", &TAGS[2..]),
            ("?last=1.0-b", &TAGS[2..]),
            ("?last=", &TAGS[..]),
            ("?last=0", &TAGS[..]),
            ("?last=zzz", &[]),
            ("?last=latest", &[]),
            ("?n=2&last=2", &TAGS[5..7]),
            ("?last=A&n=100", &TAGS[6..]),
            ("?last=1%2E0&n=1", &TAGS[1..2]),
            ("?last=%7E", &[]),
        ] {
            let response = list(&registry, query).await.expect(200);
            assert_eq!(names(&response), expected, "{query}");
        }
    }
}

#[tokio::test]
async fn a_page_of_none_is_empty_and_leads_nowhere() {
    let registry = ScratchRegistry::start().await;
    tagged(&registry, "a", &TAGS).await;
    for query in ["?n=0", "?n=00", "?n=0&last=2"] {
        let response = list(&registry, query).await.expect(200);
        assert_eq!(response.text(), "{\"name\":\"a\",\"tags\":[]}\n");
        assert_eq!(response.header("Link"), None);
    }
    let response = registry.get("/v2/b/tags/list?n=0").send().await;
    let _ = response.refused(404, ErrorCode::NameUnknown);
}

/// Many clients never look for a link.
#[tokio::test]
async fn without_a_page_size_all_tags_come_however_many() {
    let registry = ScratchRegistry::start().await;
    let tags: Vec<String> = (0..2500).map(|i| format!("v{i:04}")).collect();
    tagged(&registry, "a", &tags).await;
    let response = list(&registry, "").await.expect(200);
    assert!(names(&response) == tags, "{} tags came", names(&response).len());
    assert_eq!(response.header("Link"), None);
    assert!(names(&list(&registry, "?last=v1249").await.expect(200)) == tags[1250..]);

    // Asking for more than the limit is asking for the limit, with a link.
    for n in ["1000", "1001", "10000", "18446744073709551615", "99999999999999999999999"] {
        let response = list(&registry, &format!("?n={n}")).await.expect(200);
        assert!(names(&response) == tags[..1000], "n={n}");
        assert_eq!(next(&response).as_deref(), Some("/v2/a/tags/list?last=v0999&n=1000"));
    }
}

/// More than is read from the store at once, so that the list is joined from several reads.
#[tokio::test]
async fn a_list_of_many_thousands_has_no_seams() {
    let registry = ScratchRegistry::memory().await;
    let tags: Vec<String> = (0..5100).map(|i| format!("v{i:04}")).collect();
    tagged(&registry, "a", &tags).await;
    let response = list(&registry, "").await.expect(200);
    assert!(names(&response) == tags, "{} tags came", names(&response).len());
}

#[tokio::test]
async fn a_page_size_that_is_no_number_is_refused() {
    let registry = ScratchRegistry::memory().await;
    tagged(&registry, "a", &TAGS).await;
    for (n, detail) in [("-1", json!(-1)), ("x", json!("x")), ("1.5", json!("1.5")), ("1e3", json!("1e3"))] {
        let response = list(&registry, &format!("?n={n}")).await;
        let response = response.refused(400, ErrorCode::PaginationNumberInvalid);
        assert_eq!(response.json()["errors"][0]["detail"], json!({ "n": detail }));
    }
    // An empty one is none.
    assert_eq!(names(&list(&registry, "?n=").await.expect(200)), TAGS);
}

#[tokio::test]
async fn a_repository_exists_while_it_holds_a_manifest() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let unknown = async || {
            let response = list(&registry, "").await.refused(404, ErrorCode::NameUnknown);
            assert_eq!(response.json()["errors"][0]["detail"], json!({ "name": "a" }));
        };
        unknown().await;
        push::blob(&registry, "a", &Blob::random(1, 10)).await;
        push::begin(&registry, "a").await;
        unknown().await;
        // What lies below is another repository.
        push::image(&registry, "a/b", "latest", &Image::random(1)).await;
        unknown().await;
        let image = Image::random(1);
        push::image(&registry, "a", "latest", &image).await;
        let _ = registry.delete("/v2/a/manifests/latest").send().await.expect(202);
        let response = list(&registry, "").await.expect(200);
        assert_eq!(response.text(), "{\"name\":\"a\",\"tags\":[]}\n");
        let _ =
            registry.delete(format!("/v2/a/manifests/{}", image.manifest.digest)).send().await.expect(202);
        unknown().await;
    }
}
