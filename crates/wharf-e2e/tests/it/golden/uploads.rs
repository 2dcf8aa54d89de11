//! Uploads and mounts.

use wharf_testkit::images::Blob;
use wharf_testkit::push::{self, begin, finish};
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::Response;

use super::shows;

/// An open upload that has got so far.
fn shows_open(response: &Response, status: &str, end: u64) {
    let length = if status.starts_with("204") { "" } else { "Content-Length: 0\n" };
    let last = end.saturating_sub(1);
    shows(
        response,
        &[],
        &format!(
            "{status}
             {length}Docker-Distribution-Api-Version: registry/2.0
             Docker-Upload-Uuid: <id>
             Location: /v2/a/blobs/uploads/<id>?_state={end}
             Range: 0-{last}"
        ),
    );
}

fn shows_created(response: &Response, blob: &Blob) {
    shows(
        response,
        &[(&blob.digest.to_string(), "<d>")],
        "201 Created
         Content-Length: 0
         Docker-Content-Digest: <d>
         Docker-Distribution-Api-Version: registry/2.0
         Location: /v2/a/blobs/<d>",
    );
}

fn shows_misplaced(response: &Response, end: u64) {
    let (last, length) = (end.saturating_sub(1), response.body.len());
    shows(
        response,
        &[],
        &format!(
            r#"416 Range Not Satisfiable
             Content-Length: {length}
             Content-Type: application/json
             Docker-Distribution-Api-Version: registry/2.0
             Docker-Upload-Uuid: <id>
             Location: /v2/a/blobs/uploads/<id>?_state={end}
             Range: 0-{last}

             {{"errors":[{{"code":"RANGE_INVALID","message":"invalid content range","detail":"the upload goes on at byte {end}"}}]}}"#
        ),
    );
}

fn shows_unknown(response: &Response) {
    let body = response.json();
    assert_eq!(response.status, 404, "{response:?}");
    assert_eq!(body["errors"][0]["code"], "BLOB_UPLOAD_UNKNOWN");
    assert_eq!(body["errors"][0]["message"], "blob upload unknown to registry");
}

#[tokio::test]
async fn a_push_in_pieces_and_what_goes_wrong_with_it() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::new("hello world");
    let first = registry.post("/v2/a/blobs/uploads/").body("").send().await;
    shows_open(&first, "202 Accepted", 0);
    shows_open(&registry.get(first.location()).send().await, "204 No Content", 0);

    let second = registry.patch(first.location()).body("hello").send().await;
    shows_open(&second, "202 Accepted", 5);
    shows_open(&registry.get(first.location()).send().await, "204 No Content", 5);

    let ahead = registry.patch(second.location()).header("Content-Range", "9-13").body("world");
    shows_misplaced(&ahead.send().await, 5);
    // The old registry answers 500 to this form.
    let third = registry.patch(second.location()).header("Content-Range", "bytes 5-5/*").body(" ");
    let third = third.send().await;
    shows_open(&third, "202 Accepted", 6);
    shows_misplaced(&registry.patch(second.location()).body(" ").send().await, 6);
    // And 404 to a location without its state.
    let bare = third.location().split('?').next().unwrap_or_default().to_owned();
    let fourth = registry.patch(bare).body("world").send().await;
    shows_open(&fourth, "202 Accepted", 11);

    let wrong = Blob::new("something else").digest.to_string();
    let refused = registry.put(format!("{}&digest={wrong}", fourth.location())).body("").send().await;
    let length = refused.body.len();
    shows(
        &refused,
        &[(&wrong, "<wrong>"), (&blob.digest.to_string(), "<d>")],
        &format!(
            r#"400 Bad Request
             Content-Length: {length}
             Content-Type: application/json
             Docker-Distribution-Api-Version: registry/2.0

             {{"errors":[{{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content","detail":"content hashes to <d>, not <wrong>"}}]}}"#
        ),
    );
    // The right digest, to the same location; and once more, where the old registry answers 404.
    for _ in 0..2 {
        let put = registry.put(finish(fourth.location(), &blob.digest)).body("");
        shows_created(&put.send().await, &blob);
    }
}

#[tokio::test]
async fn uploads_that_are_none() {
    let registry = ScratchRegistry::start().await;
    shows_unknown(&registry.get("/v2/a/blobs/uploads/").send().await);
    let location = begin(&registry, "a").await;
    shows(
        &registry.delete(&location).send().await,
        &[],
        "204 No Content
         Docker-Distribution-Api-Version: registry/2.0
         Docker-Upload-Uuid: <id>",
    );
    shows_unknown(&registry.delete(&location).send().await);
    shows_unknown(&registry.get(&location).send().await);
}

#[tokio::test]
async fn a_push_in_one_request() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::new("hello world");
    let post = registry.post(finish("/v2/a/blobs/uploads/", &blob.digest)).body(blob.bytes.clone());
    shows_created(&post.send().await, &blob);
}

#[tokio::test]
async fn mounts() {
    let registry = ScratchRegistry::start().await;
    let blob = Blob::new("hello world");
    push::blob(&registry, "source", &blob).await;
    let mount = format!("/v2/a/blobs/uploads/?mount={}", blob.digest);
    shows_created(&registry.post(format!("{mount}&from=source")).body("").send().await, &blob);
    // Nobody is kept from pulling anything here, so any source will do.
    shows_created(&registry.post(&mount).body("").send().await, &blob);
    shows_open(&registry.post(format!("{mount}&from=other")).body("").send().await, "202 Accepted", 0);
}
