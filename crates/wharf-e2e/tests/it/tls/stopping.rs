//! Stopping: what was begun is finished, and what was not asked for yet is not waited for.

use std::time::Duration;

use wharf_http::Limits;
use wharf_testkit::deadline::eventually;
use wharf_testkit::images::Blob;
use wharf_testkit::push::finish;
use wharf_testkit::wire::Server;

use super::World;

async fn refused(server: &Server) {
    eventually("new connections to be refused", async || server.try_connect().await.err()).await;
}

#[tokio::test]
async fn an_upload_in_flight_is_finished() {
    let World { mut registry, client, .. } = World::start().await;
    let server = *registry;
    let blob = Blob::random(1, 100_000);
    let mut connection = client.connect(&server).await;
    let begun = connection.send(server.post("/v2/a/blobs/uploads/").body("")).await.expect(202);
    let put = server.put(finish(begun.location(), &blob.digest)).header("Content-Length", "100000");
    connection.begin(&put.header("Expect", "100-continue")).await;
    let _ = connection.response("PUT").await.expect(100);
    connection.write(&blob.bytes[..50_000]).await;

    registry.ask_to_stop();
    refused(&server).await;
    connection.write(&blob.bytes[50_000..]).await;

    let _ = connection.response("PUT").await.expect(201);
    assert!(connection.closed().await.is_empty());
    assert!(registry.stop().await.is_clean());
}

#[tokio::test]
async fn a_download_in_flight_is_finished_over_http_2() {
    let World { mut registry, client, .. } = World::start().await;
    let server = *registry;
    // More than the windows and buffers of a connection hold.
    let blob = Blob::random(1, 12 << 20);
    let mut connection = client.http2(&server).await;
    let begun = connection.send(server.post("/v2/a/blobs/uploads/").body("")).await.expect(202);
    let put = server.put(finish(begun.location(), &blob.digest)).body(blob.bytes.clone());
    let _ = connection.send(put).await.expect(201);
    let answering = connection.begin(server.get(format!("/v2/a/blobs/{}", blob.digest))).await;
    assert_eq!(answering.status(), 200);

    registry.ask_to_stop();
    refused(&server).await;

    assert!(answering.finish().await.body == blob.bytes);
    connection.closed().await;
    assert!(registry.stop().await.is_clean());
}

#[tokio::test]
async fn whoever_has_asked_for_nothing_is_not_waited_for() {
    let World { registry, client, .. } = World::start().await;
    let mut shaking = registry.connect().await;
    shaking.write(b"\x16\x03\x01").await;
    let mut fresh = client.connect(&registry).await;
    let mut used = client.connect(&registry).await;
    let _ = used.send(registry.get("/v2/")).await.expect(200);
    let mut by_http2 = client.http2(&registry).await;
    let _ = by_http2.send(registry.get("/v2/")).await.expect(200);

    assert!(registry.stop().await.is_clean());

    shaking.closed().await;
    fresh.closed().await;
    used.closed().await;
    by_http2.closed().await;
}

#[tokio::test]
async fn a_stream_that_does_not_end_in_time_ends_with_its_connection() {
    let limits = Limits { drain_timeout: Duration::from_millis(50), ..Limits::default() };
    let World { registry, client, .. } = World::limited(limits).await;
    // More than the windows and buffers of a connection contain.
    let blob = Blob::random(1, 12 << 20);
    let mut connection = client.http2(&registry).await;
    let begun = connection.send(registry.post("/v2/a/blobs/uploads/").body("")).await.expect(202);
    let put = registry.put(finish(begun.location(), &blob.digest)).body(blob.bytes.clone());
    let _ = connection.send(put).await.expect(201);
    let unread = connection.begin(registry.get(format!("/v2/a/blobs/{}", blob.digest))).await;
    assert_eq!(unread.status(), 200);

    let stopped = registry.stop().await;

    assert_eq!((stopped.connections_cut, stopped.tasks_left), (1, 0));
    connection.closed().await;
    assert!(unread.broken().await < blob.bytes.len());
}
