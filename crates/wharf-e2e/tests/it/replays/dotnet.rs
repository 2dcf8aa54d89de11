//! The SDK of .NET: chunks of 64 KiB, and a look at the status when an answer was lost (dotnet/sdk#33019).

use wharf_oci::ErrorCode;
use wharf_testkit::images::{Blob, Image, ImageOptions};
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::Server;

use super::{Client, assert_holds, assert_is, finish};

const CHUNK: usize = 64 * 1024;

/// The first byte that is not there yet, from `0-<last>`.
fn next_byte(range: &str) -> usize {
    let (_, last) = range.split_once('-').expect("a range");
    last.parse::<usize>().expect("a number") + 1
}

/// Sends the blob; the answer to each third chunk is lost.
async fn send(dotnet: &mut Client, registry: &Server, blob: &Blob) {
    let path = format!("/v2/acme/app/blobs/{}", blob.digest);
    let _ = dotnet.say(registry.head(&path)).await.expect(404);
    let opened = dotnet.say(registry.post("/v2/acme/app/blobs/uploads/").body("")).await.expect(202);
    let (mut location, mut first, mut chunks) = (opened.location().to_owned(), 0, 0);
    while first < blob.bytes.len() {
        let end = (first + CHUNK).min(blob.bytes.len());
        let patch = registry
            .patch(&location)
            .header("Content-Type", "application/octet-stream")
            .header("Content-Range", format!("{first}-{}", end - 1))
            .body(blob.bytes.slice(first..end));
        chunks += 1;
        let mut answer = dotnet.say(patch.clone()).await.expect(202);
        if chunks % 3 == 0 {
            // It sends the chunk again, is refused, and asks where the upload is.
            let _ = dotnet.say(patch).await.refused(416, ErrorCode::RangeInvalid);
            answer = dotnet.say(registry.get(&location)).await.expect(204);
        }
        first = next_byte(answer.required("Range"));
        assert_eq!(first, end);
        location = answer.location().to_owned();
    }
    let _ = dotnet.say(registry.put(finish(&location, &blob.digest)).body("")).await.expect(201);
    assert_holds(&dotnet.say(registry.get(&path)).await, blob);
}

#[tokio::test]
async fn dotnet_publishes_an_image_in_small_chunks() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let mut dotnet = Client::new(&registry, ".NET Container Library").await;
        let image = Image::build(&ImageOptions { layer_bytes: 7 * CHUNK + 17, ..ImageOptions::default() });
        for blob in image.blobs() {
            send(&mut dotnet, &registry, blob).await;
        }
        for tag in ["1.0.0", "latest"] {
            let path = format!("/v2/acme/app/manifests/{tag}");
            let put = registry.put(&path).header("Content-Type", image.manifest.media_type.as_str());
            let _ = dotnet.say(put.body(image.manifest.bytes.clone())).await.expect(201);
            assert_is(&dotnet.say(registry.get(&path)).await, &image.manifest);
        }
    }
}
