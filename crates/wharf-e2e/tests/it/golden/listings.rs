//! Tags and the catalog.

use wharf_testkit::images::{Blob, Image};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::{Response, Server};

use super::shows;

async fn get(server: &Server, target: &str) -> Response {
    server.get(format!("/v2/{target}")).send().await
}

/// A listing, with this `Link` line if any.
fn shows_list(response: &Response, link: &str, body: &str) {
    // A list of unknown length comes in chunks.
    let framing = match response.header("Content-Length") {
        Some(length) => format!("Content-Length: {length}\n"),
        None => String::new(),
    };
    let end = match response.header("Transfer-Encoding") {
        Some(coding) => format!("Transfer-Encoding: {coding}\n"),
        None => String::new(),
    };
    shows(
        response,
        &[],
        &format!(
            "200 OK
             {framing}Content-Type: application/json
             Docker-Distribution-Api-Version: registry/2.0
             {link}{end}
             {body}"
        ),
    );
    assert!(response.text().ends_with('\n'), "{response:?}");
}

fn refused(response: &Response, status: u16, error: &str) {
    assert_eq!(response.status, status, "{response:?}");
    assert_eq!(response.text(), format!("{{\"errors\":[{error}]}}\n"));
}

#[tokio::test]
async fn tags() {
    let registry = ScratchRegistry::start().await;
    push::blob(&registry, "only-blobs", &Blob::random(1, 10)).await;
    let image = Image::random(1);
    push::image(&registry, "a", "t1", &image).await;
    push::manifest(&registry, "a", "t2", &image.manifest).await;
    shows_list(&get(&registry, "a/tags/list").await, "", r#"{"name":"a","tags":["t1","t2"]}"#);
    let link = "Link: </v2/a/tags/list?last=t1&n=1>; rel=\"next\"\n";
    shows_list(&get(&registry, "a/tags/list?n=1&x=y").await, link, r#"{"name":"a","tags":["t1"]}"#);
    // The old registry links to an empty page here.
    shows_list(&get(&registry, "a/tags/list?n=2&x=y").await, "", r#"{"name":"a","tags":["t1","t2"]}"#);
    for (n, detail) in [("-1", "-1"), ("x", "\"x\"")] {
        let error = format!(
            r#"{{"code":"PAGINATION_NUMBER_INVALID","message":"invalid number of results requested","detail":{{"n":{detail}}}}}"#
        );
        refused(&get(&registry, &format!("a/tags/list?n={n}")).await, 400, &error);
    }
    for name in ["zz", "only-blobs"] {
        let error = format!(
            r#"{{"code":"NAME_UNKNOWN","message":"repository name not known to registry","detail":{{"name":"{name}"}}}}"#
        );
        refused(&get(&registry, &format!("{name}/tags/list")).await, 404, &error);
    }
    for tag in ["t1", "t2"] {
        let _ = registry.delete(format!("/v2/a/manifests/{tag}")).send().await.expect(202);
    }
    shows_list(&get(&registry, "a/tags/list").await, "", r#"{"name":"a","tags":[]}"#);
}

#[tokio::test]
async fn the_catalog() {
    let registry = ScratchRegistry::start().await;
    push::blob(&registry, "only-blobs", &Blob::random(1, 10)).await;
    push::image(&registry, "a", "t1", &Image::random(1)).await;
    shows_list(&get(&registry, "_catalog").await, "", r#"{"repositories":["a"]}"#);
    // The old registry links to an empty page here, and refuses more than a thousand.
    shows_list(&get(&registry, "_catalog?n=1").await, "", r#"{"repositories":["a"]}"#);
    shows_list(&get(&registry, "_catalog?n=1001").await, "", r#"{"repositories":["a"]}"#);
    push::image(&registry, "b", "t1", &Image::random(1)).await;
    let link = "Link: </v2/_catalog?last=a&n=1>; rel=\"next\"\n";
    shows_list(&get(&registry, "_catalog?n=1").await, link, r#"{"repositories":["a"]}"#);
    let error = r#"{"code":"PAGINATION_NUMBER_INVALID","message":"invalid number of results requested","detail":{"n":"x"}}"#;
    refused(&get(&registry, "_catalog?n=x").await, 400, error);
}
