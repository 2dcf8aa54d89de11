//! The lazy snapshotters, stargz and SOCI: a probe for the size, then many ranges at once, or one at a time.

use wharf_testkit::images::{Blob, Image, ImageOptions};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;
use wharf_testkit::wire::Response;

use super::{Client, assert_is};

/// The part of a multipart answer that is said to be this range begins with the bytes of it.
#[track_caller]
fn assert_part(response: &Response, blob: &Blob, first: usize, last: usize) {
    let find = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|window| window == what);
    let label = format!("Content-Range: bytes {first}-{last}/{}\r\n", blob.bytes.len());
    let found = find(&response.body, label.as_bytes()).unwrap_or_else(|| panic!("no part {label:?}"));
    let part = &response.body[found..];
    let head = find(part, b"\r\n\r\n").expect("a part has headers") + 4;
    assert!(part[head..].starts_with(&blob.bytes[first..=last]), "{first}-{last} came back changed");
}

#[tokio::test]
async fn stargz_reads_the_ends_of_a_layer_and_pieces_of_its_middle() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let image =
            Image::build(&ImageOptions { layers: 1, layer_bytes: 300_000, ..ImageOptions::default() });
        push::image(&registry, "acme/app", "1", &image).await;
        let layer = &image.layers[0];
        let mut stargz = Client::new(&registry, "containerd-stargz-grpc/v0.17").await;
        stargz.accept_encoding = "identity";
        let head = registry.head("/v2/acme/app/manifests/1").header("Accept", "*/*");
        assert_is(&stargz.say(head).await, &image.manifest);

        // A mirror is told whom it stands in for.
        let path = format!("/v2/acme/app/blobs/{}?ns=registry.example.com", layer.digest);
        let range = |range: &str| registry.get(&path).header("Range", range);
        let probe = stargz.say(range("bytes=0-1")).await.expect(206);
        assert_eq!(probe.required("Content-Range"), "bytes 0-1/300000");
        assert_eq!(probe.body, layer.bytes.slice(..2));

        // The table of contents is at the end.
        let footer = stargz.say(range("bytes=299949-299999")).await.expect(206);
        assert_eq!(footer.body, layer.bytes.slice(299_949..));
        let many = stargz.say(range("bytes=0-49999,100000-149999,250000-299999")).await.expect(206);
        assert!(many.required("Content-Type").starts_with("multipart/byteranges; boundary="));
        for (first, last) in [(0, 49_999), (100_000, 149_999), (250_000, 299_999)] {
            assert_part(&many, layer, first, last);
        }
        // One that has fallen back to single ranges.
        let one = stargz.say(range("bytes=100000-149999")).await.expect(206);
        assert_eq!(one.required("Content-Range"), "bytes 100000-149999/300000");
        assert_eq!(one.body, layer.bytes.slice(100_000..150_000));
    }
}
