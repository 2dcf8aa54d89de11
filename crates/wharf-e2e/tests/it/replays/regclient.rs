//! regclient: chunks with ranges in the spec's form, going on where a refusal says, and a range one past the end.

use wharf_oci::ErrorCode;
use wharf_testkit::images::{Blob, Image, ImageOptions};
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::Server;

use super::{Client, assert_holds, assert_is, assert_rest, escaped, finish};

const CHUNK: usize = 40_000;

/// Asks for a mount from wherever; else sends chunks, of which the second goes to a wrong place at first.
async fn send(regclient: &mut Client, registry: &Server, blob: &Blob) {
    let path = format!("/v2/acme/app/blobs/{}", blob.digest);
    let _ = regclient.say(registry.head(&path)).await.expect(404);
    let mount = format!("/v2/acme/app/blobs/uploads/?mount={}", escaped(&blob.digest.to_string()));
    let opened = regclient.say(registry.post(mount).body("")).await.expect(202);
    let (mut location, mut first, mut lost) = (opened.location().to_owned(), 0, false);
    while first < blob.bytes.len() {
        let end = (first + CHUNK).min(blob.bytes.len());
        // An answer that was lost leaves the client one chunk behind.
        let from = if first == CHUNK && !lost { 0 } else { first };
        let patch = registry
            .patch(&location)
            .header("Content-Type", "application/octet-stream")
            .header("Content-Range", format!("{from}-{}", end - 1))
            .body(blob.bytes.slice(from..end));
        let mut answer = regclient.say(patch).await;
        if from != first {
            lost = true;
            answer = answer.refused(416, ErrorCode::RangeInvalid);
        } else {
            answer = answer.expect(202);
        }
        let last = answer.required("Range").strip_prefix("0-").expect("a range of all there is");
        first = last.parse::<usize>().expect("a number") + 1;
        location = answer.location().to_owned();
    }
    let put =
        registry.put(finish(&location, &blob.digest)).header("Content-Type", "application/octet-stream");
    let _ = regclient.say(put.body("")).await.expect(201);
}

#[tokio::test]
async fn regclient_pushes_chunks_resumes_a_pull_and_deletes_the_tag() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let mut regclient = Client::new(&registry, "regclient/regctl (v0.11.7)").await;
        let image = Image::build(&ImageOptions { layer_bytes: 3 * CHUNK - 5, ..ImageOptions::default() });
        let tag = "/v2/acme/app/manifests/1";
        let _ = regclient.say(registry.head(tag)).await.expect(404);
        for blob in image.blobs() {
            send(&mut regclient, &registry, blob).await;
        }
        let put = registry.put(tag).header("Content-Type", image.manifest.media_type.as_str());
        let _ = regclient.say(put.body(image.manifest.bytes.clone())).await.expect(201);

        assert_is(&regclient.say(registry.head(tag)).await, &image.manifest);
        for blob in image.blobs() {
            let path = format!("/v2/acme/app/blobs/{}", blob.digest);
            assert_holds(&regclient.say(registry.get(&path)).await, blob);
            // Its last byte is the length, which is one more than there is.
            let (first, size) = (blob.bytes.len() / 2, blob.bytes.len());
            let rest = registry.get(&path).header("Range", format!("bytes={first}-{size}"));
            assert_rest(&regclient.say(rest).await, blob, first);
        }

        // An upload that it gives up: it would like a 202, and takes the 204 that others insist on.
        let opened = regclient.say(registry.post("/v2/acme/app/blobs/uploads/").body("")).await.expect(202);
        let _ = regclient.say(registry.delete(opened.location())).await.expect(204);
        let _ = regclient.say(registry.delete(tag)).await.expect(202);
        let _ = regclient.say(registry.head(tag)).await.expect(404);
        let by_digest = registry.head(format!("/v2/acme/app/manifests/{}", image.manifest.digest));
        assert_is(&regclient.say(by_digest).await, &image.manifest);
    }
}
