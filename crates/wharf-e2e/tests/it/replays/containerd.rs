//! containerd 2 with parallel downloads: a range without an end for each piece, of which it reads that and is gone.

use bytes::BytesMut;
use wharf_testkit::images::{Image, ImageOptions};
use wharf_testkit::push;
use wharf_testkit::registry::ScratchRegistry;

use super::{Client, assert_holds, assert_is};

const PIECE: usize = 1 << 20;
const ENCODINGS: &str = "zstd;q=1.0, gzip;q=0.8, deflate;q=0.5";

#[tokio::test]
async fn containerd_pulls_a_layer_in_pieces_and_hangs_up_after_each() {
    for registry in [ScratchRegistry::start().await, ScratchRegistry::memory().await] {
        let image =
            Image::build(&ImageOptions { layers: 1, layer_bytes: 4 * PIECE + 9, ..ImageOptions::default() });
        push::image(&registry, "acme/app", "1", &image).await;
        let mut containerd = Client::new(&registry, "containerd/v2.1.4").await;
        let accept = "application/vnd.docker.distribution.manifest.v2+json, \
                      application/vnd.docker.distribution.manifest.list.v2+json, \
                      application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, */*";
        let head = registry.head("/v2/acme/app/manifests/1").header("Accept", accept);
        assert_is(&containerd.say(head).await, &image.manifest);
        // From here on it says that it would take anything packed. Packed it would have another digest.
        containerd.accept_encoding = ENCODINGS;
        let path = format!("/v2/acme/app/manifests/{}", image.manifest.digest);
        let accept = format!("{}, */*", image.manifest.media_type.as_str());
        let got = containerd.say(registry.get(path).header("Accept", &accept)).await;
        assert_is(&got, &image.manifest);
        assert_eq!(got.body, image.manifest.bytes);
        let path = format!("/v2/acme/app/blobs/{}", image.config.digest);
        assert_holds(&containerd.say(registry.get(path)).await, &image.config);

        let layer = &image.layers[0];
        let (path, size) = (format!("/v2/acme/app/blobs/{}", layer.digest), layer.bytes.len());
        let mut connections = Vec::new();
        for first in (0..size).step_by(PIECE) {
            let request = registry
                .get(&path)
                .header("Accept-Encoding", ENCODINGS)
                .header("Range", format!("bytes={first}-"));
            let mut connection = registry.connect().await;
            connection.begin(&request).await;
            connections.push((first, connection));
        }
        let mut pulled = BytesMut::new();
        for (first, mut connection) in connections {
            let head = connection.head().await.expect(206);
            assert_eq!(head.required("Content-Range"), format!("bytes {first}-{}/{size}", size - 1));
            assert_eq!(head.required("Content-Length"), (size - first).to_string());
            assert_eq!(head.header("Content-Encoding"), None);
            pulled.extend_from_slice(&connection.read(PIECE.min(size - first)).await);
        }
        assert!(pulled == layer.bytes, "the pieces do not make the layer");
        drop(containerd);
        assert!(registry.stop().await.is_clean());
    }
}
