//! Requests and answers, by either protocol.

use wharf_http::{Addresses, Options};
use wharf_oci::MediaType;
use wharf_testkit::images::{Blob, Image, Manifest};
use wharf_testkit::push::finish;
use wharf_testkit::registry::Setup;
use wharf_testkit::wire::{Request, Response, Server};

use super::World;

/// A blob longer than any buffer on the way, and an image that needs it not.
async fn push_and_pull(server: &Server, mut send: impl AsyncFnMut(Request) -> Response) {
    let image = Image::random(1);
    let large = Blob::random(2, 3 << 20);
    for blob in image.blobs().chain([&large]) {
        let begun = send(server.post("/v2/acme/app/blobs/uploads/").body("")).await.expect(202);
        let put = server.put(finish(begun.location(), &blob.digest)).body(blob.bytes.clone());
        let _ = send(put).await.expect(201);
        let pulled = send(server.get(format!("/v2/acme/app/blobs/{}", blob.digest))).await.expect(200);
        assert!(pulled.body == blob.bytes);
    }
    let Manifest { media_type, bytes, .. } = &image.manifest;
    let put = server.put("/v2/acme/app/manifests/v1").header("Content-Type", media_type.as_str());
    let _ = send(put.body(bytes.clone())).await.expect(201);
    let get = server.get("/v2/acme/app/manifests/v1").header("Accept", MediaType::OCI_MANIFEST.as_str());
    assert_eq!(send(get).await.expect(200).body, bytes);
}

#[tokio::test]
async fn an_image_is_pushed_and_pulled_over_http_1() {
    let World { registry, client, .. } = World::start().await;
    let mut connection = client.connect(&registry).await;
    push_and_pull(&registry, async |request| connection.send(request).await).await;
}

#[tokio::test]
async fn an_image_is_pushed_and_pulled_over_http_2() {
    let World { registry, client, .. } = World::start().await;
    let mut connection = client.http2(&registry).await;
    push_and_pull(&registry, async |request| connection.send(request).await).await;
}

#[tokio::test]
async fn clients_choose_the_protocol() {
    let World { registry, client, .. } = World::start().await;
    let rows: [(&[&str], Option<&str>); 4] = [
        (&["h2", "http/1.1"], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ];
    for (known, expected) in rows {
        let agreed = client.agree(&registry, known).await.unwrap();
        assert_eq!(agreed.protocol.as_deref(), expected, "{known:?}");
    }
}

#[tokio::test]
async fn whole_locations_say_https() {
    let addresses = Addresses { absolute: true, ..Addresses::default() };
    let edge = Options { addresses, ..Options::default() };
    let World { registry, client, .. } = World::with(Setup { edge, ..Setup::default() }).await;
    let expected = format!("https://{}/v2/acme/app/blobs/uploads/", registry.address());

    let post = || registry.post("/v2/acme/app/blobs/uploads/").body("");
    let by_http1 = client.connect(&registry).await.send(post()).await.expect(202);
    let by_http2 = client.http2(&registry).await.send(post()).await.expect(202);

    assert!(by_http1.location().starts_with(&expected), "{by_http1:?}");
    assert!(by_http2.location().starts_with(&expected), "{by_http2:?}");
}

/// A client takes bytes there for a broken protocol (RFC 9110, section 9.3.2).
#[tokio::test]
async fn an_answer_to_head_has_no_body_whatever_it_says() {
    let World { registry, client, .. } = World::start().await;
    let mut connection = client.http2(&registry).await;
    let path = "/v2/acme/app/manifests/unknown";

    let got = connection.send(registry.get(path)).await.expect(404);
    let looked = connection.send(registry.head(path)).await.expect(404);

    assert!(!got.body.is_empty() && looked.body.is_empty(), "{looked:?}");
    assert_eq!(looked.header("Content-Length"), got.header("Content-Length"));
}
